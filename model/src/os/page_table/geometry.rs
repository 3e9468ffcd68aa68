//! The shape of a page table: which address bits index which level.

use crate::address::{PageShift, VirtAddr};
use crate::config::Config;
use crate::mmu::format::Layout;
use crate::mmu::settings::{Format, Mmu, PageTable};
use crate::os::OsError;

/// The most levels that a table may have.
pub const MAX_LEVELS: usize = 8;

/// The largest page: the largest leaf of any format, Sv57's.
const LARGEST_PAGE: u64 = 1 << 48;

/// Index bits of one host node.
const DIGIT: u8 = 9;

/// One level of the modelled table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Level {
    /// Index bits.
    pub bits: u8,
    /// The lowest address bit of the index.
    pub shift: u8,
}

/// One step on the host: a level with more than 9 index bits takes several, so that a huge flat table
/// costs the host only what is used of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub(super) struct Digit {
    pub shift: u8,
    pub mask: u32,
    pub level: u8,
    pub last: bool,
}

/// The shape of every page table of a machine.
#[derive(Debug, Clone, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Geometry {
    levels: Vec<Level>,
    pub(super) digits: Vec<Digit>,
    leaf: u8,
    /// The levels that may hold leaves.
    leaves: Vec<u8>,
    /// Index bits of the last digit.
    leaf_digit: u32,
    page: PageShift,
    entry_bytes: u64,
    va_bits: u8,
    flat: bool,
    hashed: bool,
    /// Index bits of a full table; a narrower root is as large.
    width: u8,
    /// log2 of what the table pages of the format are counted in.
    granule: u8,
    /// The highest level that walks read.
    first_read: u8,
    layout: Layout,
}

fn error(key: &'static str, message: impl Into<String>) -> OsError {
    OsError::Setting { key, message: message.into() }
}

/// A format before it meets a page size: index bits root first, offset bits of the last level, and the
/// levels that may hold leaves.
struct Shape {
    bits: Vec<u8>,
    base: u8,
    leaves: Vec<u8>,
    entry_bytes: u64,
}

impl Geometry {
    /// The shape that `[mmu]` asks for. A page size that is a leaf size of the format maps everything
    /// with that leaf. Any other changes only the offset's width: tables keep their size and their
    /// indices, and there are as many levels as the virtual address needs.
    ///
    /// A format given by `[mmu.format]` has no offset width of its own: it is what `va_bits` leaves, and
    /// the page's where `va_bits` is not given.
    pub fn new(config: &Config) -> Result<Self, OsError> {
        let mmu = &config.mmu;
        let size = mmu.base_page();
        if !size.0.is_power_of_two() || !(64..=LARGEST_PAGE).contains(&size.0) {
            let message = format!("{size} is no power of two from 64B to 256TiB");
            return Err(error("mmu.page_size", message));
        }
        let page = size.0.trailing_zeros() as u8;
        let shape = match &mmu.format {
            Some(format) => custom(format, mmu.va_bits, page)?,
            None if mmu.page_table.radix().is_none() => flat(mmu.va_bits, page)?,
            None => named(mmu, page)?,
        };
        let total =
            shape.bits.iter().map(|bits| u32::from(*bits)).sum::<u32>() + u32::from(shape.base);
        let va_bits = match mmu.va_bits {
            Some(bits) if bits > 64 || u32::from(bits) > total => {
                return Err(error(
                    "mmu.va_bits",
                    format!("{bits} bits are more than the {total} that the page table translates"),
                ));
            }
            Some(bits) => bits,
            None => u8::try_from(total).ok().filter(|bits| *bits <= 64).ok_or_else(|| {
                error(
                    "mmu.format.bits",
                    format!(
                        "with the page offset, {total} bits are more than the 64 of an address"
                    ),
                )
            })?,
        };
        Self::assemble(mmu, &shape, page, va_bits)
    }

