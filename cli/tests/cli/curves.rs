//! `mrc`: its curves are what simulating each size gives, its document has its names, its refusals say why.

use serde_json::Value;
use tracegen::record::{Access, AccessKind, Event, Record};

use crate::command::{Sandbox, count};

/// Steps of a linear congruential generator, upper bits.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % bound
    }
}

/// Accesses of several sizes and kinds by several processes on two CPUs, some of them across lines and
/// pages, most of them to few pages.
fn random_trace(sandbox: &Sandbox, name: &str, processes: u64) {
    let mut dice = Dice(processes);
    let mut records = Vec::new();
    for _ in 0..20_000 {
        let cpu = dice.below(2) as u16;
        if processes > 1 && dice.below(50) == 0 {
            let process = dice.below(processes) as u32;
            records.push(Record::Event(cpu, Event::Switch { process }));
        }
        let pages = [8, 40, 400][dice.below(3) as usize];
        let addr = (0x1000 + dice.below(pages)) * 4096 + dice.below(4096);
        let kind = [AccessKind::Load, AccessKind::Load, AccessKind::Store, AccessKind::Fetch]
            [dice.below(4) as usize];
        let size = [1, 8, 64, 100][dice.below(4) as usize];
        // Runs on one line: what is collapsed on the way.
        for _ in 0..=dice.below(3) {
            records.push(Record::Access(Access { cpu, kind, addr, size, ..Access::default() }));
        }
    }
    sandbox.write_trace(name, records);
}

fn curve(sandbox: &Sandbox, line: &str) -> Value {
    sandbox.run(&format!("mrc --format json {line}")).json()
}

/// The misses of `size` in `document`.
fn misses(document: &Value, size: u64) -> u64 {
    let points = document["points"].as_array().unwrap();
    let point = points.iter().find(|point| point["size"] == size);
    point.unwrap_or_else(|| panic!("no {size} in {document}"))["misses"].as_u64().unwrap()
}

fn geometry(document: &Value, sets: u64, ways: u64) -> &Value {
    let geometries = document["geometries"].as_array().unwrap();
    geometries.iter().find(|one| one["sets"] == sets && one["ways"] == ways).unwrap()
}

/// A machine of nothing but a data TLB, and one behind it where `second` says so.
fn tlb(sandbox: &Sandbox, entries: u64, ways: u64, second: Option<(u64, u64)>) -> String {
    let level = |name: &str, level: u32, (entries, ways): (u64, u64)| {
        format!(
            "[[mmu.tlb]]\nname = \"{name}\"\nlevel = {level}\nserves = [\"data\"]\nentries = {entries}\nways = {ways}\n"
        )
    };
    let mut text = "name = \"tlbs\"\n".to_owned() + &level("dtlb", 1, (entries, ways));
    text.extend(second.map(|second| level("stlb", 2, second)));
    let name = format!("tlb-{entries}-{ways}-{}.toml", second.map_or(0, |(entries, _)| entries));
    sandbox.write(&name, text);
    name
}

#[test]
fn a_tlb_of_that_size_and_geometry_misses_as_often() {
    let sandbox = Sandbox::new();
    for processes in [1, 3] {
        random_trace(&sandbox, "t.flt", processes);
        let line = "t.flt --level tlb --sizes 1,7,64,200,500 --geometry 4,16,12 --ways 6";
        let document = curve(&sandbox, line);
        for (entries, ways) in
            [(1, 1), (7, 7), (64, 64), (200, 200), (8, 2), (48, 3), (72, 6), (16, 1)]
        {
            let config = tlb(&sandbox, entries, ways, None);
            let result = sandbox.simulate(&format!("--config {config} --trace t.flt"));
            let simulated = count(&result, "dtlb.misses");
            assert_eq!(document["accesses"], count(&result, "dtlb.accesses"));
            let found = match entries / ways {
                1 if ways > 6 || entries == 1 => misses(&document, entries),
                sets => geometry(&document, sets, ways)["misses"].as_u64().unwrap(),
            };
            assert_eq!(found, simulated, "{entries} entries, {ways} ways, {processes} processes");
        }
    }
}

#[test]
fn a_tlb_behind_another_misses_as_often() {
    let sandbox = Sandbox::new();
    random_trace(&sandbox, "t.flt", 2);
    for (behind, first) in [("16x4", (16, 4)), ("12", (12, 12)), ("90", (90, 90))] {
        let line =
            format!("t.flt --level tlb --behind {behind} --sizes 100,300 --geometry 8,32 --ways 4");
        let document = curve(&sandbox, &line);
        for (entries, ways) in [(100, 100), (300, 300), (32, 4), (96, 3)] {
            let config = tlb(&sandbox, first.0, first.1, Some((entries, ways)));
            let result = sandbox.simulate(&format!("--config {config} --trace t.flt"));
            assert_eq!(document["behind"]["accesses"], count(&result, "dtlb.accesses"));
            assert_eq!(document["behind"]["misses"], count(&result, "dtlb.misses"));
            assert_eq!(document["accesses"], count(&result, "stlb.accesses"));
            let found = match ways == entries {
                true => misses(&document, entries),
                false => geometry(&document, entries / ways, ways)["misses"].as_u64().unwrap(),
            };
            assert_eq!(found, count(&result, "stlb.misses"), "{behind}, {entries}x{ways}");
        }
    }
}

