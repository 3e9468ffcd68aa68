//! Lines whose next access need not look anything up.
//!
//! A hit on what was hit last *in its set* changes nothing but counts, in the TLB and in the cache,
//! under most policies: there is no use in between that it could be ordered against, and permissions and
//! dirty bits are as the access before left them. (Where a policy [counts repeats](Policy::repeats_are_idle)
//! nobody asks here.) Under many policies so does a hit on what was filled last. So a line is remembered
//! with its place, and it is
//! known for as long as neither its page's set in the first-level TLB nor its own in the first-level
//! cache has seen anything else.
//!
//! Of the page that was used last in its set of the TLB, the frame is remembered too, so that another
//! line in it is looked up in the cache alone.
//!
//! What has been used last is kept for groups of sets, with the low bits of a page's or line's number as
//! the group's: where the number of sets is a power of two, up to [`MOST`], a group is a set; elsewhere
//! it is a few of them, and a line is forgotten earlier than it has to be. It is never known for longer.

use tracegen::record::ProcessId;

use crate::address::{Asid, PageShift, VirtAddr};
use crate::cache::Settles;
use crate::replacement::Policy;

/// Where the size of a page stands in what identifies it, if it is not the base page. The number of a page
/// of 64 B or more is below.
const SIZE: u32 = 58;

/// What identifies the page of `size` at `addr` among those of other sizes; its number where it is a base
/// page.
#[inline]
pub fn identity(addr: VirtAddr, size: PageShift, base: PageShift) -> u64 {
    let number = size.page_of(addr).0;
    if size == base { number } else { number | u64::from(size.0) << SIZE }
}

/// Whether the page is above the base page.
#[inline]
pub fn is_larger(page: u64) -> bool {
    page >> SIZE != 0
}

/// A page size above the base page, and the first-level TLB that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Larger {
    /// The size.
    pub size: PageShift,
    /// The TLB, as its index in the configuration's list.
    pub tlb: u8,
    /// Where the groups of its sets are among the pages, and how many there are, less one.
    first: u32,
    mask: u32,
    fill_is_use: bool,
}

/// Groups of sets at most, and lines remembered at most.
const MOST: u64 = 1024;

/// A line that has been accessed, and what an access to it meets.
#[derive(Debug, Clone, Copy, bincode::Encode, bincode::Decode)]
pub struct Known {
    /// The part of the virtual address space: the address shifted by the size of a part.
    pub part: u64,
    /// The physical line's number.
    pub line: u64,
    /// What identifies the page among recent walks.
    pub page: u64,
    /// The number of the use of the TLB that made its page the latest of its group.
    use_of_page: u64,
    /// The number of the use of the cache that made its line the latest of its group.
    use_of_line: u64,
    /// Whose access it was.
    process: ProcessId,
    page_group: u32,
    line_group: u32,
    /// Whether it has been stored to, so that another store finds every dirty bit set.
    pub stored: bool,
}

/// The page that was used last in a group of the TLB's sets.
#[derive(Debug, Clone, Copy, bincode::Encode, bincode::Decode)]
pub struct LatestPage {
    page: u64,
    /// The physical address of its first byte.
    pub start: u64,
    /// The number of the use that made it the latest; 0 where nothing is known.
    number: u64,
    asid: Asid,
    /// Whether a store finds its dirty bit set, and is allowed.
    pub dirty: bool,
}

/// The line that was used last in a group of the cache's sets.
#[derive(Debug, Clone, Copy, bincode::Encode, bincode::Decode)]
struct LatestLine {
    line: u64,
    /// The number of the use that made it the latest; 0 where nothing is known. Since then it has been in
    /// the cache: parts that were accessed before may find it clean that they had written to.
    number: u64,
}

const NO_PAGE: LatestPage =
    LatestPage { page: 0, start: 0, number: 0, asid: Asid(0), dirty: false };
const NO_LINE: LatestLine = LatestLine { line: 0, number: 0 };

/// The lines that a CPU has accessed last, and what is latest in the first levels for data.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Recall {
    known: Box<[Known]>,
    /// By group; the last one is of pages that no first-level TLB holds, and nothing is known of it. As many
    /// as a power of two.
    pages: Box<[LatestPage]>,
    /// The groups of base pages, less one.
    page_mask: u64,
    /// The sizes above the base page.
    larger: Vec<Larger>,
    lines: Box<[LatestLine]>,
    uses: u64,
    /// Whether what has just been filled is as if it had been used, in the TLB and in the cache.
    page_fill_is_use: bool,
    line_fill_is_use: bool,
    /// Whether lines are remembered, and whether for stores too.
    keeps_lines: bool,
    keeps_stores: bool,
}

/// The sets and the policy of a first level.
#[derive(Debug, Clone, Copy)]
pub struct Level<'a> {
    /// Its sets.
    pub sets: u64,
    /// Its replacement policy.
    pub policy: &'a Policy,
}

