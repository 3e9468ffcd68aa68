//! `[[mmu.layout]]`: which pages an address range is mapped with.
//!
//! A page above the base page is a leaf of the format at a higher level, or a *group*: an aligned run of
//! base pages in contiguous frames with an entry each, which a TLB holds as one (Arm's contiguous bit,
//! "Translation table descriptor formats", D8.3; x86 cores that coalesce neighbours).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracegen::record::ProcessId;

use super::settings::Mmu;
use crate::address::{PageShift, VirtAddr};
use crate::config::InvalidSetting;
use crate::units::ByteSize;

/// The most base pages of a group, as log2: what the host keeps together.
const LARGEST_GROUP: u8 = 9;

/// A range of addresses and the page that it is mapped with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// What paths call it.
    #[schemars(extend("x-effect" = "function"))]
    pub name: String,
    /// Its first byte, a multiple of `page`.
    #[schemars(extend("x-effect" = "function"))]
    pub start: ByteSize,
    /// Its size, a multiple of `page`.
    #[schemars(extend("x-effect" = "function"))]
    pub size: ByteSize,
    /// The page: the base page, a larger leaf of the format, or a power-of-two group of base pages within
    /// a table. The kernel maps it at the first touch where it lies within one area, nothing else is mapped
    /// in it, and contiguous aligned frames are free, and base pages elsewhere.
    #[schemars(extend("x-effect" = "function"))]
    pub page: ByteSize,
    /// The process whose range it is. Default: every one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "function"))]
    pub process: Option<ProcessId>,
}

impl Layout {
    /// One past its last byte.
    fn end(&self) -> u64 {
        self.start.0.saturating_add(self.size.0)
    }

    fn overlaps(&self, other: &Self) -> bool {
        let process = match (self.process, other.process) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        process && self.start.0 < other.end() && other.start.0 < self.end()
    }
}

