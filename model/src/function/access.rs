//! One access: its parts, what each part meets, and whether the time half hears of it.

use tracegen::record::{Access, AccessKind, ProcessId};

use super::emitter::Draft;
use super::lane::Origin;
use super::recent::Met;
use super::repeat::Repeat;
use super::translate::{Request, Translated};
use super::{SimulationError, Simulator};
use crate::address::VirtAddr;
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
struct Place {
    /// The physical line.
    line: u64,
    /// What identifies the page among recent walks.
    page: u64,
    /// As [`crate::outcome::Outcome::tlb`].
    tlb: u8,
}

/// What an access asks for, from its first byte on.
fn request(access: &Access, process: ProcessId, ancestor: Origin) -> Request {
    Request {
        process,
        kind: access.kind,
        addr: VirtAddr(access.addr),
        next_use: None,
        site: access.site,
        ancestor: ancestor.outcome,
        chain: ancestor.chain,
    }
}

/// Where the value of a first-level hit comes from whose address comes from `ancestor`.
fn after(ancestor: Origin) -> Origin {
    Origin { outcome: ancestor.outcome, chain: ancestor.chain.saturating_add(1) }
}

impl Simulator {
    /// An access of the trace. `uses` says when each page that it touches is used next, where that is
    /// known.
    pub(super) fn access(
        &mut self,
        access: &Access,
        uses: &[u64],
        out: &mut Outcomes,
    ) -> Result<(), SimulationError> {
        self.accesses.count(access.kind);
        let lane = self.lane(access.cpu)?;
        let instructions = self.lanes[lane].count(access);
        let stream =
            if access.kind == AccessKind::Fetch { Stream::Instruction } else { Stream::Data };
        let plain = self.plain(stream);
        self.cpu.emitter.advance(instructions, plain, out);
        if access.kind == AccessKind::Fetch && !self.simulates_fetches {
            return Ok(());
        }
        let process = self.lanes[lane].process;
        let now = self.cpu.emitter.instructions();
        let origin = self.lanes[lane].origin(access.dep, now);
        let shift = self.part_shift(Stream::Data);
        let value = match self.repeat {
            Some(repeat) if repeat.covers(access, process, shift) => {
                self.again(access, origin.unwrap_or_default(), repeat, out)
            }
            _ => {
                self.run_process(process);
                self.parts(process, access, origin.unwrap_or_default(), uses, out)?
            }
        };
        if access.kind == AccessKind::Load {
            self.lanes[lane].produced(value, now);
        }
        Ok(())
    }

    /// An access that hits what the latest one did; returns where its value comes from.
    #[inline]
    fn again(
        &mut self,
        access: &Access,
        ancestor: Origin,
        repeat: Repeat,
        out: &mut Outcomes,
    ) -> Origin {
        let request = request(access, repeat.process, ancestor);
        self.cpu.tlbs.count_hit(repeat.tlb);
        self.cpu.caches.count_hit(Stream::Data);
        let place = Place { line: repeat.line, page: repeat.page, tlb: repeat.tlb };
        let served = self.first_cache(Stream::Data);
        self.settle(&request, place, served, true, out).unwrap_or(after(ancestor))
    }

    /// Makes the access part by part, and returns where its value comes from.
    fn parts(
        &mut self,
        process: ProcessId,
        access: &Access,
        ancestor: Origin,
        uses: &[u64],
        out: &mut Outcomes,
    ) -> Result<Origin, SimulationError> {
        let mut uses = uses.iter();
        let mut request = request(access, process, ancestor);
        let last = access.addr.saturating_add(u64::from(access.size.max(1)) - 1);
        let one = self.crossing == LineCrossing::Ignore;
        // The value of an access in several parts is there when its last reported part is.
        let mut value = after(ancestor);
        let (mut page, mut line): (Option<(u64, Translated)>, Option<u64>) = (None, None);
        let shift = self.part_shift(request.stream());
        let mut at = access.addr;
        loop {
            request.addr = VirtAddr(at);
            self.repeat = None;
            let this_page = at >> self.base_page.0;
            let translated = match page {
                Some((known, translated)) if known == this_page => {
                    Some(translated.at(VirtAddr(at), self.base_page))
                }
                _ => {
                    request.next_use = uses.next().copied();
                    self.translate(&request, out)?
                }
            };
            let Some(translated) = translated else {
                self.skipped();
                break;
            };
            let fresh = page.is_none_or(|(known, _)| known != this_page);
            page = Some((this_page, translated));
            let this_line = translated.addr.0 >> self.line_shift(request.stream());
            // Where lines are larger than pages, another page may lie in the same line.
            let known = line == Some(this_line);
            if fresh || !known {
                line = Some(this_line);
                let part = Part { fresh, known, line: this_line };
                if let Some(origin) = self.part(&request, translated, part, out) {
                    value = origin;
                }
            }
            let next = (at >> shift).checked_add(1).and_then(|part| part.checked_mul(1 << shift));
            match next.filter(|next| *next <= last && !one) {
                Some(next) => at = next,
                None => break,
            }
        }
        Ok(value)
    }