/// How many groups keep the sets of a structure with `sets` of them apart by low bits alone.
fn groups(sets: u64) -> usize {
    let power = if sets == 0 { 1 } else { 1 << sets.trailing_zeros() };
    // At most `MOST`.
    power.min(MOST) as usize
}

impl Recall {
    /// For a machine with these first levels, of which the cache `settles` this much.
    pub fn new(tlb: Option<Level<'_>>, cache: Option<Level<'_>>, settles: Settles) -> Self {
        let unknown = Known {
            part: u64::MAX,
            line: 0,
            page: 0,
            use_of_page: u64::MAX,
            use_of_line: u64::MAX,
            process: 0,
            page_group: 0,
            line_group: 0,
            stored: false,
        };
        let groups = |level: Option<Level<'_>>| level.map_or(1, |level| groups(level.sets));
        let fill_is_use =
            |level: Option<Level<'_>>| level.is_none_or(|level| level.policy.fill_is_use());
        let (pages, lines) = (groups(tlb), groups(cache));
        let page_mask = pages as u64 - 1;
        Self {
            page_mask,
            larger: Vec::new(),
            known: vec![unknown; lines].into(),
            pages: vec![NO_PAGE; pages].into(),
            lines: vec![NO_LINE; lines].into(),
            uses: 0,
            page_fill_is_use: fill_is_use(tlb),
            line_fill_is_use: fill_is_use(cache),
            keeps_lines: settles != Settles::Nothing,
            keeps_stores: settles == Settles::All,
        }
    }

    /// Adds a page size above the base page, which the first-level TLB at `tlb` holds. `beside`: that is the
    /// one that holds base pages too.
    pub fn add_larger(&mut self, size: PageShift, tlb: u8, level: Level<'_>, beside: bool) {
        let known = self.larger.iter().find(|other| other.tlb == tlb).copied();
        // Groups number a thousand for each TLB at most, and TLBs 253.
        let (first, mask) = match known {
            Some(other) => (other.first, other.mask),
            None if beside => (0, self.page_mask as u32),
            None => {
                let ends = self.larger.iter().map(|other| other.first + other.mask);
                let first = ends.max().unwrap_or(0).max(self.page_mask as u32) + 1;
                (first, groups(level.sets) as u32 - 1)
            }
        };
        let fill_is_use = level.policy.fill_is_use();
        self.larger.push(Larger { size, tlb, first, mask, fill_is_use });
        let all = (first + mask + 2).next_power_of_two() as usize;
        self.pages = vec![NO_PAGE; all.max(self.pages.len())].into();
    }

    /// The sizes above the base page that first-level TLBs hold.
    #[inline]
    pub fn larger(&self) -> &[Larger] {
        &self.larger
    }

    /// What is known of the size of a page above the base page.
    pub fn larger_of(&self, page: u64) -> Option<&Larger> {
        self.larger.iter().find(|larger| u64::from(larger.size.0) == page >> SIZE)
    }

    #[inline]
    fn page_group(&self, page: u64) -> u32 {
        // There is at least one group, and a power of two of them; at most `MOST`.
        if is_larger(page) { self.larger_group(page) } else { (page & self.page_mask) as u32 }
    }

    fn larger_group(&self, page: u64) -> u32 {
        let nowhere = self.pages.len() as u32 - 1;
        self.larger_of(page).map_or(nowhere, |larger| larger.first + (page as u32 & larger.mask))
    }

    fn line_group(&self, line: u64) -> u32 {
        (line & (self.lines.len() as u64 - 1)) as u32
    }

    /// The line that an access of `process` to `part` hits without any change.
    #[inline]
    pub fn find(&self, part: u64, process: ProcessId) -> Option<&Known> {
        let known = &self.known[part as usize & (self.known.len() - 1)];
        (known.part == part
            && known.process == process
            && self.lines[known.line_group as usize & (self.lines.len() - 1)].number
                == known.use_of_line
            && self.pages[known.page_group as usize & (self.pages.len() - 1)].number
                == known.use_of_page)
            .then_some(known)
    }

    /// What the first-level TLB says of `page` of `asid`, if it is the latest of its set.
    #[inline]
    pub fn latest(&self, page: u64, asid: Asid) -> Option<&LatestPage> {
        let latest = &self.pages[self.page_group(page) as usize & (self.pages.len() - 1)];
        (latest.page == page && latest.asid == asid && latest.number != 0).then_some(latest)
    }

