//! Frames in the order in which their pages came, some of them marked: finds the first that is.

use crate::os::frames::grow;

const NONE: u32 = u32::MAX;
const BITS: usize = u64::BITS as usize;

/// Marks by place, with a bit above each word that is not zero.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
pub(super) struct Arrivals {
    /// The frame at each place; [`NONE`] where it has gone.
    frames: Vec<u32>,
    /// The place of each frame.
    places: Vec<u32>,
    marks: Vec<u64>,
    above: Vec<u64>,
    /// No word of `above` before this one has a bit.
    from: usize,
    length: usize,
}

impl Arrivals {
    pub fn len(&self) -> usize {
        self.length
    }

    pub fn host_bytes(&self) -> usize {
        (self.frames.capacity() + self.places.capacity()) * size_of::<u32>()
            + (self.marks.capacity() + self.above.capacity()) * size_of::<u64>()
    }

    pub fn contains(&self, frame: u32) -> bool {
        self.places.get(frame as usize).is_some_and(|place| *place != NONE)
    }

    /// A number that is greater the later the page of `frame`, which is there, came.
    pub fn place(&self, frame: u32) -> u32 {
        self.places[frame as usize]
    }

    /// Something of what marking `frame` reads, to have it read.
    #[inline]
    pub fn near(&self, frame: u32) -> u64 {
        let place = self.places.get(frame as usize).copied().unwrap_or(NONE);
        self.marks.get(place as usize / BITS).copied().unwrap_or(0)
    }

    /// Adds `frame`, which is not there, as the latest, without a mark.
    pub fn push(&mut self, frame: u32) {
        if self.frames.len() > 2 * self.length + BITS {
            self.close_gaps();
        }
        grow(&mut self.places, frame as usize, NONE);
        self.append(frame);
        self.length += 1;
    }

    fn append(&mut self, frame: u32) {
        let place = self.frames.len();
        // Below three times the number of frames, and a host holds fewer than a third of 2^32.
        self.places[frame as usize] = place as u32;
        self.frames.push(frame);
        grow(&mut self.marks, place / BITS, 0);
        grow(&mut self.above, place / BITS / BITS, 0);
    }

    fn close_gaps(&mut self) {
        let frames = std::mem::take(&mut self.frames);
        let marks = std::mem::take(&mut self.marks);
        self.above.clear();
        for (place, frame) in frames.into_iter().enumerate().filter(|(_, frame)| *frame != NONE) {
            self.append(frame);
            if marks[place / BITS] >> (place % BITS) & 1 != 0 {
                self.mark(frame, true);
            }
        }
    }

    /// Takes out `frame`, which is there.
    pub fn remove(&mut self, frame: u32) {
        self.mark(frame, false);
        let place = std::mem::replace(&mut self.places[frame as usize], NONE);
        self.frames[place as usize] = NONE;
        self.length -= 1;
    }

    /// Sets or clears the mark of `frame`, which is there.
    pub fn mark(&mut self, frame: u32, set: bool) {
        let place = self.places[frame as usize] as usize;
        let (word, group) = (place / BITS, place / BITS / BITS);
        let (bit, bit_above) = (1 << (place % BITS), 1 << (word % BITS));
        if set {
            self.marks[word] |= bit;
            self.above[group] |= bit_above;
            self.from = self.from.min(group);
        } else {
            self.marks[word] &= !bit;
            if self.marks[word] == 0 {
                self.above[group] &= !bit_above;
            }
        }
    }

    /// The earliest frame with a mark.
    pub fn first_marked(&mut self) -> Option<u32> {
        let found = self.above.iter().skip(self.from).position(|bits| *bits != 0);
        let Some(found) = found else {
            self.from = self.above.len();
            return None;
        };
        self.from += found;
        let word = self.from * BITS + self.above[self.from].trailing_zeros() as usize;
        let place = word * BITS + self.marks[word].trailing_zeros() as usize;
        Some(self.frames[place])
    }
}
