//! Stream prefetching, as Srinath, Mutlu, Kim and Patt describe it ("Feedback Directed Prefetching", HPCA
//! 2007, section 2.1) after the POWER4's.
//!
//! A miss near no stream starts one. The next two misses within 16 lines train it: both must be on the same
//! side. From then on the stream watches the lines from its start to its end, and an access there asks for
//! the `degree` lines beyond the end, which then is further on by as many; the start follows once it is
//! `distance` lines behind. A new stream takes the place of the one that was used least recently.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Prefetch, Seen, Wanted};

/// How near a miss must be to train a stream, in lines.
const NEAR: u64 = 16;

/// Parameters of `stream`; the defaults are the paper's middle-of-the-road ones.
#[derive(
    Debug,
    Clone,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    JsonSchema,
    bincode::Encode,
    bincode::Decode,
)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Streams that are followed at once.
    #[schemars(extend("x-effect" = "function"), range(min = 1, max = 1024))]
    pub streams: u16,
    /// How far ahead of the program a stream gets, in lines.
    #[schemars(extend("x-effect" = "function"), range(min = 1, max = 256))]
    pub distance: u16,
    /// Lines asked for each time.
    #[schemars(extend("x-effect" = "function"), range(min = 1, max = 64))]
    pub degree: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self { streams: 64, distance: 16, degree: 2 }
    }
}

/// How far a stream has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
enum Stage {
    /// It has missed at its start alone.
    Allocated,
    /// A second miss was on this side.
    Training(Direction),
    /// It watches the lines from `start` to `end`.
    Monitoring(Direction),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
enum Direction {
    Up,
    Down,
}

impl Direction {
    /// From `from` to `to`, which is another line.
    fn of(from: u64, to: u64) -> Self {
        if to > from { Self::Up } else { Self::Down }
    }

    fn onward(self, line: u64, by: u64) -> u64 {
        match self {
            Self::Up => line.saturating_add(by),
            Self::Down => line.saturating_sub(by),
        }
    }
}

#[derive(Debug, Clone, Copy, bincode::Encode, bincode::Decode)]
struct Tracked {
    start: u64,
    end: u64,
    stage: Stage,
    used: u64,
}

/// The prefetcher.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Stream {
    streams: Vec<Tracked>,
    settings: Settings,
    /// Counts uses of streams.
    now: u64,
}

impl Stream {
    /// A stream that watches `line` goes on.
    fn go_on(&mut self, line: u64, wanted: &mut Wanted) -> bool {
        let Settings { distance, degree, .. } = self.settings;
        let watching = self.streams.iter_mut().find_map(|stream| match stream.stage {
            Stage::Monitoring(direction) => {
                let (low, high) = (stream.start.min(stream.end), stream.start.max(stream.end));
                (low..=high).contains(&line).then_some((stream, direction))
            }
            _ => None,
        });
        let Some((stream, direction)) = watching else { return false };
        stream.used = self.now;
        for ahead in 1..=u64::from(degree) {
            wanted.line(direction.onward(stream.end, ahead));
        }
        stream.end = direction.onward(stream.end, degree.into());
        if stream.start.abs_diff(stream.end) > u64::from(distance) {
            let back = match direction {
                Direction::Up => Direction::Down,
                Direction::Down => Direction::Up,
            };
            stream.start = back.onward(stream.end, distance.into());
        }
        true
    }

    /// A miss of `line` trains the stream that is near.
    fn train(&mut self, line: u64) -> bool {
        let near = self.streams.iter_mut().find(|stream| {
            !matches!(stream.stage, Stage::Monitoring(_)) && stream.start.abs_diff(line) <= NEAR
        });
        let Some(stream) = near else { return false };
        stream.used = self.now;
        if line == stream.start {
            return true;
        }
        let direction = Direction::of(stream.start, line);
        stream.stage = match stream.stage {
            Stage::Training(before) if before == direction => {
                stream.end = direction.onward(stream.start, self.settings.distance.into());
                Stage::Monitoring(direction)
            }
            _ => Stage::Training(direction),
        };
        true
    }

    fn start(&mut self, line: u64) {
        let stream = Tracked { start: line, end: line, stage: Stage::Allocated, used: self.now };
        if self.streams.len() < usize::from(self.settings.streams) {
            self.streams.push(stream);
        } else if let Some(oldest) = self.streams.iter_mut().min_by_key(|stream| stream.used) {
            *oldest = stream;
        }
    }
}

impl Prefetch for Stream {
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        if !(1..=1024).contains(&settings.streams) {
            return Err(format!("`streams` is from 1 to 1024, not {}", settings.streams));
        }
        if !(1..=256).contains(&settings.distance) {
            return Err(format!("`distance` is from 1 to 256, not {}", settings.distance));
        }
        super::degree(settings.degree)
    }

    fn new(settings: &Settings, _: u32) -> Self {
        Self { streams: Vec::new(), settings: settings.clone(), now: 0 }
    }

    fn see(&mut self, seen: Seen, wanted: &mut Wanted) {
        self.now += 1;
        if !self.go_on(seen.line, wanted) && !seen.hit && !self.train(seen.line) {
            self.start(seen.line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{after_misses, watcher};
    use super::*;

    #[test]
    fn two_misses_on_one_side_train_a_stream() {
        // The third miss makes it watch lines 10 to 26; the fourth is among them.
        let wanted = after_misses("\"stream\"", &[10, 11, 12, 13]);
        assert_eq!(wanted, [vec![], vec![], vec![], vec![27, 28]]);
        // From 12 to 28 now: an access outside, behind it, asks for nothing.
        let wanted = after_misses("\"stream\"", &[10, 11, 12, 13, 11]);
        assert_eq!(wanted[4], Vec::<u64>::new());
    }

    #[test]
    fn a_stream_may_go_down() {
        let wanted = after_misses("\"stream\"", &[60, 59, 58, 57]);
        assert_eq!(wanted[3], [43, 42]);
    }

    #[test]
    fn misses_on_both_sides_train_again() {
        let wanted = after_misses("\"stream\"", &[30, 31, 29, 28, 27]);
        assert!(wanted[..4].iter().all(Vec::is_empty));
        assert_eq!(wanted[4], [13, 12]);
    }

    #[test]
    fn the_least_recently_used_stream_goes() {
        let lines = [0, 1000, 2000, 1, 2, 3];
        let two = after_misses("{ prefetcher = \"stream\", streams = 2 }", &lines);
        assert!(two.iter().all(Vec::is_empty), "line 2000 took the place of line 0's");
        let three = after_misses("{ prefetcher = \"stream\", streams = 3 }", &lines);
        assert_eq!(three[5], [17, 18]);
    }

    #[test]
    fn hits_start_and_train_nothing() {
        let mut watcher = watcher("\"stream\"");
        let hit = |line: u64| Seen { addr: line << 6, line, site: 0, hit: true, first_use: false };
        assert!((0..8).all(|line| watcher.see(hit(line)).is_empty()));
    }
}
