//! One access: its parts, what each part meets, and whether the time half hears of it.

use tracegen::record::{Access, AccessKind, ProcessId};

use super::emitter::Draft;
use super::lane::Origin;
use super::next_uses::Foreseen;
use super::recent::Met;
use super::translate::{Request, Translated};
use super::{Cpu, SimulationError, Simulator};
use crate::address::{Asid, PhysAddr, VirtAddr};
use crate::cache::Caches;
use crate::cache::ruled::Name;
use crate::cache::settings::Stream;
use crate::outcome::{
    CHAIN_LIMIT, MEMORY, OutcomeKind, Outcomes, Reference, ReferenceKind, UNTRANSLATED, WALKED,
};
use crate::time::settings::LineCrossing;

/// One part of an access: what lies in one page and one line.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// No part before it was in the page.
    fresh: bool,
    /// The part before it was in the line, which is referenced once.
    known: bool,
    /// The line's number.
    line: u64,
}

/// Where a part of an access has been found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The physical line.
    pub line: u64,
    /// What identifies the page among recent walks.
    pub page: u64,
    /// As [`crate::outcome::Outcome::tlb`].
    pub tlb: u8,
    /// As [`crate::outcome::Outcome::served`].
    pub served: u8,
}

/// What an access asks for, from its first byte on.
pub(super) fn request(
    access: &Access,
    process: ProcessId,
    asid: Asid,
    ancestor: Origin,
) -> Request {
    Request {
        process,
        asid,
        kind: access.kind,
        addr: VirtAddr(access.addr),
        next_use: None,
        site: access.site,
        ancestor: ancestor.outcome,
        chain: ancestor.chain,
    }
}

/// Where the value of a first-level hit comes from whose address comes from `ancestor`.
pub(super) fn after(ancestor: Origin) -> Origin {
    Origin { outcome: ancestor.outcome, chain: ancestor.chain.saturating_add(1) }
}

/// A fill that a hit may have to wait for: what it is from some instruction on, up to another one.
#[derive(Debug, Clone, Copy)]
pub struct Waiting {
    /// The fill.
    pub met: Option<Met>,
    /// From this instruction on it is to be found out again.
    pub until: u64,
}

impl Waiting {
    /// Where the value of a load comes from that hits the first levels, if the load may go unreported.
    ///
    /// It may where it waits for one outcome at most. A fill that a load waits for keeps everything
    /// younger from retiring, so that only what is computed from the hit has to know of it.
    #[inline]
    pub fn value(self, address: Origin) -> Option<Origin> {
        let mut origin = address;
        if let Some(met) = self.met {
            if !met.blocking || (origin.outcome != 0 && origin.outcome != met.outcome) {
                return None;
            }
            origin.outcome = met.outcome;
        }
        (origin.chain.saturating_add(1) < CHAIN_LIMIT).then(|| after(origin))
    }
}

impl Simulator {
    /// An access of the trace. Where it `FORESEES`, `uses` says when what it touches is used next, and
    /// policies are told.
    pub(super) fn access<const FORESEES: bool>(
        &mut self,
        access: &Access,
        uses: Foreseen<'_>,
        out: &mut Outcomes,
    ) -> Result<(), SimulationError> {
        let lane = self.enter(access.cpu, out)?;
        self.accesses.count(access.kind);
        let instructions = self.lanes[lane].count(access);
        let is_fetch = access.kind == AccessKind::Fetch;
        let stream = if is_fetch { Stream::Instruction } else { Stream::Data };
        self.cpu.emitter.advance(instructions, self.plain(stream), out);
        if is_fetch && !self.simulates_fetches {
            return Ok(());
        }
        let process = self.lanes[lane].process;
        self.run_process(process);
        let now = self.cpu.emitter.instructions();
        let origin = self.lanes[lane].origin(access.dep, now).unwrap_or_default();
        let request = request(access, process, self.cpu.asid, origin);
        let last = access.addr.saturating_add(u64::from(access.size.max(1)) - 1);
        let one_part = (access.addr ^ last) >> self.part_shift(stream) == 0;
        let value = if one_part || self.crossing == LineCrossing::Ignore {
            self.single::<FORESEES>(request, uses, out)?
        } else {
            self.parts::<FORESEES>(request, last, uses, out)?
        };
        if access.kind == AccessKind::Load {
            self.lanes[lane].produced(value.unwrap_or(after(origin)), now);
        }
        Ok(())
    }

    /// Makes an access that has one part. Returns where its value comes from where that is not simply a
    /// hit after the ancestor.
    fn single<const FORESEES: bool>(
        &mut self,
        mut request: Request,
        uses: Foreseen<'_>,
        out: &mut Outcomes,
    ) -> Result<Option<Origin>, SimulationError> {
        if FORESEES {
            self.foresee_page(&mut request, uses);
        }
        let Some(translated) = self.translate(&request, out)? else {
            self.skipped(out);
            return Ok(None);
        };
        if FORESEES {
            self.foresee_line(&request, translated, uses);
        }
        let line = translated.addr.0 >> self.line_shift(request.stream());
        Ok(self.part(&request, translated, Part { fresh: true, known: false, line }, out))
    }

