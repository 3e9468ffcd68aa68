//! By function: sites found among the symbols of the program that was recorded.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use object::{Object, ObjectKind, ObjectSegment, ObjectSymbol, SegmentFlags, SymbolKind};
use tracegen::batch::{Aside, Batch};
use tracegen::record::{Backing, Event};

use super::keys::{Keys, Labels};
use super::rows::{REST, Rows};
use crate::error::Error;

/// The pages that segments are mapped in.
const PAGE: u64 = 4096;
/// Sites of which the row is found without a search.
const RECENT: usize = 1024;

/// A function.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Symbol {
    /// Its first byte and the byte behind its last, as the file numbers them.
    start: u64,
    end: u64,
    /// Its name as the linker knows it.
    name: String,
}

/// A part of the file that is mapped to be executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    /// Its first byte in memory, as the file numbers bytes, and in the file.
    address: u64,
    offset: u64,
    /// Its bytes in the file.
    length: u64,
}

/// The functions of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbols {
    path: PathBuf,
    /// By address; none overlaps the next.
    symbols: Vec<Symbol>,
    executable: Vec<Segment>,
    /// What has to be taken from a site; nothing where the trace has to say it.
    bias: Option<u64>,
}

impl Symbols {
    /// Those of the ELF file at `path`. `load_address` is where the program's first byte lies, where it may
    /// be loaded anywhere.
    ///
    /// # Errors
    /// The file cannot be read, is no ELF file, has no functions, or cannot lie at `load_address`.
    pub fn read(path: &Path, load_address: Option<u64>) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        Self::of(path, &bytes, load_address)
    }

    fn of(path: &Path, bytes: &[u8], load_address: Option<u64>) -> Result<Self, Error> {
        let wrong = |message: &str| Error::Simulation(format!("{}: {message}", path.display()));
        let file = object::File::parse(bytes)
            .map_err(|error| wrong(&format!("it is no ELF file: {error}")))?;
        let executable = file.segments().filter(is_executable).map(|segment| {
            let (offset, length) = segment.file_range();
            Segment { address: segment.address(), offset, length }
        });
        let executable: Vec<Segment> = executable.collect();
        let ends = executable.iter().map(|part| part.address.saturating_add(part.length));
        let end = ends.max().unwrap_or(u64::MAX);
        let mut symbols = functions(file.symbols(), end);
        if symbols.is_empty() {
            // What a stripped program still exports.
            symbols = functions(file.dynamic_symbols(), end);
        }
        if symbols.is_empty() {
            return Err(wrong("it has no symbols of functions; was it stripped?"));
        }
        let lowest = file.segments().map(|segment| segment.address()).min().unwrap_or(0);
        let bias = match (file.kind() == ObjectKind::Dynamic, load_address) {
            (true, address) => address.map(|address| address.wrapping_sub(page_of(lowest))),
            (false, None) => Some(0),
            (false, Some(_)) => {
                return Err(wrong(
                    "it is loaded where it says; --load-address is for programs that may be loaded anywhere",
                ));
            }
        };
        Ok(Self { path: path.to_owned(), symbols, executable, bias })
    }

    /// The function that has the byte at `address`, as the file numbers bytes.
    fn find(&self, address: u64) -> Option<u32> {
        let behind = self.symbols.partition_point(|symbol| symbol.start <= address);
        let at = behind.checked_sub(1)?;
        // There are fewer than 2^32 in a file.
        (address < self.symbols[at].end).then_some(at as u32)
    }

    /// The bias that a mapping of part of a file says, if the file is this.
    fn bias_of(&self, addr: u64, length: u64, offset: u64) -> Option<u64> {
        let is_it = |segment: &&Segment| {
            let inside = segment.offset - page_of(segment.offset) + segment.length;
            page_of(segment.offset) == offset && inside.div_ceil(PAGE) == length.div_ceil(PAGE)
        };
        let segment = self.executable.iter().find(is_it)?;
        Some(addr.wrapping_sub(page_of(segment.address)))
    }
}

