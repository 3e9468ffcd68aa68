//! Workloads, one algorithm a file.
