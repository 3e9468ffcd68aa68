//! The function half and its twin on random machines and random traces.

mod arrays;
mod dice;
mod machine;
mod reclaim;
mod restored;
mod trace;

use std::collections::{BTreeMap, BTreeSet};

use tracegen::batch::Batch;
use tracegen::record::Record;

use super::{Event, Reference, Stopped};
use crate::cache::settings::Stream;
use crate::config::{Config, settings};
use crate::function::{SimulationError, Simulator};
use crate::mmu::settings::Tlb;
use crate::os::OsError;
use crate::os::settings::Prefault;
use crate::outcome::{
    FaultKind, MEMORY, Outcome, OutcomeKind, Outcomes, PEER, ReferenceKind, Work,
};
use crate::statistics::Statistics;
use dice::Dice;

/// What one run of both came to.
#[derive(Debug, Default)]
struct Seen {
    kinds: BTreeSet<String>,
    /// Page-table formats of machines that came to the end of their trace.
    formats: BTreeSet<String>,
    /// What was counted of pages above the base page.
    counted: BTreeSet<String>,
    /// What else there was on machines that had such pages.
    beside_large: BTreeSet<String>,
    events: usize,
    finished: usize,
}

/// Adjacent table writes say the same together or apart.
fn joined(work: &[Work]) -> Vec<Work> {
    let mut joined: Vec<Work> = Vec::new();
    for item in work {
        match (joined.last_mut(), item) {
            (Some(Work::TableWrites { entries }), Work::TableWrites { entries: more }) => {
                *entries += more;
            }
            _ => joined.push(*item),
        }
    }
    joined
}

fn is_access(kind: OutcomeKind) -> bool {
    use OutcomeKind::{Fetch, Load, Prefetch, Store};
    matches!(kind, Load | Store | Fetch | Prefetch)
}

/// Whether an outcome is a plain first-level hit, reported for the time half's sake.
fn is_plain(twin: &Reference, outcome: &Outcome) -> bool {
    let stream = match outcome.kind {
        OutcomeKind::Fetch => Stream::Instruction,
        _ => Stream::Data,
    };
    is_access(outcome.kind)
        && outcome.references == 0
        && twin.is_first_tlb(stream, outcome.tlb)
        && outcome.served == twin.first_cache(stream)
        && outcome.served != MEMORY
}

/// The outcomes as the twin tells them, and how many plain hits are among the others.
fn events_of(outcomes: &Outcomes, twin: &Reference) -> (Vec<Event>, u64) {
    let (mut events, mut plain) = (Vec::new(), 0);
    for (outcome, references, work) in outcomes.iter() {
        if is_plain(twin, outcome) {
            plain += 1;
        } else if !matches!(outcome.kind, OutcomeKind::End | OutcomeKind::Mispredict) {
            let Outcome { cpu, kind, tlb, served, .. } = *outcome;
            let (references, work) = (references.to_vec(), joined(work));
            events.push(Event { cpu, kind, tlb, served, references, work });
        }
    }
    (events, plain)
}

