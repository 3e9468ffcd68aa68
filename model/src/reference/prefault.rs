//! `os.prefault`: pages that are mapped before the trace starts.

use std::collections::{BTreeMap, BTreeSet};

use tracegen::batch::Batch;
use tracegen::record::{AccessKind, CpuId, Event, ProcessId, Record};

use super::memory::{Effects, Entry, Held, Memory};
use super::{Reference, Stopped, last_byte};
use crate::cache::settings::Stream;
use crate::os::reclaim::Page as Owner;
use crate::os::scatter;

impl Reference {
    /// Maps what the whole trace touches, before it starts: process by process and in the order of
    /// addresses, until memory is full. Nothing is mapped in an address space that an event makes.
    ///
    /// # Errors
    /// Not even the page tables fit.
    pub fn prefault(&mut self, trace: &[Batch]) -> Result<(), Stopped> {
        let fetches = !self.caches.chain(Stream::Instruction).is_empty()
            || self.translates && self.cpus[self.here].tlbs.serves(Stream::Instruction);
        let mut running: BTreeMap<CpuId, ProcessId> = BTreeMap::new();
        let mut touched: BTreeSet<(ProcessId, u64)> = BTreeSet::new();
        let mut made: Vec<ProcessId> = Vec::new();
        for record in trace.iter().flat_map(Batch::iter) {
            match record {
                Record::Access(access) => {
                    let process = running.get(&access.cpu).copied().unwrap_or(0);
                    let simulated = access.kind != AccessKind::Fetch || fetches;
                    if simulated && !made.contains(&process) {
                        let pages = access.addr / self.page..=last_byte(&access) / self.page;
                        touched.extend(pages.map(|page| (process, page)));
                    }
                }
                Record::Event(cpu, Event::Switch { process }) => {
                    running.insert(cpu, process);
                }
                Record::Event(_, Event::Fork { child }) => made.push(child),
                Record::Event(cpu, Event::Exec | Event::Exit) => {
                    made.push(running.get(&cpu).copied().unwrap_or(0));
                }
                _ => {}
            }
        }
        let mut touched: Vec<_> = touched.into_iter().collect();
        if let Some(seed) = self.scatter {
            scatter(&mut touched, seed);
        }
        for (process, page) in touched {
            if !self.memory.map_before(process, page)? {
                break;
            }
        }
        Ok(())
    }
}

impl Memory {
    /// Maps a page that a trace touches, unless that could cost another; whether it is mapped, or cannot
    /// be.
    fn map_before(&mut self, process: ProcessId, page: u64) -> Result<bool, Stopped> {
        let effects = &mut Effects::default();
        let folded = self.shape.fold(page * self.page);
        let process = folded.map_or(process, |addr| self.owner_of(process, addr));
        self.space(process, effects)?;
        let Some(addr) = folded else { return Ok(true) };
        let page = addr / self.page;
        if self.entry(process, page).is_some() {
            return Ok(true);
        }
        if self.large_before(process, page)? {
            return Ok(true);
        }
        let leaf = self.shape.levels.last().map_or(0, |level| self.places.charge(level.bytes));
        let need = leaf * self.shape.levels.len() as u64 + self.page;
        if self.limit.is_some_and(|limit| self.charged() + need > limit)
            || self.buddy.room() < need.div_ceil(self.page)
        {
            return Ok(false);
        }
        self.make_path(process, addr, effects)?;
        if self.is_kernel(process) {
            self.wire(page, false, effects)?;
            self.enter(process, page, effects);
            return Ok(true);
        }
        let owner = Owner::new(process, page);
        let frame = self.take_frame(Some(owner), effects)?;
        self.reclaim.insert(frame, owner);
        let held = Held::Frame(frame);
        let (writable, executable) = (true, true);
        let entry = Entry {
            held,
            present: true,
            writable,
            executable,
            accessed: true,
            dirty: false,
            order: 0,
        };
        self.map(process, page, frame, entry);
        self.enter(process, page, effects);
        Ok(true)
    }
}
