//! Random traces.

use std::collections::BTreeMap;

use tracegen::batch::{Batch, NextUses};
use tracegen::record::{
    Access, AccessKind, Advice, Backing, Branch, Event, Protection, Record, SAME_INSTRUCTION,
};

use super::dice::Dice;
use crate::address::PageShift;
use crate::config::Config;

/// What a trace is made of.
struct Maker<'a> {
    dice: &'a mut Dice,
    page: u64,
    va_bits: u32,
    /// Where the program's part of the address space ends.
    end: u64,
    /// Numbers of the pages that are touched, the most popular first.
    pages: Vec<u64>,
    fetches: bool,
    cpus: u64,
    processes: u64,
}

/// Up to 400 records for a machine.
pub fn random(dice: &mut Dice, config: &Config) -> Vec<Record> {
    let page = config.mmu.base_page().0;
    let va_bits = config.mmu.va_bits.map_or(48, u32::from);
    let all = 1u64.checked_shl(va_bits).map_or(u64::MAX, |end| end - 1) / page;
    let cold = dice.between(1, 60);
    let mut pages: Vec<u64> = (0..cold).map(|_| dice.below(cold)).collect();
    for _ in 0..dice.below(6) {
        // Beside the ends of tables, and far away.
        let far = dice.pick(&[
            500,
            510,
            515,
            1 << 9,
            1 << 18,
            1 << 20,
            all / 4 * 3,
            all.saturating_sub(3),
            all,
        ]);
        pages.push(far + dice.below(3));
    }
    pages.iter_mut().for_each(|number| *number = (*number).min(all));
    let events = dice.pick(&[0, 2, 6, 15]);
    let (fetches, cpus, processes) = (dice.percent(50), dice.between(1, 3), dice.between(1, 4));
    let end = 1u64.checked_shl(va_bits).unwrap_or(u64::MAX);
    let end = config.mmu.global.start(va_bits as u8, PageShift(page.ilog2() as u8)).unwrap_or(end);
    let mut maker = Maker { dice, page, va_bits, end, pages, fetches, cpus, processes };
    let count = maker.dice.between(20, 400);
    (0..count)
        .map(|_| {
            if maker.dice.percent(events) {
                let event = maker.event();
                let cpu = maker.dice.below(maker.cpus) as u16;
                Record::Event(cpu, event)
            } else if maker.dice.percent(3) {
                Record::Branch(maker.branch())
            } else {
                Record::Access(maker.access())
            }
        })
        .collect()
}

impl Maker<'_> {
    fn branch(&mut self) -> Branch {
        let (cpu, taken) = (self.dice.below(self.cpus) as u16, self.dice.percent(50));
        Branch { cpu, site: 1, taken, gap: self.dice.below(4) as u32, dep: 0 }
    }

    /// The first byte of a page; low numbers of the list come often.
    fn place(&mut self) -> u64 {
        let end = 1 + self.dice.below(self.pages.len() as u64);
        self.pages[self.dice.below(end) as usize] * self.page
    }

    /// Addresses of the upper half are sign-extended.
    fn extended(&self, addr: u64) -> u64 {
        let high = self.va_bits < 64 && addr >> (self.va_bits - 1) == 1;
        if high { addr | u64::MAX << self.va_bits } else { addr }
    }

    fn access(&mut self) -> Access {
        let offset = match self.dice.below(8) {
            0 => self.page - 1 - self.dice.below(self.page.min(40)),
            1 => self.dice.below(self.page),
            _ => self.dice.below(self.page.min(256)) & !7,
        };
        let size = match self.dice.below(20) {
            0 => 0,
            1 => self.dice.between(1, 300),
            2 => self.dice.between(1, 2 * self.page.min(4096)),
            _ => self.dice.pick(&[1, 4, 8, 8, 16]),
        };
        let kind = match self.dice.below(20) {
            0 => AccessKind::Prefetch,
            1..7 => AccessKind::Store,
            7..10 if self.fetches => AccessKind::Fetch,
            _ => AccessKind::Load,
        };
        let addr = if self.dice.below(300) == 0 {
            self.dice.below(u64::MAX)
        } else {
            let place = self.place() + offset;
            self.extended(place)
        };
        Access {
            cpu: self.dice.below(self.cpus) as u16,
            kind,
            addr,
            size: size as u32,
            site: self.dice.below(9),
            gap: if self.dice.percent(5) { SAME_INSTRUCTION } else { self.dice.below(6) as u32 },
            dep: self.dice.below(4) as u32,
        }
    }

    /// A range that starts at a quarter of a page and is of some quarters' length.
    fn range(&mut self) -> (u64, u64) {
        let start = (self.place() + self.dice.below(4) * self.page / 4) % self.end;
        let pages = self.dice.pick(&[1, 2, 5, 20, 60]);
        let length = self.dice.between(1, pages * 4) * self.page / 4;
        // Ranges that leave the address space are refused, which ends a trace.
        (start, length.min((self.end - start).saturating_sub(4096)))
    }

    fn protection(&mut self) -> Protection {
        let mut allowed = |chance| self.dice.percent(chance);
        Protection { read: allowed(80), write: allowed(60), execute: allowed(30) }
    }

    fn event(&mut self) -> Event {
        let (addr, length) = self.range();
        match self.dice.below(20) {
            0..5 => Event::Switch { process: self.dice.below(self.processes) as u32 },
            5..9 => {
                let (protection, shared) = (self.protection(), self.dice.percent(8));
                Event::Mmap { addr, length, protection, shared, backing: Backing::Anonymous }
            }
            9..11 => Event::Munmap { addr, length },
            11..13 => Event::Mprotect { addr, length, protection: self.protection() },
            13..15 => {
                let advice = self.dice.pick(&[
                    Advice::DontNeed,
                    Advice::Free,
                    Advice::WillNeed,
                    Advice::Normal,
                ]);
                Event::Madvise { addr, length, advice }
            }
            15 => Event::Brk { end: addr },
            16..18 => Event::Fork { child: self.dice.below(self.processes + 2) as u32 },
            18 if self.dice.percent(50) => Event::Exec,
            18 => Event::Exit,
            _ if self.dice.percent(70) => {
                Event::PageContent { addr: self.place(), class: self.dice.below(4) }
            }
            _ => Event::HeapMalloc { addr, size: length },
        }
    }
}

/// Fills in when every piece of 2^`shift` bytes is touched next, as the number of that touch.
pub fn add_next_uses(batches: &mut [Batch], shift: u8) {
    let touched = |batch: &Batch| -> Vec<u64> {
        let accesses = (0..batch.accesses()).map(|index| batch.access(index));
        let pieces = accesses.flat_map(|access| {
            let last = access.addr.saturating_add(u64::from(access.size.max(1)) - 1);
            access.addr >> shift..=last >> shift
        });
        pieces.collect()
    };
    let touches: Vec<u64> = batches.iter().flat_map(touched).collect();
    let mut latest = BTreeMap::new();
    let mut next = vec![u64::MAX; touches.len()];
    for (at, piece) in touches.iter().enumerate().rev() {
        next[at] = latest.insert(*piece, at as u64).unwrap_or(u64::MAX);
    }
    let mut next = next.into_iter();
    for batch in batches {
        let count = touched(batch).len();
        let touches = next.by_ref().take(count).collect();
        batch.next_uses.push(NextUses { shift, touches });
    }
}