    /// Makes an access part by part, up to its byte at `last`. Returns as [`Self::single`]. The value of
    /// an access in several parts is there when its last reported part is.
    fn parts<const FORESEES: bool>(
        &mut self,
        mut request: Request,
        last: u64,
        uses: Foreseen<'_>,
        out: &mut Outcomes,
    ) -> Result<Option<Origin>, SimulationError> {
        let mut value = None;
        let (mut page, mut line): (Option<Translated>, Option<u64>) = (None, None);
        let shift = self.part_shift(request.stream());
        let mut at = request.addr.0;
        loop {
            request.addr = VirtAddr(at);
            let known_page = page.filter(|translated| translated.has(VirtAddr(at)));
            let translated = match known_page {
                Some(translated) => Some(translated.at(VirtAddr(at))),
                None => {
                    if FORESEES {
                        self.foresee_page(&mut request, uses);
                    }
                    self.translate(&request, out)?
                }
            };
            let Some(translated) = translated else {
                self.skipped(out);
                break;
            };
            let fresh = known_page.is_none();
            page = Some(translated);
            let this_line = translated.addr.0 >> self.line_shift(request.stream());
            // Where lines are larger than pages, another page may lie in the same line.
            let known = line == Some(this_line);
            if fresh || !known {
                line = Some(this_line);
                let part = Part { fresh, known, line: this_line };
                if FORESEES {
                    self.foresee_line(&request, translated, uses);
                }
                value = self.part(&request, translated, part, out).or(value);
            }
            let next = (at >> shift).checked_add(1).and_then(|part| part.checked_mul(1 << shift));
            match next.filter(|next| *next <= last) {
                Some(next) => at = next,
                None => break,
            }
        }
        Ok(value)
    }

    /// Tells policies when the page of a part is used next.
    fn foresee_page(&mut self, request: &mut Request, uses: Foreseen<'_>) {
        let at = request.addr;
        request.next_use = uses.next(self.base_page.0, at);
        if self.translates
            && let Some(addr) = self.os.fold(at)
        {
            let global = self.asids.global().filter(|_| self.os.is_global(addr));
            let asid = global.unwrap_or(request.asid);
            self.cpu.foresee_translation(asid, addr, |shift| uses.or_never(shift, at));
        }
    }

    /// Tells policies when the line of a part is used next.
    fn foresee_line(&mut self, request: &Request, translated: Translated, uses: Foreseen<'_>) {
        let next = |shift| uses.or_never(shift, request.addr);
        let name = Name { virt: request.addr };
        self.cpu.caches.foresee(translated.addr, name, next);
    }

    /// One line's part of an access. Returns as [`Self::single`].
    #[inline]
    fn part(
        &mut self,
        request: &Request,
        translated: Translated,
        Part { fresh, known, line }: Part,
        out: &mut Outcomes,
    ) -> Option<Origin> {
        let stream = request.stream();
        let served = match known {
            true => self.first_cache(stream),
            false => self.reference(request, translated, line, out),
        };
        // A part on a page that a part before it has translated needs no look-up of its own.
        let tlb = if fresh { translated.tlb } else { self.first_tlb(stream) };
        let before = self.cpu.emitter.count();
        let value = self.conclude(request, Place { line, page: translated.page, tlb, served }, out);
        self.hardware_prefetches(before, out);
        value
    }

    /// A part has found its line: reports it, unless it is a plain hit that may go unreported. Returns
    /// as [`Self::single`].
    #[inline]
    pub(super) fn conclude(
        &mut self,
        request: &Request,
        Place { line, page, tlb, served }: Place,
        out: &mut Outcomes,
    ) -> Option<Origin> {
        let stream = request.stream();
        let (first, first_tlb) = (self.first_cache(stream), self.first_tlb(stream));
        let now = self.cpu.emitter.instructions();
        let (line_fill, until) = if served == first {
            self.cpu.fills.find(line, now)
        } else {
            self.prefetched(served, line, stream, now)
        };
        let (page_fill, page_until) = self.cpu.walks.find(page, now);
        let plain = served == first && served != MEMORY && !self.cpu.emitter.has_references(out);
        let first_level = tlb == first_tlb
            || tlb == UNTRANSLATED
            || self.larger_tlbs[stream as usize].contains(&tlb);
        if plain && first_level {
            let waiting =
                Waiting { met: later(line_fill, page_fill), until: until.min(page_until) };
            if let Some(value) = self.unreported(request, waiting) {
                return value;
            }
        }
        let draft = Draft {
            kind: match request.kind {
                AccessKind::Load => OutcomeKind::Load,
                AccessKind::Store => OutcomeKind::Store,
                AccessKind::Fetch => OutcomeKind::Fetch,
                AccessKind::Prefetch => OutcomeKind::Prefetch,
            },
            tlb,
            served,
            chain: request.chain,
            ancestor: request.ancestor,
            line_fill: line_fill.map_or(0, |met| met.outcome),
            translation_fill: page_fill.map_or(0, |met| met.outcome),
            site: request.site,
        };
        let number = self.cpu.emitter.emit(draft, out);
        let blocking = matches!(request.kind, AccessKind::Load | AccessKind::Fetch);
        if served != first || line_fill.is_some_and(|met| !met.blocking) {
            self.cpu.fills.filled(line, now, number, blocking);
        }
        if tlb == WALKED {
            self.cpu.walks.filled(page, now, number, blocking);
        }
        Some(Origin { outcome: number, chain: 0 })
    }

