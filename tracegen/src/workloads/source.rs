//! A running workload, seen as a source of records.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

use crossbeam::channel::{Receiver, Sender, bounded};

use super::{Facts, Settings, Workload};
use crate::batch::Batch;
use crate::error::TraceError;
use crate::memory::{Cancelled, Layout, Memory, Recording};
use crate::source::Source;

/// How a workload's thread ended: its facts, or nothing if its consumer went away first.
type Outcome = Result<Option<Facts>, TraceError>;

/// A workload on its own thread. The number of batches is fixed, so that memory is constant in the
/// trace's length: full ones come here, empty ones go back. Dropping it ends the thread.
pub struct WorkloadSource {
    settings: Settings,
    full: Option<Receiver<Batch>>,
    empty: Option<Sender<Batch>>,
    thread: Option<JoinHandle<Outcome>>,
    facts: Option<Facts>,
    records: u64,
    expected: Option<u64>,
}

impl WorkloadSource {
    pub(super) fn start(
        workload: Box<dyn Workload>,
        settings: Settings,
        recording: Recording,
        ahead: usize,
    ) -> Result<Self, TraceError> {
        let name = settings.workload();
        let layout = Layout::linux(settings.integer("address_bits")? as u32);
        let expected = workload.records();
        // Room for every batch there is, so that sending never waits.
        let (to_consumer, full) = bounded(ahead + 1);
        let (empty, from_consumer) = bounded(ahead + 1);
        for _ in 0..ahead {
            // The receiver is alive and there is room.
            let _ = empty.send(Batch::new());
        }
        let body = move || run(workload, name, layout, recording, to_consumer, from_consumer);
        let thread =
            std::thread::Builder::new().name(name.into()).spawn(body).map_err(|error| {
                TraceError::Workload(format!("{name}: cannot start its thread: {error}"))
            })?;
        Ok(Self {
            settings,
            full: Some(full),
            empty: Some(empty),
            thread: Some(thread),
            facts: None,
            records: 0,
            expected,
        })
    }

    /// The workload's parameters with their values.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Records handed out so far.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// What the algorithm computed, once [`Source::fill`] has returned `false`: its check has passed.
    pub fn facts(&self) -> Option<&Facts> {
        self.facts.as_ref()
    }

    /// Ends the thread and takes its outcome.
    fn join(&mut self) -> Result<(), TraceError> {
        // Without its channels the thread cannot wait for anything any more.
        self.full = None;
        self.empty = None;
        let Some(thread) = self.thread.take() else { return Ok(()) };
        match thread.join() {
            Ok(outcome) => self.facts = outcome?,
            Err(_) => return Err(bug(self.settings.workload(), "its thread died")),
        }
        Ok(())
    }
}

impl Source for WorkloadSource {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, TraceError> {
        batch.clear();
        if let (Some(full), Some(empty)) = (&self.full, &self.empty) {
            // If the thread has ended, the batch is lost and the next line says so.
            let _ = empty.send(std::mem::take(batch));
            if let Ok(filled) = full.recv() {
                *batch = filled;
                self.records += batch.records() as u64;
                return Ok(true);
            }
        }
        self.join()?;
        Ok(false)
    }

    fn progress(&self) -> Option<(u64, u64)> {
        self.expected.map(|expected| (self.records.min(expected), expected))
    }
}

impl Drop for WorkloadSource {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = self.join();
    }
}

/// The thread's body.
fn run(
    workload: Box<dyn Workload>,
    name: &'static str,
    layout: Layout,
    recording: Recording,
    full: Sender<Batch>,
    empty: Receiver<Batch>,
) -> Outcome {
    // Nothing is computed before somebody asks.
    let Ok(_first) = empty.recv() else { return Ok(None) };
    let outlet = Box::new(move |batch: &mut Batch| {
        if full.send(std::mem::take(batch)).is_err() {
            return false;
        }
        empty.recv().map(|next| *batch = next).is_ok()
    });
    let mut memory = Memory::new(layout, recording, outlet);
    // What unwinds is either `Cancelled` or a bug; the memory is dropped either way.
    let result = catch_unwind(AssertUnwindSafe(|| {
        let facts = workload.run(&mut memory)?;
        memory.flush();
        Ok(facts)
    }));
    match result {
        Ok(facts) => facts.map(Some),
        Err(payload) if payload.is::<Cancelled>() => Ok(None),
        Err(payload) => {
            let message = payload
                .downcast_ref::<&str>()
                .map(ToString::to_string)
                .or_else(|| payload.downcast_ref::<String>().cloned())
                .unwrap_or_default();
            Err(bug(name, &message))
        }
    }
}

fn bug(workload: &str, what: &str) -> TraceError {
    TraceError::Workload(format!("{workload}: a bug of the workload: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{LoadId, Site, Stage};
    use crate::workloads::open;

    /// Loads `loads` times and then ends as `end` does.
    struct Script {
        loads: u64,
        end: fn() -> Result<Facts, TraceError>,
    }

    impl Workload for Script {
        fn run(self: Box<Self>, memory: &mut Memory) -> Result<Facts, TraceError> {
            memory.begin(Stage::Run);
            for at in 0..self.loads {
                memory.load(Site(1), at * 8, 8, LoadId::NONE);
            }
            (self.end)()
        }
    }

    fn source(loads: u64, end: fn() -> Result<Facts, TraceError>, ahead: usize) -> WorkloadSource {
        let settings = open("gups", &[], 0).unwrap().settings().clone();
        let script = Box::new(Script { loads, end });
        WorkloadSource::start(script, settings, Recording::default(), ahead).unwrap()
    }

    fn drain(source: &mut WorkloadSource) -> Result<Vec<u64>, TraceError> {
        let (mut batch, mut addresses) = (Batch::new(), Vec::new());
        while source.fill(&mut batch)? {
            addresses.extend_from_slice(&batch.addr);
        }
        Ok(addresses)
    }

    #[test]
    fn every_record_arrives_once_and_in_order_however_far_ahead() {
        for loads in [0, 1, 4096, 4097, 100_000] {
            for ahead in [0, 1, 4] {
                let mut source =
                    source(loads, || Ok(Facts::default().with("answer", 42u64)), ahead);
                let addresses = drain(&mut source).unwrap();
                assert!(addresses.iter().copied().eq((0..loads).map(|at| at * 8)));
                assert_eq!(source.records(), loads);
                assert_eq!(source.facts().unwrap().get("answer"), Some(&42u64.into()));
                assert!(!source.fill(&mut Batch::new()).unwrap(), "the end stays the end");
            }
        }
    }

    #[test]
    fn an_error_arrives_after_the_records() {
        let mut source = source(5000, || Err(TraceError::Workload("no".into())), 1);
        assert_eq!(drain(&mut source).unwrap_err().to_string(), "no");
        assert!(source.facts().is_none());
    }

    #[test]
    fn a_bug_is_an_error_and_not_a_panic() {
        let mut source = source(10, || std::panic::resume_unwind(Box::new("boom")), 1);
        assert!(drain(&mut source).unwrap_err().to_string().contains("boom"));
    }

    #[test]
    fn dropping_the_source_ends_an_endless_workload() {
        for ahead in [0, 3] {
            let mut source = source(u64::MAX, || Ok(Facts::default()), ahead);
            assert!(source.fill(&mut Batch::new()).unwrap());
            drop(source);
        }
        drop(source(u64::MAX, || Ok(Facts::default()), 2));
    }
}
