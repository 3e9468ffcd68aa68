//! Checks of the machine as a whole: what no single setting can know.

use super::{Config, InvalidSetting};
use crate::address::PageShift;
use crate::cache::ruled;
use crate::cache::settings::{Cache, Stream};
use crate::mmu::settings::{Lookup, Mmu, Tlb, Ways};
use crate::mmu::switching::AsidAllocation;
use crate::os::settings::{Memory, Prefault, PrefaultFrames};
use crate::time::settings::{MAIN, Swap};
use crate::time::storage::Storage;
use crate::units::ByteSize;

/// The most lines of a cache, or entries of a TLB, that are simulated.
const LARGEST: u64 = 1 << 28;

pub(super) type Check = Result<(), InvalidSetting>;

pub(super) fn fault(path: impl Into<String>, message: impl Into<String>) -> Check {
    Err(InvalidSetting::new(path, message))
}

impl Config {
    /// Checks a machine whose defaults are filled in.
    pub(super) fn validate(&self) -> Check {
        self.check_ranges()?;
        self.names()?;
        self.mmu.widths()?;
        self.mmu.tables()?;
        self.identifiers()?;
        self.layout()?;
        for tlb in &self.mmu.tlb {
            self.mmu.tlb(tlb)?;
        }
        self.mmu.chains()?;
        self.mmu.pwcs()?;
        for cache in &self.cache {
            self.one_cache(cache)?;
        }
        self.caches()?;
        self.entry_level()?;
        ruled::check(&self.cache)?;
        self.memory()?;
        self.numa.validate(self)?;
        self.swap_areas()?;
        if !matches!(self.os.memory, Some(Memory::Frames(_))) {
            Storage::new(&self.swap, self.mmu.base_page().0)?;
        }
        self.dram.validate()?;
        match &self.state {
            Some(state) => state.validate(self),
            None => Ok(()),
        }
    }

    /// Where identifiers are the same on every CPU, whatever the CPUs run keeps its own.
    fn identifiers(&self) -> Check {
        let (asids, cpus) = (self.mmu.asids, self.core.count);
        let shared = self.mmu.asid_allocation == AsidAllocation::Generations;
        if shared && asids > 0 && asids < cpus {
            let message = format!("expected 0, or at least one for each of the {cpus} CPUs");
            return fault("mmu.asids", message);
        }
        Ok(())
    }

    /// Names, ranges and pages of the layout; and reclaim that ranks whole pages.
    fn layout(&self) -> Check {
        for (at, range) in self.mmu.layout.iter().enumerate() {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if range.name.is_empty() || !range.name.chars().all(plain) {
                let message =
                    format!("the name `{}` is not of letters, digits, - and _", range.name);
                return fault("mmu.layout", message);
            }
            if self.mmu.layout[..at].iter().any(|other| other.name == range.name) {
                let message = format!("another range is called `{}` too", range.name);
                return fault(format!("mmu.layout.{}.name", range.name), message);
            }
        }
        self.mmu.check_layout()?;
        let base = self.mmu.base_page();
        if self.os.reclaim.needs_next_use() && self.mmu.layout.iter().any(|r| r.page > base) {
            let message = "knows the next use of base pages alone: it has no place for mmu.layout";
            return fault("os.reclaim", message);
        }
        Ok(())
    }

    fn one_cache(&self, cache: &Cache) -> Check {
        let path = |key: &str| format!("cache.{}.{key}", cache.name);
        let (size, line) = (cache.size.0, cache.line.0);
        if !line.is_power_of_two() || !(2..=64 << 10).contains(&line) {
            let message = format!("expected a power of two from 2B to 64KiB, found {}", cache.line);
            return fault(path("line"), message);
        }
        if size == 0 || !size.is_multiple_of(line) || size / line > LARGEST {
            let most = ByteSize(LARGEST.saturating_mul(line));
            let message = format!("expected a multiple of the line of {} up to {most}", cache.line);
            return fault(path("size"), message);
        }
        // At most LARGEST, which fits.
        let lines = (size / line) as u32;
        let ways = geometry(&path(""), "size", "lines", lines, cache.ways)?;
        streams(&path("serves"), &cache.serves)?;
        cache.replacement.check(ways).or_else(|message| fault(path("replacement"), message))?;
        let page = self.mmu.base_page().0.trailing_zeros();
        // A shift is below 64.
        let page = self.mmu.enabled.then_some(PageShift(page as u8));
        cache.check_indexing(page).or_else(|(key, message)| fault(path(key), message))
    }