fn page_of(address: u64) -> u64 {
    address & !(PAGE - 1)
}

fn is_executable<'a>(segment: &impl ObjectSegment<'a>) -> bool {
    matches!(segment.flags(), SegmentFlags::Elf { p_flags, .. } if p_flags.contains(object::elf::PF_X))
}

/// The functions among `symbols`, by address. Of those that start together the one with the least name stays; one
/// without a size reaches up to the next, the last one up to `end`.
fn functions<'a, S: ObjectSymbol<'a>>(symbols: impl Iterator<Item = S>, end: u64) -> Vec<Symbol> {
    let function = |symbol: S| {
        let name = symbol.name().ok().filter(|name| !name.is_empty())?;
        let known = symbol.kind() == SymbolKind::Text && symbol.is_definition();
        let start = symbol.address();
        let end = start.saturating_add(symbol.size());
        known.then(|| Symbol { start, end, name: name.to_owned() })
    };
    let mut all: Vec<Symbol> = symbols.filter_map(function).collect();
    all.sort_by(|a, b| (a.start, b.end, &a.name).cmp(&(b.start, a.end, &b.name)));
    all.dedup_by_key(|symbol| symbol.start);
    let starts: Vec<u64> = all.iter().skip(1).map(|symbol| symbol.start).collect();
    for (symbol, next) in all.iter_mut().zip(starts.into_iter().chain([end])) {
        symbol.end = if symbol.end == symbol.start { next } else { symbol.end.min(next) };
    }
    all
}

/// A linker's name as its language writes it.
fn demangled(name: &str) -> String {
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        return format!("{rust:#}");
    }
    let cpp = name.starts_with("_Z").then(|| cpp_demangle::Symbol::new(name).ok()).flatten();
    cpp.and_then(|symbol| symbol.demangle().ok()).unwrap_or_else(|| name.to_owned())
}

/// The row of every access by the function that makes it.
pub struct SymbolKeys {
    symbols: Arc<Symbols>,
    bias: Option<u64>,
    /// Nothing for sites outside every function.
    rows: Rows<Option<u32>>,
    /// By the site's last bits: a site and its row.
    recent: Vec<Option<(u64, u32)>>,
}

impl SymbolKeys {
    /// Among `symbols`.
    pub fn new(symbols: Arc<Symbols>) -> Self {
        let bias = symbols.bias;
        Self { symbols, bias, rows: Rows::new(), recent: vec![None; RECENT] }
    }

    fn row(&mut self, site: u64) -> u32 {
        let place = (site ^ site >> 10) as usize % RECENT;
        if let Some((known, row)) = self.recent[place]
            && known == site
        {
            return row;
        }
        let address = self.bias.map(|bias| site.wrapping_sub(bias));
        let symbol = address.and_then(|address| self.symbols.find(address));
        let row = self.rows.of(symbol, symbol.map_or(0, |symbol| u64::from(symbol) + 1));
        self.recent[place] = Some((site, row));
        row
    }
}

impl Keys for SymbolKeys {
    fn access(&mut self, batch: &Batch, at: usize) -> u32 {
        self.row(batch.site[at])
    }

    fn aside(&mut self, aside: &Aside) -> u32 {
        match aside {
            Aside::Branch(branch) => self.row(branch.site),
            Aside::Event(_, Event::Mmap { addr, length, protection, backing, .. }) => {
                if let Backing::File { offset, .. } = backing
                    && self.bias.is_none()
                    && protection.execute
                {
                    self.bias = self.symbols.bias_of(*addr, *length, *offset);
                    self.recent.fill(None);
                }
                REST
            }
            Aside::Event(..) => REST,
        }
    }

