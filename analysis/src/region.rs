//! Which part of a trace counts: what warms the machine up, where counting starts and pauses, and where
//! the pass stops.

use std::path::PathBuf;

use serde::Deserialize;
use tracegen::batch::{Aside, Batch, Mark};
use tracegen::error::TraceError;
use tracegen::metadata::Metadata;
use tracegen::record::Event;
use tracegen::source::Source;

/// What the user asks of a pass. An access counts if it comes after the warm-up and lies in a region of
/// interest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Region {
    /// Accesses that change state and count nothing.
    pub warmup: u64,
    /// What the trace's own markers are for.
    pub markers: Markers,
    /// Counted accesses after which the pass stops.
    pub limit: Option<u64>,
}

/// What region-of-interest markers of a trace do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Markers {
    /// What lies before the first start, and between an end and the next start, is not counted. A trace
    /// without markers counts as a whole.
    #[default]
    Auto,
    /// Nothing.
    Ignore,
}

impl Region {
    /// Accesses that the pass takes at most, as far as that is known before: markers may add to it.
    pub fn accesses(&self) -> Option<u64> {
        self.limit.map(|limit| limit.saturating_add(self.warmup))
    }
}

/// A source cut where counting starts, pauses and stops.
pub struct Regional<S> {
    source: S,
    region: Region,
    name: String,
    /// What lies behind the latest cut.
    rest: Batch,
    /// What the next batch says of counting.
    due: Option<Mark>,
    /// Accesses handed out.
    seen: u64,
    /// Accesses that count, as far as is known.
    counted: u64,
    /// Whether markers say that this counts.
    inside: bool,
    /// Whether a marker has been seen.
    marked: bool,
    counting: bool,
    ended: bool,
}

/// Why a batch is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Warmed,
    Start,
    End,
    Stop,
}

impl<S: Source> Regional<S> {
    /// `source`, of which `region` counts; `name` is what messages call it.
    pub fn new(source: S, region: Region, name: &str) -> Self {
        let expected = region.markers == Markers::Auto && records_setup(source.metadata());
        Self {
            source,
            region,
            name: name.to_owned(),
            rest: Batch::default(),
            due: None,
            seen: 0,
            counted: 0,
            inside: !expected,
            marked: expected,
            counting: region.warmup == 0 && !expected,
            ended: false,
        }
    }

    /// The first place where `batch` has to be cut: after so many accesses and asides.
    fn cut(&self, batch: &Batch) -> Option<(usize, usize, Then)> {
        let asides_before =
            |accesses: usize| batch.asides.partition_point(|(at, _)| (*at as usize) < accesses);
        // What is left is at most what is in the batch where it is used.
        let after = |left: u64, then| {
            let accesses = usize::try_from(left).ok().filter(|left| *left <= batch.accesses());
            accesses.map(|accesses| (accesses, asides_before(accesses), then))
        };
        let left = self.region.warmup.checked_sub(self.seen).filter(|left| *left > 0);
        let warmed = left.and_then(|left| after(left, Then::Warmed));
        let limit = self.region.limit.filter(|_| self.counting);
        let stop = limit.and_then(|limit| after(limit.saturating_sub(self.counted), Then::Stop));
        let marker = match self.region.markers {
            Markers::Auto => batch.asides.iter().enumerate().find_map(marker),
            Markers::Ignore => None,
        };
        [warmed, stop, marker]
            .into_iter()
            .flatten()
            .min_by_key(|(accesses, asides, _)| (*accesses, *asides))
    }

    /// What becomes of counting behind a cut.
    fn pass(&mut self, then: Then) {
        let counted = self.counting;
        match then {
            Then::Stop => self.ended = true,
            Then::Warmed => {}
            Then::Start => self.inside = true,
            Then::End => self.inside = false,
        }
        self.counting = self.inside && self.seen >= self.region.warmup;
        match (counted, self.counting) {
            (false, true) => self.due = Some(Mark::Count),
            (true, false) => self.due = Some(Mark::Pause),
            // The trace has regions after all: what was counted was before the first.
            (true, true) if then == Then::Start && !self.marked => {
                self.counted = 0;
                self.due = Some(Mark::Count);
            }
            _ => {}
        }
        self.marked |= matches!(then, Then::Start | Then::End);
    }

