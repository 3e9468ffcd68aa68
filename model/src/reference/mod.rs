//! The slow twin: the function half derived again in the plainest way.