    /// Levels from 1 without a gap, one cache of a level a stream, and rising latencies and lines.
    fn caches(&self) -> Check {
        levels("cache", self.cache.iter().map(|cache| (cache.name.as_str(), cache.level)))?;
        let frequency = self.core.frequency;
        for (at, cache) in self.cache.iter().enumerate() {
            let path = |key: &str| format!("cache.{}.{key}", cache.name);
            let latency = cache.latency.map_or(0, |latency| latency.cycles(frequency));
            if latency == 0 {
                return fault(path("latency"), "a hit takes at least a cycle");
            }
            let above = self.cache.iter().find(|above| above.leads_to(cache) && above.is_shared());
            if let Some(above) = above.filter(|_| !cache.is_shared()) {
                let message = format!(
                    "`{}` above it is shared by all CPUs: what lies below that is shared too",
                    above.name
                );
                return fault(path("shared"), message);
            }
            let shares = |other: &&Cache| other.serves.iter().any(|s| cache.serves.contains(s));
            for other in self.cache[..at].iter().filter(shares) {
                if other.level == cache.level {
                    let message = format!("`{}` is of the same level and stream", other.name);
                    return fault(path("level"), message);
                }
            }
            for above in self.cache.iter().filter(|other| other.level < cache.level).filter(shares)
            {
                if above.line > cache.line {
                    let message =
                        format!("shorter than the line of `{}`, {}", above.name, above.line);
                    return fault(path("line"), message);
                }
                let less = above.latency.map_or(0, |latency| latency.cycles(frequency));
                if latency <= less {
                    let message = format!(
                        "expected more than the {less} cycles of `{}` above it, found {latency}",
                        above.name
                    );
                    return fault(path("latency"), message);
                }
            }
        }
        Ok(())
    }

    fn entry_level(&self) -> Check {
        let Some(entry) = self.mmu.walker.entry_level.as_deref() else { return Ok(()) };
        let data = |cache: &&Cache| cache.serves.contains(&Stream::Data);
        let names: Vec<_> = self.cache.iter().filter(data).map(|c| c.name.as_str()).collect();
        if entry == "memory" || names.contains(&entry) {
            return Ok(());
        }
        let help = super::nearest(entry, names.iter().copied())
            .map_or(String::new(), |name| format!("; a similar one is `{name}`"));
        let message = format!(
            "no data cache is called \"{entry}\": expected {}\"memory\"{help}",
            names.iter().map(|name| format!("\"{name}\", ")).collect::<String>()
        );
        fault("mmu.walker.entry_level", message)
    }

    fn memory(&self) -> Check {
        let scattered = self.os.prefault_frames == PrefaultFrames::Scattered;
        if scattered && self.os.prefault == Prefault::None {
            let message =
                "nothing is mapped before the trace starts: expected os.prefault = \"accessed\"";
            return fault("os.prefault_frames", message);
        }
        let page = self.mmu.base_page();
        let most = match self.os.memory {
            Some(Memory::Bytes(bytes)) => {
                self.addressable(bytes)?;
                self.mappable("os.memory", bytes)?;
                bytes.0
            }
            Some(Memory::Frames(frames)) => {
                let bytes = ByteSize(frames.saturating_mul(page.0));
                self.addressable(bytes)?;
                bytes.0
            }
            None => u64::MAX,
        };
        if let Some(initial) = &self.os.initial {
            if matches!(self.os.memory, Some(Memory::Frames(_))) {
                return fault("os.initial", "frames for user data alone are all free at the start");
            }
            initial.check(most / page.0).or_else(|message| fault("os.initial.orders", message))?;
        }
        let Some(limit) = self.os.limit else { return Ok(()) };
        if limit.0 > most {
            return fault(
                "os.limit",
                format!("{limit} is more than the memory of {}", ByteSize(most)),
            );
        }
        self.mappable("os.limit", limit)
    }