    /// The source has no more: something must have counted if less than all was to.
    fn check_end(&self) -> Result<(), TraceError> {
        let all = self.region.warmup == 0 && !self.marked;
        if all || self.counted > 0 {
            return Ok(());
        }
        let message = match self.region.warmup {
            0 => "nothing lies in a region of interest, so that nothing is counted".to_owned(),
            warmup => format!(
                "nothing is counted: the trace has {} accesses, and the warm-up takes {warmup}",
                self.seen
            ),
        };
        Err(TraceError::Format { path: PathBuf::from(&self.name), message })
    }
}

/// The place of an aside that is a marker.
fn marker((index, (at, aside)): (usize, &(u32, Aside))) -> Option<(usize, usize, Then)> {
    let then = match aside {
        Aside::Event(_, Event::RegionStart) => Then::Start,
        Aside::Event(_, Event::RegionEnd) => Then::End,
        _ => return None,
    };
    Some((*at as usize, index + 1, then))
}

/// Whether a trace says that its beginning is a workload's initialisation, behind which its region of
/// interest starts.
fn records_setup(metadata: Option<&Metadata>) -> bool {
    metadata.is_some_and(|metadata| {
        metadata.parameters.iter().any(|(name, value)| name == "record_setup" && value == "true")
    })
}

impl<S: Source> Source for Regional<S> {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, TraceError> {
        if self.ended {
            batch.clear();
            return Ok(false);
        }
        if self.rest.is_empty() {
            if !self.source.fill(batch)? {
                self.check_end()?;
                return Ok(false);
            }
        } else {
            std::mem::swap(batch, &mut self.rest);
            self.rest.clear();
        }
        batch.mark = self.due.take();
        let cut = self.cut(batch);
        if let Some((accesses, asides, _)) = cut {
            self.rest = batch.split_off(accesses, asides);
        }
        self.seen += batch.accesses() as u64;
        if self.counting {
            self.counted += batch.accesses() as u64;
        }
        if let Some((.., then)) = cut {
            self.pass(then);
        }
        Ok(true)
    }

    fn progress(&self) -> Option<(u64, u64)> {
        self.source.progress()
    }

