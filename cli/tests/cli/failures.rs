//! Bad usage, configurations and inputs: exit code 2, one message, nothing on stdout, nothing half-written.

use crate::command::Sandbox;

#[test]
fn answers_of_no_are_exit_code_1() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run("config diff skylake skylake").code, 0);
    let differ = sandbox.run("config diff core-i7 skylake --format json");
    assert_eq!(differ.code, 1);
    let rows: serde_json::Value = serde_json::from_str(&differ.stdout).unwrap();
    let rows = rows.as_array().unwrap();
    assert!(rows.iter().any(|row| row["setting"] == "mmu.tlb.stlb.entries" && row["b"] == 1536));
}

#[test]
fn unknown_verbs_and_options_are_bad_usage() {
    let sandbox = Sandbox::new();
    for line in ["", "frobnicate", "run --frobnicate", "run --config skylake", "trace", "explain"] {
        let ran = sandbox.run(line);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{line}: {ran:?}");
        assert!(!ran.stderr.is_empty(), "{line}");
    }
}

#[test]
fn configurations_are_refused_at_the_key() {
    let sandbox = Sandbox::new();
    sandbox.write("key.toml", "base = \"skylake\"\n[mmu]\npage_sze = \"4KiB\"\n");
    sandbox.write("syntax.toml", "[mmu\n");
    sandbox.write("type.toml", "[core]\nwidth = \"wide\"\n");
    sandbox.write("base.toml", "base = \"skylak\"\n");
    sandbox.write(
        "sets.toml",
        "base = \"skylake\"\n[[cache]]\nname = \"l1d\"\nsize = \"33KiB\"\nways = 7\n",
    );
    for (file, place, says) in [
        ("key.toml", "key.toml:3:1", "page_size"),
        ("syntax.toml", "syntax.toml:1:", ""),
        ("type.toml", "type.toml:2:9", "whole number"),
        ("base.toml", "base.toml:1:8", "skylake"),
        ("sets.toml", "sets.toml:", "cache.l1d"),
        ("missing.toml", "missing.toml", ""),
    ] {
        for line in [
            format!("config check {file}"),
            format!("run --config {file} --workload gups --format json"),
            format!("explain --config {file} 0x1000"),
        ] {
            let ran = sandbox.run(&line);
            let message = ran.refusal();
            assert!(message.contains(place) && message.contains(says), "{line}: {message}");
        }
    }
}

#[test]
fn names_that_are_not_modelled_yet_are_refused_by_name() {
    let sandbox = Sandbox::new();
    for set in [
        "os.reclaim=\"mglru\"",
        "os.reclaim=\"linux-lru\"",
        "os.thp=\"madvise\"",
        "os.thp=\"always\"",
        "cache.l1d.indexing=\"vivt\"",
        "mmu.page_table=\"cuckoo\"",
        "swap.readahead_by=\"vma\"",
    ] {
        let ran = sandbox.run(&format!("config check skylake --set {set}"));
        let message = ran.refusal();
        let (path, value) = set.split_once('=').unwrap();
        assert!(message.contains("not modelled yet"), "{set}: {message}");
        assert!(message.contains(path), "{set}: {message}");
        let name = value.trim_matches('"');
        if !name.contains(['{', '=']) && !["true", "2"].contains(&name) {
            assert!(message.contains(name), "{set}: {message}");
        }
    }
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let sandbox = Sandbox::new();
    for set in [
        "mmu.tlb.stlb.entries=1000",
        "mmu.tlb.nosuch.entries=64",
        "mmu.page_size=\"3KiB\"",
        "mmu.page_size=\"32B\"",
        "cache.l1d.line=\"96B\"",
        "cache.l1d.line=\"128KiB\"",
        "cache.l1d.ways=3",
        "cache.l1d.ways=0",
        // A way of 8 KiB is larger than the page that indexes it.
        "cache.l1d.size=\"64KiB\"",
        "core.frequency=\"0Hz\"",
        "core.width=0",
        "core.count=0",
        "core.count=65",
        "os.memory=\"lots\"",
        "os.memory={frames=0}",
        "mmu.pa_bits=70",
        "dram.mapping=\"RoRaBaBgCo\"",
        "dram.page=\"shut\"",
        "dram.page={timeout=\"1s\"}",
        "dram.refresh=\"per-bank\"",
        "dram.write_low=90",
        "dram.channels=3",
        "swap.device={kind=\"floppy\"}",
        "workload.table=\"3MiB\"",
        "workload.nosuch=1",
        "nosuch.thing=1",
        "name",
    ] {
        let ran = sandbox.run(&format!("run --config skylake --workload gups --set {set}"));
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{set}: {ran:?}");
        assert!(!ran.stderr.contains("panicked"), "{set}: {ran:?}");
    }
}

