//! Memory in nodes by closed forms.

use tracegen::batch::Batch;
use tracegen::record::{Access, AccessKind};

use super::{count, load, machine};
use crate::function::{SimulationError, Simulator};
use crate::outcome::Outcomes;

/// Two nodes of 4 MiB, 1024 frames each, the CPU on the first; user pages apart, the machine takes a few
/// frames for tables there.
fn nodes(settings: &str, policy: &str) -> Simulator {
    machine(&format!(
        "{settings}\n[numa]\n{policy}\n\
         [[numa.node]]\nname = \"near\"\nmemory = \"4MiB\"\ncpus = [0]\n\
         [[numa.node]]\nname = \"far\"\nmemory = \"4MiB\"\nweight = 3\n"
    ))
}

fn touch(simulator: &mut Simulator, pages: u64) -> Result<(), SimulationError> {
    let mut batch = Batch::new();
    let store = |page: u64| Access { kind: AccessKind::Store, ..load(page << 12) };
    (0..pages).for_each(|page| batch.push_access(store(page)));
    simulator.process(&batch, &mut Outcomes::default())
}

/// Four tables for the pages of the first 2 MiB.
const TABLES: u64 = 4;

#[test]
fn interleaving_gives_every_node_its_share() {
    for (policy, far) in [("interleave", 200), ("weighted-interleave", 300)] {
        let mut simulator = nodes("", &format!("policy = \"{policy}\""));
        touch(&mut simulator, 400).unwrap();
        assert_eq!(count(&simulator, "numa.far.interleave_hit"), far, "{policy}");
        assert_eq!(count(&simulator, "numa.near.interleave_hit"), 400 - far, "{policy}");
        // Page tables are local.
        assert_eq!(count(&simulator, "numa.near.local_node"), 400 - far + TABLES, "{policy}");
        assert_eq!(count(&simulator, "numa.far.other_node"), far, "{policy}");
        assert_eq!(count(&simulator, "numa.far.free_pages"), 1024 - far, "{policy}");
    }
}

#[test]
fn a_full_node_falls_back_or_reclaims() {
    // A table more for every 512 pages.
    let pages = 1300;
    let tables = TABLES + 2;
    let mut local = nodes("", "");
    touch(&mut local, pages).unwrap();
    assert_eq!(count(&local, "os.reclaim.evicted"), 0);
    assert_eq!(count(&local, "numa.near.numa_hit"), 1024);
    assert_eq!(count(&local, "numa.far.numa_miss"), pages + tables - 1024);
    assert_eq!(count(&local, "numa.near.numa_foreign"), pages + tables - 1024);

    let mut preferred = nodes("", "policy = \"preferred\"\nnodes = [\"far\"]");
    touch(&mut preferred, pages).unwrap();
    assert_eq!(count(&preferred, "os.reclaim.evicted"), 0);
    assert_eq!(count(&preferred, "numa.far.numa_hit"), 1024);
    assert_eq!(count(&preferred, "numa.near.numa_miss"), pages - 1024);
    assert_eq!(count(&preferred, "numa.near.numa_hit"), tables);

    let bind = "policy = \"bind\"\nnodes = [\"far\"]";
    let mut bound = nodes("", bind);
    touch(&mut bound, pages).unwrap();
    assert_eq!(count(&bound, "os.reclaim.evicted"), pages - 1024);
    assert_eq!(count(&bound, "numa.near.free_pages"), 1024 - tables);
    assert_eq!(count(&bound, "numa.far.free_pages"), 0);
    let mut bound = nodes("swap.device = \"none\"", bind);
    assert!(matches!(touch(&mut bound, pages), Err(SimulationError::Os { access: 1024, .. })));
}

/// The first 8 MiB have 2 MiB pages.
const HUGE: &str =
    "mmu.layout = [{ name = \"low\", start = 0, size = \"8MiB\", page = \"2MiB\" }]\n";

