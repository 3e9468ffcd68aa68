//! The ways of each set in an order from front to back.

use super::Shape;

/// The most ways whose order fits one word, four bits each.
const PACKED: usize = 16;

/// Way k at place k.
const IDENTITY: u64 = 0xfedc_ba98_7654_3210;

/// A one in every four-bit place.
const ONES: u64 = 0x1111_1111_1111_1111;

/// An order of the ways of every set. Initially way 0 is at the front.
#[derive(Debug, Clone)]
pub(super) enum Order {
    /// One way: there is nothing to order.
    Single,
    /// Up to 16 ways: a word a set, the front in the low four bits.
    Packed { words: Vec<u64>, last: u32 },
    /// Any number of ways: a ring a set, through a node of its own that stands for both ends.
    Linked { nodes: Vec<Node>, ways: usize },
}

/// Neighbours in a ring, as indices in its set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    /// The next one towards the front.
    front: u32,
    /// The next one towards the back.
    back: u32,
}

impl Order {
    pub fn new(shape: Shape) -> Self {
        let Shape { sets, ways } = shape;
        match ways {
            0 | 1 => Self::Single,
            2..=PACKED => Self::Packed { words: vec![IDENTITY; sets], last: 4 * (ways as u32 - 1) },
            _ => {
                let ring = ways as u32 + 1;
                let set =
                    (0..ring).map(|k| Node { front: (k + ring - 1) % ring, back: (k + 1) % ring });
                Self::Linked { nodes: set.cycle().take(sets * (ways + 1)).collect(), ways }
            }
        }
    }

    /// Moves `way` to the front.
    #[inline]
    pub fn promote(&mut self, set: usize, way: usize) {
        match self {
            Self::Single => {}
            Self::Packed { words, .. } => {
                let word = &mut words[set];
                let way = way as u64;
                if *word & 0xf != way {
                    // The lowest zero place of `differs` is exact; borrows only reach places above it.
                    let differs = *word ^ (ONES * way);
                    let zero = differs.wrapping_sub(ONES) & !differs & (ONES << 3);
                    let nearer = (1u64 << (zero.trailing_zeros() & 0x3c)) - 1;
                    let moved = (nearer << 4) | 0xf;
                    *word = (*word & !moved) | ((*word & nearer) << 4) | way;
                }
            }
            Self::Linked { nodes, ways } => {
                let ring = &mut nodes[set * (*ways + 1)..][..*ways + 1];
                let Node { front, back } = ring[way];
                ring[front as usize].back = back;
                ring[back as usize].front = front;
                let first = ring[*ways].back;
                ring[way] = Node { front: *ways as u32, back: first };
                ring[first as usize].front = way as u32;
                ring[*ways].back = way as u32;
            }
        }
    }

    /// The way at the back.
    #[inline]
    pub fn back(&self, set: usize) -> usize {
        match self {
            Self::Single => 0,
            Self::Packed { words, last } => (words[set] >> last & 0xf) as usize,
            Self::Linked { nodes, ways } => nodes[set * (ways + 1) + ways].front as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both forms against a vector that is searched and rotated.
    #[test]
    fn both_forms_are_a_list() {
        for ways in [1, 2, 3, 8, 12, 15, 16, 17, 33, 100] {
            let mut order = Order::new(Shape { sets: 3, ways });
            let mut list: Vec<usize> = (0..ways).collect();
            let mut state = 1u32;
            for _ in 0..1000 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let way = (state >> 16) as usize % ways;
                order.promote(1, way);
                let place = list.iter().position(|w| *w == way).unwrap();
                list[..=place].rotate_right(1);
                assert_eq!(order.back(1), list[ways - 1]);
            }
            assert_eq!((order.back(0), order.back(2)), (ways - 1, ways - 1), "other sets");
        }
    }
}