    fn addressable(&self, bytes: ByteSize) -> Check {
        let addressable = 1u64.checked_shl(self.mmu.physical_bits().into()).unwrap_or(u64::MAX);
        if bytes.0 > addressable {
            let (bits, most) = (self.mmu.physical_bits(), ByteSize(addressable));
            let message = format!("{bits}-bit physical addresses reach {most}, not {bytes}");
            return fault("os.memory", message);
        }
        Ok(())
    }

    /// Whether a page can be mapped in `memory` at all: it needs a frame and one for each table.
    fn mappable(&self, path: &str, memory: ByteSize) -> Check {
        let tables = u64::from(self.mmu.levels());
        let table = self.mmu.base_page().0.min(4096);
        let least = self.mmu.base_page().0.saturating_add(tables.saturating_mul(table));
        if self.mmu.enabled && memory.0 < least {
            let message = format!("one page and its tables take {}, not {memory}", ByteSize(least));
            return fault(path, message);
        }
        Ok(())
    }

    fn swap_areas(&self) -> Check {
        let swap = &self.swap;
        let sizes = swap.area.iter().map(|area| (area.name.as_str(), area.size));
        for (name, size) in std::iter::once((MAIN, swap.size)).chain(sizes) {
            if size.0 > 1 << 50 {
                let key = format!("{}.size", Swap::key(name));
                return fault(key, format!("expected at most 1PiB, found {size}"));
            }
        }
        let mut seen = vec![MAIN];
        for area in &swap.area {
            let name = area.name.as_str();
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if name.is_empty() || !name.chars().all(plain) {
                let message = format!("the name `{name}` is not of letters, digits, - and _");
                return fault("swap.area", message);
            }
            if seen.contains(&name) {
                let message = format!("another swap area is called `{name}` too");
                return fault(format!("{}.name", Swap::key(name)), message);
            }
            seen.push(name);
        }
        Ok(())
    }
}

impl Mmu {
    fn widths(&self) -> Check {
        let page = self.base_page();
        if !page.0.is_power_of_two() || page.0 < 64 {
            let message = format!("expected a power of two from 64B, found {page}");
            return fault("mmu.page_size", message);
        }
        let offset = page.0.trailing_zeros();
        for (key, bits) in
            [("va_bits", self.va_bits.unwrap_or(64)), ("pa_bits", self.physical_bits())]
        {
            if u32::from(bits) < offset {
                let message = format!("a page of {page} alone takes {offset} bits, not {bits}");
                return fault(format!("mmu.{key}"), message);
            }
        }
        let (bits, most) =
            (self.physical_bits(), self.named_format().map_or(56, |format| format.most_pa_bits));
        if bits > most {
            let message = format!("an entry of the page table holds {most} bits, not {bits}");
            return fault("mmu.pa_bits", message);
        }
        Ok(())
    }

