//! Which row each record of a batch belongs to.

use tracegen::batch::{Aside, Batch, Mark};
use tracegen::record::Event;

use super::By;
use super::areas::AreaKeys;
use super::blocks::BlockKeys;
use super::rows::{REST, Rows};
use super::symbols::SymbolKeys;

/// What knows rows. It is shown every record in order, those that do not count included.
pub trait Keys {
    /// The row of the access at `at`.
    fn access(&mut self, batch: &Batch, at: usize) -> u32;

    /// The row of a branch or an event.
    fn aside(&mut self, aside: &Aside) -> u32;

    /// Counting starts or pauses.
    fn mark(&mut self, _: Mark) {}

    /// What rows after the first two are called, and which others are a part of each: `parts[k]` is the row of
    /// `labels` that the row k + 2 goes to.
    fn finish(self: Box<Self>) -> Labels;
}

/// What rows are called in the end.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// The names.
    pub labels: Vec<String>,
    /// For each row that there was, the name's place.
    pub parts: Vec<usize>,
    /// Something that the reader should know.
    pub note: Option<String>,
}

impl Labels {
    /// A name a row.
    pub fn each(labels: Vec<String>) -> Self {
        let parts = (0..labels.len()).collect();
        Self { labels, parts, note: None }
    }
}

/// The keys of a break-down, and the rows of the latest batch.
pub struct Finder {
    keys: Box<dyn Keys + Send>,
    /// The row of every access.
    pub accesses: Vec<u32>,
    /// The row of every branch and event.
    pub asides: Vec<u32>,
}

impl Finder {
    /// For a break-down by `by`.
    pub fn new(by: &By) -> Self {
        let keys: Box<dyn Keys + Send> = match by {
            By::Site => Box::new(Sites(Rows::new())),
            By::Symbol(symbols) => Box::new(SymbolKeys::new(symbols.clone())),
            By::Area => Box::new(AreaKeys::new()),
            By::Object => Box::new(BlockKeys::new()),
            By::Phase => Box::new(Phases { rows: Rows::new(), current: None }),
            By::Interval(length) => Box::new(Intervals {
                rows: Rows::new(),
                length: length.get(),
                counting: true,
                seen: 0,
            }),
        };
        Self { keys, accesses: Vec::new(), asides: Vec::new() }
    }

    /// Finds the row of every record of `batch`.
    pub fn find(&mut self, batch: &Batch) {
        if let Some(mark) = batch.mark {
            self.keys.mark(mark);
        }
        self.accesses.clear();
        self.asides.clear();
        let mut asides = batch.asides.iter().peekable();
        for at in 0..batch.accesses() {
            while let Some((_, aside)) = asides.next_if(|(next, _)| *next as usize <= at) {
                self.asides.push(self.keys.aside(aside));
            }
            self.accesses.push(self.keys.access(batch, at));
        }
        self.asides.extend(asides.map(|(_, aside)| self.keys.aside(aside)));
    }

    /// What rows are called.
    pub fn finish(self) -> Labels {
        self.keys.finish()
    }
}

/// How a site is shown.
pub fn site_label(site: u64) -> String {
    format!("{site:#x}")
}

/// By site.
struct Sites(Rows<u64>);

impl Keys for Sites {
    fn access(&mut self, batch: &Batch, at: usize) -> u32 {
        let site = batch.site[at];
        self.0.of(site, site)
    }

    fn aside(&mut self, aside: &Aside) -> u32 {
        match aside {
            Aside::Branch(branch) => self.0.of(branch.site, branch.site),
            Aside::Event(..) => REST,
        }
    }

    fn finish(self: Box<Self>) -> Labels {
        let labels = Labels::each(self.0.keys().iter().copied().map(site_label).collect());
        let note = (labels.labels == ["0x0"])
            .then(|| "the trace does not say which instructions make its accesses".to_owned());
        Labels { note, ..labels }
    }
}

/// By phase; nothing before the first marker.
struct Phases {
    rows: Rows<Option<u32>>,
    current: Option<u32>,
}

impl Phases {
    fn row(&mut self) -> u32 {
        self.rows.of(self.current, self.current.map_or(0, |id| u64::from(id) + 1))
    }
}

impl Keys for Phases {
    fn access(&mut self, _: &Batch, _: usize) -> u32 {
        self.row()
    }

    fn aside(&mut self, aside: &Aside) -> u32 {
        if let Aside::Event(_, Event::Phase { id }) = aside {
            self.current = Some(*id);
        }
        self.row()
    }

    fn finish(self: Box<Self>) -> Labels {
        let label = |id: &Option<u32>| {
            id.map_or_else(|| "before the first".to_owned(), |id| id.to_string())
        };
        let note = self.current.is_none().then(|| "the trace has no phase markers".to_owned());
        Labels { note, ..Labels::each(self.rows.keys().iter().map(label).collect()) }
    }
}

/// By so many counted accesses.
struct Intervals {
    rows: Rows<u64>,
    length: u64,
    counting: bool,
    /// Accesses that count.
    seen: u64,
}

impl Keys for Intervals {
    fn access(&mut self, _: &Batch, _: usize) -> u32 {
        if !self.counting {
            return REST;
        }
        let interval = self.seen / self.length;
        self.seen += 1;
        self.rows.of(interval, interval)
    }

    fn aside(&mut self, _: &Aside) -> u32 {
        if !self.counting {
            return REST;
        }
        let interval = self.seen / self.length;
        self.rows.of(interval, interval)
    }

    fn mark(&mut self, mark: Mark) {
        if mark == Mark::Count && self.counting {
            self.seen = 0;
        }
        self.counting = mark == Mark::Count;
    }

    fn finish(self: Box<Self>) -> Labels {
        let first = |interval: &u64| (interval * self.length).to_string();
        Labels::each(self.rows.keys().iter().map(first).collect())
    }
}
