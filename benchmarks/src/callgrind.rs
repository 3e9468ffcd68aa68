//! Counting instructions: a case runs in a process of its own under valgrind's callgrind, which collects
//! inside [`measured_round`](crate::measured_round) alone.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// The environment that a case sees; the rest would lie on its stack.
const KEPT: [&str; 4] = ["PATH", "HOME", "TMPDIR", "VALGRIND_LIB"];

/// Whether valgrind is there.
pub fn is_installed() -> bool {
    let mut command = Command::new("valgrind");
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The instructions of one round of the case that `program` runs when it is given `arguments`.
///
/// # Errors
/// The program or valgrind failed; the message has what they said.
pub fn count(program: &Path, arguments: &[&str]) -> io::Result<u64> {
    let folder = tempfile::tempdir()?;
    let profile = folder.path().join("profile");
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--toggle-collect=*measured_round*"]);
    command.arg(format!("--callgrind-out-file={}", profile.display()));
    command.arg(program).args(arguments);
    command.env_clear();
    for name in KEPT {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let text = std::fs::read_to_string(&profile)?;
    match total(&text) {
        Some(0) | None => Err(io::Error::other("callgrind saw no instruction of the round")),
        Some(count) => Ok(count),
    }
}

/// The sum that a callgrind profile states.
fn total(profile: &str) -> Option<u64> {
    let line = profile.lines().find_map(|line| line.strip_prefix("totals:"));
    line.and_then(|line| line.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_from_the_end_of_a_profile() {
        let profile = "version: 1\nevents: Ir\nsummary: 17\n\nfn=(1) f\n1 17\n\ntotals: 17\n";
        assert_eq!(total(profile), Some(17));
        assert_eq!(total("events: Ir\n"), None);
    }
}
