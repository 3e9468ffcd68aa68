//! The modelled memory that workloads run over.