    fn tables(&self) -> Check {
        if let Some(format) = &self.format {
            let levels = format.bits.len();
            if levels == 0 || levels > 8 || format.bits.iter().any(|bits| !(1..=24).contains(bits))
            {
                return fault("mmu.format.bits", "expected 1 to 8 levels of 1 to 24 bits");
            }
            if !format.entry_bytes.is_power_of_two() || !(2..=64).contains(&format.entry_bytes) {
                let message = "expected a power of two from 2 to 64";
                return fault("mmu.format.entry_bytes", message);
            }
            if format.leaves.iter().any(|leaf| *leaf == 0 || usize::from(*leaf) > levels) {
                return fault("mmu.format.leaves", format!("expected levels from 1 to {levels}"));
            }
        }
        if let Some(groups) = self.hash_groups {
            if !self.is_hashed() {
                return fault("mmu.hash_groups", "only `page_table = \"hashed\"` has groups");
            }
            if !groups.is_power_of_two() {
                return fault(
                    "mmu.hash_groups",
                    format!("expected a power of two, found {groups}"),
                );
            }
        }
        let (bits, most) = (self.va_bits.unwrap_or(0), self.reach());
        if u32::from(bits) > most {
            let message = format!("the page table translates {most} bits at most, not {bits}");
            return fault("mmu.va_bits", message);
        }
        Ok(())
    }

    /// The widest address that the page table translates. A page that is no leaf of the format has as many
    /// levels as it takes; one flat table has any size.
    fn reach(&self) -> u32 {
        let page = self.base_page().0.max(1).ilog2();
        if let Some(format) = &self.format {
            return page + format.bits.iter().map(|bits| u32::from(*bits)).sum::<u32>();
        }
        match self.page_table.radix() {
            Some(format) if format.is_leaf(page as u8) => format.most_va_bits().into(),
            _ => 64,
        }
    }

    fn tlb(&self, tlb: &Tlb) -> Check {
        let path = |key: &str| format!("mmu.tlb.{}.{key}", tlb.name);
        if u64::from(tlb.entries) > LARGEST {
            return fault(path("entries"), format!("expected at most {LARGEST}"));
        }
        let ways = geometry(&path(""), "entries", "entries", tlb.entries, tlb.ways)?;
        streams(&path("serves"), &tlb.serves)?;
        tlb.replacement.check(ways).or_else(|message| fault(path("replacement"), message))?;
        if tlb.lookup != Lookup::Parallel && tlb.level == 1 {
            let message =
                "a first level looks all its page sizes up at once: expected \"parallel\"";
            return fault(path("lookup"), message);
        }
        if tlb.predictor_entries.is_some() && tlb.lookup != Lookup::Predicted {
            let message = "only `lookup = \"predicted\"` has a predictor";
            return fault(path("predictor_entries"), message);
        }
        let sizes = self.known_sizes();
        let pages = tlb.pages.as_deref().unwrap_or_default();
        if pages.is_empty() {
            return fault(path("pages"), "expected at least one page size");
        }
        for (at, page) in pages.iter().enumerate() {
            if pages[..at].contains(page) {
                return fault(path("pages"), format!("{page} is listed twice"));
            }
            if !sizes.contains(page) {
                let known: Vec<_> = sizes.iter().map(ByteSize::to_string).collect();
                let message =
                    format!("no page of the machine has {page}: expected {}", known.join(", "));
                return fault(path("pages"), message);
            }
        }
        Ok(())
    }

    /// Levels from 1 without a gap, and one TLB for a page size, level and stream.
    fn chains(&self) -> Check {
        levels("mmu.tlb", self.tlb.iter().map(|tlb| (tlb.name.as_str(), tlb.level)))?;
        for (at, tlb) in self.tlb.iter().enumerate() {
            let pages = tlb.pages.as_deref().unwrap_or_default();
            for other in self.tlb[..at].iter().filter(|other| other.level == tlb.level) {
                let stream = other.serves.iter().any(|stream| tlb.serves.contains(stream));
                let shared = other.pages.iter().flatten().find(|page| pages.contains(page));
                if let (true, Some(page)) = (stream, shared) {
                    let message = format!("`{}` of the same level holds {page} too", other.name);
                    return fault(format!("mmu.tlb.{}.pages", tlb.name), message);
                }
            }
        }
        Ok(())
    }

