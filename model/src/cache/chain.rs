//! Which cache is above which: the order of the levels on each stream, and what cannot be.

use super::settings::{Cache, Stream};
use crate::config::InvalidSetting;
use crate::outcome::PEER;
use crate::replacement::Policy;

/// The order of the caches, by their indices in the configuration's list.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
pub(super) struct Arrangement {
    /// The level below each.
    pub next: Vec<Option<u8>>,
    /// By stream, those that serve it, by level.
    pub chains: [Vec<u8>; 2],
    /// Where on the data chain page-table reads enter; past its end they go to memory.
    pub walk_entry: usize,
    /// The caches whose policy asks for the site of every access.
    pub asking: Vec<u8>,
    /// Those whose policy asks for next uses.
    pub foreseeing: Vec<u8>,
}

impl Arrangement {
    /// Checks names and levels and puts the caches in order. `entry_level` is the walker's setting.
    ///
    /// # Errors
    /// A name comes twice, a level is left out, two caches of a level serve the same stream, a level below
    /// a unified one does not serve both streams, a lower level has smaller lines, or `entry_level` is none
    /// of the data caches.
    pub fn new(list: &[Cache], entry_level: Option<&str>) -> Result<Self, InvalidSetting> {
        if list.len() >= usize::from(PEER) {
            return Err(InvalidSetting::new("cache", "there are more than 253 caches"));
        }
        (0..list.len()).try_for_each(|place| check_place(list, place))?;
        let chains = [chain(list, Stream::Data)?, chain(list, Stream::Instruction)?];
        let mut next = vec![None; list.len()];
        for (chain, other) in [(&chains[0], &chains[1]), (&chains[1], &chains[0])] {
            for (place, upper) in chain.iter().enumerate() {
                let lower = chain.get(place + 1).copied();
                check_lower(list, *upper, lower, other)?;
                next[usize::from(*upper)] = lower;
            }
        }
        let walk_entry = walk_entry(list, &chains[0], entry_level)?;
        // There are at most 253 caches.
        let those = |asks: fn(&Policy) -> bool| -> Vec<u8> {
            let list = (0u8..).zip(list).filter(|(_, cache)| asks(&cache.replacement));
            list.map(|(index, _)| index).collect()
        };
        let (asking, foreseeing) = (those(Policy::asks_site), those(Policy::asks_next_use));
        Ok(Self { next, chains, walk_entry, asking, foreseeing })
    }

    /// The caches that serve `stream`, by level.
    pub fn chain(&self, stream: Stream) -> &[u8] {
        &self.chains[stream as usize]
    }

    /// The caches that page-table reads go through, by level.
    pub fn walk_chain(&self) -> &[u8] {
        self.chain(Stream::Data).get(self.walk_entry..).unwrap_or(&[])
    }

    /// The caches from which what they displace can come to the one at `index`.
    pub fn above(&self, index: usize) -> Vec<u8> {
        let leads_there = |from: &usize| {
            let mut below = self.next[*from];
            while let Some(lower) = below {
                if usize::from(lower) == index {
                    return true;
                }
                below = self.next[usize::from(lower)];
            }
            false
        };
        // There are at most 253 caches.
        (0..self.next.len()).filter(leads_there).map(|upper| upper as u8).collect()
    }
}

/// Checks the name and level of a cache among the others.
fn check_place(list: &[Cache], place: usize) -> Result<(), InvalidSetting> {
    let cache = &list[place];
    let key = |field| format!("cache.{}.{field}", cache.name);
    if cache.name.is_empty() {
        return Err(InvalidSetting::new(format!("cache.{place}.name"), "a cache needs a name"));
    }
    if cache.name == "memory" {
        return Err(InvalidSetting::new(key("name"), "\"memory\" stands for memory itself"));
    }
    if list[..place].iter().any(|other| other.name == cache.name) {
        return Err(InvalidSetting::new(key("name"), "two caches have this name"));
    }
    if cache.level == 0 {
        return Err(InvalidSetting::new(key("level"), "levels start at 1"));
    }
    if cache.serves.is_empty() {
        return Err(InvalidSetting::new(key("serves"), "a cache serves at least one stream"));
    }
    if cache.level > 1 && !list.iter().any(|other| other.level == cache.level - 1) {
        let message = format!("there is no cache of level {} above it", cache.level - 1);
        return Err(InvalidSetting::new(key("level"), message));
    }
    Ok(())
}

/// The caches of a stream by level.
fn chain(list: &[Cache], stream: Stream) -> Result<Vec<u8>, InvalidSetting> {
    let mut members: Vec<usize> =
        (0..list.len()).filter(|k| list[*k].serves.contains(&stream)).collect();
    members.sort_by_key(|k| list[*k].level);
    for pair in members.windows(2) {
        let (one, other) = (&list[pair[0]], &list[pair[1]]);
        if one.level == other.level {
            let message =
                format!("`{}` is of level {} too and serves the same", one.name, one.level);
            return Err(InvalidSetting::new(format!("cache.{}.level", other.name), message));
        }
    }
    // There are at most 253 caches.
    Ok(members.into_iter().map(|k| k as u8).collect())
}

/// Checks what lies below `upper` on its chain, `other` being the other stream's chain.
fn check_lower(
    list: &[Cache],
    upper: u8,
    lower: Option<u8>,
    other: &[u8],
) -> Result<(), InvalidSetting> {
    let Some(lower) = lower else { return Ok(()) };
    let (above, below) = (&list[usize::from(upper)], &list[usize::from(lower)]);
    if below.line.0 < above.line.0 {
        let message = format!(
            "lines of {} are smaller than those of `{}` above it, {}",
            below.line, above.name, above.line
        );
        return Err(InvalidSetting::new(format!("cache.{}.line", below.name), message));
    }
    if other.contains(&upper) && !other.contains(&lower) {
        let message = format!("`{}` above it serves both streams, so it must too", above.name);
        return Err(InvalidSetting::new(format!("cache.{}.serves", below.name), message));
    }
    Ok(())
}

/// Where on the data chain page-table reads enter.
fn walk_entry(
    list: &[Cache],
    data: &[u8],
    entry_level: Option<&str>,
) -> Result<usize, InvalidSetting> {
    match entry_level {
        None => Ok(0),
        Some("memory") => Ok(data.len()),
        Some(name) => {
            let names: Vec<_> = data.iter().map(|k| list[usize::from(*k)].name.as_str()).collect();
            names.iter().position(|known| *known == name).ok_or_else(|| {
                let known = names.iter().fold("memory".to_owned(), |all, name| all + ", " + name);
                let message = format!("`{name}` is no data cache; expected one of {known}");
                InvalidSetting::new("mmu.walker.entry_level", message)
            })
        }
    }
}
