//! Design studies over the model: machines to study, plans, results, charts and reports.
#![deny(missing_docs)]

pub mod machine;
