//! `trace` and `gen`: what is counted, guessed, converted and kept.

use std::io::Write;

use serde_json::{Value, json};

use crate::command::{Sandbox, count};

/// Two instructions, one of which modifies memory.
const LACKEY: &str =
    "I  04000000,3\n L 1ffeffe000,8\nI  04000003,5\n M 1ffeffe040,4\n S 42000ff8,8\n";

#[test]
fn info_has_every_key_and_counts_a_modify_once() {
    let sandbox = Sandbox::new();
    sandbox.write("ls.lackey", LACKEY);
    let info = sandbox.run("trace info ls.lackey --format json").json();
    let expected = json!({
        "records": 6, "loads": 2, "stores": 2, "fetches": 2, "instructions": 2, "events": 0,
        "cpus": 1, "processes": 1,
        // Stack, heap, code.
        "footprint_pages": 3,
        // 8 bytes at …ff8 end with their line.
        "footprint_lines": 4,
        "bytes": LACKEY.len(),
        "bytes_per_access": LACKEY.len() as f64 / 6.0,
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&info[key], value, "{key}");
    }
    assert_eq!(info["format"], "lackey");
}

#[test]
fn a_modify_is_a_load_and_a_store_of_one_instruction() {
    let sandbox = Sandbox::new();
    sandbox.write("m.lackey", " M 1000,4\n");
    sandbox.write("machine.toml", "");
    let result = sandbox.simulate("--config machine.toml --trace m.lackey");
    let counts = ["loads", "stores", "accesses", "instructions"]
        .map(|name| count(&result, &format!("run.{name}")));
    assert_eq!(counts, [1, 1, 2, 1]);
}

#[test]
fn formats_are_guessed_from_the_content() {
    let sandbox = Sandbox::new();
    let samples = [
        ("lackey", LACKEY),
        ("din", "0 1000\n1 2000\n2 400\n"),
        ("pages", "# pages\n12\n0x10\n"),
        ("csv", "address,other\n4096,1\n8192,2\n"),
    ];
    for (format, text) in samples {
        sandbox.write("trace", text);
        let info = sandbox.run("trace info trace --format json").json();
        assert_eq!(info["format"], format);
        assert_eq!(sandbox.run(&format!("trace convert trace -o {format}.flt")).code, 0);
        let info = sandbox.run(&format!("trace info {format}.flt --format json")).json();
        assert_eq!(info["format"], "flt");
    }
}

