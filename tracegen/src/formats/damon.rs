//! What `damo report raw` prints of DAMON's records: for each snapshot of a target, its regions and in how
//! many of the samples each was found accessed.
//!
//! ```text
//! target_id: 18446623438842320000
//! nr_regions: 3
//! 563ebaa00000-563ebc99e000(  31.617 MiB):        1
//! 7f938d7e1000-7f938ddfc000 (   6.105 MiB)           4     2
//! ```
//!
//! The regions' lines have had both forms (damo's damo_report_raw.py), the second with an age behind.
//! DAMON looks at one page of a region in each sample and takes it for all: a region that was found
//! accessed n times becomes n one-byte loads (at most 1024), spread evenly over its pages. A target is
//! a process. It is a sparse trace: which pages were accessed, in which order and how often is not known.

use std::collections::HashMap;

use crate::batch::Batch;
use crate::formats::PAGE;
use crate::formats::text::{self, Fault, LineFormat};
use crate::record::{Access, Event, ProcessId};

/// The most loads for a region in a snapshot.
const MOST: u64 = 1024;
/// The most targets that are kept apart.
const MOST_TARGETS: usize = 1 << 16;
/// What the other lines start with.
const TITLES: [&[u8]; 12] = [
    b"base_time_absolute:",
    b"monitoring_start:",
    b"monitoring_end:",
    b"monitoring_duration:",
    b"target_id:",
    b"nr_regions:",
    b"nr_tasks:",
    b"start_time:",
    b"rel time:",
    b"intervals:",
    b"kdamond",
    b"#",
];

/// Reads the format.
#[derive(Default)]
pub struct Damon {
    targets: HashMap<Vec<u8>, ProcessId>,
    running: ProcessId,
}

impl LineFormat for Damon {
    const MOST: usize = MOST as usize;

    fn parse(&mut self, line: &[u8], batch: &mut Batch) -> Result<(), Fault> {
        let start = text::skip_blanks(line, 0);
        let rest = &line[start..];
        if let Some(target) = rest.strip_prefix(b"target_id:") {
            return self.target(target, batch);
        }
        if rest.is_empty() || TITLES.iter().any(|title| rest.starts_with(title)) {
            return Ok(());
        }
        let region = region(line, start)?;
        let pages = (region.end - region.start).div_ceil(PAGE).max(1);
        let count = region.accesses.min(MOST);
        for index in 0..count {
            // Without the product of both, which may not fit.
            let page = pages / count * index + pages % count * index / count;
            let addr = region.start + page * PAGE;
            batch.push_access(Access { addr, size: 1, ..Access::default() });
        }
        Ok(())
    }
}

impl Damon {
    fn target(&mut self, name: &[u8], batch: &mut Batch) -> Result<(), Fault> {
        let name = name.trim_ascii();
        let next = self.targets.len();
        if next == MOST_TARGETS && !self.targets.contains_key(name) {
            return Err(Fault { at: 0, message: format!("more than {MOST_TARGETS} targets") });
        }
        let process = *self.targets.entry(name.to_owned()).or_insert(next as ProcessId);
        if process != self.running {
            self.running = process;
            batch.push_event(0, Event::Switch { process });
        }
        Ok(())
    }
}

struct Region {
    start: u64,
    end: u64,
    accesses: u64,
}

fn region(line: &[u8], at: usize) -> Result<Region, Fault> {
    let what = "a region, as `start-end (size): accesses`, or a title of `damo report raw`";
    let other = || Fault::expected(what, line, at);
    let (start, dash) = text::hexadecimal(line, at, what).map_err(|_| other())?;
    if line.get(dash) != Some(&b'-') {
        return Err(other());
    }
    let (end, behind) = text::hexadecimal(line, dash + 1, "the region's end")?;
    if end < start {
        return Err(Fault::expected("an end that is not before the start", line, dash + 1));
    }
    let open = text::skip_blanks(line, behind);
    let close = match line.get(open) {
        Some(b'(') => memchr::memchr(b')', &line[open..]).map(|length| open + length),
        _ => None,
    };
    let close = close.ok_or_else(|| Fault::expected("the region's size in (…)", line, open))?;
    let colon = usize::from(line.get(close + 1) == Some(&b':'));
    let number = text::skip_blanks(line, close + 1 + colon);
    let (accesses, mut end_of_number) = text::decimal(line, number, "a number of accesses")?;
    // The age, of which -1 is none.
    let age = text::skip_blanks(line, end_of_number);
    if age < line.len() {
        let minus = usize::from(line[age] == b'-');
        (_, end_of_number) = text::decimal(line, age + minus, "the region's age")?;
    }
    text::end_of_line(line, end_of_number)?;
    Ok(Region { start, end, accesses })
}

/// Whether a line of a sample is a region.
pub fn is_likely(line: &[u8]) -> bool {
    region(line, text::skip_blanks(line, 0)).is_ok()
}