/// Runs both, and says where they differ first.
fn difference(
    config: &Config,
    batches: &[Batch],
    seed: u64,
    seen: &mut Seen,
) -> Result<(), String> {
    let (fast, twin) = (Simulator::new(config, seed), Reference::new(config, seed));
    let (mut fast, mut twin) = match (fast, twin) {
        (Ok(fast), Ok(twin)) => (fast, twin),
        (Err(SimulationError::Os { .. }), Err(Stopped::OutOfMemory))
        | (Err(SimulationError::Setting(_)), Err(Stopped::Refused)) => return Ok(()),
        (fast, twin) => {
            return Err(format!("one is built: {:?}, {:?}", fast.err(), twin.err()));
        }
    };
    if config.os.prefault == Prefault::Accessed {
        batches.iter().try_for_each(|batch| fast.prefault(batch)).map_err(|e| e.to_string())?;
        match (fast.prefaulted(), twin.prefault(batches)) {
            (Ok(()), Ok(())) => {}
            (Err(_), Err(_)) => return Ok(()),
            (fast, twin) => return Err(format!("mapped before: {fast:?}, {twin:?}")),
        }
    }
    let (mut outcomes, mut expected) = (Outcomes::default(), Vec::new());
    let mut ended = (Ok(()), Ok(()));
    for batch in batches {
        ended = (fast.process(batch, &mut outcomes), twin.process(batch, &mut expected));
        if ended.0.is_err() || ended.1.is_err() {
            break;
        }
    }
    fast.finish(&mut outcomes);
    let (events, plain) = events_of(&outcomes, &twin);
    expected.iter_mut().for_each(|event| event.work = joined(&event.work));
    for (at, pair) in events.iter().zip(&expected).enumerate() {
        if pair.0 != pair.1 {
            return Err(format!("event {at} is\n{:?}\nand should be\n{:?}", pair.0, pair.1));
        }
    }
    if events.len() != expected.len() {
        let longer = if events.len() > expected.len() { &events } else { &expected };
        let next = &longer[events.len().min(expected.len())];
        let (have, want) = (events.len(), expected.len());
        return Err(format!("{have} events, should be {want}; the first one more is\n{next:?}"));
    }
    seen.events += events.len();
    seen.kinds.extend(events.iter().map(|event| format!("{:?}", event.kind)));
    for event in &events {
        let peer = event.references.iter().any(|reference| reference.served == PEER);
        let upgrade = event.references.iter().any(|r| r.kind == ReferenceKind::Upgrade);
        let shot = event.work.iter().any(|work| matches!(work, Work::Shootdown { .. }));
        let told = [(peer, "peer"), (upgrade, "upgrade"), (shot, "shootdown")];
        seen.kinds.extend(told.iter().filter(|(is, _)| *is).map(|(_, what)| what.to_string()));
    }
    match ended {
        (Ok(()), Ok(())) => {}
        (Err(SimulationError::Os { source, .. }), Err(stopped)) => {
            let memory = matches!(source, OsError::OutOfMemory(_));
            if memory == (stopped == Stopped::OutOfMemory) {
                return Ok(());
            }
            return Err(format!("ended with {source}, should with {stopped}"));
        }
        (fast, twin) => return Err(format!("ended with {fast:?}, should with {twin:?}")),
    }
    seen.finished += 1;
    if config.mmu.enabled && config.mmu.format.is_none() {
        let name = serde_json::to_string(&config.mmu.page_table);
        seen.formats.insert(name.unwrap_or_default());
    }
    let hits: u64 = outcomes.list.iter().map(|o| u64::from(o.hits) + u64::from(o.fetch_hits)).sum();
    if hits + plain != twin.plain_hits() {
        return Err(format!("{hits} + {plain} plain hits, should be {}", twin.plain_hits()));
    }
    let passed: u64 = outcomes.list.iter().map(|o| u64::from(o.instructions)).sum();
    if passed != twin.passed() {
        return Err(format!("{passed} instructions passed, should be {}", twin.passed()));
    }
    seen.counted.extend(counted(&twin));
    if twin.report().get("os.huge.faults").is_some_and(|faults| *faults > 0.0) {
        let foresees = |tlb: &Tlb| tlb.replacement.asks_next_use();
        let beside = [
            (config.core.count > 1, "CPUs"),
            (config.numa.node.len() > 1, "nodes"),
            (config.mmu.tlb.iter().any(foresees), "opt in TLBs"),
            (config.os.initial.is_some(), "fragmented memory"),
        ];
        let beside = beside.iter().filter(|(is, _)| *is).map(|(_, what)| what.to_string());
        seen.beside_large.extend(beside);
    }
    statistics(&fast, &twin)
}

/// What is counted of pages above the base page.
fn counted(twin: &Reference) -> impl Iterator<Item = String> {
    let counts = twin.report().into_iter().filter(|(_, value)| *value > 0.0);
    let large = |name: &str| name.starts_with("os.huge.") || name.ends_with(".mispredictions");
    let names = counts.map(|(name, _)| name).filter(move |name| large(name));
    names.map(|name| name.rsplit('.').next().unwrap_or_default().to_owned())
}

fn statistics(fast: &Simulator, twin: &Reference) -> Result<(), String> {
    let mut all = Statistics::default();
    fast.report(&mut all);
    let have: BTreeMap<&str, f64> = all
        .iter()
        .map(|statistic| (statistic.name.as_str(), statistic.value.as_f64()))
        .filter(|(name, _)| !name.split('.').any(|part| part == "branch"))
        .collect();
    let want = twin.report();
    if let Some(name) = want.keys().find(|name| !have.contains_key(name.as_str())) {
        return Err(format!("there is no statistic {name}"));
    }
    for (name, value) in have {
        let wanted = want.get(name).copied().unwrap_or(0.0);
        if value != wanted {
            return Err(format!("{name} is {value}, should be {wanted}"));
        }
    }
    Ok(())
}

