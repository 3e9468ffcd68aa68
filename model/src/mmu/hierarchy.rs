//! The TLBs of a CPU: for each stream and page size, the TLBs that hold it, level by level.

use super::sequence::Sequence;
use super::settings;
use super::tlb::{Tlb, TlbEntry};
use crate::address::{Asid, PageShift, VirtAddr};
use crate::cache::settings::Stream;
use crate::config::InvalidSetting;
use crate::outcome::WALKED;
use crate::replacement::{Key, Policy};
use crate::statistics::Statistics;
use crate::units::ByteSize;

/// A translation that a TLB had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The TLB, as its index in the configuration's list.
    pub tlb: u8,
    /// The page's size.
    pub size: PageShift,
    /// The translation.
    pub entry: TlbEntry,
}

/// The TLBs for one page size on one stream.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
struct Chain {
    size: PageShift,
    /// Indices into the list of TLBs, by level.
    tlbs: Vec<u8>,
    /// For each of these, as [`Tlb::context`].
    contexts: Vec<(u32, u32)>,
    /// Whether any page of this size was ever put in: where none was, there is nothing to look for.
    used: bool,
}

impl Chain {
    /// The TLBs by level, the key of `addr` in each.
    #[inline]
    fn keys(
        &self,
        asid: Asid,
        addr: VirtAddr,
    ) -> impl DoubleEndedIterator<Item = (u8, Key)> + ExactSizeIterator {
        let number = self.size.page_of(addr).0;
        self.tlbs.iter().zip(&self.contexts).map(move |(tlb, (code, shift))| {
            (*tlb, Key { number, context: u32::from(asid.0) << shift | code })
        })
    }
}

/// The TLBs of a CPU.
///
/// An access counts at each level only in the TLB that holds its page's size; a level sees what the
/// level above it missed. A page's translation goes into every level that holds its size when it is
/// walked for, and into every level above when a level has it; levels are not inclusive: what one
/// displaces stays in the others.
///
/// Virtual addresses are below 2^`va_bits`, and a virtual address is mapped by pages of one size at a
/// time: whoever changes a mapping invalidates it here.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct TlbHierarchy {
    tlbs: Vec<Tlb>,
    /// By stream, then by page size, smallest first.
    chains: [Vec<Chain>; 2],
    /// The TLBs whose policy asks for the site of every access.
    asking: Vec<u8>,
    /// Those whose policy asks for next uses.
    foreseeing: Vec<u8>,
    /// The TLBs that try page sizes one after the other.
    sequences: Vec<Sequence>,
}

impl TlbHierarchy {
    /// Empty TLBs on a machine with pages of `sizes`, for addresses below 2^`va_bits`. `seed` is the
    /// run's.
    ///
    /// # Errors
    /// Where a TLB's geometry is impossible, a page size is not one of the format's, a name comes twice,
    /// a level is left out, or two TLBs of a level serve the same stream and page size.
    pub fn new(
        settings: &settings::Mmu,
        sizes: &[PageShift],
        va_bits: u8,
        seed: u64,
    ) -> Result<Self, InvalidSetting> {
        let list = &settings.tlb;
        let tries = list.iter().map(|tlb| settings.tried_sizes(tlb).len());
        if tries.sum::<usize>() >= usize::from(WALKED) - 1 {
            let message = "there are more than 253 TLBs, with the page sizes that they try in turn";
            return Err(InvalidSetting::new("mmu.tlb", message));
        }
        let mut sizes = sizes.to_vec();
        sizes.sort_unstable();
        sizes.dedup();
        let leaves = settings.leaf_sizes();
        let mut tlbs = Vec::with_capacity(list.len());
        for (place, tlb) in list.iter().enumerate() {
            check_place(list, place)?;
            let held = held_sizes(tlb, &sizes, &leaves)?;
            tlbs.push(Tlb::new(tlb, &held, va_bits, settings.identifiers(), seed)?);
        }
        let data = chains(list, &tlbs, &sizes, Stream::Data)?;
        let instruction = chains(list, &tlbs, &sizes, Stream::Instruction)?;
        // There are at most 253 TLBs.
        let those = |asks: fn(&Policy) -> bool| -> Vec<u8> {
            let list = (0..).zip(list).filter(|(_, tlb)| asks(&tlb.replacement));
            list.map(|(index, _)| index).collect()
        };
        let (asking, foreseeing) = (those(Policy::asks_site), those(Policy::asks_next_use));
        let sequences = Sequence::all(settings);
        Ok(Self { tlbs, chains: [data, instruction], asking, foreseeing, sequences })
    }

