//! Frames in the order of a count, and those of one count in the order in which they reached it.

use crate::os::frames::grow;

const NONE: u32 = u32::MAX;

/// Where a frame is: its bucket, and its neighbours there.
#[derive(Debug, Clone, Copy, bincode::Encode, bincode::Decode)]
struct Place {
    bucket: u32,
    before: u32,
    after: u32,
}

const ABSENT: Place = Place { bucket: NONE, before: NONE, after: NONE };

/// The frames of one count, and the buckets of the nearest other counts.
#[derive(Debug, Clone, Copy, bincode::Encode, bincode::Decode)]
struct Bucket {
    count: u64,
    first: u32,
    last: u32,
    below: u32,
    above: u32,
}

/// Counts by frame; every operation takes constant time (Shah, Mitra and Matani, "An O(1) algorithm for
/// implementing the LFU cache eviction scheme", 2010).
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub(super) struct Counts {
    places: Vec<Place>,
    buckets: Vec<Bucket>,
    /// Buckets that are not in use.
    spare: Vec<u32>,
    lowest: u32,
    length: usize,
}

impl Default for Counts {
    fn default() -> Self {
        let (places, buckets, spare) = Default::default();
        Self { places, buckets, spare, lowest: NONE, length: 0 }
    }
}

impl Counts {
    pub fn len(&self) -> usize {
        self.length
    }

    pub fn host_bytes(&self) -> usize {
        self.places.capacity() * size_of::<Place>()
            + self.buckets.capacity() * size_of::<Bucket>()
            + self.spare.capacity() * size_of::<u32>()
    }

    pub fn contains(&self, frame: u32) -> bool {
        self.places.get(frame as usize).is_some_and(|place| place.bucket != NONE)
    }

    /// Something of what raising the count of `frame` reads, to have it read.
    #[inline]
    pub fn near(&self, frame: u32) -> u64 {
        let other = |frame: u32| self.places.get(frame as usize).map_or(0, |place| place.after);
        let Some(own) = self.places.get(frame as usize) else { return 0 };
        let bucket = self.buckets.get(own.bucket as usize).map_or(0, |bucket| bucket.count);
        bucket ^ u64::from(other(own.before) ^ other(own.after))
    }

    /// The frame that reached the lowest count first.
    pub fn first(&self) -> Option<u32> {
        self.buckets.get(self.lowest as usize).map(|bucket| bucket.first)
    }

    /// Adds `frame`, which is not there, with a count of 0.
    pub fn insert(&mut self, frame: u32) {
        grow(&mut self.places, frame as usize, ABSENT);
        let bucket = match self.buckets.get(self.lowest as usize) {
            Some(bucket) if bucket.count == 0 => self.lowest,
            _ => self.bucket_between(0, NONE, self.lowest),
        };
        self.append(frame, bucket);
        self.length += 1;
    }

    /// Adds 1 to the count of `frame`, which is there.
    pub fn raise(&mut self, frame: u32) {
        let at = self.places[frame as usize].bucket;
        let Bucket { count, first, last, above, .. } = self.buckets[at as usize];
        let next = self.buckets.get(above as usize).is_some_and(|next| next.count == count + 1);
        if !next && first == last {
            // Nothing lies between the old count and the new one: the bucket goes with its frame.
            self.buckets[at as usize].count += 1;
            return;
        }
        let to = if next { above } else { self.bucket_between(count + 1, at, above) };
        self.unlink(frame);
        self.append(frame, to);
    }

    /// Takes out `frame`, which is there.
    pub fn remove(&mut self, frame: u32) {
        self.unlink(frame);
        self.places[frame as usize] = ABSENT;
        self.length -= 1;
    }

    fn bucket_between(&mut self, count: u64, below: u32, above: u32) -> u32 {
        let bucket = Bucket { count, first: NONE, last: NONE, below, above };
        let at = match self.spare.pop() {
            Some(at) => {
                self.buckets[at as usize] = bucket;
                at
            }
            None => {
                self.buckets.push(bucket);
                // There are fewer buckets than frames, but for one.
                self.buckets.len() as u32 - 1
            }
        };
        match self.buckets.get_mut(below as usize) {
            Some(below) => below.above = at,
            None => self.lowest = at,
        }
        if let Some(above) = self.buckets.get_mut(above as usize) {
            above.below = at;
        }
        at
    }

    fn append(&mut self, frame: u32, bucket: u32) {
        let before = std::mem::replace(&mut self.buckets[bucket as usize].last, frame);
        match self.places.get_mut(before as usize) {
            Some(before) => before.after = frame,
            None => self.buckets[bucket as usize].first = frame,
        }
        self.places[frame as usize] = Place { bucket, before, after: NONE };
    }

    /// Takes `frame` out of its bucket, and the bucket out where nothing else is in it.
    fn unlink(&mut self, frame: u32) {
        let Place { bucket: at, before, after } = self.places[frame as usize];
        match self.places.get_mut(before as usize) {
            Some(before) => before.after = after,
            None => self.buckets[at as usize].first = after,
        }
        match self.places.get_mut(after as usize) {
            Some(after) => after.before = before,
            None => self.buckets[at as usize].last = before,
        }
        let Bucket { first, below, above, .. } = self.buckets[at as usize];
        if first != NONE {
            return;
        }
        match self.buckets.get_mut(below as usize) {
            Some(below) => below.above = above,
            None => self.lowest = above,
        }
        if let Some(above) = self.buckets.get_mut(above as usize) {
            above.below = below;
        }
        self.spare.push(at);
    }
}
