//! The function half against closed forms.

mod colours;
mod foreseen;