    fn assemble(mmu: &Mmu, shape: &Shape, page: u8, va_bits: u8) -> Result<Self, OsError> {
        let mut levels = Vec::with_capacity(shape.bits.len());
        let mut shift = shape.base;
        for &bits in shape.bits.iter().rev() {
            levels.push(Level { bits, shift });
            shift += bits;
        }
        let leaf = levels.iter().position(|level| level.shift == page).map(|index| index as u8 + 1);
        let leaf = leaf
            .filter(|leaf| *leaf == 1 || shape.leaves.contains(leaf))
            .ok_or_else(|| error("mmu.page_size", "is no leaf size of the page table"))?;
        let mut digits = Vec::new();
        for (index, level) in levels.iter().enumerate().skip(usize::from(leaf) - 1).rev() {
            let mut left = level.bits;
            while left > 0 {
                let take = if left % DIGIT == 0 { DIGIT } else { left % DIGIT };
                left -= take;
                digits.push(Digit {
                    shift: level.shift + left,
                    mask: (1 << take) - 1,
                    level: index as u8 + 1,
                    last: left == 0,
                });
            }
        }
        let leaf_digit = digits.last().map_or(0, |digit: &Digit| digit.mask.count_ones());
        let format = mmu.named_format();
        // There are at most as many levels as address bits.
        let first_read = levels.len() as u8 - u8::from(mmu.root_in_registers());
        Ok(Self {
            levels,
            digits,
            leaf,
            leaves: shape.leaves.clone(),
            leaf_digit,
            page: PageShift(page),
            entry_bytes: shape.entry_bytes,
            va_bits,
            flat: mmu.format.is_none() && mmu.page_table == PageTable::Flat,
            hashed: mmu.is_hashed(),
            width: format.map_or(DIGIT, |format| format.width),
            granule: format.map_or(12, |format| format.granule),
            first_read,
            layout: format.map_or(Layout::X86, |format| format.layout),
        })
    }

    /// The page size that everything is mapped with.
    pub fn page(&self) -> PageShift {
        self.page
    }
    /// The level whose entries are the leaves.
    pub fn leaf_level(&self) -> u8 {
        self.leaf
    }
    /// The level whose entries map pages of 2^`order` base pages: the leaf level for a group of them within
    /// a table, and for the base page itself. `None` where there is no such page.
    pub fn level_of(&self, order: u8) -> Option<u8> {
        let shift = u32::from(self.page.0) + u32::from(order);
        // There are at most eight levels.
        let mut levels = (1u8..).zip(&self.levels).skip(usize::from(self.leaf));
        let above = levels.find(|(number, level)| {
            u32::from(level.shift) == shift && self.leaves.contains(number)
        });
        let group = u32::from(order) <= self.leaf_digit;
        above.map(|(number, _)| number).or(group.then_some(self.leaf))
    }
    /// log2 of the bytes that a table of the leaf level maps.
    pub fn leaf_table_shift(&self) -> u32 {
        let Level { bits, shift } = self.levels[usize::from(self.leaf) - 1];
        u32::from(bits) + u32::from(shift)
    }
    /// The levels, the last one first.
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }
    /// The index of `addr` in a table of `level`, which is one of the format's.
    #[inline]
    pub fn index(&self, level: u8, addr: VirtAddr) -> u64 {
        let Level { bits, shift } = self.levels[usize::from(level) - 1];
        (addr.0 >> shift) & ((1 << bits) - 1)
    }
    /// log2 of the bytes that one leaf node of the host maps.
    #[inline]
    pub(super) fn leaf_node_shift(&self) -> u32 {
        u32::from(self.page.0) + self.leaf_digit
    }
    /// Bytes of an entry.
    pub fn entry_bytes(&self) -> u64 {
        self.entry_bytes
    }
    /// Width of a virtual address.
    pub fn va_bits(&self) -> u8 {
        self.va_bits
    }
    /// Whether it is one array, which lies in a region of its own.
    pub fn is_flat(&self) -> bool {
        self.flat
    }
    /// The highest level that walks read: the root's, or the next one where the processor has the root's
    /// entries in registers.
    #[inline]
    pub fn first_read(&self) -> u8 {
        self.first_read
    }
    /// What table pages are counted in: the size of a table of the format, 4 KiB where it has none.
    pub fn table_page(&self) -> PageShift {
        PageShift(self.granule)
    }
    /// How entries are laid out.
    pub(super) fn layout(&self) -> Layout {
        self.layout
    }
    /// Whether walks read a hashed table instead of these.
    pub fn is_hashed(&self) -> bool {
        self.hashed
    }
    /// Bytes of a table of `level`. The root of a narrow address is as large as the tables below it,
    /// where those are of the usual width and the processor does not keep its entries.
    pub fn table_bytes(&self, level: u8) -> u64 {
        let bits =
            self.levels.get(usize::from(level).wrapping_sub(1)).map_or(0, |level| level.bits);
        let uniform = self.levels.len() > 1
            && usize::from(self.first_read) == self.levels.len()
            && self.levels[..self.levels.len() - 1].iter().all(|level| level.bits == self.width);
        let bits = if uniform { bits.max(self.width) } else { bits };
        // At most 58 index bits and 6 of the entry.
        self.entry_bytes.checked_shl(u32::from(bits)).unwrap_or(u64::MAX)
    }
    /// `addr` without the bits that are not translated; `None` where they are neither all zero nor a
    /// sign extension. Recorded kernel and vsyscall addresses thus lie in the upper half.
    pub fn fold(&self, addr: VirtAddr) -> Option<VirtAddr> {
        let bits = u32::from(self.va_bits);
        if bits >= 64 {
            return Some(addr);
        }
        let upper = addr.0 >> bits;
        let sign = upper == u64::MAX >> bits && addr.0 >> (bits - 1) & 1 == 1;
        (upper == 0 || sign).then_some(VirtAddr(addr.0 & ((1 << bits) - 1)))
    }
    /// One past the last translated address; `None` for all 2^64.
    pub fn end(&self) -> Option<u64> {
        1u64.checked_shl(u32::from(self.va_bits))
    }
}

