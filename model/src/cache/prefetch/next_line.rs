//! Tagged next-line prefetching (Smith, "Cache Memories", ACM Computing Surveys 14(3), 1982, section 2.1):
//! a miss asks for the lines after it, and so does the first use of a line that was prefetched, so that a
//! sequential stream misses once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Prefetch, Seen, Wanted};

/// Parameters of `next-line`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Lines asked for each time.
    #[schemars(extend("x-effect" = "function"), range(min = 1, max = 64))]
    pub degree: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self { degree: 1 }
    }
}

/// The prefetcher.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct NextLine {
    degree: u8,
}

impl Prefetch for NextLine {
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        super::degree(settings.degree)
    }

    fn new(settings: &Settings, _: u32) -> Self {
        Self { degree: settings.degree }
    }

    fn see(&mut self, seen: Seen, wanted: &mut Wanted) {
        if !seen.hit || seen.first_use {
            (1..=i64::from(self.degree)).for_each(|offset| wanted.offset(offset));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{after_misses, watcher};
    use super::*;

    #[test]
    fn a_miss_asks_for_what_follows_in_the_page() {
        let wanted = after_misses("{ prefetcher = \"next-line\", degree = 2 }", &[5, 62, 63]);
        assert_eq!(wanted, [vec![6, 7], vec![63], vec![]]);
    }

    #[test]
    fn a_hit_asks_only_where_the_line_was_prefetched_and_not_used() {
        let mut watcher = watcher("\"next-line\"");
        let hit = Seen { addr: 320, line: 5, site: 0, hit: true, first_use: false };
        assert!(watcher.see(hit).is_empty());
        assert_eq!(watcher.see(Seen { first_use: true, ..hit }), [6]);
    }
}
