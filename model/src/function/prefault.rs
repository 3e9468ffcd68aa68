//! `os.prefault = "accessed"`: what the trace touches is mapped before it starts.

use std::ops::Range;

use tracegen::batch::{Aside, Batch};
use tracegen::record::{AccessKind, Event, ProcessId};

use super::{SimulationError, Simulator};
use crate::address::Vpn;
use crate::os::{Made, scatter};

impl Simulator {
    /// Notes the pages that `batch` touches, for [`Self::prefaulted`].
    ///
    /// # Errors
    /// The trace has too many CPUs.
    pub fn prefault(&mut self, batch: &Batch) -> Result<(), SimulationError> {
        let mut at = 0;
        for (next, aside) in &batch.asides {
            let Aside::Event(cpu, event) = aside else { continue };
            let end = (*next as usize).min(batch.accesses()).max(at);
            self.note(batch, at..end)?;
            at = end;
            let lane = self.lane(*cpu)?;
            if let Event::Switch { process } = event {
                self.lanes[lane].process = *process;
            } else {
                self.made.see(self.lanes[lane].process, event);
            }
        }
        self.note(batch, at..batch.accesses())
    }

    /// Notes the pages of accesses without an event between them.
    fn note(&mut self, batch: &Batch, range: Range<usize>) -> Result<(), SimulationError> {
        let mut at = range.start;
        while at < range.end {
            let cpu = batch.cpu[at];
            let end =
                at + batch.cpu[at..range.end].iter().take_while(|other| **other == cpu).count();
            let lane = self.lane(cpu)?;
            let process = self.lanes[lane].process;
            let range = std::mem::replace(&mut at, end)..end;
            if self.made.has(process) {
                continue;
            }
            let pages = self.noted.entry(process).or_default();
            let mut latest = None;
            for index in range {
                if batch.kind[index] == AccessKind::Fetch && !self.simulates_fetches {
                    continue;
                }
                let (addr, size) = (batch.addr[index], batch.size[index]);
                let touched = tracegen::next_use::pages(addr, size, self.base_page.0);
                // Most accesses touch the page that the one before did.
                if Some((*touched.start(), *touched.end())) != latest {
                    latest = Some((*touched.start(), *touched.end()));
                    touched.for_each(|page| pages.insert(page));
                }
            }
        }
        Ok(())
    }

    /// Maps pages until memory is full.
    fn map_before(
        &mut self,
        pages: impl IntoIterator<Item = (ProcessId, u64)>,
    ) -> Result<(), SimulationError> {
        for (process, page) in pages {
            if !self.os.prefault(process, self.base_page.start_of(Vpn(page)))? {
                break;
            }
        }
        Ok(())
    }

    /// The whole trace has been noted: maps its pages in the order of their addresses, as a program
    /// initialises its memory, or in any (`os.prefault_frames`), until memory is full (`os.prefault = "accessed"`). The trace starts now.
    ///
    /// # Errors
    /// Not even the page tables fit.
    pub fn prefaulted(&mut self) -> Result<(), SimulationError> {
        let noted = std::mem::take(&mut self.noted);
        self.made = Made::default();
        let pages =
            noted.iter().flat_map(|(process, pages)| pages.iter().map(|page| (*process, page)));
        match self.scatter {
            None => self.map_before(pages)?,
            Some(seed) => {
                let mut pages: Vec<_> = pages.collect();
                scatter(&mut pages, seed);
                self.map_before(pages)?;
            }
        }
        self.lanes.clear();
        Ok(())
    }
}
