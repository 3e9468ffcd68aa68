//! Help texts.

use crate::command::Sandbox;

const VERBS: [&str; 18] = [
    "gen",
    "trace",
    "trace info",
    "trace head",
    "trace convert",
    "trace slice",
    "trace verify",
    "run",
    "mrc",
    "sweep",
    "report",
    "explain",
    "preset",
    "config",
    "config check",
    "config show",
    "config diff",
    "config schema",
];

#[test]
fn every_verb_has_an_example() {
    let sandbox = Sandbox::new();
    for verb in VERBS {
        let ran = sandbox.run(&format!("{verb} --help"));
        assert_eq!(ran.code, 0, "{verb}: {ran:?}");
        assert!(ran.stdout.contains("Example"), "{verb}: {}", ran.stdout);
        let call = format!("faultline {verb}");
        let example = ran.stdout.split("Example").last().unwrap();
        assert!(example.contains(&call), "{verb}: {example}");
    }
}

#[test]
fn every_verb_is_in_the_list() {
    let text = Sandbox::new().run("--help").stdout;
    // What each does may be reworded.
    let commands = text.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let verbs: Vec<&str> = commands
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    for verb in VERBS.iter().filter(|verb| !verb.contains(' ')) {
        assert!(verbs.contains(verb), "{verb}: {verbs:?}");
    }
}

#[test]
fn a_mistyped_verb_is_told_the_nearest() {
    let ran = Sandbox::new().run("explan 0x1000");
    assert_eq!(ran.code, 2);
    insta::assert_snapshot!(ran.stderr, @r"
    error: unrecognized subcommand 'explan'

      tip: a similar subcommand exists: 'explain'

    Usage: faultline <COMMAND>

    For more information, try '--help'.
    ");
}

#[test]
fn a_refusal_reads_well() {
    let sandbox = Sandbox::new();
    sandbox.write("mine.toml", "base = \"skylake\"\n[os]\nreclaim = \"mglru\"\n");
    let ran = sandbox.run("run --config mine.toml --workload gups");
    insta::assert_snapshot!(ran.refusal(), @r#"
    error: `os.reclaim = "mglru"` is not modelled yet
     --> mine.toml:3:11
      |
    3 | reclaim = "mglru"
      |           ^^^^^^^
    "#);
}

#[test]
fn json_is_one_document() {
    let sandbox = Sandbox::new();
    sandbox.write("t.din", "0 1000\n1 2000\n");
    sandbox.write(
        "study.toml",
        "name = \"s\"\nmachine = \"core-i7\"\n[[trace]]\nfile = \"t.din\"\n\
         [sweep]\n\"core.width\" = [2, 4]\n",
    );
    for line in [
        "gen --list",
        "gen gups --set table=16KiB",
        "trace info t.din",
        "trace info t.din t.din",
        "trace head t.din",
        "trace convert t.din -o t.flt",
        "trace slice t.din --start 0 -o s.flt",
        "trace verify t.din",
        "run --config skylake --trace t.din",
        "run --config skylake --trace t.din -o out",
        "mrc t.din --level page",
        "mrc t.din --level tlb --geometry -o curve",
        "sweep study.toml -o study",
        "report study",
        "explain --config skylake 0x1000",
        "explain --config skylake 0x1000 0x2000",
        "preset",
        "preset skylake",
        "config show skylake",
        "config schema",
        "config diff skylake skylake",
    ] {
        sandbox.run(&format!("{line} --format json")).json();
    }
}
