//! A ring: a queue in order of some key, into which what comes later usually goes last.

/// A queue in a number of places that is a power of two.
#[derive(Debug, Clone)]
pub(super) struct Ring<T> {
    places: Vec<T>,
    /// Items taken out, and items put in, so far.
    begin: usize,
    end: usize,
}

impl<T: Copy + Default> Ring<T> {
    /// An empty queue.
    pub fn new() -> Self {
        Self { places: vec![T::default(); 4], begin: 0, end: 0 }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.begin == self.end
    }

    /// The place of an item by its number.
    #[inline]
    fn place(&self, number: usize) -> usize {
        number & (self.places.len() - 1)
    }

    #[inline]
    pub fn front(&self) -> Option<&T> {
        if self.is_empty() { None } else { self.places.get(self.place(self.begin)) }
    }

    #[inline]
    pub fn pop_front(&mut self) -> Option<T> {
        let front = *self.front()?;
        self.begin = self.begin.wrapping_add(1);
        Some(front)
    }

    /// Puts `item` before those that come after it. Returns whether it is the first now.
    #[inline]
    pub fn insert(&mut self, item: T, comes_after: impl Fn(&T) -> bool) -> bool {
        if self.end.wrapping_sub(self.begin) == self.places.len() {
            self.grow();
        }
        let mut at = self.end;
        self.end = at.wrapping_add(1);
        while at != self.begin {
            let before = self.places[self.place(at.wrapping_sub(1))];
            if !comes_after(&before) {
                break;
            }
            let place = self.place(at);
            self.places[place] = before;
            at = at.wrapping_sub(1);
        }
        let place = self.place(at);
        self.places[place] = item;
        at == self.begin
    }

    /// Doubles the places of a full ring.
    #[cold]
    fn grow(&mut self) {
        let first = self.place(self.begin);
        self.places.rotate_left(first);
        (self.begin, self.end) = (0, self.places.len());
        self.places.resize(2 * self.end, T::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A sorted list of (key, number) that is taken from the front.
        #[test]
        fn items_leave_in_order(steps in prop::collection::vec(prop::option::weighted(0.6, 0..20u32), 0..200)) {
            let (mut ring, mut list) = (Ring::new(), Vec::new());
            for (number, step) in (0..).zip(steps) {
                if let Some(key) = step {
                    let place = list.partition_point(|(other, _)| *other <= key);
                    list.insert(place, (key, number));
                    let first = ring.insert((key, number), |(other, _)| *other > key);
                    prop_assert_eq!(first, place == 0);
                } else {
                    let first = (!list.is_empty()).then(|| list.remove(0));
                    prop_assert_eq!(ring.pop_front(), first);
                }
                prop_assert_eq!(ring.front(), list.first());
                prop_assert_eq!(ring.is_empty(), list.is_empty());
            }
        }
    }
}