    /// The line's reference: the cache that had it. What is not a first-level hit lies in `out`.
    #[inline]
    fn reference(
        &mut self,
        request: &Request,
        translated: Translated,
        line: u64,
        out: &mut Outcomes,
    ) -> u8 {
        let (stream, addr, write) = (request.stream(), translated.addr, request.write());
        let first = self.first_cache(stream);
        if stream == Stream::Instruction {
            if first == self.first_cache(Stream::Data) {
                self.cpu.recall.line_disturbed(line);
            }
        } else if request.kind != AccessKind::Prefetch && first != MEMORY {
            let part = request.addr.0 >> self.part_shift(stream);
            self.cpu.recall.accessed(request.process, part, line, translated.page, write);
        } else {
            self.cpu.recall.line_disturbed(line);
        }
        if self.cpu.caches.first_level_hit(stream, addr, write) {
            return first;
        }
        self.cpu.recall.line_filled(line);
        self.cpu.fetch_line(request, addr, out)
    }

    /// A hit in the first-level TLB and cache: whether it may go unreported, and if so where its value
    /// comes from if that is not the usual.
    #[inline]
    fn unreported(&mut self, request: &Request, waiting: Waiting) -> Option<Option<Origin>> {
        let address = Origin { outcome: request.ancestor, chain: request.chain };
        let value = match request.kind {
            AccessKind::Fetch => {
                self.cpu.emitter.fetch_hit();
                return Some(None);
            }
            AccessKind::Load => waiting.value(address)?,
            AccessKind::Store | AccessKind::Prefetch => address,
        };
        self.cpu.emitter.hits(1, 0);
        Some(Some(value))
    }

    fn skipped(&mut self, out: &mut Outcomes) {
        self.accesses.skipped += 1;
        self.cpu.emitter.discard(out);
    }
}

/// The later one of two fills: that of the line waited for that of the page itself, or the other way
/// around.
#[inline]
fn later(line: Option<Met>, page: Option<Met>) -> Option<Met> {
    match (line, page) {
        (Some(line), Some(page)) if line.outcome > page.outcome => Some(line),
        (line, page) => page.or(line),
    }
}

impl Cpu {
    /// A line that a cheap look-up has not found in the first level: the cache that had it. The reference
    /// comes before the victims that it displaces; there is none where the first level had the line after
    /// all.
    #[inline]
    pub(super) fn fetch_line(
        &mut self,
        request: &Request,
        addr: PhysAddr,
        out: &mut Outcomes,
    ) -> u8 {
        let (stream, write) = (request.stream(), request.write());
        let at = out.references.len();
        let kind = ReferenceKind::Demand;
        out.references.push(Reference { addr, kind, served: MEMORY });
        let served = match &mut self.caches {
            Caches::Plain(caches) => caches.access_below(stream, addr, write, &mut out.references),
            Caches::Ruled(_) => return self.fetch_by_rules(request, addr, out),
        };
        out.references[at].served = served;
        served
    }

    /// The same from caches with rules; the reference is the last there is.
    #[cold]
    #[inline(never)]
    fn fetch_by_rules(&mut self, request: &Request, addr: PhysAddr, out: &mut Outcomes) -> u8 {
        let (stream, write) = (request.stream(), request.write());
        let at = out.references.len() - 1;
        let Caches::Ruled(caches) = &mut self.caches else { return MEMORY };
        caches.announce(request.site, Name { virt: request.addr });
        let served = caches.access(stream, addr, write, &mut out.references);
        out.references[at].served = served;
        if caches.is_first(stream, served) {
            out.references.remove(at);
        }
        if write && !caches.first_allocates() {
            // The first level has not got the line that was accessed.
            self.recall.line_disturbed(addr.0 >> self.data_line_shift);
        }
        self.note_gone();
        served
    }

    /// What a hit on `line` of `page` at instruction `now` may have to wait for.
    #[inline]
    pub(super) fn waiting(&self, line: u64, page: u64, now: u64) -> Waiting {
        let (line_fill, until) = self.fills.find(line, now);
        let (page_fill, page_until) = self.walks.find(page, now);
        Waiting { met: later(line_fill, page_fill), until: until.min(page_until) }
    }
}