fn nothing_left(page: u8, width: u8) -> OsError {
    let message =
        format!("a page of 2^{page} bytes leaves nothing of {width} address bits to translate");
    error("mmu.page_size", message)
}

fn flat(va_bits: Option<u8>, page: u8) -> Result<Shape, OsError> {
    let width = va_bits.unwrap_or(48).min(64);
    let bits = width.checked_sub(page).filter(|bits| *bits > 0);
    let bits = vec![bits.ok_or_else(|| nothing_left(page, width))?];
    Ok(Shape { bits, base: page, leaves: vec![1], entry_bytes: 8 })
}

fn named(mmu: &Mmu, page: u8) -> Result<Shape, OsError> {
    // Only a flat table has no radix format, and is none of this.
    let format = mmu.named_format().ok_or_else(|| error("mmu.page_table", "is no radix table"))?;
    let width = mmu.va_bits.unwrap_or(format.va_bits).min(64);
    let bits = mmu.index_bits().ok_or_else(|| nothing_left(page, width))?;
    let entry_bytes = u64::from(format.entry_bytes);
    let (base, leaves) = match format.is_leaf(page) {
        true if mmu.va_bits.is_some_and(|bits| bits > format.most_va_bits()) => {
            let message = format!("the format translates {} bits at most", format.most_va_bits());
            return Err(error("mmu.va_bits", message));
        }
        true => (format.granule, (1..=format.leaves).collect()),
        false => (page, vec![1]),
    };
    Ok(Shape { bits, base, leaves, entry_bytes })
}

