//! The reverse map: which page-table entries map a frame. One mapper lies in the frame's own state,
//! further ones (after a fork) beside it.

use super::frames::FrameTable;

/// A page-table entry by its owner: the address space's index and the page number.
pub type Mapper = (u32, u64);

impl FrameTable {
    /// Records that `mapper` maps `frame`.
    pub(super) fn map(&mut self, frame: u32, mapper: Mapper) {
        let state = self.get_mut(frame);
        state.set_mappings(state.mappings() + 1);
        if state.mapper().is_none() {
            state.set_mapper(Some(mapper));
        } else {
            self.spill.entry(frame).or_default().push(mapper);
        }
    }

    /// Records that `mapper` maps `frame` no more; returns how many still do.
    pub(super) fn unmap(&mut self, frame: u32, mapper: Mapper) -> u32 {
        let inline = self.get(frame).mapper();
        let mut more = self.spill.remove(&frame).unwrap_or_default();
        if inline == Some(mapper) {
            self.get_mut(frame).set_mapper(more.pop());
        } else if let Some(index) = more.iter().position(|other| *other == mapper) {
            more.swap_remove(index);
        }
        if !more.is_empty() {
            self.spill.insert(frame, more);
        }
        let state = self.get_mut(frame);
        state.set_mappings(state.mappings().saturating_sub(1));
        state.mappings()
    }

    /// The mappers of `frame`.
    pub(super) fn mappers(&self, frame: u32) -> impl Iterator<Item = Mapper> + '_ {
        let more = self.spill.get(&frame).into_iter().flatten().copied();
        self.get(frame).mapper().into_iter().chain(more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mapper_is_known_until_it_goes() {
        let mut table = FrameTable::default();
        for space in 0..4 {
            table.map(9, (space, 100 + u64::from(space)));
        }
        assert_eq!(table.mappers(9).count(), 4);
        assert_eq!(table.unmap(9, (0, 100)), 3);
        assert_eq!(table.unmap(9, (2, 102)), 2);
        let mut left: Vec<_> = table.mappers(9).collect();
        left.sort_unstable();
        assert_eq!(left, [(1, 101), (3, 103)]);
        table.unmap(9, (1, 101));
        assert_eq!(table.unmap(9, (3, 103)), 0);
        assert_eq!((table.mappers(9).count(), table.spill.len()), (0, 0));
    }
}
