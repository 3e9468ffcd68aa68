//! Random machines and random histories: the invariants hold after every step.

use proptest::prelude::*;
use tracegen::record::{Advice, Backing, Event, Protection};

use super::*;
use crate::config::choice::NoParameters;
use crate::mmu::settings::PageTable;
use crate::os::reclaim::{aging, lirs, nfu, s3fifo, wsclock};
use crate::time::settings::Device;
use crate::units::ByteSize;

#[derive(Debug, Clone)]
enum Step {
    Access { process: u32, page: u64, write: bool },
    Event { process: u32, event: Event },
}

fn machine() -> impl Strategy<Value = Config> {
    let policy = prop_oneof![
        Just(ReclaimPolicy::Fifo(NoParameters {})),
        Just(ReclaimPolicy::Lru(NoParameters {})),
        Just(ReclaimPolicy::Random(NoParameters {})),
        Just(ReclaimPolicy::Opt(NoParameters {})),
        Just(ReclaimPolicy::Clock(clock::Settings { insert_referenced: false, bits: 2 })),
        Just(ReclaimPolicy::SecondChance(Default::default())),
        Just(ReclaimPolicy::Mru(NoParameters {})),
        Just(ReclaimPolicy::Lfu(NoParameters {})),
        Just(ReclaimPolicy::Nfu(nfu::Settings { tick: 5 })),
        Just(ReclaimPolicy::Aging(aging::Settings { tick: 3, bits: 4 })),
        Just(ReclaimPolicy::WsClock(wsclock::Settings { tau: Some(4) })),
        Just(ReclaimPolicy::Sieve(NoParameters {})),
        Just(ReclaimPolicy::TwoQueues(Default::default())),
        Just(ReclaimPolicy::S3Fifo(s3fifo::Settings {
            small: 0.3,
            ghost: 1.0,
            threshold: 1,
            fill_main: true
        })),
        Just(ReclaimPolicy::Arc(NoParameters {})),
        Just(ReclaimPolicy::Car(NoParameters {})),
        Just(ReclaimPolicy::Lirs(lirs::Settings { hir: 0.2 })),
        Just(ReclaimPolicy::ClockPro(NoParameters {})),
    ];
    let page = prop_oneof![4 => Just(4096u64), 1 => Just(64), 1 => Just(16384), 1 => Just(2 << 20)];
    let table = prop_oneof![
        4 => Just(PageTable::X86_64Level4),
        1 => Just(PageTable::Flat),
        1 => Just(PageTable::X86Pae),
        1 => Just(PageTable::Arm16k),
    ];
    let memory = (8u64..60, any::<bool>(), prop::option::of(6u64..40));
    (policy, page, table, memory, 0u8..4, prop_oneof![Just(0u64), 1u64..20, Just(1 << 20)])
        .prop_map(|(policy, page, table, (pages, textbook, limit), readahead, swap)| {
            // Room for some tables beside the pages.
            let bytes = pages * page + if page < 4096 { pages * 16384 } else { 0 };
            let mut config = config(if textbook {
                Memory::Frames(pages)
            } else {
                Memory::Bytes(ByteSize(bytes))
            });
            config.mmu.page_size = Some(ByteSize(page));
            config.mmu.page_table = table;
            config.os.limit = limit.map(|limit| ByteSize(limit * page.max(4096)));
            config.os.reclaim = policy;
            config.os.swap_readahead = readahead;
            config.swap.size = ByteSize(swap * page);
            if swap == 0 {
                config.swap.device = Device::None;
            }
            config
        })
}

/// Places whose pages share tables, and some far apart.
fn place() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0u64..12, 1 => 510u64..515, 1 => (0u64..4).prop_map(|far| far << 18)]
}