#[test]
fn a_cache_of_that_size_misses_as_often() {
    let sandbox = Sandbox::new();
    random_trace(&sandbox, "t.flt", 1);
    for (line_size, serves, stream) in [
        (64, "\"data\"", "data"),
        (256, "\"data\"", "data"),
        (64, "\"instruction\"", "instruction"),
    ] {
        let document = curve(
            &sandbox,
            &format!(
                "t.flt --level line --line-size {line_size} --stream {stream} --sizes 4KiB,100KiB,1MiB --geometry 32 --ways 8"
            ),
        );
        let lines = |bytes: u64| bytes / line_size;
        for (size, ways) in [
            (4 << 10, lines(4 << 10)),
            (100 << 10, lines(100 << 10)),
            (1 << 20, lines(1 << 20)),
            (32 * 8 * line_size, 8),
        ] {
            // Virtual addresses are physical here.
            sandbox.write(
                "cache.toml",
                format!(
                    "name = \"cache\"\n[mmu]\nenabled = false\n[[cache]]\nname = \"c\"\nlevel = 1\nserves = [{serves}]\nsize = {size}\nways = {ways}\nline = {line_size}\n"
                ),
            );
            let result = sandbox.simulate("--config cache.toml --trace t.flt");
            let found = match ways {
                8 => geometry(&document, 32, 8)["misses"].as_u64().unwrap(),
                ways => misses(&document, ways),
            };
            assert_eq!(found, count(&result, "c.misses"), "{size} bytes of {line_size}, {stream}");
            assert_eq!(document["accesses"], count(&result, "c.accesses"));
        }
    }
}

/// The textbook machine: frames for user data alone, and no TLB, so that a policy sees every access.
#[test]
fn a_memory_of_that_size_under_a_policy_faults_as_often() {
    let sandbox = Sandbox::new();
    random_trace(&sandbox, "t.flt", 2);
    let policies = ["lru", "fifo", "clock", "second-chance", "random", "opt"];
    let document = curve(
        &sandbox,
        &format!("t.flt --level page --policy {} --sizes 3,50,300,5000", policies.join(",")),
    );
    let curves = document["curves"].as_array().unwrap();
    for (policy, own) in policies.iter().zip(curves) {
        assert_eq!(own["policy"], *policy);
        assert_eq!(own["method"], if *policy == "lru" { "exact" } else { "exact-simulation" });
        for frames in [3, 50, 300, 5000] {
            sandbox.write(
                "book.toml",
                format!("name = \"book\"\n[os]\nmemory = {{ frames = {frames} }}\nreclaim = \"{policy}\"\n"),
            );
            let result = sandbox.simulate("--config book.toml --trace t.flt");
            let faults = count(&result, "os.faults.total");
            assert_eq!(misses(own, frames), faults, "{policy}, {frames} frames");
        }
    }
}

#[test]
fn the_document_has_its_names() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run("gen kv --set keys=20_000 --set operations=20_000 -o kv.flt").code, 0);
    let exact = curve(&sandbox, "kv.flt --level page");
    assert_eq!((exact["level"].as_str(), exact["method"].as_str()), (Some("page"), Some("exact")));
    let points = exact["points"].as_array().unwrap();
    let sizes: Vec<u64> = points.iter().map(|point| point["size"].as_u64().unwrap()).collect();
    let footprint = exact["footprint"].as_u64().unwrap();
    assert_eq!(footprint, sandbox.run("trace info kv.flt --format json").json()["footprint_pages"]);
    assert_eq!((&sizes[..5], sizes.last()), (&[1, 2, 3, 4, 6][..], Some(&footprint)));
    for point in points {
        let (misses, ratio) =
            (point["misses"].as_f64().unwrap(), point["miss_ratio"].as_f64().unwrap());
        assert_eq!(ratio, misses / exact["accesses"].as_f64().unwrap());
        assert!(point.get("ci95").is_none());
    }
    let sampled = curve(&sandbox, "kv.flt --level page --sample 0.2 --sizes 64,100,400");
    assert_eq!(sampled["method"], "shards-fixed-rate");
    for point in sampled["points"].as_array().unwrap() {
        let ends = [0, 1].map(|end| point["ci95"][end].as_f64().unwrap());
        assert!(ends[0] <= point["miss_ratio"].as_f64().unwrap() && ends[0] < ends[1]);
    }
    assert_eq!(
        misses(&curve(&sandbox, "kv.flt --level page --sample 1 --sizes 100"), 100),
        misses(&curve(&sandbox, "kv.flt --level page --sizes 100"), 100)
    );
}