    fn pwcs(&self) -> Check {
        let levels = self.levels();
        for (at, pwc) in self.pwc.iter().enumerate() {
            let path = |key: &str| format!("mmu.pwc.{}.{key}", pwc.level);
            if u32::from(pwc.level) > levels {
                let message = format!("the page table has {levels} levels, not {}", pwc.level);
                return fault(path("level"), message);
            }
            if self.root_in_registers() && u32::from(pwc.level) == levels {
                let message = "the processor keeps the root's entries in registers";
                return fault(path("level"), message);
            }
            if self.pwc[..at].iter().any(|other| other.level == pwc.level) {
                return fault(path("level"), "another paging-structure cache has this level too");
            }
            let ways = geometry(&path(""), "entries", "entries", pwc.entries, pwc.ways)?;
            pwc.replacement.check(ways).or_else(|message| fault(path("replacement"), message))?;
        }
        Ok(())
    }
}

/// The ways of a structure of `count` entries or lines, which they must divide.
fn geometry(
    prefix: &str,
    key: &str,
    what: &str,
    count: u32,
    ways: Ways,
) -> Result<u32, InvalidSetting> {
    let ways = ways.of(count);
    if ways == 0 || ways > count {
        let message = format!("expected 1 to {count} ways, as many as {what}, found {ways}");
        return Err(InvalidSetting::new(format!("{prefix}ways"), message));
    }
    if !count.is_multiple_of(ways) {
        let (below, above) = (count - count % ways, count.saturating_add(ways - count % ways));
        let message = format!(
            "{count} {what} are not a multiple of {ways} ways: the nearest are {below} and {above}"
        );
        return Err(InvalidSetting::new(format!("{prefix}{key}"), message));
    }
    Ok(ways)
}

fn streams(path: &str, serves: &[Stream]) -> Check {
    if serves.is_empty() || (serves.len() > 1 && serves[1..].contains(&serves[0])) {
        return fault(path, "expected \"data\", \"instruction\" or both, each once");
    }
    Ok(())
}

fn levels<'a>(array: &str, all: impl Iterator<Item = (&'a str, u8)> + Clone) -> Check {
    for (name, level) in all.clone() {
        if level > 1 && !all.clone().any(|(_, other)| other == level - 1) {
            let message = format!("there is none of level {} above it", level - 1);
            return fault(format!("{array}.{name}.level"), message);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By cache, what is said and what comes of it.
    fn sharing(said: &[Option<bool>]) -> Result<Vec<Option<bool>>, InvalidSetting> {
        let cache = |(at, shared): (usize, &Option<bool>)| {
            let (level, size) = (at + 1, 4096 << at);
            let text = format!("name = \"l{level}\"\nlevel = {level}\nsize = {size}\nways = 4");
            Cache { shared: *shared, ..toml::from_str(&text).unwrap() }
        };
        let cache = said.iter().enumerate().map(cache).collect();
        let config = Config { cache, ..Config::default() }.resolve()?;
        Ok(config.cache.iter().map(|cache| cache.shared).collect())
    }

    #[test]
    fn the_last_of_several_levels_is_shared_and_what_lies_below_a_shared_one() {
        let (yes, no) = (Some(true), Some(false));
        assert_eq!(sharing(&[None]), Ok(vec![no]));
        assert_eq!(sharing(&[None, None, None]), Ok(vec![no, no, yes]));
        assert_eq!(sharing(&[None, yes, None]), Ok(vec![no, yes, yes]));
        assert_eq!(sharing(&[None, None, no]), Ok(vec![no, no, no]));
        let error = sharing(&[None, yes, no]).unwrap_err();
        assert_eq!(error.key, "cache.l3.shared");
        assert!(error.message.contains("`l2`"), "{error}");
    }

    #[test]
    fn frames_lie_below_the_highest_physical_address() {
        let machine = |frames| {
            let mut config = Config::default();
            config.mmu.pa_bits = Some(20);
            config.os.memory = Some(Memory::Frames(frames));
            config.resolve()
        };
        assert!(machine(256).is_ok());
        let error = machine(257).unwrap_err();
        assert_eq!(error.key, "os.memory");
        assert!(error.message.contains("20-bit"), "{error}");
    }
}
