//! Which address-space identifier a process has.

use std::collections::BTreeMap;

use tracegen::record::ProcessId;

use crate::address::Asid;

/// Identifiers handed out in turn; when they run out, all TLBs are flushed and numbering starts again
/// (as in Linux arch/arm64/mm/context.c, without reserved ones).
#[derive(Debug, bincode::Encode, bincode::Decode)]
pub struct Asids {
    limit: u32,
    next: u32,
    generation: u32,
    /// By process: the generation and the identifier in it.
    given: BTreeMap<ProcessId, (u32, u16)>,
    /// The process that ran last.
    running: Option<ProcessId>,
}

/// What running a process needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment {
    /// The identifier for the process's entries.
    pub asid: Asid,
    /// Whether everything has to be flushed first.
    pub flush: bool,
}

impl Asids {
    /// `limit` identifiers; with 0, every switch flushes.
    pub fn new(limit: u16) -> Self {
        Self {
            limit: u32::from(limit),
            next: 0,
            generation: 1,
            given: BTreeMap::new(),
            running: None,
        }
    }

    /// The identifier under which entries of `process` may be in the TLBs.
    pub fn current(&self, process: ProcessId) -> Option<Asid> {
        if self.limit == 0 {
            // Every switch flushes: nothing is there of any other process.
            return (self.running == Some(process)).then_some(Asid(0));
        }
        let (generation, asid) = self.given.get(&process)?;
        (*generation == self.generation).then_some(Asid(*asid))
    }

    /// The identifier of the process that a CPU switches to.
    pub fn assign(&mut self, process: ProcessId) -> Assignment {
        self.running = Some(process);
        if self.limit == 0 {
            return Assignment { asid: Asid(0), flush: true };
        }
        if let Some(asid) = self.current(process) {
            return Assignment { asid, flush: false };
        }
        let flush = self.next == self.limit;
        if flush {
            self.generation += 1;
            self.next = 0;
        }
        let asid = self.next as u16;
        self.next += 1;
        self.given.insert(process, (self.generation, asid));
        Assignment { asid: Asid(asid), flush }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_run_out_with_a_flush() {
        let mut asids = Asids::new(2);
        let given: Vec<_> =
            [0, 1, 0, 2, 0, 0].map(|process| asids.assign(process)).into_iter().collect();
        let expect = [(0, false), (1, false), (0, false), (0, true), (1, false), (1, false)];
        assert_eq!(given, expect.map(|(asid, flush)| Assignment { asid: Asid(asid), flush }));
    }

    #[test]
    fn without_identifiers_every_switch_flushes() {
        let mut asids = Asids::new(0);
        assert!(asids.assign(0).flush && asids.assign(1).flush);
    }
}
