//! What a trace says about itself.

/// Where a trace comes from: who made it, out of what, with which parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Metadata {
    /// The program that wrote the trace, with its version.
    pub producer: String,
    /// The workload that ran, or the program that was recorded, where known.
    pub workload: Option<String>,
    /// The seed of the workload's random choices, where it has any.
    pub seed: Option<u64>,
    /// The workload's parameters as names and values, in the order in which they are declared.
    pub parameters: Vec<(String, String)>,
}