    fn metadata(&self) -> Option<&Metadata> {
        self.source.metadata()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tracegen::record::{Access, Record};

    /// Records in batches of varying size.
    struct List {
        records: Vec<Record>,
        next: usize,
        size: usize,
        metadata: Metadata,
    }

    impl Source for List {
        fn fill(&mut self, batch: &mut Batch) -> Result<bool, TraceError> {
            batch.clear();
            let end = self.records.len().min(self.next + 1 + self.next % self.size);
            self.records[self.next..end].iter().for_each(|record| batch.push(record.clone()));
            self.next = end;
            Ok(!batch.is_empty())
        }

        fn metadata(&self) -> Option<&Metadata> {
            Some(&self.metadata)
        }
    }

    /// The numbers of all accesses that come, and of those that count; nothing where that is refused.
    fn passed(records: &[Record], size: usize, region: Region) -> Option<(Vec<u64>, Vec<u64>)> {
        let list = List { records: records.to_vec(), next: 0, size, metadata: Metadata::default() };
        all(Regional::new(list, region, "list"))
    }

    fn all(mut source: impl Source) -> Option<(Vec<u64>, Vec<u64>)> {
        let (mut batch, mut counting) = (Batch::new(), true);
        let (mut all, mut counted): (Vec<u64>, Vec<u64>) = Default::default();
        while source.fill(&mut batch).ok()? {
            match batch.mark {
                Some(Mark::Count) if counting => counted.clear(),
                Some(mark) => counting = mark == Mark::Count,
                None => {}
            }
            all.extend(&batch.addr);
            if counting {
                counted.extend(&batch.addr);
            }
        }
        Some((all, counted))
    }

    /// The same, record by record.
    fn expected(records: &[Record], region: Region) -> Option<(Vec<u64>, Vec<u64>)> {
        let (mut all, mut counted): (Vec<u64>, Vec<u64>) = Default::default();
        let (mut inside, mut marked) = (true, false);
        for record in records {
            let warm = all.len() as u64 >= region.warmup;
            if region.limit == Some(counted.len() as u64) && inside && warm {
                return Some((all, counted));
            }
            match record {
                Record::Access(access) => {
                    all.push(access.addr);
                    if inside && warm {
                        counted.push(access.addr);
                    }
                }
                Record::Event(_, Event::RegionStart) if region.markers == Markers::Auto => {
                    if !marked {
                        counted.clear();
                    }
                    (inside, marked) = (true, true);
                }
                Record::Event(_, Event::RegionEnd) if region.markers == Markers::Auto => {
                    (inside, marked) = (false, true);
                }
                _ => {}
            }
        }
        let everything = region.warmup == 0 && !marked;
        (everything || !counted.is_empty()).then_some((all, counted))
    }

    fn records(kinds: &[u8]) -> Vec<Record> {
        let mut number = 0;
        let record = |kind: &u8| match kind {
            0 => Record::Event(0, Event::RegionStart),
            1 => Record::Event(0, Event::RegionEnd),
            2 => Record::Event(0, Event::Exec),
            _ => {
                number += 1;
                Record::Access(Access { addr: number, ..Access::default() })
            }
        };
        kinds.iter().map(record).collect()
    }

    proptest! {
        #[test]
        fn cuts_are_where_the_records_say(
            kinds in prop::collection::vec(prop_oneof![1 => 0..3u8, 4 => Just(3u8)], 0..60),
            size in 1..20usize,
            warmup in prop_oneof![Just(0u64), 0..40u64],
            limit in prop::option::of(1..40u64),
            ignore: bool,
        ) {
            let markers = if ignore { Markers::Ignore } else { Markers::Auto };
            let region = Region { warmup, markers, limit };
            let records = records(&kinds);
            let (have, want) = (passed(&records, size, region), expected(&records, region));
            match (have, want) {
                (Some((all, counted)), Some((all_wanted, wanted))) => {
                    prop_assert_eq!(counted, wanted);
                    prop_assert_eq!(all, all_wanted);
                }
                (have, want) => prop_assert_eq!(have, want),
            }
        }
    }

    #[test]
    fn a_recorded_set_up_is_no_part_of_the_limit() {
        let source = |markers| {
            let setup = ("record_setup".to_owned(), "true".to_owned());
            let metadata = Metadata { parameters: vec![setup], ..Metadata::default() };
            let records = records(&[3, 3, 3, 3, 0, 3, 3, 3, 1, 3]);
            let region = Region { markers, limit: Some(2), ..Region::default() };
            all(Regional::new(List { records, next: 0, size: 3, metadata }, region, "list"))
        };
        assert_eq!(source(Markers::Auto), Some(((1..=6).collect(), vec![5, 6])));
        assert_eq!(source(Markers::Ignore), Some((vec![1, 2], vec![1, 2])));
    }

    #[test]
    fn a_warm_up_that_takes_everything_is_refused() {
        let list =
            List { records: records(&[3; 9]), next: 0, size: 4, metadata: Metadata::default() };
        let region = Region { warmup: 10, ..Region::default() };
        let mut source = Regional::new(list, region, "list");
        let mut batch = Batch::new();
        let error = std::iter::repeat_with(|| source.fill(&mut batch)).find_map(Result::err);
        let message = error.unwrap().to_string();
        assert!(message.contains("list") && message.contains("9 accesses"), "{message}");
    }
}