    /// A look-up of the first-level TLB has found `page` of `asid`, which lies at `start`; `dirty`:
    /// another store changes nothing.
    #[inline]
    pub fn page_used(&mut self, page: u64, asid: Asid, start: u64, dirty: bool) {
        let group = self.page_group(page) as usize;
        let latest = &mut self.pages[group];
        if latest.page != page || latest.asid != asid || latest.number == 0 || latest.start != start
        {
            self.uses += 1;
            *latest = LatestPage { page, start, number: self.uses, asid, dirty };
        }
        latest.dirty = dirty;
    }

    /// The first-level TLB has been filled with a page; as [`Self::page_used`].
    #[inline]
    pub fn page_filled(&mut self, page: u64, asid: Asid, start: u64, dirty: bool) {
        let fill_is_use = match is_larger(page) {
            true => self.larger_of(page).is_some_and(|larger| larger.fill_is_use),
            false => self.page_fill_is_use,
        };
        if fill_is_use {
            self.page_used(page, asid, start, dirty);
        } else {
            self.page_disturbed(page);
        }
    }

    /// An entry for `page` may have gone from the first-level TLB, or been used in another way.
    #[inline]
    pub fn page_disturbed(&mut self, page: u64) {
        let group = self.page_group(page) as usize;
        self.pages[group] = NO_PAGE;
    }

    /// Any entry may have gone from the first-level TLB.
    pub fn pages_disturbed(&mut self) {
        self.pages.fill(NO_PAGE);
    }

    /// The first-level cache has been filled with `line`, that has been [accessed](Self::accessed).
    #[inline]
    pub fn line_filled(&mut self, line: u64) {
        if !self.line_fill_is_use {
            self.line_disturbed(line);
        }
    }

    /// Something other than an access to data has used the set of `line` in the first-level cache.
    #[inline]
    pub fn line_disturbed(&mut self, line: u64) {
        let group = self.line_group(line) as usize;
        self.lines[group] = NO_LINE;
    }

    /// Any line may have gone from the first-level cache, or become clean there.
    pub fn lines_disturbed(&mut self) {
        self.lines.fill(NO_LINE);
    }