    /// The TLBs in the order of the configuration.
    pub fn tlbs(&self) -> &[Tlb] {
        &self.tlbs
    }

    /// Whether any TLB's policy has to be told of every access's [site](Self::site).
    pub fn asks_site(&self) -> bool {
        !self.asking.is_empty()
    }

    /// What follows until the next call is done for an access from `site`.
    pub fn site(&mut self, site: u64) {
        for index in &self.asking {
            self.tlbs[usize::from(*index)].site(site);
        }
    }

    /// log2 of the pages whose next uses some TLB's policy has to be [told](Self::foresee).
    pub fn next_use_shifts(&self) -> impl Iterator<Item = u8> {
        let tlbs = self.foreseeing.iter().map(|index| &self.tlbs[usize::from(*index)]);
        tlbs.flat_map(|tlb| tlb.sizes().iter().map(|size| size.0))
    }

    /// The program accesses `addr`, and next its page of 2^shift bytes as `next` says.
    pub fn foresee(&mut self, asid: Asid, addr: VirtAddr, next: impl Fn(u8) -> u64) {
        for index in &self.foreseeing {
            let tlb = &mut self.tlbs[usize::from(*index)];
            for place in 0..tlb.sizes().len() {
                let size = tlb.sizes()[place];
                tlb.foresee(asid, size.page_of(addr), size, next(size.0));
            }
        }
    }

    /// The TLB called `name`, to preload it.
    pub fn tlb_mut(&mut self, name: &str) -> Option<&mut Tlb> {
        self.chains.iter_mut().flatten().for_each(|chain| chain.used = true);
        self.tlbs.iter_mut().find(|tlb| tlb.name() == name)
    }

    /// Whether any TLB serves `stream`.
    pub fn serves(&self, stream: Stream) -> bool {
        self.chains[stream as usize].iter().any(|chain| !chain.tlbs.is_empty())
    }

    /// The TLBs that a page of `size` is looked up in, by level, as indices in the configuration's list.
    pub fn chain(&self, stream: Stream, size: PageShift) -> &[u8] {
        let chain = self.chains[stream as usize].iter().find(|chain| chain.size == size);
        chain.map_or(&[], |chain| &chain.tlbs)
    }

    /// Looks `addr` up. Where a TLB has it, a hit is counted there and a miss at every level above, which
    /// are filled. Where none has it nothing is counted yet, since the page's size is not known: the
    /// caller walks and then says [`count_miss`](Self::count_miss) with the size of the page.
    #[inline]
    pub fn lookup(&mut self, stream: Stream, asid: Asid, addr: VirtAddr) -> Option<Found> {
        let Self { tlbs, chains, .. } = self;
        for chain in chains[stream as usize].iter().filter(|chain| chain.used) {
            let mut keys = chain.keys(asid, addr);
            let Some((first, key)) = keys.next() else { continue };
            // Indices in a chain are those of TLBs.
            if let Some(entry) = tlbs[usize::from(first)].lookup_key(key) {
                return Some(Found { tlb: first, size: chain.size, entry });
            }
            if let Some(found) = lookup_below(tlbs, chain, asid, addr) {
                return Some(found);
            }
        }
        None
    }

    /// Counts `hits` on entries that were used last in their sets in the TLB at index `tlb` of the
    /// configuration's list, where there is one: they are the latest already.
    #[inline]
    pub fn count_hits(&mut self, tlb: u8, hits: u64) {
        if let Some(tlb) = self.tlbs.get_mut(usize::from(tlb)) {
            tlb.count_hits(hits);
        }
    }