/// Batches of the records, with every page's next use if the policy asks for it.
fn batches(records: &[Record], config: &Config, length: usize) -> Vec<Batch> {
    let mut batches: Vec<Batch> = records
        .chunks(length)
        .map(|chunk| {
            let mut batch = Batch::new();
            chunk.iter().for_each(|record| batch.push(record.clone()));
            batch
        })
        .collect();
    if let Ok(simulator) = Simulator::new(config, 0) {
        for shift in simulator.next_use_shifts() {
            trace::add_next_uses(&mut batches, *shift);
        }
    }
    batches
}

/// Runs one case. Where both differ, the trace is cut as short as it may be and told of with the machine.
fn check(case: u64, seen: &mut Seen) -> Result<(), String> {
    let mut dice = Dice::new(case);
    let text = machine::random(&mut dice);
    let config: Config = toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let Ok(config) = config.resolve() else { return Ok(()) };
    let records = trace::random(&mut dice, &config);
    let length = 1 + dice.below(records.len() as u64) as usize;
    let run = |count: usize, seen: &mut Seen| {
        difference(&config, &batches(&records[..count], &config, length), case, seen)
    };
    let Err(difference) = run(records.len(), seen) else { return Ok(()) };
    let scratch = &mut Seen::default();
    let shortest = (1..=records.len()).find_map(|n| run(n, scratch).err().map(|why| (n, why)));
    let (count, difference) = shortest.unwrap_or((records.len(), difference));
    let last: String =
        records[count.saturating_sub(8)..count].iter().map(|r| format!("{r:?}\n")).collect();
    Err(format!("case {case}\n{text}{difference}\nafter {count} records, the last being\n{last}"))
}

/// How many machines are tried, with some 200 records each.
const CASES: u64 = 3000;

/// How many differences are shown.
const SHOWN: usize = 6;

#[test]
fn the_function_half_and_its_twin_agree() {
    let mut seen = Seen::default();
    let mut differences = (0..CASES).filter_map(|case| check(case, &mut seen).err());
    let first: Vec<String> = differences.by_ref().take(SHOWN).collect();
    let more = differences.count();
    assert!(first.is_empty(), "{}\nand {more} more", first.join("\n"));
    // The machines must be buildable, and the traces must come somewhere.
    assert!(seen.finished as u64 > CASES / 2, "{seen:?}");
    for kind in [
        FaultKind::Anonymous,
        FaultKind::ZeroPage,
        FaultKind::CowCopied,
        FaultKind::CowReused,
        FaultKind::SwapIn,
        FaultKind::Spurious,
        FaultKind::Protection,
        FaultKind::Segv,
    ] {
        assert!(seen.kinds.contains(&format!("{:?}", OutcomeKind::Fault(kind))), "{seen:?}");
    }
    for name in ["faults", "fallback", "split", "resident", "mispredictions"] {
        assert!(seen.counted.contains(name), "{name}: {seen:?}");
    }
    for what in ["CPUs", "nodes", "opt in TLBs", "fragmented memory"] {
        assert!(seen.beside_large.contains(what), "{what}: {seen:?}");
    }
    let formats = settings().iter().find(|setting| setting.path == "mmu.page_table");
    for format in formats.unwrap().kind.split(", ") {
        assert!(seen.formats.contains(format), "{format}: {seen:?}");
    }
    for what in ["peer", "upgrade", "shootdown"] {
        assert!(seen.kinds.contains(what), "{what}: {seen:?}");
    }
    for kind in [OutcomeKind::Prefetch, OutcomeKind::Fetch, OutcomeKind::Kernel] {
        assert!(seen.kinds.contains(&format!("{kind:?}")), "{seen:?}");
    }
}

/// One case by its number, to look into it: `TWIN_CASE=17 cargo test -p model one_case`.
#[test]
fn one_case() {
    let case = std::env::var("TWIN_CASE").ok().and_then(|case| case.parse().ok());
    let checked = check(case.unwrap_or(0), &mut Seen::default());
    assert!(checked.is_ok(), "{}", checked.unwrap_err());
}
