//! The function half: what happens to every access.
