//! TLBs that look page sizes up one after the other.
//!
//! The first try is the predicted size: that of a table which the instruction's address selects an entry of.
//! Each has a size and two bits that say how sure it is, as the 2-bit counters of Papadopoulou et al. (HPCA
//! 2015, section 4.1) have for two sizes. A miss of all sizes is known after as many tries as there are.

use super::settings::{Lookup, Mmu, Tlb};
use crate::address::PageShift;
use crate::statistics::{Ratio, Statistics};
use crate::units::ByteSize;

/// Entries of a predictor where nothing says otherwise.
const ENTRIES: u32 = 128;

/// How sure an entry can be.
const SUREST: u8 = 3;

impl Mmu {
    /// The sizes that a TLB tries one after the other, smallest first: those that something may be mapped
    /// with. One where it looks them all up at once.
    pub fn tried_sizes(&self, tlb: &Tlb) -> Vec<ByteSize> {
        let base = self.base_page();
        let mut sizes: Vec<_> = self.layout.iter().map(|range| range.page).collect();
        sizes.push(base);
        sizes.sort_unstable();
        sizes.dedup();
        if let Some(pages) = &tlb.pages {
            sizes.retain(|size| pages.contains(size));
        }
        if tlb.lookup == Lookup::Parallel || sizes.is_empty() { vec![base] } else { sizes }
    }
}

/// What a TLB of several sizes tries, and what it predicts.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Sequence {
    /// The TLB, as its index in the configuration's list.
    pub tlb: u8,
    /// What an outcome says in its place after one more try; further tries have the numbers after it.
    second: u8,
    /// Smallest first.
    sizes: Vec<PageShift>,
    /// By instruction: the place of the size that is expected, and how sure that is. One entry that never
    /// changes where nothing is predicted.
    expected: Vec<(u8, u8)>,
    predicts: bool,
    tried: u64,
    wrong: u64,
}

impl Sequence {
    /// Those of a machine's TLBs that try several sizes.
    pub fn all(mmu: &Mmu) -> Vec<Self> {
        // The caller has made sure that there are at most 253 TLBs and tries.
        let mut next = mmu.tlb.len() as u8;
        let mut all = Vec::new();
        for (index, tlb) in (0..).zip(&mmu.tlb) {
            let sizes = mmu.tried_sizes(tlb);
            if sizes.len() < 2 {
                continue;
            }
            let predicts = tlb.lookup == Lookup::Predicted;
            let entries = if predicts { tlb.predictor_entries.unwrap_or(ENTRIES) } else { 1 };
            all.push(Self {
                tlb: index,
                second: next,
                sizes: sizes.iter().map(|size| PageShift(size.0.ilog2() as u8)).collect(),
                expected: vec![(0, 0); entries.max(1) as usize],
                predicts,
                tried: 0,
                wrong: 0,
            });
            next = next.wrapping_add(sizes.len() as u8 - 1);
        }
        all
    }

    /// It has been looked up for an instruction at `site`, and the page turned out to be of `size`: what an
    /// outcome names it as, by how many tries it took. `None` where it does not hold that size.
    pub fn try_sizes(&mut self, site: u64, size: PageShift) -> Option<u8> {
        let place = self.sizes.iter().position(|held| *held == size)? as u8;
        let entry = (site % self.expected.len() as u64) as usize;
        let (expected, sure) = &mut self.expected[entry];
        self.tried += 1;
        let first = *expected;
        if place == first {
            *sure = (*sure + 1).min(SUREST);
            return Some(self.tlb);
        }
        self.wrong += 1;
        if self.predicts && *sure == 0 {
            *expected = place;
        }
        *sure = sure.saturating_sub(1);
        // The others come in order, without the one that was tried first.
        let tries = if place < first { place + 1 } else { place };
        Some(self.second + tries - 1)
    }

    /// Declares what it counts.
    pub fn report(&self, name: &str, out: &mut Statistics) {
        let tried = "Look-ups that tried one page size after the other";
        out.count(format!("{name}.predictions"), "look-ups", tried, self.tried);
        let wrong = "Look-ups whose page was not of the size that was tried first";
        out.count(format!("{name}.mispredictions"), "look-ups", wrong, self.wrong);
        let accuracy = Ratio::of(self.tried - self.wrong, self.tried);
        let right = "Share of look-ups whose page was of the size that was tried first";
        out.ratio(format!("{name}.prediction_accuracy"), "", right, accuracy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(lookup: &str) -> Sequence {
        let text = format!(
            "[[mmu.layout]]\nname = \"a\"\nstart = 0\nsize = \"2MiB\"\npage = \"2MiB\"\n\
             [[mmu.layout]]\nname = \"b\"\nstart = \"1GiB\"\nsize = \"1GiB\"\npage = \"1GiB\"\n\
             [[mmu.tlb]]\nname = \"l1\"\nlevel = 1\nentries = 4\nways = 4\n\
             [[mmu.tlb]]\nname = \"l2\"\nlevel = 2\nentries = 8\nways = 4\nlookup = \"{lookup}\"\n"
        );
        let config: crate::config::Config = toml::from_str(&text).unwrap();
        let mut all = Sequence::all(&config.resolve().unwrap().mmu);
        assert_eq!(all.len(), usize::from(lookup != "parallel"));
        all.pop().unwrap()
    }

    const SIZES: [PageShift; 3] = [PageShift(12), PageShift(21), PageShift(30)];

    #[test]
    fn sizes_are_tried_in_order_from_the_smallest() {
        let mut all = sequence("sequential");
        for _ in 0..3 {
            assert_eq!(SIZES.map(|size| all.try_sizes(0, size)), [Some(1), Some(2), Some(3)]);
        }
        assert_eq!((all.tried, all.wrong, all.try_sizes(0, PageShift(13))), (9, 6, None));
    }

    /// An instruction that asks for pages of one size is told right from the second on; one wrong guess does
    /// not change a sure mind.
    #[test]
    fn the_last_size_of_an_instruction_is_tried_first() {
        let mut all = sequence("predicted");
        let [small, large, giant] = SIZES;
        let tries: Vec<_> = [large, large, large, small, large, giant, giant, giant]
            .into_iter()
            .map(|size| all.try_sizes(5, size))
            .collect();
        // The giant page is tried after the large and the small one; two times make up for being sure.
        assert_eq!(tries, [2, 1, 1, 2, 1, 3, 3, 3].map(Some));
        assert_eq!(all.try_sizes(5, giant), Some(1));
        assert_eq!(all.try_sizes(6, small), Some(1), "another instruction");
    }
}