    /// One line's part of an access. Returns where its value comes from where that is not simply a hit
    /// after the ancestor.
    fn part(
        &mut self,
        request: &Request,
        translated: Translated,
        Part { fresh, known, line }: Part,
        out: &mut Outcomes,
    ) -> Option<Origin> {
        let stream = request.stream();
        let first = self.first_cache(stream);
        let served = if known { first } else { self.reference(request, translated) };
        let plain = served == first && served != MEMORY && self.cpu.emitter.references.is_empty();
        // A part on a page that a part before it has translated needs no look-up of its own.
        let tlb = if fresh { translated.tlb } else { self.first_tlb(stream) };
        let plain = plain && (tlb == self.first_tlb(stream) || tlb == UNTRANSLATED);
        if plain && fresh && !known && stream == Stream::Data {
            self.repeat = Some(Repeat {
                process: request.process,
                stored: request.write(),
                tlb,
                part: request.addr.0 >> self.part_shift(stream),
                page: translated.page,
                line,
            });
        }
        let place = Place { line, page: translated.page, tlb };
        self.settle(request, place, served, plain, out)
    }

    /// Reports a part that has found its line at `served`, unless it is a `plain` hit that may go
    /// unreported. Returns as [`Self::part`].
    #[inline]
    fn settle(
        &mut self,
        request: &Request,
        place: Place,
        served: u8,
        plain: bool,
        out: &mut Outcomes,
    ) -> Option<Origin> {
        let Place { line, page, tlb } = place;
        let first = self.first_cache(request.stream());
        let now = self.cpu.emitter.instructions();
        let line_fill = if served == first { self.cpu.fills.find(line, now) } else { None };
        let page_fill = self.cpu.walks.find(page, now);
        if plain && let Some(value) = self.unreported(request, line_fill, page_fill) {
            return value;
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

    /// The line's reference: the cache that had it. What is not a first-level hit lies in the emitter.
    #[inline]
    fn reference(&mut self, request: &Request, translated: Translated) -> u8 {
        let (stream, addr, write) = (request.stream(), translated.addr, request.write());
        let cpu = &mut self.cpu;
        if cpu.caches.first_level_hit(stream, addr, write) {
            return self.first_caches[stream as usize];
        }
        let mark = cpu.emitter.references.len();
        let served = cpu.caches.access_below(stream, addr, write, &mut cpu.emitter.references);
        let demand = Reference { addr, kind: ReferenceKind::Demand, served };
        cpu.emitter.references.insert(mark, demand);
        served
    }

    /// A hit in the first-level TLB and cache: whether it may go unreported, and if so where its value
    /// comes from if that is not the usual.
    ///
    /// It may where it waits for one outcome at most. A fill that a load waits for keeps everything
    /// younger from retiring, so that only what is computed from the hit has to know of it.
    #[inline]
    fn unreported(
        &mut self,
        request: &Request,
        line_fill: Option<Met>,
        page_fill: Option<Met>,
    ) -> Option<Option<Origin>> {
        if request.kind == AccessKind::Fetch {
            self.cpu.emitter.fetch_hit();
            return Some(None);
        }
        let mut origin = Origin { outcome: request.ancestor, chain: request.chain };
        if request.kind == AccessKind::Load {
            // The later fill of the two waited for the page's walk itself.
            let met = line_fill.into_iter().chain(page_fill).max_by_key(|met| met.outcome);
            if let Some(met) = met {
                if !met.blocking || (origin.outcome != 0 && origin.outcome != met.outcome) {
                    return None;
                }
                origin.outcome = met.outcome;
            }
            if origin.chain + 1 >= CHAIN_LIMIT {
                return None;
            }
            origin.chain += 1;
        }
        self.cpu.emitter.hit();
        Some(Some(origin))
    }

    fn skipped(&mut self) {
        self.accesses.skipped += 1;
        self.cpu.emitter.references.clear();
        self.cpu.emitter.work.clear();
    }
}
