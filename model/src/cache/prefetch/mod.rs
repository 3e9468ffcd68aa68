//! Hardware prefetchers, one a file.
//!
//! A prefetcher watches the demand accesses that look its level up and says which lines it wants there. It
//! knows lines and sites, not pages: [`Wanted`] keeps what lies outside the trigger's page out of the list,
//! because a physical address beyond it says nothing of the program. A new prefetcher is a file with its
//! settings and its [`Prefetch`], its `mod` line, and its line in `prefetchers!`.

pub mod adjacent_line;
pub mod best_offset;
pub mod next_line;
pub mod stream;
pub mod stride;

use crate::config::choice::{NoParameters, choice};

/// A demand access that has looked a level up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Its physical address.
    pub addr: u64,
    /// The number of its line.
    pub line: u64,
    /// The site that made it.
    pub site: u64,
    /// Whether the level had the line.
    pub hit: bool,
    /// Whether the line had been prefetched and this is the first use of it.
    pub first_use: bool,
}

/// The lines that a prefetcher wants after an access.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
pub struct Wanted {
    /// The access's line, and log2 of the lines of a page.
    line: u64,
    page_shift: u32,
    list: Vec<u64>,
}

impl Wanted {
    /// For pages of 2^`page_shift` lines.
    pub fn new(page_shift: u32) -> Self {
        Self { line: 0, page_shift, list: Vec::new() }
    }

    /// Begins with an access to `line`.
    fn begin(&mut self, line: u64) {
        self.line = line;
        self.list.clear();
    }

    /// Asks for `line`, unless that is the access's own, asked for already, or in another page.
    pub fn line(&mut self, line: u64) {
        let same_page = line >> self.page_shift == self.line >> self.page_shift;
        if same_page && line != self.line && !self.list.contains(&line) {
            self.list.push(line);
        }
    }

    /// Asks for the line `offset` lines on.
    pub fn offset(&mut self, offset: i64) {
        if let Some(line) = self.line.checked_add_signed(offset) {
            self.line(line);
        }
    }

    /// The lines, in the order in which they were asked for.
    pub fn lines(&self) -> &[u64] {
        &self.list
    }
}

/// What a prefetcher does.
pub trait Prefetch: Sized {
    /// Its parameters.
    type Settings;

    /// Whether the parameters can be.
    ///
    /// # Errors
    /// What is wrong with them, as the end of a sentence about the cache's `prefetcher`.
    fn check(settings: &Self::Settings) -> Result<(), String>;

    /// A prefetcher that has seen nothing, for lines of 2^`line_shift` bytes. The caller has had
    /// [`check`](Self::check) accept the settings.
    fn new(settings: &Self::Settings, line_shift: u32) -> Self;

    /// Sees an access, and asks for what it wants.
    fn see(&mut self, seen: Seen, wanted: &mut Wanted);
}

/// Whether so many lines can be asked for at a time.
fn degree(degree: u8) -> Result<(), String> {
    match degree {
        1..=64 => Ok(()),
        _ => Err(format!("`degree` is from 1 to 64, not {degree}")),
    }
}

