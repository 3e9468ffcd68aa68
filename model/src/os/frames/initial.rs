//! Memory that is in use in part when a run starts: free blocks by their order.

use std::collections::BTreeMap;

use rand::Rng;
use rand_pcg::Pcg32;

use super::ORDERS;
use crate::replacement::component_seed;

/// PCG's default stream.
const STREAM: u64 = 0x0a02_bdbf_7bb3_c0a7;

/// The free blocks chosen so far, by their first frame: one past the last, and the order.
type Chosen = BTreeMap<u64, (u64, usize)>;

/// Places `counts` free blocks of each order in `frames` frames, at random for the run's `seed`: first
/// frame and order. Blocks are aligned and apart, and no two are halves of the next order, which would be
/// one block then: beside each lies a block that is in use at least in part.
///
/// # Errors
/// The order of which there is no room for as many.
pub fn place(frames: u64, counts: &[u64], seed: u64) -> Result<Vec<(u32, usize)>, usize> {
    let mut generator = Pcg32::new(component_seed("os.initial", seed), STREAM);
    let mut chosen = Chosen::new();
    for (order, count) in counts.iter().copied().enumerate().take(ORDERS).rev() {
        let slots = frames >> order;
        for _ in 0..count {
            let draw = u128::from(generator.next_u64()) * u128::from(slots);
            let from = (draw >> 64) as u64;
            let places = (from..slots).chain(0..from).map(|slot| slot << order);
            let first = places.into_iter().find(|first| is_free(&chosen, *first, order));
            let first = first.ok_or(order)?;
            chosen.insert(first, (first + (1 << order), order));
        }
    }
    // Frames are below 2^32.
    Ok(chosen.into_iter().map(|(first, (_, order))| (first as u32, order)).collect())
}

/// Whether a block can be free too. All chosen ones are of its order or larger.
fn is_free(chosen: &Chosen, first: u64, order: usize) -> bool {
    let below = chosen.range(..=first).next_back();
    let inside = below.is_some_and(|(_, (end, _))| *end > first);
    let buddy = chosen.get(&(first ^ (1 << order)));
    !inside && (order + 1 >= ORDERS || buddy.is_none_or(|(_, other)| *other != order))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Buddy;
    use super::*;

    proptest! {
        /// What goes in comes out: an allocator over the blocks counts as many of each order.
        #[test]
        fn order_counts_in_are_order_counts_out(
            counts in prop::collection::vec(0u64..6, ORDERS), frames in 1u64..40_000, seed in any::<u64>()
        ) {
            let Ok(blocks) = place(frames, &counts, seed) else { return Ok(()) };
            prop_assert_eq!(&blocks, &place(frames, &counts, seed).unwrap());
            let buddy = Buddy::of_blocks(frames, &blocks);
            prop_assert_eq!(buddy.free_blocks().to_vec(), counts.clone());
            prop_assert_eq!(buddy.check(), Ok(()));
            let free: u64 = counts.iter().enumerate().map(|(order, count)| count << order).sum();
            prop_assert_eq!((buddy.free(), buddy.reserved()), (free, frames - free));
        }
    }

    #[test]
    fn another_seed_is_another_memory_and_every_second_frame_can_be_free() {
        let half = [512, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let blocks = place(1024, &half, 1).unwrap();
        assert_eq!(blocks.len(), 512);
        assert_ne!(blocks, place(1024, &half, 2).unwrap());
        assert_eq!(place(1024, &[513], 1), Err(0));
        assert_eq!(place(1023, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 1), Err(10));
        assert_eq!(place(4096, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4], 1).map(|all| all.len()), Ok(4));
    }
}