#[test]
fn a_page_is_a_load_of_a_byte_at_its_start() {
    let sandbox = Sandbox::new();
    let head = |line: &str, input: &str| {
        let shown = sandbox.pipe(&format!("trace head --format json {line} -"), input).json();
        let records = shown.as_array().unwrap().iter();
        records
            .map(|one| (one["address"].as_u64().unwrap(), one["size"].as_u64().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(head("", "3\n0x10\n"), [(3 * 4096, 1), (16 * 4096, 1)]);
    let csv = "time,page\n9,3\n10,16\n";
    assert_eq!(head("--column page --unit page", csv), [(3 * 4096, 1), (16 * 4096, 1)]);
    assert_eq!(head("--column 2 --unit byte", csv), [(3, 1), (16, 1)]);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn without_place(mut info: Value) -> Value {
    for key in ["file", "bytes", "bytes_per_access"] {
        info.as_object_mut().unwrap().remove(key);
    }
    info
}

#[test]
fn compressed_traces_and_standard_input_read_alike() {
    let sandbox = Sandbox::new();
    sandbox.write("plain", LACKEY);
    let plain = without_place(sandbox.run("trace info plain --format json").json());
    let zstd = zstd::encode_all(LACKEY.as_bytes(), 1).unwrap();
    for bytes in [gzip(LACKEY.as_bytes()), xz(LACKEY.as_bytes()), zstd] {
        sandbox.write("packed", &bytes);
        let packed = sandbox.run("trace info packed --format json").json();
        assert_eq!(packed["bytes"], bytes.len());
        assert_eq!(without_place(packed), plain);
        let piped = sandbox.pipe("trace info - --format json", &bytes).json();
        assert_eq!(without_place(piped), plain);
    }
}

#[test]
fn conversions_and_back_keep_what_the_format_holds() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run("gen gups -o gups.flt --set table=64KiB --set updates=1000").code, 0);
    let counts = |file: &str| {
        let info = sandbox.run(&format!("trace info {file} --format json")).json();
        ["loads", "stores", "footprint_pages"].map(|key| info[key].as_u64().unwrap())
    };
    let [loads, stores, pages] = counts("gups.flt");
    // A table of 16 pages that 1000 updates cover.
    assert_eq!([loads, stores, pages], [1000, 1000, 16]);
    for (format, kept) in [
        ("flt", [1000, 1000, 16]),
        ("lackey", [1000, 1000, 16]),
        ("din", [1000, 1000, 16]),
        // Every instruction there is fetched: the code has a page.
        ("champsim", [1000, 1000, 17]),
        ("csv", [2000, 0, 16]),
        ("pages", [2000, 0, 16]),
    ] {
        // The suffix says the format; then --to does.
        assert_eq!(sandbox.run(&format!("trace convert gups.flt -o there.{format}")).code, 0);
        assert_eq!(counts(&format!("there.{format}")), kept, "{format}");
        assert_eq!(sandbox.run(&format!("trace convert gups.flt --to {format} -o same")).code, 0);
        assert_eq!(sandbox.read("same"), sandbox.read(&format!("there.{format}")), "{format}");
        assert_eq!(sandbox.run(&format!("trace convert there.{format} -o back.flt")).code, 0);
        assert_eq!(counts("back.flt"), kept, "{format} and back");
    }
}

#[test]
fn a_trace_goes_through_standard_output_and_input() {
    let sandbox = Sandbox::new();
    sandbox.write("ls.lackey", LACKEY);
    let din = sandbox.run("trace convert ls.lackey --to din -o -");
    assert_eq!(din.code, 0, "{din:?}");
    assert!(din.stdout.lines().all(|line| line.starts_with(['0', '1', '2'])), "{din:?}");
    sandbox.write("machine.toml", "");
    let run = "run --config machine.toml --format json --trace";
    let piped = sandbox.pipe(&format!("{run} -"), &din.stdout).json();
    assert_eq!(count(&piped, "run.accesses"), 6);
    assert_eq!(count(&piped, "run.fetches"), 2);
}

#[test]
fn gen_says_what_it_computed() {
    let sandbox = Sandbox::new();
    let result = sandbox.run("gen gups --set table=64KiB --set updates=500 --format json").json();
    assert_eq!(result["workload"], "gups");
    assert_eq!(result["check"], "passed");
    assert_eq!(result["parameters"]["updates"], 500);
    assert!(result["facts"].is_object(), "{result}");
    assert!(result["records"].as_u64().unwrap() >= 1000);
    // The same seed, the same trace.
    for name in ["a.flt", "b.flt"] {
        let line = format!("gen chase --seed 7 --set footprint=64KiB -o {name}");
        assert_eq!(sandbox.run(&line).code, 0);
    }
    assert_eq!(sandbox.read("a.flt"), sandbox.read("b.flt"));
    assert_eq!(sandbox.run("gen chase --seed 8 --set footprint=64KiB -o c.flt").code, 0);
    assert_ne!(sandbox.read("a.flt"), sandbox.read("c.flt"));
}

#[test]
fn every_listed_workload_passes_its_check_and_runs() {
    let sandbox = Sandbox::new();
    let listed = sandbox.run("gen --list --format json").json();
    let listed = listed["workloads"].as_array().unwrap().iter();
    let names: Vec<_> = listed.map(|one| one["name"].as_str().unwrap().to_owned()).collect();
    for name in ["gups", "stream", "chase", "bfs", "gemm", "kv"] {
        assert!(names.iter().any(|listed| listed == name), "{name} is not listed");
    }
    let small = |name: &str| match name {
        "gups" => "--set table=64KiB",
        "stream" => "--set size=64KiB",
        "chase" | "sequential" | "uniform" => "--set footprint=64KiB",
        "bfs" => "--set scale=8",
        "gemm" => "--set n=32",
        "kv" => "--set keys=100 --set operations=500",
        "heap-replay" => "--set rep=t.rep",
        _ => "",
    };
    sandbox.write("t.rep", "0\n1\n2\n1\na 0 100\nf 0\n");
    for name in &names {
        let line = format!("gen {name} -o trace.flt --format json {}", small(name));
        assert_eq!(sandbox.run(&line).json()["check"], "passed", "{name}");
        assert_eq!(sandbox.run("trace verify trace.flt").code, 0, "{name}");
    }
}

#[test]
fn a_damaged_trace_is_salvaged_up_to_the_damage() {
    let sandbox = Sandbox::new();
    let line = "gen sequential --set footprint=4MiB -o whole.flt";
    assert_eq!(sandbox.run(line).code, 0);
    let whole = sandbox.read("whole.flt");
    sandbox.write("cut.flt", &whole[..whole.len() / 2]);
    let refused = sandbox.run("trace verify cut.flt");
    assert!(refused.code == 1 || refused.code == 2, "{refused:?}");
    let salvaged = sandbox.run("trace slice cut.flt --salvage -o part.flt");
    assert_eq!(salvaged.code, 0, "{salvaged:?}");
    let loads = sandbox.run("trace info part.flt --format json").json()["loads"].as_u64();
    assert!((1..524_288).contains(&loads.unwrap()), "{loads:?}");
    assert_eq!(sandbox.run("trace verify part.flt").code, 0);
}

/// CS:APP's 32-bit allocator: blocks of 24, 104 and 16 bytes in a heap of 16 + 4096.
#[test]
fn an_allocation_trace_is_replayed_over_a_heap_model() {
    let sandbox = Sandbox::new();
    sandbox.write("t.rep", "20000\n3\n4\n1\na 0 16\na 1 96\nf 0\na 2 8\n");
    let replayed = |more: &str| {
        sandbox.run(&format!("gen heap-replay --set rep=t.rep --format json {more}")).json()
    };
    let plain = replayed("--set allocator=implicit-list --set fit=first");
    assert_eq!(plain["check"], "passed");
    let facts = &plain["facts"];
    for (fact, expected) in [
        ("operations", 4),
        ("peak_payload_bytes", 112),
        ("heap_bytes", 4112),
        // The whole heap, then what is left of it, then the block that was freed.
        ("search_steps", 1 + 2 + 1),
    ] {
        assert_eq!(facts[fact], expected, "{fact}");
    }
    assert_eq!(facts["utilization"], 112.0 / 4112.0);
    for allocator in ["explicit-list", "segregated", "size-tree", "glibc"] {
        let other = replayed(&format!("--set allocator={allocator}"));
        assert_eq!(other["facts"]["peak_payload_bytes"], 112, "{allocator}");
    }
    let failed = sandbox.run("gen heap-replay --set rep=none.rep");
    assert!(failed.refusal().contains("none.rep"), "{}", failed.refusal());
}
