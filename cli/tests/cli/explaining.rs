//! `explain` on the textbooks' machines, every field of it.

use serde_json::json;

use crate::command::Sandbox;

/// Bryant and O'Hallaron, Computer Systems: A Programmer's Perspective, 9.6.4.
#[test]
fn the_simple_memory_system_hits() {
    let found =
        Sandbox::new().run("explain --config simple-memory-system --format json 0x03D4").json();
    let expected = json!({
        "va": 0x03D4, "vpn": 0x0F, "vpo": 0x14,
        "tlb": [{ "name": "dtlb", "index": 3, "tag": 3, "hit": true }],
        "walk": [],
        "page_fault": false, "fault_kind": null,
        "ppn": 0x0D, "pa": 0x354,
        "cache": [{
            "name": "l1d", "offset": 0, "index": 5, "tag": 0x0D, "hit": true, "byte": 0x36,
        }],
    });
    assert_eq!(found, expected);
}

/// The book's homework problem of 0x0020: the page is mapped, neither its translation nor its line is
/// cached.
#[test]
fn the_simple_memory_system_misses() {
    let found =
        Sandbox::new().run("explain --config simple-memory-system --format json 0x0020").json();
    assert_eq!((&found["vpn"], &found["vpo"]), (&json!(0), &json!(0x20)));
    assert_eq!(found["tlb"], json!([{ "name": "dtlb", "index": 0, "tag": 0, "hit": false }]));
    let walk = found["walk"].as_array().unwrap();
    assert_eq!(walk.len(), 1);
    assert_eq!((&walk[0]["level"], &walk[0]["index"]), (&json!(1), &json!(0)));
    assert!(walk[0]["entry_pa"].is_u64() && walk[0]["value"].is_u64());
    assert_eq!((&found["page_fault"], &found["fault_kind"]), (&json!(false), &json!(null)));
    assert_eq!((&found["ppn"], &found["pa"]), (&json!(0x28), &json!(0xA20)));
    assert_eq!(
        found["cache"],
        json!([{
            "name": "l1d", "offset": 0, "index": 8, "tag": 0x28, "hit": false, "byte": null,
        }])
    );
}

/// Practice problem 9.4's kind: virtual page 1 is not mapped in the book's table.
#[test]
fn the_simple_memory_system_faults() {
    let found =
        Sandbox::new().run("explain --config simple-memory-system --format json 0x0040").json();
    assert_eq!((&found["page_fault"], &found["fault_kind"]), (&json!(true), &json!("anonymous")));
    assert_eq!((&found["ppn"], &found["pa"]), (&json!(null), &json!(null)));
    assert_eq!(found["cache"], json!([]));
}

/// Tanenbaum, Modern Operating Systems, 3.3.1.
#[test]
fn the_16_bit_toy() {
    let found = Sandbox::new().run("explain --config toy-16bit --format json 0x2004").json();
    assert_eq!((&found["vpn"], &found["vpo"]), (&json!(2), &json!(4)));
    assert_eq!((&found["ppn"], &found["pa"]), (&json!(6), &json!(0x6004)));
    assert_eq!(found["page_fault"], false);
}

#[test]
fn looking_changes_nothing_unless_asked() {
    let sandbox = Sandbox::new();
    let hits = |line: &str| {
        let found = sandbox.run(&format!("explain --format json --config {line}")).json();
        let seen = found.as_array().unwrap().iter();
        seen.map(|one| one["tlb"][0]["hit"].as_bool().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(hits("simple-memory-system 0x0020 0x0020"), [false, false]);
    assert_eq!(hits("simple-memory-system --sequence 0x0020 0x0020"), [false, true]);
}

#[test]
fn the_text_has_every_number_that_a_student_writes_down() {
    let text = Sandbox::new().run("explain --config simple-memory-system 0x03D4").stdout;
    for part in ["0x3d4", "0xf", "0xd", "0x354", "0x36", "hit"] {
        assert!(text.to_lowercase().contains(part), "{part} is not in\n{text}");
    }
}
