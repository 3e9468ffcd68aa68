//! What the verbs share in talking to the user: results to stdout, everything else to stderr.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::ValueEnum;

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For reading.
    #[default]
    Table,
    /// One JSON document.
    Json,
}

/// Done, and the answer is no.
pub const NO: u8 = 1;
/// Bad usage, configuration or input.
pub const BAD_INPUT: u8 = 2;
/// Interrupted by the user.
pub const INTERRUPTED: u8 = 130;

/// Prints `text` to stdout. A reader that has gone away is not an error.
///
/// # Errors
/// Any other failure to write.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Prints one JSON document to stdout.
///
/// # Errors
/// A failure to write.
pub fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Says on stderr what went wrong, with its causes, in one message. A reader that has gone away is no
/// error: it has seen what it wanted.
pub fn fail(error: &anyhow::Error) -> ExitCode {
    let io = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    if io.into_iter().any(|cause| cause.kind() == ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    let mut message = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // An error that already ends with its cause is not followed by it again.
        if !message.ends_with(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    eprintln!("error: {message}");
    ExitCode::from(BAD_INPUT)
}