#[test]
fn a_bad_line_is_named_by_line_and_column() {
    let sandbox = Sandbox::new();
    sandbox.write("bad.lackey", " L 1000,8\nI  400000,3\n S 10z0,4\n");
    sandbox.write("bad.din", "0 1000\n1 zz\n");
    sandbox.write("bad.pages", "1\n2\nthree\n");
    sandbox.write("bad.csv", "addr,x\n4096,1\nno,2\n");
    for (file, place) in [
        ("bad.lackey", "bad.lackey:3:6"),
        ("bad.din", "bad.din:2:3"),
        ("bad.pages", "bad.pages:3:1"),
        ("bad.csv", "bad.csv:3:1"),
    ] {
        let format = file.split_once('.').unwrap().1;
        for line in [
            format!("trace info {file} --format json"),
            format!("trace convert {file} -o out.flt"),
            format!("run --config skylake --trace {file} -o out"),
            format!("run --config skylake --trace {file} --trace-format {format} --format json"),
        ] {
            let ran = sandbox.run(&line);
            let message = ran.refusal();
            assert!(message.contains(place), "{line}: {message}");
        }
        assert!(!sandbox.names().iter().any(|name| name.starts_with("out")), "{file}");
    }
}

#[test]
fn a_missing_or_shapeless_trace_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("noise", [0x8f, 0x00, 0xff, 0x13, 0x37, 0x0a, 0x80, 0x81].repeat(100));
    sandbox.write("empty.flt", "");
    for line in [
        "trace info missing.flt",
        "run --config skylake --trace missing.flt",
        "trace info noise",
        "run --config skylake --trace noise -o out",
        "trace info --trace-format flt empty.flt",
        "trace info --trace-format nosuch noise",
        "trace convert noise -o out.flt",
        "run --config skylake --workload nosuch",
        "sweep missing.toml -o out",
        "report missing",
        "preset nosuch",
        "explain --config simple-memory-system 0x8000",
        "explain --config simple-memory-system zebra",
    ] {
        let ran = sandbox.run(line);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{line}: {ran:?}");
        assert!(ran.stderr.starts_with("error: "), "{line}: {ran:?}");
        assert!(!sandbox.names().iter().any(|name| name.starts_with("out")), "{line}");
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_detected() {
    let sandbox = Sandbox::new();
    let line = "gen gups --set table=16KiB --set updates=300 -o whole.flt";
    assert_eq!(sandbox.run(line).code, 0);
    let whole = sandbox.read("whole.flt");
    // Places all over the file: header, blocks, index, trailer.
    let places = (0..24).map(|step| step * (whole.len() - 1) / 23);
    for place in places {
        let mut flipped = whole.clone();
        flipped[place] ^= 1 << (place % 8);
        sandbox.write("flipped", &flipped);
        let ran = sandbox.run("trace info flipped --trace-format flt --format json");
        assert!(ran.refusal().contains("flipped"), "byte {place}: {ran:?}");
        sandbox.write("cut", &whole[..place]);
        let ran = sandbox.run("run --config skylake --trace cut --trace-format flt -o out");
        assert!(ran.refusal().contains("cut"), "cut at {place}: {ran:?}");
        assert!(!sandbox.path("out").exists(), "cut at {place}");
    }
}

#[test]
fn a_failed_conversion_leaves_what_was_there() {
    let sandbox = Sandbox::new();
    sandbox.write("bad.lackey", " L 1000,8\n".repeat(10_000) + " L zz,8\n");
    sandbox.write("out.flt", "precious");
    sandbox.run("trace convert bad.lackey -o out.flt").refusal();
    assert_eq!(sandbox.read("out.flt"), b"precious");
    assert_eq!(sandbox.names(), ["bad.lackey", "out.flt"]);
}

#[test]
fn studies_are_refused_at_the_key() {
    let sandbox = Sandbox::new();
    let head = "name = \"s\"\nmachine = \"skylake\"\n[[workload]]\nname = \"gups\"\n";
    for (body, says) in [
        ("[sweep]\n\"mmu.tlb.stlb.entires\" = [384]\n", "study.toml:6:"),
        ("[sweep]\n\"mmu.tlb.stlb.entries\" = [384, 1000]\n", "study.toml:6:"),
        ("[swep]\n", "study.toml:5:2"),
        ("set = { tabel = \"1MiB\" }\n", "table"),
        ("[sweep]\n\"os.reclaim\" = [\"lru\", \"mglru\"]\n", "not modelled yet"),
        ("[report]\nbaseline = { \"core.width\" = 4 }\n", "study.toml:6:"),
    ] {
        sandbox.write("study.toml", format!("{head}{body}"));
        let ran = sandbox.run("sweep study.toml -o out --format json");
        let message = ran.refusal();
        assert!(message.contains(says), "{body}: {message}");
        assert!(!sandbox.path("out").exists(), "{body}");
    }
}
