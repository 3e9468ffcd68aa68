//! Which cache is above which: the order of the levels on each stream, and what cannot be.

use super::settings::{Cache, Stream};
use crate::config::InvalidSetting;

/// Checks the name and level of a cache among the others.
pub(super) fn check_place(list: &[Cache], place: usize) -> Result<(), InvalidSetting> {
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
pub(super) fn chain(list: &[Cache], stream: Stream) -> Result<Vec<u8>, InvalidSetting> {
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
    // There are at most 254 caches.
    Ok(members.into_iter().map(|k| k as u8).collect())
}

/// Checks what lies below `upper` on its chain, `other` being the other stream's chain.
pub(super) fn check_lower(
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
pub(super) fn walk_entry(
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
