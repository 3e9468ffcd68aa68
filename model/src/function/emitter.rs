//! Turns what happens on one CPU into outcomes: the numbering, the run lengths and the distances.

use crate::outcome::{Outcome, OutcomeKind, Outcomes};

/// What an access says of itself when it is reported.
#[derive(Debug, Clone, Copy, Default)]
pub struct Draft {
    /// What it is about.
    pub kind: OutcomeKind,
    /// As [`Outcome::tlb`].
    pub tlb: u8,
    /// As [`Outcome::served`].
    pub served: u8,
    /// As [`Outcome::chain`].
    pub chain: u8,
    /// The ancestor's number; 0 for none.
    pub ancestor: u64,
    /// The number of the outcome that may still be filling the line; 0 for none.
    pub line_fill: u64,
    /// The number of the outcome that may still be filling the translation; 0 for none.
    pub translation_fill: u64,
    /// The access's site.
    pub site: u64,
}

/// One machine CPU's side of the outcome stream.
///
/// The references and the kernel work of the outcome that is being put together are appended to the
/// stream at once; the outcome that comes next claims them.
#[derive(Debug, Default, bincode::Encode, bincode::Decode)]
pub struct Emitter {
    cpu: u16,
    /// Outcomes so far; the latest one's number.
    count: u64,
    /// Instructions so far.
    instructions: u64,
    unreported: u32,
    hits: u32,
    fetch_hits: u32,
    /// References and work of the stream that outcomes have claimed.
    claimed_references: usize,
    claimed_work: usize,
}

impl Emitter {
    /// The side of CPU `cpu`.
    pub fn new(cpu: u16) -> Self {
        Self { cpu, ..Self::default() }
    }

    /// Whose side it is.
    #[inline]
    pub fn cpu(&self) -> u16 {
        self.cpu
    }

    /// What follows goes to `out`, whose references and work all belong to outcomes.
    pub fn begin(&mut self, out: &Outcomes) {
        self.claimed_references = out.references.len();
        self.claimed_work = out.work.len();
    }

    /// Takes back the references and the work that no outcome has claimed.
    pub fn discard(&mut self, out: &mut Outcomes) {
        out.references.truncate(self.claimed_references);
        out.work.truncate(self.claimed_work);
    }

    /// Whether the outcome that is being put together has a reference.
    #[inline]
    pub fn has_references(&self, out: &Outcomes) -> bool {
        out.references.len() > self.claimed_references
    }

    /// Whether it has work.
    pub fn has_work(&self, out: &Outcomes) -> bool {
        out.work.len() > self.claimed_work
    }

    /// Outcomes so far; the latest one's number.
    #[inline]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Instructions that this CPU has made so far.
    #[inline]
    pub fn instructions(&self) -> u64 {
        self.instructions
    }

    /// Instructions that the run length has room for.
    #[inline]
    pub fn room(&self) -> u32 {
        u32::MAX - self.unreported
    }

    /// Adds instructions. A run length that would not fit is reported as a plain hit first.
    #[inline]
    pub fn advance(&mut self, instructions: u32, plain: Draft, out: &mut Outcomes) {
        self.instructions += u64::from(instructions);
        match self.unreported.checked_add(instructions) {
            Some(sum) => self.unreported = sum,
            None => {
                self.emit(plain, out);
                self.unreported = instructions;
            }
        }
    }

    /// Adds first-level data hits that are not reported, and their instructions, for which there is
    /// [room](Self::room).
    #[inline]
    pub fn hits(&mut self, hits: u32, instructions: u32) {
        self.instructions += u64::from(instructions);
        self.unreported = self.unreported.saturating_add(instructions);
        self.hits = self.hits.saturating_add(hits);
    }

    /// Counts a first-level fetch hit that is not reported.
    #[inline]
    pub fn fetch_hit(&mut self) {
        self.fetch_hits = self.fetch_hits.saturating_add(1);
    }

