//! Events as a tag and a row of numbers.

use crate::record::{Advice, Backing, Event, Protection};

/// The most numbers of an event.
pub const MOST_FIELDS: usize = 5;
/// How many numbers follow each tag.
pub const FIELDS: [u8; 25] =
    [5, 2, 3, 3, 1, 1, 0, 0, 1, 4, 4, 3, 3, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 0, 0];

fn rights(protection: Protection) -> u64 {
    u64::from(protection.read)
        | u64::from(protection.write) << 1
        | u64::from(protection.execute) << 2
}

fn protection(bits: u64) -> Protection {
    Protection { read: bits & 1 != 0, write: bits & 2 != 0, execute: bits & 4 != 0 }
}

fn advice(number: u64) -> Option<Advice> {
    Some(match number {
        0 => Advice::Normal,
        1 => Advice::Random,
        2 => Advice::Sequential,
        3 => Advice::WillNeed,
        4 => Advice::DontNeed,
        8 => Advice::Free,
        12 => Advice::Mergeable,
        13 => Advice::Unmergeable,
        14 => Advice::HugePage,
        15 => Advice::NoHugePage,
        _ => return None,
    })
}

/// The tag of `event` and its numbers; those beyond the tag's [`FIELDS`] are 0.
pub fn flatten(event: &Event) -> (u8, [u64; MOST_FIELDS]) {
    match *event {
        Event::Mmap { addr, length, protection, shared, backing } => {
            let (file, number, offset) = match backing {
                Backing::Anonymous => (0, 0, 0),
                Backing::File { file, offset } => (1, u64::from(file), offset),
            };
            let flags = rights(protection) | u64::from(shared) << 3 | file << 4;
            (0, [addr, length, flags, number, offset])
        }
        Event::Munmap { addr, length } => (1, [addr, length, 0, 0, 0]),
        Event::Mprotect { addr, length, protection } => {
            (2, [addr, length, rights(protection), 0, 0])
        }
        Event::Madvise { addr, length, advice } => (3, [addr, length, advice as u64, 0, 0]),
        Event::Brk { end } => (4, [end, 0, 0, 0, 0]),
        Event::Fork { child } => (5, [u64::from(child), 0, 0, 0, 0]),
        Event::Exec => (6, [0; 5]),
        Event::Exit => (7, [0; 5]),
        Event::Switch { process } => (8, [u64::from(process), 0, 0, 0, 0]),
        Event::FileRead { file, offset, length, buffer } => {
            (9, [u64::from(file), offset, length, buffer, 0])
        }
        Event::FileWrite { file, offset, length, buffer } => {
            (10, [u64::from(file), offset, length, buffer, 0])
        }
        Event::Sendfile { file, offset, length } => (11, [u64::from(file), offset, length, 0, 0]),
        Event::SendfileGather { file, offset, length } => {
            (12, [u64::from(file), offset, length, 0, 0])
        }
        Event::Kmalloc { id, size } => (13, [id, size, 0, 0, 0]),
        Event::Kfree { id } => (14, [id, 0, 0, 0, 0]),
        Event::Vmalloc { id, size } => (15, [id, size, 0, 0, 0]),
        Event::Vfree { id } => (16, [id, 0, 0, 0, 0]),
        Event::AllocPages { id, order } => (17, [id, u64::from(order), 0, 0, 0]),
        Event::FreePages { id } => (18, [id, 0, 0, 0, 0]),
        Event::HeapMalloc { addr, size } => (19, [addr, size, 0, 0, 0]),
        Event::HeapFree { addr } => (20, [addr, 0, 0, 0, 0]),
        Event::PageContent { addr, class } => (21, [addr, class, 0, 0, 0]),
        Event::Phase { id } => (22, [u64::from(id), 0, 0, 0, 0]),
        Event::RegionStart => (23, [0; 5]),
        Event::RegionEnd => (24, [0; 5]),
    }
}

/// The event of `tag` with these numbers; `None` if there is no such event.
pub fn restore(tag: u8, fields: [u64; MOST_FIELDS]) -> Option<Event> {
    let [a, b, c, d, e] = fields;
    let small = |number: u64| u32::try_from(number).ok();
    Some(match tag {
        0 => Event::Mmap {
            addr: a,
            length: b,
            protection: protection(c),
            shared: c & 8 != 0,
            backing: match c & 16 {
                0 => Backing::Anonymous,
                _ => Backing::File { file: small(d)?, offset: e },
            },
        },
        1 => Event::Munmap { addr: a, length: b },
        2 => Event::Mprotect { addr: a, length: b, protection: protection(c) },
        3 => Event::Madvise { addr: a, length: b, advice: advice(c)? },
        4 => Event::Brk { end: a },
        5 => Event::Fork { child: small(a)? },
        6 => Event::Exec,
        7 => Event::Exit,
        8 => Event::Switch { process: small(a)? },
        9 => Event::FileRead { file: small(a)?, offset: b, length: c, buffer: d },
        10 => Event::FileWrite { file: small(a)?, offset: b, length: c, buffer: d },
        11 => Event::Sendfile { file: small(a)?, offset: b, length: c },
        12 => Event::SendfileGather { file: small(a)?, offset: b, length: c },
        13 => Event::Kmalloc { id: a, size: b },
        14 => Event::Kfree { id: a },
        15 => Event::Vmalloc { id: a, size: b },
        16 => Event::Vfree { id: a },
        17 => Event::AllocPages { id: a, order: u8::try_from(b).ok()? },
        18 => Event::FreePages { id: a },
        19 => Event::HeapMalloc { addr: a, size: b },
        20 => Event::HeapFree { addr: a },
        21 => Event::PageContent { addr: a, class: b },
        22 => Event::Phase { id: small(a)? },
        23 => Event::RegionStart,
        24 => Event::RegionEnd,
        _ => return None,
    })
}
