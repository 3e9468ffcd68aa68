//! The project's own container, `.flt`.