/// Declares the setting and the prefetcher that it stands for.
macro_rules! prefetchers {
    ($($(#[doc = $doc:literal])* $name:literal $module:ident $Type:ident)*) => {
        choice! {
            /// A hardware prefetcher.
            Prefetcher {
                key: "prefetcher", what: "prefetcher", setting: "cache.prefetcher", schema: "Prefetcher"
            }
            /// None.
            "none" None(NoParameters)
            $($(#[doc = $doc])* $name $Type($module::Settings))*
        }

        /// A prefetcher at work.
        #[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
        enum Engine {
            // `self`: deriving names a variant's field after the place of its type's first word.
            $($Type(self::$module::$Type),)*
        }

        impl Prefetcher {
            /// Whether the parameters can be.
            ///
            /// # Errors
            /// What is wrong with them.
            pub fn check(&self) -> Result<(), String> {
                match self {
                    Self::None(_) => Ok(()),
                    $(Self::$Type(settings) => $module::$Type::check(settings),)*
                }
            }

            fn engine(&self, line_shift: u32) -> Option<Engine> {
                match self {
                    Self::None(_) => None,
                    $(Self::$Type(settings) => {
                        Some(Engine::$Type($module::$Type::new(settings, line_shift)))
                    })*
                }
            }
        }

        impl Engine {
            fn see(&mut self, seen: Seen, wanted: &mut Wanted) {
                match self {
                    $(Self::$Type(engine) => engine.see(seen, wanted),)*
                }
            }
        }
    };
}

prefetchers! {
    /// The next lines after a miss, or after the first use of a prefetched line.
    "next-line" next_line NextLine
    /// The other line of an aligned pair after a miss.
    "adjacent-line" adjacent_line AdjacentLine
    /// What a site accesses next if its addresses go on in equal steps.
    "stride" stride Stride
    /// The lines ahead of streams of misses.
    "stream" stream Stream
    /// The line at the one offset that has lately been best.
    "best-offset" best_offset BestOffset
}

impl Default for Prefetcher {
    fn default() -> Self {
        Self::None(NoParameters {})
    }
}

impl Prefetcher {
    /// Whether it is one at all.
    pub fn is_some(&self) -> bool {
        !matches!(self, Self::None(_))
    }
}

/// The prefetcher of a level with what it wants.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Watcher {
    engine: Engine,
    wanted: Wanted,
}

impl Watcher {
    /// The prefetcher that a setting names, for lines of 2^`line_shift` bytes in pages of 2^`page_shift`
    /// bytes; `None` for none.
    pub fn new(setting: &Prefetcher, line_shift: u32, page_shift: u32) -> Option<Self> {
        let wanted = Wanted::new(page_shift.saturating_sub(line_shift));
        Some(Self { engine: setting.engine(line_shift)?, wanted })
    }

    /// Shows it an access; the lines that it wants, in order.
    pub fn see(&mut self, seen: Seen) -> &[u64] {
        self.wanted.begin(seen.line);
        self.engine.see(seen, &mut self.wanted);
        self.wanted.lines()
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use serde::Deserialize;

    use super::*;

    /// What `setting` asks for after each access to `lines`, all of them misses of one site, with 64-byte
    /// lines in 4 KiB pages.
    pub fn after_misses(setting: &str, lines: &[u64]) -> Vec<Vec<u64>> {
        let mut watcher = watcher(setting);
        let seen =
            |line: u64| Seen { addr: line << 6, line, site: 1, hit: false, first_use: false };
        lines.iter().map(|line| watcher.see(seen(*line)).to_vec()).collect()
    }

    /// The prefetcher that a TOML value names.
    pub fn watcher(setting: &str) -> Watcher {
        Watcher::new(&read(setting).unwrap(), 6, 12).unwrap()
    }

    /// The setting that a TOML value is.
    pub fn read(setting: &str) -> Result<Prefetcher, String> {
        #[derive(Deserialize)]
        struct Holder {
            prefetcher: Prefetcher,
        }
        toml::from_str::<Holder>(&format!("prefetcher = {setting}"))
            .map(|holder| holder.prefetcher)
            .map_err(|error| error.message().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;
    use testing::read;

    #[test]
    fn a_name_or_a_table() {
        assert_eq!(read("\"none\""), Ok(Prefetcher::default()));
        let table = read("{ prefetcher = \"next-line\", degree = 3 }").unwrap();
        assert_eq!(table, Prefetcher::NextLine(next_line::Settings { degree: 3 }));
        #[derive(Serialize)]
        struct Holder {
            prefetcher: Prefetcher,
        }
        for name in Prefetcher::NAMES {
            let prefetcher = read(&format!("\"{name}\"")).unwrap();
            let text = toml::to_string(&Holder { prefetcher: prefetcher.clone() }).unwrap();
            let value = text.trim().trim_start_matches("prefetcher = ");
            let again = if value.starts_with('[') { continue } else { read(value) };
            assert_eq!(again, Ok(prefetcher));
        }
    }

    #[test]
    fn refusals_say_why() {
        assert!(read("\"strid\"").unwrap_err().contains("did you mean `stride`"));
        assert!(read("\"?\"").unwrap_err().contains("there are none, next-line"));
        assert!(read("{ prefetcher = \"next-line\", depth = 3 }").unwrap_err().contains("`depth`"));
        assert!(read("{ degree = 3 }").unwrap_err().contains("prefetcher"));
        assert!(read("{ prefetcher = \"none\", degree = 3 }").unwrap_err().contains("`degree`"));
        let error = read("{ prefetcher = \"next-line\", degree = 0 }").unwrap_err();
        assert!(error.contains("`degree` must be a whole number from 1 to 64"), "{error}");
        let none = Prefetcher::NextLine(next_line::Settings { degree: 0 });
        assert!(none.check().unwrap_err().contains("degree"));
    }

    #[test]
    fn only_lines_of_the_page_are_wanted() {
        let mut wanted = Wanted::new(6);
        wanted.begin(62);
        [1, 1, 0, 2, -62, -63].iter().for_each(|offset| wanted.offset(*offset));
        assert_eq!(wanted.lines(), [63, 0]);
        wanted.begin(u64::MAX);
        wanted.offset(1);
        assert!(wanted.lines().is_empty());
    }
}
