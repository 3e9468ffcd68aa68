//! Any page, each as likely as the others.

use rand::Rng;
use rand_pcg::Pcg32;

use super::{Page, Reclaim, Touch, Victim};
use crate::config::choice::NoParameters;
use crate::os::frames::grow;

const ABSENT: u32 = u32::MAX;

/// Random replacement, the same in every run.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Random {
    frames: Vec<u32>,
    places: Vec<u32>,
    #[bincode(with_serde)]
    generator: Pcg32,
}

impl Default for Random {
    fn default() -> Self {
        // FNV-1a of the component's name.
        let seed = b"os.reclaim.random".iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self { frames: Vec::new(), places: Vec::new(), generator: Pcg32::new(seed, 1) }
    }
}

impl Random {
    fn take(&mut self, place: usize) -> u32 {
        let frame = self.frames.swap_remove(place);
        if let Some(moved) = self.frames.get(place) {
            self.places[*moved as usize] = place as u32;
        }
        self.places[frame as usize] = ABSENT;
        frame
    }
}

impl Reclaim for Random {
    type Settings = NoParameters;

    fn new(_: &NoParameters, _: usize) -> Self {
        Self::default()
    }
    fn insert(&mut self, frame: u32, _: Page) {
        let index = frame as usize;
        grow(&mut self.places, index, ABSENT);
        self.places[index] = self.frames.len() as u32;
        self.frames.push(frame);
    }
    fn touch(&mut self, _: u32, _: Touch) {}
    fn evict(&mut self) -> Option<Victim> {
        if self.frames.is_empty() {
            return None;
        }
        // Multiply and shift: the bias is below 2^-32 of the number of frames.
        let product = u64::from(self.generator.next_u32()) * self.frames.len() as u64;
        Some(Victim { frame: self.take((product >> 32) as usize), scanned: 1 })
    }
    fn remove(&mut self, frame: u32) {
        match self.places.get(frame as usize) {
            Some(&place) if place != ABSENT => {
                self.take(place as usize);
            }
            _ => {}
        }
    }
    fn len(&self) -> usize {
        self.frames.len()
    }
    fn host_bytes(&self) -> usize {
        (self.frames.capacity() + self.places.capacity()) * size_of::<u32>()
    }
}