    /// `process` has accessed `part`, and `page` is what the first-level TLB [was used for](
    /// Self::page_used) last: the first levels have both, `line` and `page`.
    #[inline(always)]
    pub fn accessed(&mut self, process: ProcessId, part: u64, line: u64, page: u64, stored: bool) {
        let (page_group, line_group) = (self.page_group(page), self.line_group(line));
        let latest = &mut self.lines[line_group as usize];
        if latest.line != line || latest.number == 0 {
            self.uses += 1;
            *latest = LatestLine { line, number: self.uses };
        }
        let use_of_line = latest.number;
        let use_of_page = self.pages[page_group as usize].number;
        if use_of_page == 0 || !self.keeps_lines {
            return;
        }
        let stored = stored && self.keeps_stores;
        self.known[part as usize & (self.known.len() - 1)] = Known {
            part,
            line,
            page,
            use_of_page,
            use_of_line,
            process,
            page_group,
            line_group,
            stored,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Page `page` and line `line` are accessed, each part one line.
    fn recall(tlb_sets: u64, cache_sets: u64) -> Recall {
        let policy = Policy::Lru(Default::default());
        let level = |sets| Some(Level { sets, policy: &policy });
        Recall::new(level(tlb_sets), level(cache_sets), Settles::All)
    }

    fn access(recall: &mut Recall, page: u64, line: u64) {
        recall.page_used(page, Asid(0), page << 12, false);
        recall.accessed(1, line, line, page, false);
    }

    fn known(recall: &Recall, line: u64) -> bool {
        recall.find(line, 1).is_some()
    }

    #[test]
    fn a_line_is_known_until_its_set_or_its_pages_set_sees_another() {
        let mut recall = recall(16, 64);
        access(&mut recall, 1, 64);
        access(&mut recall, 1, 65);
        access(&mut recall, 2, 130);
        assert!(known(&recall, 64) && known(&recall, 65) && known(&recall, 130));
        assert!(recall.find(64, 2).is_none(), "of another process");
        access(&mut recall, 3, 64 + 128);
        assert!(!known(&recall, 64) && known(&recall, 65), "the same set of the cache");
        access(&mut recall, 17, 70);
        assert!(!known(&recall, 65) && known(&recall, 130), "the same set of the TLB");
        access(&mut recall, 1, 71);
        assert!(!known(&recall, 65), "its page has been away");
    }

    #[test]
    fn a_part_of_a_line_that_has_been_away_is_not_known_to_be_written() {
        // Line 2 has parts 4 and 5.
        let mut recall = recall(1, 4);
        recall.page_used(0, Asid(0), 0, true);
        let store = |recall: &mut Recall, part| recall.accessed(1, part, part / 2, 0, true);
        store(&mut recall, 4);
        store(&mut recall, 5);
        assert!(known(&recall, 4) && known(&recall, 5));
        store(&mut recall, 12);
        store(&mut recall, 4);
        assert!(known(&recall, 4) && !known(&recall, 5));
    }

    #[test]
    fn whatever_disturbs_a_set_makes_its_lines_unknown() {
        let mut recall = recall(16, 64);
        access(&mut recall, 1, 64);
        recall.line_disturbed(128);
        assert!(!known(&recall, 64));
        access(&mut recall, 1, 64);
        recall.page_disturbed(17);
        assert!(!known(&recall, 64));
        access(&mut recall, 1, 64);
        recall.pages_disturbed();
        assert!(!known(&recall, 64));
        access(&mut recall, 1, 64);
        recall.lines_disturbed();
        assert!(!known(&recall, 64));
        access(&mut recall, 1, 64);
        recall.page_used(1, Asid(9), 0, false);
        assert!(!known(&recall, 64), "the page of another address space");
    }

    #[test]
    fn sets_that_are_no_power_of_two_share_groups() {
        // Line n is in set n mod 6: 0 and 6 are in one set, and so are 2 and 8.
        let mut recall = recall(1, 6);
        access(&mut recall, 0, 0);
        access(&mut recall, 0, 6);
        assert!(!known(&recall, 0));
        access(&mut recall, 0, 1);
        assert!(known(&recall, 6) && known(&recall, 1));
        assert_eq!((groups(0), groups(7), groups(24), groups(1 << 40)), (1, 1, 8, 1024));
    }

    #[test]
    fn a_page_is_the_latest_of_its_set_until_another_one_is() {
        let mut recall = recall(16, 64);
        recall.page_used(1, Asid(0), 7 << 12, false);
        let latest =
            |recall: &Recall| recall.latest(1, Asid(0)).map(|page| (page.start, page.dirty));
        assert_eq!(latest(&recall), Some((7 << 12, false)));
        recall.page_used(1, Asid(0), 7 << 12, true);
        recall.page_used(2, Asid(0), 8 << 12, false);
        assert_eq!(latest(&recall), Some((7 << 12, true)));
        assert!(recall.latest(1, Asid(1)).is_none() && recall.latest(17, Asid(0)).is_none());
        recall.page_used(33, Asid(0), 9 << 12, false);
        assert_eq!(latest(&recall), None);
    }

    #[test]
    fn a_fill_is_no_use_where_the_policy_says_so() {
        let srrip = Policy::Srrip(Default::default());
        for (policy, expected) in [(Policy::default(), true), (srrip, false)] {
            let level = Some(Level { sets: 16, policy: &policy });
            let mut recall = Recall::new(level, level, Settles::All);
            recall.page_filled(1, Asid(0), 0, false);
            assert_eq!(recall.latest(1, Asid(0)).is_some(), expected);
            access(&mut recall, 1, 64);
            assert!(known(&recall, 64));
            recall.line_filled(64);
            assert_eq!(known(&recall, 64), expected);
        }
    }

    #[test]
    fn stores_and_lines_are_known_only_where_the_cache_settles_them() {
        for (settles, loads, stores) in [
            (Settles::All, true, true),
            (Settles::Loads, true, false),
            (Settles::Nothing, false, false),
        ] {
            let mut recall = Recall::new(None, None, settles);
            recall.page_used(1, Asid(0), 0, true);
            recall.accessed(1, 64, 64, 1, true);
            let known = recall.find(64, 1);
            assert_eq!((known.is_some(), known.is_some_and(|known| known.stored)), (loads, stores));
        }
    }

    /// The TLB for 2 MiB pages has four sets, and one of its pages has the number of a base page.
    #[test]
    fn sizes_in_tlbs_of_their_own_leave_each_other_alone() {
        let policy = Policy::Lru(Default::default());
        let mut recall = recall(16, 64);
        recall.add_larger(PageShift(21), 1, Level { sets: 4, policy: &policy }, false);
        let huge = |number: u64| identity(VirtAddr(number << 21), PageShift(21), PageShift(12));
        access(&mut recall, 5, 64);
        recall.page_used(huge(5), Asid(0), 0, false);
        recall.accessed(1, 65, 65, huge(5), false);
        assert!(known(&recall, 64) && known(&recall, 65));
        recall.page_used(huge(9), Asid(0), 0, false);
        assert!(known(&recall, 64) && !known(&recall, 65), "the same set of the second TLB");
        let giant = identity(VirtAddr(5 << 30), PageShift(30), PageShift(12));
        recall.accessed(1, 66, 66, giant, false);
        assert!(!known(&recall, 66), "no TLB holds its page");
    }

    #[test]
    fn nothing_is_known_at_first() {
        let recall = Recall::new(None, None, Settles::All);
        assert!(recall.latest(0, Asid(0)).is_none());
        assert!(recall.find(u64::MAX, 0).is_none() && recall.find(0, 0).is_none());
    }
}
