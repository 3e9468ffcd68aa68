use super::settings::{Hdd, Scheduler};
use super::*;
use crate::units::ByteSize;

const MICROSECOND: u64 = 1_000_000;

fn storage(device: &str) -> Storage {
    let swap: Swap = toml::from_str(&format!("device = {device}")).unwrap();
    Storage::new(&swap, 4096).unwrap()
}

fn run(first: u64, pages: u32) -> Run {
    Run { first: SwapSlot(first), pages }
}

fn busy_ns(storage: &Storage) -> f64 {
    let mut statistics = Statistics::default();
    storage.report(&mut statistics);
    statistics.get("swap.busy_ns").unwrap().as_f64()
}

#[test]
fn busy_is_the_union_of_the_requests() {
    let mut storage = storage("\"nvme\"");
    let done = [0, 40, 1000].map(|us| storage.read(us * MICROSECOND, &[run(0, 1)]));
    assert_eq!(done, [80, 120, 1080].map(|us| us * MICROSECOND));
    assert_eq!(busy_ns(&storage), 200_000.0);
}

#[test]
fn a_disk_reads_neighbours_without_a_seek() {
    let mut storage = storage("\"hdd\"");
    let first = storage.read(0, &[run(1000, 8)]);
    let next = storage.read(first, &[run(1008, 8)]);
    assert!(first > MICROSECOND, "{first}");
    assert_eq!(next - first, transfer_time(8 * 4096, 200_000_000));
}

/// Runs that are asked for together overlap on a drive, and are served upwards by a disk.
#[test]
fn runs_of_one_request_go_together() {
    let mut drive = storage("\"nvme\"");
    let one = transfer_time(4096, 3_500_000_000);
    assert_eq!(drive.read(0, &[run(0, 1), run(7, 2)]), 80 * MICROSECOND + 2 * one);
    let end = |runs: [Run; 2]| storage("\"hdd\"").read(0, &runs);
    let (low, high) = (run(1 << 12, 1), run(1 << 20, 1));
    assert_eq!(end([low, high]), end([high, low]));
}

#[test]
fn no_device_takes_no_time() {
    let mut storage = storage("\"none\"");
    assert_eq!((storage.write(7, run(0, 1)), storage.read(7, &[run(0, 1)])), (7, 7));
    assert_eq!(busy_ns(&storage), 0.0);
}

/// The writer goes on at once until 128 requests are under way; then it waits for the first to be done.
#[test]
fn writes_are_waited_for_only_when_the_queue_is_full() {
    let one = "{ kind = \"nvme\", channels = 1, write = \"1us\", write_bandwidth = \"1TiB\" }";
    let mut drive = storage(one);
    let taken: Vec<u64> = (0..130).map(|slot| drive.write(0, run(slot, 1))).collect();
    assert_eq!(taken[127..], [0, MICROSECOND, 2 * MICROSECOND]);
    assert_eq!(drive.write(500 * MICROSECOND, run(0, 1)), 500 * MICROSECOND);
    let mut disk = storage("\"hdd\"");
    let taken: Vec<u64> = (0..130).map(|slot| disk.write(0, run(slot * 9000, 1))).collect();
    assert_eq!(taken[..128], [0; 128]);
    assert!(taken[128] > 0 && taken[129] > taken[128], "{:?}", &taken[128..]);
    disk.finish();
    assert_eq!(disk.write(u64::MAX / 2, run(0, 1)), u64::MAX / 2);
}

/// What has been written in the meantime is off the queue; a read only waits for what lies ahead of it.
#[test]
fn a_disk_works_through_its_queue_while_nobody_waits() {
    let after = |pause: u64| {
        let mut disk = storage("\"hdd\"");
        (0..50).for_each(|slot| assert_eq!(disk.write(0, run(slot * 40_000, 1)), 0));
        disk.read(pause, &[run(839_000, 1)]) - pause
    };
    let (at_once, later) = (after(0), after(2_000_000 * MICROSECOND));
    assert!(later < 25_000 * MICROSECOND, "{later}");
    // 839,000 lies behind 21 of the fifty, which take about 7 ms each.
    assert!((80_000..220_000).contains(&(at_once / MICROSECOND)), "{at_once}");
}

