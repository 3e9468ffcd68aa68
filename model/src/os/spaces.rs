//! The address spaces of all processes.

use std::collections::BTreeMap;

use tracegen::record::ProcessId;

use super::address_space::Areas;
use super::frames::NONE;
use super::page_table::Root;

/// Processes up to this number are found by index.
const DENSE: u32 = 4096;

/// One address space.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Space {
    /// Whose it is.
    pub process: ProcessId,
    /// Its page table.
    pub root: Root,
    /// Its areas.
    pub areas: Areas,
    /// Where its heap starts and ends.
    pub heap: Option<(u64, u64)>,
    /// Its entries that map a frame of user data.
    pub resident: u64,
}

/// All address spaces; a process is found without hashing.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
pub struct Spaces {
    spaces: Vec<Option<Space>>,
    free: Vec<u32>,
    dense: Vec<u32>,
    sparse: BTreeMap<ProcessId, u32>,
}

impl Spaces {
    /// The index of a process's address space.
    pub fn find(&self, process: ProcessId) -> Option<u32> {
        match self.dense.get(process as usize) {
            Some(&index) => Some(index).filter(|index| *index != NONE),
            None => self.sparse.get(&process).copied(),
        }
    }

    /// The address space of that index.
    pub fn get(&self, index: u32) -> Option<&Space> {
        self.spaces.get(index as usize)?.as_ref()
    }

    /// The address space of that index, to be changed.
    pub fn get_mut(&mut self, index: u32) -> Option<&mut Space> {
        self.spaces.get_mut(index as usize)?.as_mut()
    }

    /// Adds an address space, for a process that has none.
    pub fn add(&mut self, space: Space) -> u32 {
        let process = space.process;
        let index = match self.free.pop() {
            Some(index) => {
                self.spaces[index as usize] = Some(space);
                index
            }
            None => {
                self.spaces.push(Some(space));
                (self.spaces.len() - 1) as u32
            }
        };
        self.point(process, index);
        index
    }

    fn point(&mut self, process: ProcessId, index: u32) {
        if process < DENSE {
            if process as usize >= self.dense.len() {
                self.dense.resize(process as usize + 1, NONE);
                // What lies between is not in the sparse map: that holds larger numbers only.
            }
            self.dense[process as usize] = index;
        } else if index == NONE {
            self.sparse.remove(&process);
        } else {
            self.sparse.insert(process, index);
        }
    }

    /// Removes an address space.
    pub fn remove(&mut self, index: u32) -> Option<Space> {
        let space = self.spaces.get_mut(index as usize)?.take()?;
        self.free.push(index);
        self.point(space.process, NONE);
        Some(space)
    }

    /// Every address space with its index.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Space)> {
        (0u32..).zip(&self.spaces).filter_map(|(index, space)| Some((index, space.as_ref()?)))
    }
}