    fn finish(self: Box<Self>) -> Labels {
        let label = |symbol: &Option<u32>| match symbol {
            Some(at) => demangled(&self.symbols.symbols[*at as usize].name),
            None => "no symbol".to_owned(),
        };
        let keys = self.rows.keys();
        let path = self.symbols.path.display();
        let note = if self.bias.is_none() {
            Some(format!(
                "{path} may be loaded anywhere, and the trace does not say where it was: --load-address does"
            ))
        } else if keys.iter().all(Option::is_none) {
            Some(format!("no site of the trace is in a function of {path}"))
        } else {
            None
        };
        Labels { note, ..Labels::each(keys.iter().map(label).collect()) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{By, keys::Finder};
    use super::*;
    use tracegen::record::{Access, Protection};

    fn labels(finder: Finder) -> (Vec<String>, Option<String>) {
        let rows = finder.accesses.clone();
        let Labels { labels, parts, note } = finder.finish();
        (rows.iter().map(|row| labels[parts[*row as usize - 2]].clone()).collect(), note)
    }

    fn accesses(batch: &mut Batch, sites: &[u64]) {
        for site in sites {
            batch.push_access(Access { site: *site, ..Access::default() });
        }
    }

    /// This program, where it runs.
    #[test]
    fn the_functions_of_a_real_program_are_found() {
        let path = std::env::current_exe().unwrap();
        let anywhere = Symbols::read(&path, Some(0)).unwrap();
        let is_it = |symbol: &&Symbol| demangled(&symbol.name).ends_with("symbols::demangled");
        let known = anywhere.symbols.iter().find(is_it).unwrap();
        let (here, other) = (demangled as *const () as u64, page_of as *const () as u64);
        let loaded = here.wrapping_sub(known.start).wrapping_sub(anywhere.bias.unwrap());
        let symbols = Symbols::read(&path, Some(loaded)).unwrap();
        let mut finder = Finder::new(&By::Symbol(Arc::new(symbols)));
        let mut batch = Batch::new();
        accesses(&mut batch, &[here, other, here + 1, 5, here]);
        finder.find(&batch);
        let (seen, note) = labels(finder);
        let ends = ["symbols::demangled", "symbols::page_of", "symbols::demangled", "no symbol"];
        for (seen, end) in seen.iter().zip(ends) {
            assert!(seen.ends_with(end), "{seen} {end}");
        }
        assert_eq!(note, None);
    }

    fn symbols(bias: Option<u64>) -> Arc<Symbols> {
        let symbol = |start, end, name: &str| Symbol { start, end, name: name.to_owned() };
        Arc::new(Symbols {
            path: PathBuf::from("app"),
            symbols: vec![symbol(0x1100, 0x1180, "_Z3foov"), symbol(0x1180, 0x1200, "main")],
            executable: vec![Segment { address: 0x1100, offset: 0x1100, length: 0x1f00 }],
            bias,
        })
    }

    #[test]
    fn a_trace_says_where_a_program_was_loaded() {
        let mut finder = Finder::new(&By::Symbol(symbols(None)));
        let mut batch = Batch::new();
        accesses(&mut batch, &[0x7000_1100]);
        let map = |length, offset| Event::Mmap {
            addr: 0x7000_1000,
            length,
            protection: Protection { read: true, write: false, execute: true },
            shared: false,
            backing: Backing::File { file: 1, offset },
        };
        // Another file's, and the program's.
        batch.push_event(0, map(0x9000, 0x1000));
        batch.push_event(0, map(0x2000, 0x1000));
        accesses(&mut batch, &[0x7000_1100, 0x7000_1180, 0x7000_1200]);
        finder.find(&batch);
        let (seen, note) = labels(finder);
        assert_eq!(seen, ["no symbol", "foo()", "main", "no symbol"]);
        assert_eq!(note, None);
    }

    #[test]
    fn what_cannot_be_known_is_said() {
        let note = |bias| {
            let mut finder = Finder::new(&By::Symbol(symbols(bias)));
            let mut batch = Batch::new();
            accesses(&mut batch, &[7]);
            finder.find(&batch);
            labels(finder).1.unwrap_or_default()
        };
        assert!(note(None).contains("--load-address"));
        assert!(note(Some(0)).contains("no site of the trace"));
        let error = Symbols::of(Path::new("x"), b"#!/bin/sh", None).unwrap_err().to_string();
        assert!(error.contains("x: it is no ELF file"), "{error}");
    }
}