fn custom(format: &Format, va_bits: Option<u8>, page: u8) -> Result<Shape, OsError> {
    let Format { bits, leaves, .. } = format;
    let entry_bytes = u64::from(format.entry_bytes);
    if !entry_bytes.is_power_of_two() || !(1..=64).contains(&entry_bytes) {
        return Err(error("mmu.format.entry_bytes", "must be a power of two from 1 to 64"));
    }
    let key = "mmu.format.bits";
    if bits.is_empty() || bits.len() > MAX_LEVELS {
        return Err(error(key, format!("must name from 1 to {MAX_LEVELS} levels")));
    }
    if bits.contains(&0) || bits.iter().map(|bits| u32::from(*bits)).sum::<u32>() > 58 {
        return Err(error(key, "a level needs at least one bit, and all of them at most 58"));
    }
    if let Some(level) =
        leaves.iter().find(|level| **level == 0 || usize::from(**level) > bits.len())
    {
        return Err(error("mmu.format.leaves", format!("there is no level {level}")));
    }
    let indexed: u8 = bits.iter().sum();
    let base = match va_bits {
        Some(width) => width.checked_sub(indexed).ok_or_else(|| {
            error(
                "mmu.va_bits",
                format!("{width} bits are fewer than the {indexed} index bits of mmu.format.bits"),
            )
        })?,
        None if leaves.iter().any(|level| *level > 1) => {
            return Err(error(
                "mmu.format.leaves",
                "leaves above level 1 need mmu.va_bits, which says how wide the offset is",
            ));
        }
        None => page,
    };
    Ok(Shape { bits: bits.clone(), base, leaves: leaves.clone(), entry_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::ByteSize;

    fn geometry(change: impl FnOnce(&mut Config)) -> Result<Geometry, OsError> {
        let mut config = Config::default();
        change(&mut config);
        Geometry::new(&config)
    }

    fn bits(geometry: &Geometry) -> Vec<u8> {
        geometry.levels.iter().rev().map(|level| level.bits).collect()
    }

    #[test]
    fn leaf_sizes_move_the_leaf_and_other_sizes_the_offset() {
        let plain = geometry(|_| {}).unwrap();
        assert_eq!((bits(&plain), plain.leaf, plain.va_bits), (vec![9, 9, 9, 9], 1, 48));
        let large = geometry(|c| c.mmu.page_size = Some(ByteSize(2 << 20))).unwrap();
        assert_eq!((bits(&large), large.leaf, large.digits.len()), (vec![9, 9, 9, 9], 2, 3));
        let odd = geometry(|c| c.mmu.page_size = Some(ByteSize(64 << 10))).unwrap();
        assert_eq!((bits(&odd), odd.leaf, odd.table_bytes(4)), (vec![5, 9, 9, 9], 1, 4096));
        let tiny = geometry(|c| c.mmu.page_size = Some(ByteSize(64))).unwrap();
        assert_eq!((bits(&tiny), tiny.table_bytes(1)), (vec![6, 9, 9, 9, 9], 4096));
    }

    /// Where the format's own page is not used, tables keep their size and their indices.
    #[test]
    fn tables_of_other_formats_are_a_granule_each() {
        let shape = |table, page: u64, va_bits| {
            let made = geometry(|c| {
                c.mmu.page_table = table;
                c.mmu.page_size = (page > 0).then_some(ByteSize(page));
                c.mmu.va_bits = va_bits;
            });
            let made = made.unwrap();
            let bytes: Vec<u64> =
                (1..=made.levels.len() as u8).map(|k| made.table_bytes(k)).collect();
            (bits(&made), made.leaf, made.va_bits, bytes)
        };
        let kib = |kib: u64, levels: usize| vec![kib << 10; levels];
        assert_eq!(shape(PageTable::Sv39, 0, None), (vec![9; 3], 1, 39, kib(4, 3)));
        assert_eq!(shape(PageTable::Sv57, 1 << 48, None), (vec![9; 5], 5, 57, kib(4, 5)));
        assert_eq!(shape(PageTable::Arm16k, 0, None), (vec![1, 11, 11, 11], 1, 48, kib(16, 4)));
        assert_eq!(shape(PageTable::Arm16k, 32 << 20, Some(47)), (vec![11; 3], 2, 47, kib(16, 3)));
        assert_eq!(shape(PageTable::Arm64k, 0, None), (vec![6, 13, 13], 1, 48, kib(64, 3)));
        assert_eq!(shape(PageTable::Arm64k, 512 << 20, Some(52)).0, [10, 13, 13]);
        assert_eq!(shape(PageTable::X86Short, 4 << 20, None), (vec![10, 10], 2, 32, kib(4, 2)));
        assert_eq!(shape(PageTable::X86Short, 8 << 10, None), (vec![9, 10], 1, 32, kib(4, 2)));
        let pae = (vec![2, 9, 9], 2, 32, vec![4096, 4096, 32]);
        assert_eq!(shape(PageTable::X86Pae, 2 << 20, None), pae);
    }

    #[test]
    fn a_flat_48_bit_table_is_512_gib() {
        let flat = geometry(|c| c.mmu.page_table = PageTable::Flat).unwrap();
        assert_eq!(flat.table_bytes(1), 512 << 30);
        assert_eq!(flat.digits.len(), 4);
    }

    #[test]
    fn the_upper_half_folds_and_the_rest_is_illegal() {
        let plain = geometry(|_| {}).unwrap();
        let vsyscall = VirtAddr(0xffff_ffff_ff60_0000);
        assert_eq!(plain.fold(vsyscall), Some(VirtAddr(0xffff_ff60_0000)));
        assert_eq!(plain.fold(VirtAddr(1 << 48)), None);
        assert_eq!(plain.fold(VirtAddr(0xfff0_ffff_ff60_0000)), None);
    }

    #[test]
    fn impossible_shapes_name_their_key() {
        let key = |result: Result<Geometry, OsError>| match result {
            Err(OsError::Setting { key, .. }) => key,
            other => panic!("{other:?}"),
        };
        assert_eq!(key(geometry(|c| c.mmu.page_size = Some(ByteSize(3000)))), "mmu.page_size");
        assert_eq!(key(geometry(|c| c.mmu.va_bits = Some(57))), "mmu.va_bits");
        let arm = |page: u64, bits| {
            key(geometry(|c| {
                c.mmu.page_table = PageTable::Arm4k;
                (c.mmu.page_size, c.mmu.va_bits) = (Some(ByteSize(page)), Some(bits));
            }))
        };
        assert_eq!(arm(4096, 49), "mmu.va_bits");
        assert_eq!(arm(4096, 12), "mmu.page_size");
        assert_eq!(arm(1 << 30, 30), "mmu.page_size");
        let format = |bits: &[u8]| Format { bits: bits.to_vec(), entry_bytes: 8, leaves: vec![] };
        assert_eq!(key(geometry(|c| c.mmu.format = Some(format(&[])))), "mmu.format.bits");
        assert_eq!(key(geometry(|c| c.mmu.format = Some(format(&[30, 30])))), "mmu.format.bits");
    }
}