    /// Counts an access to a page of `size` that no TLB had, once for all its walks.
    pub fn count_miss(&mut self, stream: Stream, size: PageShift) {
        let Self { tlbs, chains, .. } = self;
        for chain in chains[stream as usize].iter().filter(|chain| chain.size == size) {
            chain.tlbs.iter().for_each(|tlb| tlbs[usize::from(*tlb)].count_miss());
        }
    }

    /// What an outcome says of a page of `size` that `tlb` had, or [`WALKED`] for none, for an instruction at
    /// `site` on `stream`: its index, or another where it tried other page sizes first. Predictions are
    /// counted, and learn.
    #[inline]
    pub fn tried(&mut self, stream: Stream, site: u64, size: PageShift, tlb: u8) -> u8 {
        if self.sequences.is_empty() { tlb } else { self.tried_in_turn(stream, site, size, tlb) }
    }

    fn tried_in_turn(&mut self, stream: Stream, site: u64, size: PageShift, tlb: u8) -> u8 {
        let Self { chains, sequences, .. } = self;
        let chain = chains[stream as usize].iter().find(|chain| chain.size == size);
        let mut said = tlb;
        for level in chain.map_or(&[][..], |chain| &chain.tlbs) {
            if let Some(sequence) = sequences.iter_mut().find(|other| other.tlb == *level) {
                let named = sequence.try_sizes(site, size);
                said = if *level == tlb { named.unwrap_or(tlb) } else { said };
            }
            if *level == tlb {
                break;
            }
        }
        said
    }

    /// Puts in a translation that a walk for `addr` has found.
    pub fn fill(
        &mut self,
        stream: Stream,
        asid: Asid,
        addr: VirtAddr,
        size: PageShift,
        entry: TlbEntry,
    ) {
        let Self { tlbs, chains, .. } = self;
        let of_size = |chain: &Chain| chain.size == size;
        let Some(place) = chains[stream as usize].iter().position(of_size) else { return };
        if !chains[stream as usize][place].used {
            // A TLB may be on both streams' chains.
            let chains = chains.iter_mut().flatten().filter(|chain| chain.size == size);
            chains.for_each(|chain| chain.used = true);
        }
        // The lowest level first, as the translation comes up.
        for (tlb, key) in chains[stream as usize][place].keys(asid, addr).rev() {
            tlbs[usize::from(tlb)].fill_key(key, entry);
        }
    }

    /// What [`lookup`](Self::lookup) would find, without a use, a count or a fill.
    pub fn probe(&self, stream: Stream, asid: Asid, addr: VirtAddr) -> Option<Found> {
        self.chains[stream as usize].iter().find_map(|chain| {
            chain.tlbs.iter().find_map(|tlb| {
                let page = chain.size.page_of(addr);
                let entry = self.tlbs[usize::from(*tlb)].probe(asid, page, chain.size)?;
                Some(Found { tlb: *tlb, size: chain.size, entry })
            })
        })
    }

    /// Changes a page's entry in every TLB that has it, without a use: the walker has set its dirty bit.
    pub fn update(
        &mut self,
        asid: Asid,
        addr: VirtAddr,
        size: PageShift,
        change: impl Fn(&mut TlbEntry),
    ) {
        for tlb in self.tlbs.iter_mut().filter(|tlb| tlb.sizes().contains(&size)) {
            tlb.update(asid, size.page_of(addr), size, &change);
        }
    }

    /// Drops a page's entries; how many there were.
    pub fn invalidate_page(&mut self, asid: Asid, addr: VirtAddr, size: PageShift) -> u64 {
        let holders = self.tlbs.iter_mut().filter(|tlb| tlb.sizes().contains(&size));
        holders.map(|tlb| u64::from(tlb.invalidate_page(asid, size.page_of(addr), size))).sum()
    }

    /// Drops every entry of an address space.
    pub fn flush_asid(&mut self, asid: Asid) {
        self.tlbs.iter_mut().for_each(|tlb| tlb.flush_asid(asid));
    }

    /// Drops every entry but those that carry the identifier `kept`.
    pub fn flush(&mut self, kept: Option<Asid>) {
        self.tlbs.iter_mut().for_each(|tlb| tlb.flush(kept));
    }