fn protection() -> impl Strategy<Value = Protection> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(read, write, execute)| Protection {
        read,
        write,
        execute,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let access = (0u32..3, place(), any::<bool>())
        .prop_map(|(process, page, write)| Step::Access { process, page, write });
    // Lengths in quarters of a page, so that larger pages lie in several areas.
    let area =
        || (place(), 0u64..4, 1u64..20).prop_map(|(page, part, length)| (page * 4 + part, length));
    let event = prop_oneof![
        (area(), protection()).prop_map(|((addr, length), protection)| Event::Mmap {
            addr,
            length,
            protection,
            shared: false,
            backing: Backing::Anonymous
        }),
        area().prop_map(|(addr, length)| Event::Munmap { addr, length }),
        (area(), protection()).prop_map(|((addr, length), protection)| Event::Mprotect {
            addr,
            length,
            protection
        }),
        (area(), prop_oneof![Just(Advice::DontNeed), Just(Advice::Free), Just(Advice::WillNeed)])
            .prop_map(|((addr, length), advice)| Event::Madvise { addr, length, advice }),
        (0u64..40).prop_map(|end| Event::Brk { end }),
        (0u32..3).prop_map(|child| Event::Fork { child }),
        Just(Event::Exec),
        Just(Event::Exit),
        (0u32..3).prop_map(|process| Event::Switch { process }),
    ];
    let event = (0u32..3, event).prop_map(|(process, event)| Step::Event { process, event });
    prop_oneof![6 => access, 1 => event]
}

/// Turns quarters of a page into bytes.
fn scaled(event: &Event, page: u64) -> Event {
    let mut event = event.clone();
    match &mut event {
        Event::Mmap { addr, length, .. }
        | Event::Munmap { addr, length }
        | Event::Mprotect { addr, length, .. }
        | Event::Madvise { addr, length, .. } => {
            *addr *= page / 4;
            *length *= page / 4;
        }
        Event::Brk { end } => *end *= page / 4,
        _ => {}
    }
    event
}

/// One access as hardware makes it; whether it took place.
fn try_access(os: &mut Os, process: u32, addr: VirtAddr, write: bool) -> Result<bool, OsError> {
    let (mut effects, mut steps) = (Effects::default(), Steps::default());
    for _ in 0..2 {
        match os.walk(process, addr, &mut steps) {
            Some(leaf) if leaf.writable || !write => {
                os.mark(&leaf, write);
                os.touch(leaf.pfn, write, Some(addr.0));
                return Ok(true);
            }
            _ => {}
        }
        let kind = if write { AccessKind::Store } else { AccessKind::Load };
        match os.fault(process, addr, kind, &mut effects)? {
            FaultKind::Protection | FaultKind::Segv => return Ok(false),
            _ => {}
        }
    }
    let leaf = os.walk(process, addr, &mut steps).expect("one fault is enough");
    assert!(leaf.writable || !write, "one fault is enough");
    os.mark(&leaf, write);
    Ok(true)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn invariants_hold_after_every_step(config in machine(), steps in prop::collection::vec(step(), 1..150)) {
        let page = config.mmu.base_page().0;
        let Ok(mut os) = Os::new(&config) else { return Ok(()) };
        for step in &steps {
            let result = match step {
                Step::Access { process, page: number, write } => {
                    try_access(&mut os, *process, VirtAddr(number * page), *write).map(drop)
                }
                Step::Event { process, event } => {
                    os.event(*process, &scaled(event, page), &mut Effects::default())
                }
            };
            let checked = os.check_invariants();
            prop_assert!(checked.is_ok(), "{checked:?} after {step:?}");
            if let Some(limit) = config.os.limit {
                prop_assert!(os.charged() <= limit.0);
            }
            match result {
                Err(OsError::OutOfMemory(_)) => return Ok(()),
                Err(OsError::Event { .. }) | Ok(()) => {}
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
        for process in 0..3 {
            if os.event(process, &Event::Exit, &mut Effects::default()).is_ok() {
                os.check_invariants().unwrap();
            }
        }
        prop_assert_eq!(os.resident + os.cached + u64::from(os.slots.used()) + os.table_space.frames(), 0);
    }
}
