//! A setting whose value is of the right type and still describes no machine.

/// A setting that cannot be, on its own or beside others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: {message}")]
pub struct InvalidSetting {
    /// Its dotted path, array elements by their name: `mmu.tlb.stlb.entries`.
    pub key: String,
    /// What is wrong, what was expected.
    pub message: String,
}

impl InvalidSetting {
    /// The setting `key` with what is wrong with it.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }
}