    /// Declares the statistics of every TLB.
    pub fn report(&self, statistics: &mut Statistics, instructions: u64) {
        for (index, tlb) in (0..).zip(&self.tlbs) {
            tlb.report(statistics, instructions);
            if let Some(sequence) = self.sequences.iter().find(|other| other.tlb == index) {
                sequence.report(tlb.name(), statistics);
            }
        }
    }
}

/// Looks `addr` up below the first level, which does not have it.
fn lookup_below(tlbs: &mut [Tlb], chain: &Chain, asid: Asid, addr: VirtAddr) -> Option<Found> {
    for (above, (tlb, key)) in chain.keys(asid, addr).enumerate().skip(1) {
        let Some(entry) = tlbs[usize::from(tlb)].lookup_key(key) else { continue };
        for (missed, key) in chain.keys(asid, addr).take(above).rev() {
            let missed = &mut tlbs[usize::from(missed)];
            missed.count_miss();
            missed.fill_key(key, entry);
        }
        return Some(Found { tlb, size: chain.size, entry });
    }
    None
}

/// Checks the name and level of a TLB among the others.
fn check_place(list: &[settings::Tlb], place: usize) -> Result<(), InvalidSetting> {
    let tlb = &list[place];
    let key = |field| format!("mmu.tlb.{}.{field}", tlb.name);
    if tlb.name.is_empty() {
        return Err(InvalidSetting::new(format!("mmu.tlb.{place}.name"), "a TLB needs a name"));
    }
    if list[..place].iter().any(|other| other.name == tlb.name) {
        return Err(InvalidSetting::new(key("name"), "two TLBs have this name"));
    }
    if tlb.level == 0 {
        return Err(InvalidSetting::new(key("level"), "levels start at 1"));
    }
    if tlb.serves.is_empty() {
        return Err(InvalidSetting::new(key("serves"), "a TLB serves at least one stream"));
    }
    if tlb.level > 1 && !list.iter().any(|other| other.level == tlb.level - 1) {
        let message = format!("there is no TLB of level {} above it", tlb.level - 1);
        return Err(InvalidSetting::new(key("level"), message));
    }
    Ok(())
}

/// The page sizes of the machine that a TLB holds. It may list sizes of the page-table format that are
/// below the base page: a machine on larger pages has entries for smaller ones that stay empty.
fn held_sizes(
    tlb: &settings::Tlb,
    sizes: &[PageShift],
    leaves: &[ByteSize],
) -> Result<Vec<PageShift>, InvalidSetting> {
    let Some(pages) = &tlb.pages else { return Ok(sizes.to_vec()) };
    let key = format!("mmu.tlb.{}.pages", tlb.name);
    if pages.is_empty() {
        return Err(InvalidSetting::new(key, "a TLB holds at least one page size"));
    }
    let mut held = Vec::with_capacity(pages.len());
    for (place, page) in pages.iter().enumerate() {
        if pages[..place].contains(page) {
            return Err(InvalidSetting::new(key, format!("{page} is listed twice")));
        }
        match sizes.iter().find(|size| size.bytes() == page.0) {
            Some(size) => held.push(*size),
            None if leaves.contains(page) => {}
            None => {
                let mut known: Vec<_> = sizes.iter().map(|size| ByteSize(size.bytes())).collect();
                known.extend(
                    leaves.iter().filter(|leaf| !sizes.iter().any(|s| s.bytes() == leaf.0)),
                );
                known.sort_unstable();
                let known: Vec<_> = known.iter().map(ByteSize::to_string).collect();
                let known = known.join(", ");
                let message = format!("there are no pages of {page}; page sizes are {known}");
                return Err(InvalidSetting::new(key, message));
            }
        }
    }
    Ok(held)
}

