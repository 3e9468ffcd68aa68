//! The ways of each set in an order from front to back.

use super::Shape;

/// The most ways whose order fits one word, four bits each.
pub(super) const PACKED: usize = 16;

/// Way k at place k.
const IDENTITY: u64 = 0xfedc_ba98_7654_3210;

/// A one in every four-bit place.
const ONES: u64 = 0x1111_1111_1111_1111;

/// An order of up to 16 ways in the set's word, the front in the low four bits.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub(super) struct Packed {
    /// The place of the back, in bits.
    last: u32,
    /// The bits of all places.
    used: u64,
}

impl Packed {
    /// The word of a set where way 0 is at the front.
    pub const START: u64 = IDENTITY;

    /// An order of `ways` ways, from 1 to [`PACKED`].
    pub fn new(ways: usize) -> Self {
        let last = 4 * (ways.clamp(1, PACKED) as u32 - 1);
        Self { last, used: u64::MAX >> (60 - last) }
    }

    /// Moves `way` to the front.
    #[inline(always)]
    pub fn promote(&self, word: &mut u64, way: usize) {
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

    /// Moves `way` to the back.
    #[inline]
    pub fn demote(&self, word: &mut u64, way: usize) {
        let (order, way) = (*word, way as u64);
        let differs = order ^ (ONES * way);
        let zeros = differs.wrapping_sub(ONES) & !differs & (ONES << 3);
        // As above, the lowest is exact: the bits from its place on, up to the last place.
        let from = (zeros & zeros.wrapping_neg()) >> 3;
        let moved = self.used & !from.wrapping_sub(1);
        let kept = (order >> 4) & moved & !(0xf << self.last);
        *word = (order & !moved) | kept | way << self.last;
    }

    /// The way at the back.
    #[inline]
    pub fn back(&self, word: &u64) -> usize {
        (*word >> self.last & 0xf) as usize
    }

    /// Moves the way at the back to the front, and returns it.
    #[inline(always)]
    pub fn recycle(&self, word: &mut u64) -> usize {
        let way = *word >> self.last & 0xf;
        *word = (*word & !self.used) | ((*word << 4) & self.used) | way;
        way as usize
    }
}

/// An order of any number of ways: a ring a set, through a node of its own that stands for both ends.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub(super) struct Ring {
    nodes: Vec<Node>,
    ways: usize,
}

/// Neighbours in a ring, as indices in its set.
#[derive(Debug, Clone, Copy, bincode::Encode, bincode::Decode)]
struct Node {
    /// The next one towards the front.
    front: u32,
    /// The next one towards the back.
    back: u32,
}

impl Ring {
    fn new(shape: Shape) -> Self {
        let ring = shape.ways as u32 + 1;
        let set = (0..ring).map(|k| Node { front: (k + ring - 1) % ring, back: (k + 1) % ring });
        let nodes = set.cycle().take(shape.sets * (shape.ways + 1)).collect();
        Self { nodes, ways: shape.ways }
    }

    fn promote(&mut self, set: usize, way: usize) {
        let ring = &mut self.nodes[set * (self.ways + 1)..][..self.ways + 1];
        let Node { front, back } = ring[way];
        ring[front as usize].back = back;
        ring[back as usize].front = front;
        let first = ring[self.ways].back;
        ring[way] = Node { front: self.ways as u32, back: first };
        ring[first as usize].front = way as u32;
        ring[self.ways].back = way as u32;
    }

    fn demote(&mut self, set: usize, way: usize) {
        let ring = &mut self.nodes[set * (self.ways + 1)..][..self.ways + 1];
        let Node { front, back } = ring[way];
        ring[front as usize].back = back;
        ring[back as usize].front = front;
        let last = ring[self.ways].front;
        ring[way] = Node { front: last, back: self.ways as u32 };
        ring[last as usize].back = way as u32;
        ring[self.ways].front = way as u32;
    }

    fn back(&self, set: usize) -> usize {
        self.nodes[set * (self.ways + 1) + self.ways].front as usize
    }

    fn recycle(&mut self, set: usize) -> usize {
        let way = self.back(set);
        self.promote(set, way);
        way
    }
}

/// An order of the ways of every set. Initially way 0 is at the front.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub(super) enum Order {
    /// Of few ways.
    Packed(Packed),
    /// Of many; the sets' words are not used.
    Ring(Ring),
}

impl Order {
    pub fn new(shape: Shape) -> Self {
        if shape.ways <= PACKED {
            Self::Packed(Packed::new(shape.ways))
        } else {
            Self::Ring(Ring::new(shape))
        }
    }

    /// Moves `way` to the front.
    #[inline]
    pub fn promote(&mut self, word: &mut u64, set: usize, way: usize) {
        match self {
            Self::Packed(order) => order.promote(word, way),
            Self::Ring(order) => order.promote(set, way),
        }
    }

    /// Moves `way` to the back.
    #[inline]
    pub fn demote(&mut self, word: &mut u64, set: usize, way: usize) {
        match self {
            Self::Packed(order) => order.demote(word, way),
            Self::Ring(order) => order.demote(set, way),
        }
    }

    /// Moves `way` to the front, or to the back.
    #[inline]
    pub fn insert(&mut self, word: &mut u64, set: usize, way: usize, front: bool) {
        if front {
            self.promote(word, set, way);
        } else {
            self.demote(word, set, way);
        }
    }

    /// The way at the back.
    #[inline]
    pub fn back(&self, word: &u64, set: usize) -> usize {
        match self {
            Self::Packed(order) => order.back(word),
            Self::Ring(order) => order.back(set),
        }
    }

    /// Moves the way at the back to the front, and returns it.
    #[inline]
    pub fn recycle(&mut self, word: &mut u64, set: usize) -> usize {
        match self {
            Self::Packed(order) => order.recycle(word),
            Self::Ring(order) => order.recycle(set),
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
            let mut words = [Packed::START; 3];
            let mut list: Vec<usize> = (0..ways).collect();
            let mut state = 1u32;
            for _ in 0..2000 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let way = (state >> 16) as usize % (ways + 1);
                if way == ways {
                    list.rotate_right(1);
                    assert_eq!(order.recycle(&mut words[1], 1), list[0]);
                } else {
                    let front = state >> 31 == 0;
                    order.insert(&mut words[1], 1, way, front);
                    let place = list.iter().position(|w| *w == way).unwrap();
                    if front {
                        list[..=place].rotate_right(1);
                    } else {
                        list[place..].rotate_left(1);
                    }
                }
                assert_eq!(order.back(&words[1], 1), list[ways - 1]);
            }
            let mut rest = || order.recycle(&mut words[1], 1);
            assert!(list.iter().rev().all(|way| rest() == *way));
            let mut others = |set: usize| order.recycle(&mut words[set], set);
            assert_eq!((others(0), others(2)), (ways - 1, ways - 1), "other sets");
        }
    }
}