/// Every number of every device changes when requests are done.
#[test]
fn every_setting_of_a_device_counts() {
    let trace = |device: &str| {
        let swap: Swap = toml::from_str(&format!("size = \"8GiB\"\ndevice = {device}")).unwrap();
        let mut storage = Storage::new(&swap, 4096).unwrap();
        let (mut now, mut times) = (0, Vec::new());
        for step in 0..400u64 {
            let slot = step * step * 7919 % (1 << 21);
            now = storage.write(now, run(slot, 1 + (step % 3) as u32));
            if step % 5 == 0 {
                let slot = step * 104_729 % (1 << 21);
                now = storage.read(now, &[run(slot, 8), run(slot / 2, 200)]);
            }
            times.push(now);
        }
        storage.finish();
        (times, busy_ns(&storage).to_bits())
    };
    let flash = ["read = \"33us\"", "write = \"300us\"", "channels = 3", "queue_depth = 2"]
        .map(str::to_owned)
        .into_iter()
        .chain(["bandwidth", "write_bandwidth"].map(|key| format!("{key} = \"1MiB\"")));
    let flash: Vec<String> = flash.collect();
    let hdd: Vec<String> = [
        "seek_min = \"2ms\"",
        "seek_max = \"20ms\"",
        "seek_knee = 900, seek_at_knee = \"9ms\"",
        "rpm = 5400",
        "heads = 3",
        "zones = 2",
        "transfer = 150000000",
        "transfer_inner = 90000000",
        "capacity = \"64GiB\"",
        "start = \"1GiB\"",
        "scheduler = \"fifo\"",
        "scheduler = \"look\"",
    ]
    .map(str::to_owned)
    .to_vec();
    for (kind, settings) in
        [("hdd", &hdd), ("sata-ssd", &flash), ("nvme", &flash), ("optane", &flash)]
    {
        let plain = trace(&format!("\"{kind}\""));
        for setting in settings {
            let other = trace(&format!("{{ kind = \"{kind}\", {setting} }}"));
            assert!(other != plain, "{setting} of {kind} changes nothing");
        }
    }
    let zram = ["compress = \"7us\"", "decompress = \"7us\""];
    for setting in zram {
        let other = trace(&format!("{{ kind = \"zram\", {setting} }}"));
        assert!(other != trace("\"zram\""), "{setting} of zram changes nothing");
    }
    let knee = |at: &str| trace(&format!("{{ kind = \"hdd\", seek_knee = 900, {at} }}"));
    assert!(knee("seek_at_knee = \"9ms\"") != knee("seek_at_knee = \"8ms\""));
}

#[test]
fn a_part_of_a_disk_must_fit_on_it() {
    let small =
        Hdd { capacity: Some(ByteSize(1 << 30)), scheduler: Scheduler::Fifo, ..Hdd::default() };
    let swap = Swap { device: Device::Hdd(small), ..Swap::default() };
    assert_eq!(Storage::new(&swap, 4096).unwrap_err().key, "swap.device.capacity");
}

/// Each area has a device of its own, and devices work side by side; the CPU does one thing at a time.
#[test]
fn areas_have_devices_of_their_own() {
    let text = "device = \"nvme\"\nsize = \"1MiB\"\n\
                [[area]]\nname = \"slow\"\ndevice = \"sata-ssd\"\nsize = \"1MiB\"\n\
                [[area]]\nname = \"ram\"\ndevice = \"zram\"\nsize = \"1MiB\"\n";
    let mut storage = Storage::new(&toml::from_str(text).unwrap(), 4096).unwrap();
    assert_eq!(storage.read(0, &[run(255, 1)]), 80 * MICROSECOND);
    assert_eq!(storage.read(0, &[run(5, 1), run(256, 1)]), 90 * MICROSECOND);
    let start = 1000 * MICROSECOND;
    assert_eq!(storage.read(start, &[run(512, 3), run(600, 1)]), start + 8 * MICROSECOND);
    assert_eq!(storage.write(2 * start, run(512, 2)), 2 * start + 10 * MICROSECOND);
    let synchronous =
        [0, 255, 256, 511, 512, 700].map(|slot| storage.is_synchronous(SwapSlot(slot)));
    assert_eq!(synchronous, [false, false, false, false, true, true]);
    let mut statistics = Statistics::default();
    storage.report(&mut statistics);
    let busy = |name: &str| statistics.get(&format!("swap.{name}busy_ns")).unwrap().as_f64();
    assert_eq!(busy(""), busy("area.main.") + busy("area.slow.") + busy("area.ram."));
    assert_eq!((busy("area.slow."), busy("area.ram.")), (90_000.0, 18_000.0));
    let wrong = text.replace("\"sata-ssd\"", "{ kind = \"sata-ssd\", read = \"4cycles\" }");
    let error = Storage::new(&toml::from_str(&wrong).unwrap(), 4096).unwrap_err();
    assert_eq!(error.key, "swap.area.slow.device.read");
}