impl Mmu {
    /// The pages of the layout that are groups, smallest first.
    pub fn group_sizes(&self) -> Vec<ByteSize> {
        let leaves = self.leaf_sizes();
        let base = self.base_page();
        let pages = self.layout.iter().map(|range| range.page);
        let mut groups: Vec<_> =
            pages.filter(|page| *page != base && !leaves.contains(page)).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// The largest group there may be: less than a table of base pages maps.
    fn largest_group(&self) -> ByteSize {
        let page = self.base_page().0.max(1);
        let above = self.leaf_sizes().into_iter().find(|leaf| leaf.0 > page);
        let bits = match (&self.format, above) {
            (Some(format), _) => format.bits.last().copied().unwrap_or(1),
            (None, Some(above)) => (above.0 / page).ilog2() as u8,
            (None, None) => self.index_bits().and_then(|bits| bits.last().copied()).unwrap_or(1),
        };
        ByteSize(page << bits.saturating_sub(1).min(LARGEST_GROUP))
    }

    /// Checks the layout of a machine whose defaults are filled in.
    pub(crate) fn check_layout(&self) -> Result<(), InvalidSetting> {
        let end = 1u64.checked_shl(self.va_bits.unwrap_or(64).into()).unwrap_or(u64::MAX);
        for (at, range) in self.layout.iter().enumerate() {
            let fault = |key: &str, message: String| {
                Err(InvalidSetting::new(format!("mmu.layout.{}.{key}", range.name), message))
            };
            let page = range.page;
            if let Some(message) = self.why_no_page(page) {
                return fault("page", message);
            }
            for (key, value) in [("start", range.start), ("size", range.size)] {
                if !value.0.is_multiple_of(page.0) {
                    let message = format!("{:#x} is no multiple of the page of {page}", value.0);
                    return fault(key, message);
                }
            }
            if range.start.0.checked_add(range.size.0).is_none_or(|last| last > end) {
                let message = format!("the range ends after the last address, {:#x}", end - 1);
                return fault("size", message);
            }
            if let Some(other) = self.layout[..at].iter().find(|other| other.overlaps(range)) {
                let message = format!(
                    "overlaps `{}`, which is from {:#x} to {:#x}",
                    other.name,
                    other.start.0,
                    other.end()
                );
                return fault("start", message);
            }
        }
        Ok(())
    }

    /// Why nothing can be mapped with pages of this size, if so.
    fn why_no_page(&self, page: ByteSize) -> Option<String> {
        let (base, leaves) = (self.base_page(), self.leaf_sizes());
        let largest = self.largest_group();
        let leaf = leaves.contains(&page) && leaves.contains(&base) && page > base;
        let group = page.0.is_power_of_two() && page > base && page <= largest;
        let one_size = self.is_hashed();
        if page == base || !one_size && (leaf || group) {
            return None;
        }
        if one_size {
            return Some(format!(
                "a hashed page table has pages of one size here: expected {base}"
            ));
        }
        let mut known: Vec<_> = self
            .page_sizes()
            .into_iter()
            .filter(|size| !self.group_sizes().contains(size))
            .collect();
        known.retain(|size| *size >= base);
        let known: Vec<_> = known.iter().map(ByteSize::to_string).collect();
        let mut message = format!("no page has {page}: expected {}", known.join(", "));
        if largest > base {
            message += &format!(", or a group of base pages: a power of two up to {largest}");
        }
        Some(message)
    }
}

/// The ranges of a layout with pages above the base page, to be looked up.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
pub struct Ranges {
    /// By process and first byte: one past the last byte, and log2 of the page in base pages.
    ranges: BTreeMap<(Option<ProcessId>, u64), (u64, u8)>,
}

impl Ranges {
    /// The ranges of a checked layout for base pages of 2^`page` bytes.
    pub fn new(layout: &[Layout], page: PageShift) -> Self {
        let larger = layout.iter().filter(|range| range.page.0 > page.bytes() && range.size.0 > 0);
        let ranges = larger.map(|range| {
            let order = range.page.0.ilog2() as u8 - page.0;
            ((range.process, range.start.0), (range.end(), order))
        });
        Self { ranges: ranges.collect() }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// log2 of the page at `addr` of `process`, in base pages; `None` for a base page.
    pub fn order(&self, process: ProcessId, addr: VirtAddr) -> Option<u8> {
        [Some(process), None].into_iter().find_map(|owner| {
            let below = self.ranges.range((owner, 0)..=(owner, addr.0)).next_back();
            below.filter(|(_, (end, _))| addr.0 < *end).map(|(_, (_, order))| *order)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::mmu::settings::PageTable;

    fn range(name: &str, start: u64, size: u64, page: u64) -> Layout {
        let (start, size, page) = (ByteSize(start), ByteSize(size), ByteSize(page));
        Layout { name: name.to_owned(), start, size, page, process: None }
    }

    fn resolved(table: PageTable, ranges: &[Layout]) -> Result<Config, InvalidSetting> {
        let mut config = Config::default();
        config.mmu.page_table = table;
        config.mmu.layout = ranges.to_vec();
        config.resolve()
    }

    const MIB: u64 = 1 << 20;
    const X86: PageTable = PageTable::X86_64Level4;

    #[test]
    fn leaves_and_groups_are_pages_and_nothing_else_is() {
        for (table, page) in [
            (X86, 4096),
            (X86, 16 << 10),
            (X86, MIB),
            (X86, 2 * MIB),
            (X86, 1 << 30),
            (PageTable::Arm16k, 2 * MIB),
            (PageTable::Arm16k, 32 * MIB),
            (PageTable::X86Short, 4 * MIB),
        ] {
            assert!(resolved(table, &[range("a", 0, page, page)]).is_ok(), "{table:?} {page}");
        }
        for (table, page) in [
            (X86, 2048),
            (X86, 12 << 10),
            (X86, 4 * MIB),
            (X86, 512 << 30),
            (PageTable::Hashed, 16 << 10),
        ] {
            let error = resolved(table, &[range("a", 0, page, page)]).unwrap_err();
            assert_eq!(error.key, "mmu.layout.a.page", "{table:?} {page}: {error}");
        }
    }

    #[test]
    fn ranges_are_aligned_apart_and_within_the_address_space() {
        let key = |ranges: &[Layout]| resolved(X86, ranges).unwrap_err().key;
        assert_eq!(key(&[range("a", 4096, 2 * MIB, 2 * MIB)]), "mmu.layout.a.start");
        assert_eq!(key(&[range("a", 0, MIB, 2 * MIB)]), "mmu.layout.a.size");
        assert_eq!(key(&[range("a", 1 << 48, 2 * MIB, 2 * MIB)]), "mmu.layout.a.size");
        let two = [range("a", 0, 4 * MIB, 2 * MIB), range("b", 2 * MIB, 4096, 4096)];
        assert_eq!(key(&two), "mmu.layout.b.start");
        let of = |process, range| Layout { process: Some(process), ..range };
        let [a, b] = two;
        assert!(resolved(X86, &[of(1, a.clone()), of(2, b.clone())]).is_ok());
        assert_eq!(key(&[of(1, a), b]), "mmu.layout.b.start");
    }

    #[test]
    fn a_process_has_its_own_ranges_and_everybodys() {
        let own = Layout { process: Some(7), ..range("own", 4 * MIB, 2 * MIB, 2 * MIB) };
        let ranges = Ranges::new(&[range("all", 0, 64 << 10, 64 << 10), own], PageShift(12));
        let order = |process, addr| ranges.order(process, VirtAddr(addr));
        assert_eq!((order(0, 0xffff), order(7, 0), order(0, 0x10000)), (Some(4), Some(4), None));
        assert_eq!(
            (order(7, 5 * MIB), order(0, 5 * MIB), order(7, 6 * MIB)),
            (Some(9), None, None)
        );
    }
}
