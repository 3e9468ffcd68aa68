//! A doubly linked list of frames whose links lie in one array.

use crate::os::frames::grow;

const END: u32 = 0;
const ABSENT: u32 = u32::MAX;

#[derive(Debug, Clone, Copy, bincode::Encode, bincode::Decode)]
struct Link {
    before: u32,
    after: u32,
}

/// A list of frames; every operation takes constant time. Place 0 of the array is both ends, frame `f`
/// has place `f + 1`.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub(super) struct List {
    links: Vec<Link>,
    length: usize,
}

impl Default for List {
    fn default() -> Self {
        Self { links: vec![Link { before: END, after: END }], length: 0 }
    }
}

impl List {
    pub fn len(&self) -> usize {
        self.length
    }

    pub fn host_bytes(&self) -> usize {
        self.links.capacity() * size_of::<Link>()
    }

    pub fn contains(&self, frame: u32) -> bool {
        self.links.get(frame as usize + 1).is_some_and(|link| link.after != ABSENT)
    }

    /// Something of what taking `frame` out reads, to have it read.
    #[inline]
    pub fn near(&self, frame: u32) -> u64 {
        let link = |place: u32| self.links.get(place as usize).map_or(0, |link| link.after);
        let Some(own) = self.links.get(frame as usize + 1) else { return 0 };
        u64::from(link(own.before) ^ link(own.after))
    }

    /// The first frame.
    pub fn first(&self) -> Option<u32> {
        self.links[0].after.checked_sub(1)
    }

    /// The last frame.
    pub fn last(&self) -> Option<u32> {
        self.links[0].before.checked_sub(1)
    }

    /// The frame after `frame`; `None` at the end.
    pub fn after(&self, frame: u32) -> Option<u32> {
        self.links[frame as usize + 1].after.checked_sub(1)
    }

    /// Puts `frame`, which is not in the list, before `other`, or at the end.
    pub fn insert_before(&mut self, frame: u32, other: Option<u32>) {
        let place = frame as usize + 1;
        grow(&mut self.links, place, Link { before: ABSENT, after: ABSENT });
        let after = other.map_or(END, |other| other + 1);
        let before = self.links[after as usize].before;
        self.links[place] = Link { before, after };
        self.links[before as usize].after = place as u32;
        self.links[after as usize].before = place as u32;
        self.length += 1;
    }

    /// Puts `frame`, which is not in the list, at the end.
    pub fn push(&mut self, frame: u32) {
        self.insert_before(frame, None);
    }

    /// Takes `frame`, which is in the list, out.
    pub fn remove(&mut self, frame: u32) {
        let Link { before, after } = self.links[frame as usize + 1];
        self.links[before as usize].after = after;
        self.links[after as usize].before = before;
        self.links[frame as usize + 1] = Link { before: ABSENT, after: ABSENT };
        self.length -= 1;
    }

    /// Moves `frame`, which is in the list, to the end.
    pub fn move_to_end(&mut self, frame: u32) {
        let place = frame + 1;
        if self.links[0].before == place {
            return;
        }
        let Link { before, after } = self.links[place as usize];
        self.links[before as usize].after = after;
        self.links[after as usize].before = before;
        let last = self.links[0].before;
        self.links[place as usize] = Link { before: last, after: END };
        self.links[last as usize].after = place;
        self.links[0].before = place;
    }
}
