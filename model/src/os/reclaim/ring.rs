//! Frames in a circle with a hand, each with a place: a number that grows in the order in which the hand comes
//! by, but for the one step from the last place to the first. Sets of places stand for sets of frames then, in
//! which the next one is found without going from frame to frame.

use super::marks::Marks;
use crate::os::frames::grow;

const NONE: u32 = u32::MAX;

/// The circle.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
pub(super) struct Ring {
    /// The frame at each place; [`NONE`] where there is none.
    frames: Vec<u32>,
    /// The place of each frame.
    places: Vec<u32>,
    taken: Marks,
    /// The place under the hand, where there are frames.
    hand: usize,
    length: usize,
}

impl Ring {
    pub fn len(&self) -> usize {
        self.length
    }

    pub fn host_bytes(&self) -> usize {
        (self.frames.capacity() + self.places.capacity()) * size_of::<u32>()
            + self.taken.host_bytes()
    }

    /// The place of `frame`, where it is in the circle.
    #[inline]
    pub fn place(&self, frame: u32) -> Option<usize> {
        self.places.get(frame as usize).filter(|place| **place != NONE).map(|place| *place as usize)
    }

    /// The frame at a place that has one.
    #[inline]
    pub fn frame(&self, place: usize) -> u32 {
        self.frames[place]
    }

    /// The place under the hand, where there are frames.
    pub fn hand(&self) -> usize {
        self.hand
    }

    /// Moves the hand to a place that has a frame.
    pub fn move_to(&mut self, place: usize) {
        self.hand = place;
    }

    /// Whether there is room behind the hand for one more; else places have to be numbered
    /// [anew](Self::renumber).
    pub fn has_room(&self) -> bool {
        self.length == 0 || self.room().is_some()
    }

    /// The place behind the hand, which it comes to last.
    fn room(&self) -> Option<usize> {
        if self.hand == 0 {
            let end = self.taken.previous(usize::MAX)? + 1;
            return Some(end).filter(|end| *end <= 2 * self.length + 64);
        }
        let place = self.taken.previous(self.hand).map_or(0, |place| place + 1);
        Some(place).filter(|place| *place < self.hand)
    }

    /// Numbers places anew, from that under the hand on, without gaps. `moved` is told of each frame's old
    /// and new place.
    pub fn renumber(&mut self, mut moved: impl FnMut(usize, usize)) {
        let old = std::mem::take(&mut self.frames);
        self.taken.clear();
        let (before, after) = old.split_at(self.hand.min(old.len()));
        let after = (self.hand..).zip(after);
        for (place, &frame) in after.chain((0..).zip(before)).filter(|(_, frame)| **frame != NONE) {
            let new = self.frames.len();
            self.frames.push(frame);
            // Fewer than frames, which are numbers of 32 bits.
            self.places[frame as usize] = new as u32;
            self.taken.set(new);
            moved(place, new);
        }
        self.hand = 0;
    }

    /// Puts `frame`, which is not there, behind the hand, where there is [room](Self::has_room); its place.
    pub fn insert(&mut self, frame: u32) -> usize {
        let place = self.room().unwrap_or(0);
        if self.length == 0 {
            self.hand = place;
        }
        grow(&mut self.frames, place, NONE);
        grow(&mut self.places, frame as usize, NONE);
        self.frames[place] = frame;
        self.places[frame as usize] = place as u32;
        self.taken.set(place);
        self.length += 1;
        place
    }

    /// Takes out `frame`, which is there; a hand that is there moves on.
    pub fn remove(&mut self, frame: u32) {
        let place = std::mem::replace(&mut self.places[frame as usize], NONE) as usize;
        self.frames[place] = NONE;
        self.taken.unset(place);
        self.length -= 1;
        if self.hand == place {
            let next = self.taken.next(place).or_else(|| self.taken.next(0));
            self.hand = next.unwrap_or(0);
        }
    }

    /// The first of `marks` that the hand comes to and that is `wanted`.
    pub fn find(&self, marks: &Marks, wanted: impl Fn(u32) -> bool) -> Option<usize> {
        let look = |from: usize, end: usize| {
            let next = |from: usize| marks.next(from).filter(|place| *place < end);
            std::iter::successors(next(from), |place| next(place + 1))
                .find(|place| wanted(self.frames[*place]))
        };
        look(self.hand, usize::MAX).or_else(|| look(0, self.hand))
    }

    /// The places that the hand comes by before `end`: all of them where there is none. Ranges of places.
    pub fn swept(&self, end: Option<usize>) -> [std::ops::Range<usize>; 2] {
        let places = self.frames.len();
        match end {
            Some(end) if end >= self.hand => [self.hand..end, 0..0],
            end => [self.hand..places, 0..end.unwrap_or(self.hand)],
        }
    }

    /// How many frames the hand comes by before `place`.
    pub fn distance(&self, place: usize) -> u64 {
        if self.length == self.frames.len() {
            let ahead = if place >= self.hand { place } else { place + self.length };
            return (ahead - self.hand) as u64;
        }
        self.swept(Some(place))
            .into_iter()
            .map(|range| self.taken.count(range.start, range.end))
            .sum()
    }
}
