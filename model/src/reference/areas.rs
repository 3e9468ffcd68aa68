//! The areas of an address space as a list.

use tracegen::record::{AccessKind, Protection};

/// One area: bytes from `start` up to `end`.
#[derive(Debug, Clone, Copy)]
pub struct Area {
    pub start: u64,
    pub end: u64,
    pub protection: Protection,
    /// MAP_SHARED.
    pub shared: bool,
}

impl Area {
    /// Whether it allows an access. What is writable or executable is readable.
    pub fn allows(&self, kind: AccessKind) -> bool {
        let Protection { read, write, execute } = self.protection;
        match kind {
            AccessKind::Load | AccessKind::Prefetch => read || write || execute,
            AccessKind::Store => write,
            AccessKind::Fetch => execute,
        }
    }
}

/// Areas that do not overlap, in no order.
#[derive(Debug, Clone, Default)]
pub struct Areas(pub Vec<Area>);

impl Areas {
    /// The area with the byte at `addr`.
    pub fn find(&self, addr: u64) -> Option<Area> {
        self.0.iter().find(|area| area.start <= addr && addr < area.end).copied()
    }

    /// The areas with a byte from `start` up to `end`.
    pub fn overlapping(&self, start: u64, end: u64) -> impl Iterator<Item = &Area> {
        self.0.iter().filter(move |area| area.start < end && start < area.end)
    }

    /// Removes what lies from `start` up to `end`, and returns it.
    pub fn cut(&mut self, start: u64, end: u64) -> Vec<Area> {
        let (mut kept, mut taken) = (Vec::new(), Vec::new());
        for area in self.0.drain(..) {
            let before = Area { end: area.end.min(start), ..area };
            let inside = Area { start: area.start.max(start), end: area.end.min(end), ..area };
            let after = Area { start: area.start.max(end), ..area };
            kept.extend([before, after].into_iter().filter(|part| part.start < part.end));
            taken.extend(Some(inside).filter(|part| part.start < part.end));
        }
        self.0 = kept;
        taken
    }

    /// Changes the rights of what lies from `start` up to `end`.
    pub fn protect(&mut self, start: u64, end: u64, protection: Protection) {
        let inside = self.cut(start, end);
        self.0.extend(inside.into_iter().map(|area| Area { protection, ..area }));
    }
}