/// The chain of every page size on `stream`.
fn chains(
    list: &[settings::Tlb],
    tlbs: &[Tlb],
    sizes: &[PageShift],
    stream: Stream,
) -> Result<Vec<Chain>, InvalidSetting> {
    let chain_of = |size: &PageShift| {
        let holds =
            |k: &usize| list[*k].serves.contains(&stream) && tlbs[*k].sizes().contains(size);
        let mut members: Vec<usize> = (0..list.len()).filter(holds).collect();
        members.sort_by_key(|k| list[*k].level);
        for pair in members.windows(2) {
            let (one, other) = (&list[pair[0]], &list[pair[1]]);
            if one.level == other.level {
                let size = ByteSize(size.bytes());
                let (level, name) = (one.level, &one.name);
                let stream = match stream {
                    Stream::Data => "data",
                    Stream::Instruction => "instruction",
                };
                let message =
                    format!("`{name}` is of level {level} too and holds {size} {stream} pages");
                return Err(InvalidSetting::new(format!("mmu.tlb.{}.level", other.name), message));
            }
        }
        // There are at most 253 TLBs.
        let contexts = members.iter().map(|k| tlbs[*k].context(*size)).collect();
        let tlbs = members.into_iter().map(|k| k as u8).collect();
        Ok(Chain { size: *size, tlbs, contexts, used: false })
    };
    sizes.iter().map(chain_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Pfn;
    use crate::mmu::settings::{Mmu, Ways};

    const PAGE: PageShift = PageShift(12);
    const HUGE: PageShift = PageShift(21);
    const GIANT: PageShift = PageShift(30);
    const ASID: Asid = Asid(3);

    fn tlb(name: &str, level: u8, entries: u32, pages: Option<&[PageShift]>) -> settings::Tlb {
        settings::Tlb {
            name: name.to_owned(),
            level,
            serves: Stream::both(),
            pages: pages.map(|pages| pages.iter().map(|size| ByteSize(size.bytes())).collect()),
            entries,
            ways: Ways::Full,
            latency: None,
            replacement: Default::default(),
            lookup: Default::default(),
            predictor_entries: None,
        }
    }

    fn build(tlbs: &[settings::Tlb]) -> Result<TlbHierarchy, InvalidSetting> {
        let settings = Mmu { tlb: tlbs.to_vec(), ..Mmu::default() };
        TlbHierarchy::new(&settings, &[PAGE, HUGE, GIANT], 48, 0)
    }

    fn skylake() -> TlbHierarchy {
        build(&[
            tlb("dtlb", 1, 2, Some(&[PAGE])),
            tlb("dtlb-2m", 1, 2, Some(&[HUGE])),
            tlb("stlb", 2, 4, Some(&[PAGE, HUGE])),
            tlb("dtlb-1g", 1, 2, Some(&[GIANT])),
        ])
        .unwrap()
    }

    fn entry(pfn: u64) -> TlbEntry {
        TlbEntry { pfn: Pfn(pfn), ..TlbEntry::default() }
    }

    /// As the function half does it: look up, or walk, count and fill.
    fn access(tlbs: &mut TlbHierarchy, page: u64, size: PageShift) -> u8 {
        let addr = VirtAddr(page << size.0);
        if let Some(found) = tlbs.lookup(Stream::Data, ASID, addr) {
            assert_eq!((found.entry, found.size), (entry(page), size));
            return found.tlb;
        }
        tlbs.count_miss(Stream::Data, size);
        tlbs.fill(Stream::Data, ASID, addr, size, entry(page));
        WALKED
    }

    fn counts(tlbs: &TlbHierarchy) -> Vec<(u64, u64)> {
        tlbs.tlbs().iter().map(|tlb| (tlb.counters().hits, tlb.counters().misses)).collect()
    }

    #[test]
    fn an_access_counts_where_its_page_size_is_held() {
        let mut tlbs = skylake();
        let served: Vec<u8> = [1, 2, 3, 3, 1].iter().map(|k| access(&mut tlbs, *k, PAGE)).collect();
        assert_eq!(served, [WALKED, WALKED, WALKED, 0, 2]);
        assert_eq!(counts(&tlbs), [(1, 4), (0, 0), (1, 3), (0, 0)]);
        assert_eq!(access(&mut tlbs, 64, HUGE), WALKED);
        assert_eq!(access(&mut tlbs, 64, HUGE), 1);
        assert_eq!(counts(&tlbs), [(1, 4), (1, 1), (1, 4), (0, 0)]);
        assert_eq!((access(&mut tlbs, 9, GIANT), access(&mut tlbs, 9, GIANT)), (WALKED, 3));
        assert_eq!(counts(&tlbs), [(1, 4), (1, 1), (1, 4), (1, 1)]);
    }

    /// Level 2 sees what level 1 missed: a second sweep over four pages misses the two entries of level
    /// 1 (LRU, cyclic) and hits the four of level 2.
    #[test]
    fn level_2_has_what_level_1_displaced() {
        let mut tlbs = skylake();
        (0..4).for_each(|k| assert_eq!(access(&mut tlbs, k, PAGE), WALKED));
        (0..4).for_each(|k| assert_eq!(access(&mut tlbs, k, PAGE), 2));
        assert_eq!(counts(&tlbs)[..3], [(0, 8), (0, 0), (4, 4)]);
        assert_eq!(tlbs.tlbs()[0].counters().evictions, 6);
    }

    #[test]
    fn changes_reach_every_level() {
        let mut tlbs = skylake();
        let addr = VirtAddr(7 << 12);
        access(&mut tlbs, 7, PAGE);
        tlbs.update(ASID, addr, PAGE, |entry| entry.dirty = true);
        let dirty = |tlb: usize, tlbs: &TlbHierarchy| {
            tlbs.tlbs()[tlb].probe(ASID, PAGE.page_of(addr), PAGE).map(|entry| entry.dirty)
        };
        assert_eq!((dirty(0, &tlbs), dirty(2, &tlbs)), (Some(true), Some(true)));
        assert_eq!(tlbs.invalidate_page(ASID, addr, PAGE), 2);
        assert_eq!(tlbs.probe(Stream::Data, ASID, addr), None);
        assert_eq!(tlbs.invalidate_page(ASID, addr, PAGE), 0);
    }

    /// A study that sweeps the page size keeps its machine's TLB for small pages, which stays empty.
    #[test]
    fn a_size_below_the_base_page_holds_nothing() {
        let list = vec![tlb("dtlb", 1, 2, Some(&[PAGE])), tlb("dtlb-2m", 1, 2, Some(&[HUGE]))];
        let settings = Mmu { tlb: list, page_size: Some(ByteSize(HUGE.bytes())), ..Mmu::default() };
        let mut tlbs = TlbHierarchy::new(&settings, &[HUGE, GIANT], 48, 0).unwrap();
        assert_eq!((access(&mut tlbs, 5, HUGE), access(&mut tlbs, 5, HUGE)), (WALKED, 1));
        assert_eq!(counts(&tlbs), [(0, 0), (1, 1)]);
    }

    #[test]
    fn a_probe_changes_nothing() {
        let mut tlbs = skylake();
        (0..3).for_each(|k| assert_eq!(access(&mut tlbs, k, PAGE), WALKED));
        let before = counts(&tlbs);
        let found = tlbs.probe(Stream::Data, ASID, VirtAddr(0x0123));
        assert_eq!(found, Some(Found { tlb: 2, size: PAGE, entry: entry(0) }));
        assert_eq!(counts(&tlbs), before);
        // Had page 0 been filled into level 1, page 1 would have been displaced.
        assert_eq!(access(&mut tlbs, 1, PAGE), 0);
    }

    #[test]
    fn impossible_machines_name_the_key() {
        let message = |tlbs: &[settings::Tlb]| build(tlbs).unwrap_err().to_string();
        let one = || tlb("dtlb", 1, 4, None);
        assert!(message(&[one(), one()]).starts_with("`mmu.tlb.dtlb.name`"));
        assert!(
            message(&[one(), tlb("other", 1, 4, Some(&[HUGE]))])
                .starts_with("`mmu.tlb.other.level`")
        );
        assert!(message(&[one(), tlb("stlb", 3, 4, None)]).contains("no TLB of level 2"));
        assert!(message(&[tlb("stlb", 0, 4, None)]).contains("start at 1"));
        let odd = message(&[tlb("dtlb", 1, 4, Some(&[PageShift(16)]))]);
        assert!(
            odd.starts_with("`mmu.tlb.dtlb.pages`") && odd.contains("4KiB, 2MiB, 1GiB"),
            "{odd}"
        );
        assert!(message(&[tlb("dtlb", 1, 4, Some(&[]))]).contains("at least one page size"));
        assert!(build(&[]).is_ok_and(|tlbs| !tlbs.serves(Stream::Data)));
    }
}
