//! Progress on stderr: a bar with an estimate on a terminal, now and then a line elsewhere.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use analysis::study::execute::Watch;
use indicatif::{ProgressBar, ProgressStyle};

/// Accesses between two looks at how far a run is.
const LOOK: u64 = 1 << 20;

fn bar(template: &str, total: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸ "));
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// How far a simulation is.
pub struct RunProgress {
    bar: ProgressBar,
    seen: AtomicU64,
}

impl RunProgress {
    /// A bar, on a terminal.
    pub fn new() -> Self {
        let template = "{wide_bar} {percent:>3} %  {msg}  {eta} left";
        Self { bar: bar(template, 1000), seen: AtomicU64::new(0) }
    }

    /// The source is `progress` far, and `accesses` went by.
    pub fn tell(&self, progress: Option<(u64, u64)>, accesses: u64) {
        if accesses < self.seen.load(Ordering::Relaxed) {
            return;
        }
        self.seen.store(accesses.saturating_add(LOOK), Ordering::Relaxed);
        if let Some((done, total)) = progress {
            let share = u128::from(done.min(total)) * 1000 / u128::from(total.max(1));
            self.bar.set_position(share as u64);
        }
        self.bar.set_message(format!("{:.1} M accesses", accesses as f64 / 1e6));
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// How far a study is.
pub struct SweepProgress {
    bar: ProgressBar,
    lines: bool,
    tenths: AtomicU64,
    start: Instant,
}

impl SweepProgress {
    /// A bar on a terminal, else a line every tenth.
    pub fn new() -> Self {
        let bar = bar("{wide_bar} {msg}  {elapsed} so far, {eta} left", 1000);
        let lines = !std::io::stderr().is_terminal();
        Self { bar, lines, tenths: AtomicU64::new(0), start: Instant::now() }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Watch for SweepProgress {
    fn progress(&self, done: u64, total: u64, share: f64) {
        let done = done / 1000;
        self.bar.set_position((share * 1000.0) as u64);
        self.bar.set_message(format!("{done} of {total} points"));
        let tenth = (share * 10.0) as u64;
        if self.lines && tenth > self.tenths.fetch_max(tenth, Ordering::Relaxed) {
            let left = self.start.elapsed().mul_f64((1.0 - share) / share);
            let left = indicatif::HumanDuration(left);
            eprintln!("{done} of {total} points ({:.0} %), {left} left", share * 100.0);
        }
    }

    fn message(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }
}