    /// Appends the outcome, which claims the references and the work since the last one, and returns its
    /// number.
    pub fn emit(&mut self, draft: Draft, out: &mut Outcomes) -> u64 {
        self.count += 1;
        let back = |number: u64| {
            if number == 0 { 0 } else { u32::try_from(self.count - number).unwrap_or(0) }
        };
        let (references, rest) = split(out.references.len() - self.claimed_references);
        let (work, more) = split(out.work.len() - self.claimed_work);
        self.claimed_references += usize::from(references);
        self.claimed_work += usize::from(work);
        out.list.push(Outcome {
            kind: draft.kind,
            cpu: self.cpu,
            tlb: draft.tlb,
            served: draft.served,
            chain: draft.chain,
            references,
            work,
            instructions: std::mem::take(&mut self.unreported),
            hits: std::mem::take(&mut self.hits),
            fetch_hits: std::mem::take(&mut self.fetch_hits),
            ancestor: back(draft.ancestor),
            line_fill: back(draft.line_fill),
            translation_fill: back(draft.translation_fill),
            site: draft.site,
        });
        if rest || more {
            // More than one outcome can name: the remainder follows as kernel work.
            return self.emit(Draft { kind: OutcomeKind::Kernel, ..Draft::default() }, out);
        }
        self.count
    }
}

/// How many of `items` fit one outcome, and whether some are left.
fn split(items: usize) -> (u16, bool) {
    let fit = u16::try_from(items).unwrap_or(u16::MAX);
    (fit, items > usize::from(fit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{PhysAddr, SwapSlot};
    use crate::outcome::{MEMORY, Reference, ReferenceKind, Work};

    #[test]
    fn distances_and_run_lengths_count_from_the_previous_outcome() {
        let (mut emitter, mut out) = (Emitter::new(0), Outcomes::default());
        emitter.advance(5, Draft::default(), &mut out);
        emitter.hits(1, 0);
        let first = emitter.emit(Draft::default(), &mut out);
        emitter.hits(3, 2);
        emitter.emit(Draft { ancestor: first, chain: 1, ..Draft::default() }, &mut out);
        let seen: Vec<_> = out.list.iter().map(|o| (o.instructions, o.hits, o.ancestor)).collect();
        assert_eq!(seen, [(5, 1, 0), (2, 3, 1)]);
    }

    #[test]
    fn a_run_length_that_does_not_fit_is_reported_early() {
        let (mut emitter, mut out) = (Emitter::new(0), Outcomes::default());
        emitter.advance(u32::MAX, Draft::default(), &mut out);
        assert_eq!(emitter.room(), 0);
        emitter.advance(7, Draft::default(), &mut out);
        emitter.emit(Draft::default(), &mut out);
        let seen: Vec<_> = out.list.iter().map(|o| o.instructions).collect();
        assert_eq!(seen, [u32::MAX, 7]);
        assert_eq!(emitter.instructions(), u64::from(u32::MAX) + 7);
    }

    #[test]
    fn work_beyond_one_outcome_is_not_lost() {
        let (mut emitter, mut out) = (Emitter::new(0), Outcomes::default());
        out.work = (0..70_000).map(|n| Work::SwapWrite { slot: SwapSlot(n), pages: 1 }).collect();
        emitter.emit(Draft::default(), &mut out);
        assert_eq!(out.iter().map(|(_, _, work)| work.len()).sum::<usize>(), 70_000);
    }

    #[test]
    fn what_is_discarded_belongs_to_nobody() {
        let (mut emitter, mut out) = (Emitter::new(0), Outcomes::default());
        let kind = ReferenceKind::Walk;
        out.references.push(Reference { addr: PhysAddr(0), kind, served: MEMORY });
        emitter.emit(Draft::default(), &mut out);
        out.references.push(Reference { addr: PhysAddr(64), kind, served: MEMORY });
        out.work.push(Work::Handler);
        assert!(emitter.has_references(&out));
        emitter.discard(&mut out);
        emitter.emit(Draft::default(), &mut out);
        let seen: Vec<_> = out.list.iter().map(|o| (o.references, o.work)).collect();
        assert_eq!((seen, out.references.len(), out.work.len()), (vec![(1, 0), (0, 0)], 1, 0));
    }
}