/// The far node has room for two 2 MiB pages, and the near one for one beside tables.
#[test]
fn larger_pages_go_where_base_pages_do() {
    let policy = "policy = \"preferred\"\nnodes = [\"far\"]";
    let mut preferred = nodes(HUGE, policy);
    touch(&mut preferred, 1024).unwrap();
    assert_eq!(count(&preferred, "numa.far.numa_hit"), 2);
    assert_eq!(count(&preferred, "numa.far.free_pages"), 0);
    touch(&mut preferred, 1025).unwrap();
    assert_eq!(count(&preferred, "os.huge.faults"), 3);
    assert_eq!(count(&preferred, "numa.near.numa_miss"), 1);

    // Every second one is far, and so is the third, which finds no block left near the tables.
    let mut turns = nodes(HUGE, "policy = \"interleave\"");
    touch(&mut turns, 1025).unwrap();
    let hits = ["numa.near.interleave_hit", "numa.far.interleave_hit", "numa.far.numa_miss"];
    assert_eq!(hits.map(|name| count(&turns, name)), [1, 1, 1]);
    assert_eq!(count(&turns, "os.huge.faults"), 3);
    // The fourth finds none anywhere.
    touch(&mut turns, 1700).unwrap();
    assert_eq!(count(&turns, "os.huge.faults"), 3);
    assert_eq!(count(&turns, "os.huge.fallback"), 1);
}

/// One node is the machine without nodes, with `numa.*` beside the rest.
#[test]
fn one_node_changes_nothing() {
    let mut one = machine("[[numa.node]]\nname = \"all\"\nmemory = \"4MiB\"");
    let mut none = machine("os.memory = \"4MiB\"");
    for simulator in [&mut one, &mut none] {
        touch(simulator, 2000).unwrap();
    }
    for name in ["os.reclaim.evicted", "os.buddy.splits", "swap.writes", "walker.references"] {
        assert_eq!(count(&one, name), count(&none, name), "{name}");
    }
    assert_eq!(count(&one, "numa.numa_hit"), count(&one, "numa.all.local_node"));
}

#[test]
fn impossible_nodes_are_refused_by_name() {
    let node = |name: &str, rest: &str| {
        format!("[[numa.node]]\nname = \"{name}\"\nmemory = \"4MiB\"\n{rest}\n")
    };
    let odd = |name: &str| format!("[[numa.node]]\nname = \"{name}\"\nmemory = \"5MiB\"\n");
    let two = format!("{}{}", node("a", "cpus = [0]"), node("b", ""));
    for (text, key) in [
        ("numa.policy = \"bind\"".to_owned(), "numa.policy"),
        (format!("os.memory = \"4MiB\"\n{two}"), "os.memory"),
        (format!("os.memory = {{ frames = 9 }}\n{two}"), "os.memory"),
        (format!("{two}{}", node("b", "")), "numa.node.b.name"),
        (format!("{two}{}", node("c", "cpus = [0]")), "numa.node.a.cpus"),
        (format!("{two}{}", node("c", "cpus = [1]")), "numa.node.c.cpus"),
        (format!("{two}{}", node("c", "bandwidth = 5")), "numa.node.c.bandwidth"),
        (format!("{two}{}", node("c", "dram = { ranks = 3 }")), "numa.node.c.dram.ranks"),
        (format!("[numa]\nnodes = [\"a\"]\n{two}"), "numa.nodes"),
        (format!("[numa]\npolicy = \"bind\"\nnodes = [\"z\"]\n{two}"), "numa.nodes"),
        (format!("[numa]\npolicy = \"preferred\"\n{two}"), "numa.nodes"),
        (format!("os.initial.orders = [5]\n{two}"), "numa.node"),
        (format!("{HUGE}{}{}", node("a", "cpus = [0]"), node("b", "")), "none"),
        (format!("{HUGE}{}{}", odd("a"), node("b", "")), "numa.node.a.memory"),
        (format!("{HUGE}{}{}", node("a", ""), odd("b")), "none"),
    ] {
        let config: crate::config::Config = toml::from_str(&text).unwrap();
        assert_eq!(
            config.resolve().map_or_else(|error| error.key, |_| "none".into()),
            key,
            "{text}"
        );
    }
}
