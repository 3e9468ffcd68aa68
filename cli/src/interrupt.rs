//! Ctrl-C: a verb that writes asks between batches whether it should stop, and leaves nothing half-written.

use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// From now on an interrupt (or a termination) only sets what [`requested`] returns.
///
/// # Errors
/// The system refuses.
pub fn watch() -> anyhow::Result<()> {
    ctrlc::set_handler(|| REQUESTED.store(true, Ordering::Relaxed))?;
    Ok(())
}

/// Whether the user wants the command to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// The flag behind [`requested`], for a library to look at; [`watch`]es too.
///
/// # Errors
/// The system refuses.
pub fn flag() -> anyhow::Result<&'static AtomicBool> {
    watch()?;
    Ok(&REQUESTED)
}

/// The exit code of `error` where it is the interruption.
pub fn exit_code(error: &analysis::error::Error) -> Option<std::process::ExitCode> {
    matches!(error, analysis::error::Error::Interrupted)
        .then(|| std::process::ExitCode::from(crate::output::INTERRUPTED))
}
