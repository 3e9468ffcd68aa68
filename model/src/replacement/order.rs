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
    /// Up to 16 ways: the set's word, the front in the low four bits. `last` is the place of the back,
    /// in bits; `used` are the bits of all places.
    Packed { last: u32, used: u64 },
    /// Any number of ways: a ring a set, through a node of its own that stands for both ends. The set's
    /// word is not used.
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
        if ways <= PACKED {
            let last = 4 * (ways.max(1) as u32 - 1);
            return Self::Packed { last, used: u64::MAX >> (60 - last) };
        }
        let ring = ways as u32 + 1;
        let set = (0..ring).map(|k| Node { front: (k + ring - 1) % ring, back: (k + 1) % ring });
        Self::Linked { nodes: set.cycle().take(sets * (ways + 1)).collect(), ways }
    }

    /// The word of an empty set.
    pub fn start(&self) -> u64 {
        IDENTITY
    }

    /// Moves `way` to the front.
    #[inline]
    pub fn promote(&mut self, word: &mut u64, set: usize, way: usize) {
        match self {
            Self::Packed { .. } => {
                let (order, way) = (*word, way as u64);
                if order & 0xf != way {
                    // The lowest zero place of `differs` is exact; borrows only reach places above it.
                    let differs = order ^ (ONES * way);
                    let zero = differs.wrapping_sub(ONES) & !differs & (ONES << 3);
                    // All bits up to those of the place that `way` leaves.
                    let moved = zero ^ zero.wrapping_sub(1);
                    *word = (order & !moved) | ((order << 4) & moved) | way;
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
    pub fn back(&self, word: u64, set: usize) -> usize {
        match self {
            Self::Packed { last, .. } => (word >> last & 0xf) as usize,
            Self::Linked { nodes, ways } => nodes[set * (ways + 1) + ways].front as usize,
        }
    }

    /// Moves the way at the back to the front, and returns it.
    #[inline]
    pub fn recycle(&mut self, word: &mut u64, set: usize) -> usize {
        let way = self.back(*word, set);
        match self {
            Self::Packed { used, .. } => {
                *word = (*word & !*used) | ((*word << 4) & *used) | way as u64;
            }
            Self::Linked { .. } => self.promote(word, set, way),
        }
        way
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
            let mut words = [order.start(); 3];
            let mut list: Vec<usize> = (0..ways).collect();
            let mut state = 1u32;
            for _ in 0..1000 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let way = (state >> 16) as usize % (ways + 1);
                if way == ways {
                    list.rotate_right(1);
                    assert_eq!(order.recycle(&mut words[1], 1), list[0]);
                } else {
                    order.promote(&mut words[1], 1, way);
                    let place = list.iter().position(|w| *w == way).unwrap();
                    list[..=place].rotate_right(1);
                }
                assert_eq!(order.back(words[1], 1), list[ways - 1]);
            }
            let others = (order.back(words[0], 0), order.back(words[2], 2));
            assert_eq!(others, (ways - 1, ways - 1), "other sets");
        }
    }
}
