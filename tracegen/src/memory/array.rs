//! Arrays in modelled memory, and areas whose content does not matter.

use super::{Datum, LoadId, Loaded, Memory, Site};
use crate::error::TraceError;

/// An array of `T` in an area of its own: it starts on a page, as a large `malloc` nearly does.
///
/// Indexing beyond the end is a bug of the workload and panics, as it does with a slice.
#[derive(Debug)]
pub struct Array<T> {
    base: u64,
    data: Vec<T>,
}

impl<T: Datum> Array<T> {
    /// Maps an array of `length` zeros.
    ///
    /// # Errors
    /// It does not fit into the modelled address space or into the host's memory.
    pub fn new(memory: &mut Memory, length: usize) -> Result<Self, TraceError> {
        let too_large = || {
            TraceError::Workload(format!(
                "an array of {length} elements of {} bytes does not fit into this host's memory",
                T::BYTES
            ))
        };
        let bytes = (length as u64).checked_mul(u64::from(T::BYTES)).ok_or_else(too_large)?;
        let mut data = Vec::new();
        data.try_reserve_exact(length).map_err(|_| too_large())?;
        let base = memory.map(bytes)?;
        data.resize(length, T::default());
        Ok(Self { base, data })
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether it has no element.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The address of an element.
    #[inline]
    pub fn addr(&self, index: usize) -> u64 {
        self.base + index as u64 * u64::from(T::BYTES)
    }

    /// Reads an element whose index the load `after` brought.
    #[inline]
    pub fn load(&self, memory: &mut Memory, site: Site, index: usize, after: LoadId) -> Loaded<T> {
        let value = self.data[index];
        Loaded { value, by: memory.load(site, self.addr(index), T::BYTES, after) }
    }

    /// Writes an element whose index the load `after` brought.
    #[inline]
    pub fn store(
        &mut self,
        memory: &mut Memory,
        site: Site,
        index: usize,
        value: T,
        after: LoadId,
    ) {
        self.data[index] = value;
        memory.store(site, self.addr(index), T::BYTES, after);
    }

    /// The content, unrecorded.
    pub fn as_slice(&self) -> &[T] {
        &self.data
    }
}

/// An area whose content nobody looks at: it has addresses and costs the host no memory.
#[derive(Debug, Clone, Copy)]
pub struct Region {
    base: u64,
    length: u64,
}

impl Region {
    /// Maps `length` bytes.
    ///
    /// # Errors
    /// They do not fit into the modelled address space.
    pub fn new(memory: &mut Memory, length: u64) -> Result<Self, TraceError> {
        Ok(Self { base: memory.map(length)?, length })
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether it has no byte.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Reads `size` bytes at `offset`.
    #[inline]
    pub fn load(&self, memory: &mut Memory, site: Site, offset: u64, size: u32) -> LoadId {
        debug_assert!(offset < self.length, "a read beyond the region");
        memory.load(site, self.base.wrapping_add(offset), size, LoadId::NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::tests::recorded;
    use crate::memory::{Recording, Stage};
    use crate::record::{AccessKind, Record};

    #[test]
    fn an_array_stores_and_records() {
        let records = recorded(Recording::default(), |memory| {
            let mut array = Array::<u32>::new(memory, 10).unwrap();
            memory.begin(Stage::Run);
            array.store(memory, Site(1), 3, 77, LoadId::NONE);
            assert_eq!(array.load(memory, Site(2), 3, LoadId::NONE).value, 77);
            assert_eq!(array.as_slice()[4], 0);
            assert_eq!(array.addr(3) - array.addr(0), 12);
        });
        let [Record::Event(..), Record::Access(store), Record::Access(load)] = &records[..] else {
            panic!("{records:?}");
        };
        assert_eq!((store.kind, store.size, store.site), (AccessKind::Store, 4, 1));
        assert_eq!((load.kind, load.addr, load.site), (AccessKind::Load, store.addr, 2));
    }

    #[test]
    fn an_impossible_array_is_an_error() {
        recorded(Recording::default(), |memory| {
            assert!(Array::<u64>::new(memory, usize::MAX / 4).is_err());
            assert!(Array::<u8>::new(memory, usize::MAX / 4).is_err());
        });
    }
}
