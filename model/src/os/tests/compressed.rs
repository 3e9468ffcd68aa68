//! Swap in memory, and swap areas beside each other.

use tracegen::record::Event;

use super::*;
use crate::time::settings::Swap;
use crate::units::ByteSize;

const PAGE: u64 = 4096;

fn machine(memory: u64, swap: &str) -> Config {
    let mut config = config(Memory::Bytes(ByteSize(memory * PAGE)));
    config.swap = toml::from_str::<Swap>(swap).unwrap();
    config.os.swap_readahead = 3;
    config
}

/// What one page alone names is moved out of memory's device: nothing is read ahead, its slot is free, and
/// it is written again when it goes, though it was only read.
#[test]
fn a_page_is_moved_out_of_a_device_in_memory() {
    let run = |device: &str| {
        let mut config = machine(1 << 14, &format!("device = \"{device}\""));
        config.os.limit = Some(ByteSize(12 * PAGE));
        let mut os = Os::new(&config).unwrap();
        (0..16).for_each(|page| drop(access(&mut os, 0, page * PAGE, true, None)));
        let written = count(&os, "swap.writes");
        (0..32).for_each(|step| drop(access(&mut os, 0, step % 16 * PAGE, false, None)));
        os.check_invariants().unwrap();
        let ahead = count(&os, "swap.readahead_reads");
        (ahead, count(&os, "swap.reads"), count(&os, "swap.writes") - written, os.slots.used())
    };
    let (ahead, reads, writes, slots) = run("zram");
    assert_eq!((ahead, reads, writes, slots), (0, 32, 32, 8));
    let (ahead, _, writes, slots) = run("nvme");
    assert!(ahead > 0 && writes < 16 && slots > 8, "{ahead} {writes} {slots}");
}

/// A page with two users stays on the device, and is read ahead as on any other.
#[test]
fn a_shared_page_stays_on_a_device_in_memory() {
    let mut config = machine(1 << 14, "device = \"zram\"");
    config.os.limit = Some(ByteSize(14 * PAGE));
    let mut os = Os::new(&config).unwrap();
    (0..4).for_each(|page| drop(access(&mut os, 0, page * PAGE, true, None)));
    os.event(0, &Event::Fork { child: 7 }, &mut Effects::default()).unwrap();
    (100..110).for_each(|page| drop(access(&mut os, 0, page * PAGE, true, None)));
    let used = os.slots.used();
    access(&mut os, 0, 0, false, None);
    os.check_invariants().unwrap();
    assert!(count(&os, "swap.readahead_reads") > 0);
    assert!(os.slots.used() >= used, "{used}");
}

/// Three pages take the place of one: 60 frames hold the tables and some pages, and the rest is compressed.
#[test]
fn compressed_pages_take_frames() {
    let mut os = Os::new(&machine(60, "device = \"zram\"")).unwrap();
    for page in 0..120 {
        access(&mut os, 0, page * PAGE, true, None);
        os.check_invariants().unwrap();
        let stored = count(&os, "swap.writes");
        assert_eq!(count(&os, "swap.zram.bytes"), stored * 1366);
        assert_eq!(count(&os, "swap.zram.frames"), (stored * 1366).div_ceil(PAGE));
    }
    assert!(count(&os, "swap.writes") > 64);
    os.event(0, &Event::Exit, &mut Effects::default()).unwrap();
    os.check_invariants().unwrap();
    assert_eq!(count(&os, "swap.zram.frames"), 0);
}

/// What cannot be compressed frees nothing: memory runs out, and that is said.
#[test]
fn what_does_not_shrink_frees_no_memory() {
    let full = |swap: &str| {
        let mut os = Os::new(&machine(60, swap)).unwrap();
        for page in 0..300 {
            let mut effects = Effects::default();
            let addr = VirtAddr(page * PAGE);
            if let Err(error) = os.fault(0, addr, AccessKind::Store, &mut effects) {
                return (page, error.to_string());
            }
            let class = page % 2;
            let content = Event::PageContent { addr: addr.0, class };
            os.event(0, &content, &mut Effects::default()).unwrap();
        }
        (300, String::new())
    };
    let (pages, error) = full("device = { kind = \"zram\", ratio = 1 }");
    assert!(pages < 60 && error.contains("out of memory"), "{pages} {error}");
    let (pages, _) = full("device = { kind = \"zram\", ratio = 2 }");
    assert!((80..120).contains(&pages), "{pages}");
    // Half of the pages are of a class that takes next to nothing, the other half does not shrink.
    let text = "device = { kind = \"zram\", ratio = 1 }\n[[content]]\nclass = 0\nratio = 4096\n";
    let (pages, _) = full(text);
    assert!((80..130).contains(&pages), "{pages}");
}

/// The better area is filled first; what each is used for is told.
#[test]
fn areas_are_filled_by_priority() {
    let text = "device = \"hdd\"\n[[area]]\nname = \"fast\"\ndevice = \"nvme\"\nsize = \"20KiB\"\npriority = 1\n";
    let mut config = machine(1 << 14, text);
    config.os.limit = Some(ByteSize(12 * PAGE));
    let mut os = Os::new(&config).unwrap();
    (0..30).for_each(|page| drop(access(&mut os, 0, page * PAGE, true, None)));
    os.check_invariants().unwrap();
    assert_eq!(count(&os, "swap.area.fast.writes"), 4);
    let all = count(&os, "swap.writes");
    assert_eq!(count(&os, "swap.area.main.writes"), all - 4);
    (0..30).for_each(|page| drop(access(&mut os, 0, page * PAGE, false, None)));
    let reads = count(&os, "swap.area.fast.reads") + count(&os, "swap.area.main.reads");
    assert_eq!(reads, count(&os, "swap.reads"));
}