#[test]
fn the_seed_decides_the_sample_and_jobs_change_nothing() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run("gen bfs --set scale=12 -o bfs.flt").code, 0);
    for what in [
        "--level page",
        "--level line --sample 0.05",
        "--level line --sample-size 500",
        "--level page --policy lru,fifo,random --sample 0.3",
        "--level tlb --behind 16x4 --geometry",
    ] {
        let run = |more: &str| {
            let ran = sandbox.run(&format!("mrc bfs.flt {what} --format json {more}"));
            assert_eq!(ran.code, 0, "{ran:?}");
            ran.stdout
        };
        assert!(run("--jobs 1") == run("--jobs 4"), "{what}");
        assert_eq!(run("--seed 1") == run("--seed 2"), !what.contains("--sample"), "{what}");
    }
}

#[test]
fn any_trace_and_standard_input_are_read() {
    let sandbox = Sandbox::new();
    // The trace of many papers: a table of page numbers.
    sandbox.write("t.csv", "time,page\n1,1\n2,2\n3,1\n4,3\n5,1\n");
    let line = "--level page --sizes 1,2,3 --format json --column page --unit page";
    let from_file = sandbox.run(&format!("mrc t.csv {line}")).json();
    let misses: Vec<u64> = [1, 2, 3].iter().map(|size| misses(&from_file, *size)).collect();
    assert_eq!(misses, [5, 3, 3]);
    let piped =
        sandbox.pipe(&format!("mrc - --trace-format csv {line}"), sandbox.read("t.csv")).json();
    assert_eq!(piped["points"], from_file["points"]);
    let limited = sandbox.run(&format!("mrc t.csv {line} --limit 3")).json();
    assert_eq!(limited["accesses"], 3);
    let empty = sandbox.pipe("mrc - --trace-format pages --level page --format json", "").json();
    assert_eq!((empty["accesses"].as_u64(), empty["footprint"].as_u64()), (Some(0), Some(0)));
}

#[test]
fn a_folder_gets_the_chart_and_the_tables() {
    let sandbox = Sandbox::new();
    sandbox.write("t.pages", "1\n2\n1\n3\n1\n");
    let ran = sandbox.run("mrc t.pages --level page --policy lru,fifo --format json -o new/out");
    let printed = ran.json();
    let written: Value = serde_json::from_slice(&sandbox.read("new/out/curve.json")).unwrap();
    assert_eq!(written, printed);
    let table = String::from_utf8(sandbox.read("new/out/curve.csv")).unwrap();
    let rows: Vec<&str> = table.lines().collect();
    assert!(rows[0].starts_with("level,policy,method,sets,ways,size,bytes,misses,miss_ratio"));
    assert!(rows.contains(&"page,lru,exact,,,2,8192,3,0.6,,"), "{rows:?}");
    assert!(sandbox.read("new/out/curve.png").starts_with(b"\x89PNG"));
    assert!(sandbox.read("new/out/curve.svg").starts_with(b"<svg"));
}

#[test]
fn what_does_not_go_together_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("t.pages", "1\n2\n");
    for (line, says) in [
        ("--level page --sizes 0", "at least 1"),
        ("--level page --sizes 4KB", "4KB"),
        ("--level page --sizes 6KiB", "not a multiple of an entry's 4KiB"),
        ("--level page --sample 0", "above 0 and at most 1"),
        ("--level page --sample nan", "above 0 and at most 1"),
        ("--level page --sample 1.5", "above 0 and at most 1"),
        ("--level page --line-size 64", "--page-size"),
        ("--level line --page-size 4KiB", "--line-size"),
        ("--level line --line-size 48", "a power of two"),
        ("--level page --policy clok", "did you mean `clock`"),
        ("--level page --policy mglru", "not modelled yet"),
        ("--level page --policy fifo,fifo", "twice"),
        ("--level tlb --policy fifo", "--level page"),
        ("--level page --policy fifo --sample-size 100", "--sample RATE"),
        ("--level page --policy fifo --sample 0.01 --sizes 64", "the least is 100"),
        ("--level page --geometry", "--level tlb or line"),
        ("--level tlb --geometry 0", "numbers of sets"),
        ("--level tlb --geometry 4294967295", "entries"),
        ("--level tlb --geometry --sample 0.1", "do not go with a sample"),
        ("--level page --behind 64", "--level tlb or line"),
        ("--level tlb --behind 64x5", "multiple of 5 ways"),
        ("--level tlb --behind 64 --sample 0.1", "do not go with a sample"),
        ("--level tlb --ways 4", "--geometry"),
    ] {
        let ran = sandbox.run(&format!("mrc t.pages {line} --format json"));
        assert!(ran.refusal().contains(says), "{line}: {ran:?}");
    }
    assert!(sandbox.run("mrc missing.flt --level page").refusal().contains("missing.flt"));
    let refused = sandbox.pipe("mrc - --trace-format pages --level page --policy opt", "1\n");
    assert!(refused.refusal().contains("standard input"));
}
