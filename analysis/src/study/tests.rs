//! A study from its text to its tables.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::document::Text;
use super::execute::{Done, Options, Watch, execute};
use super::outputs::{self, Drawing};
use super::plan::{Overrides, Plan};
use super::store::Store;
use crate::error::Error;

const STUDY: &str = r#"
name = "small"
machine = "skylake"
limit = 3000
[[workload]]
name = "gups"
set = { table = "1MiB", updates = 2000 }
[[workload]]
name = "gups"
set = { table = "2MiB", updates = 2000 }
[sweep]
"mmu.tlb.stlb.entries" = [768, 1536, 3072]
"core.rob" = [128, 224]
"mmu.page_size" = ["4KiB", "2MiB"]
[report]
baseline = { "mmu.tlb.stlb.entries" = 1536, "core.rob" = 224, "mmu.page_size" = "4KiB" }
"#;

fn plan_of(text: &str) -> Result<Plan, Error> {
    Plan::new(Text { name: "s.toml", text }, Path::new(""), &Overrides::default())
}

fn message(text: &str) -> String {
    plan_of(text).unwrap_err().to_string()
}

/// Counts progress and, if asked, interrupts after some of it.
struct Quiet<'a> {
    interrupt: Option<(&'a AtomicBool, u64)>,
    told: AtomicU64,
}

impl Watch for Quiet<'_> {
    fn progress(&self, done: u64, _: u64, share: f64) {
        assert!((0.0..=1.0).contains(&share));
        self.told.fetch_max(done, Ordering::Relaxed);
        if let Some((flag, after)) = self.interrupt
            && done >= after
        {
            flag.store(true, Ordering::Relaxed);
        }
    }
    fn message(&self, _: &str) {}
}

fn compute(plan: &Plan, root: &Path, jobs: usize, shard: (usize, usize)) -> Done {
    let store = Store::create(root).unwrap();
    outputs::write_study(plan, &store).unwrap();
    let watch = Quiet { interrupt: None, told: AtomicU64::new(0) };
    let interrupted = AtomicBool::new(false);
    let options =
        Options { jobs, shard, memory: 1 << 32, interrupted: &interrupted, watch: &watch };
    execute(plan, &store, &options).unwrap()
}

fn csv(root: &Path) -> String {
    outputs::write_all(&Store::open(root).unwrap(), Drawing { jobs: 2, keep: true }).unwrap();
    std::fs::read_to_string(root.join("points.csv")).unwrap()
}

#[test]
fn lists_are_crossed_and_equal_workloads_told_apart() {
    let plan = plan_of(STUDY).unwrap();
    assert_eq!(plan.points.len(), 2 * 3 * 2 * 2);
    assert_eq!(plan.traces.len(), 2);
    // The reorder buffer is a timing setting: 2 traces × 3 sizes × 2 page sizes.
    assert_eq!(plan.groups, 12);
    let first: Vec<_> = plan.points[0].keys.iter().map(|(path, _)| path.as_str()).collect();
    let expected =
        ["workload", "workload.table", "mmu.tlb.stlb.entries", "core.rob", "mmu.page_size"];
    assert_eq!(first, expected);
    let mut addresses: Vec<_> = plan.points.iter().map(|point| point.address).collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), 24);
}

#[test]
fn zipped_lists_are_walked_together() {
    let zip = STUDY.replace(
        "[sweep]",
        "[sweep]\nzip = [[\"mmu.tlb.stlb.entries\", \"mmu.tlb.stlb.ways\"]]\n\
         \"mmu.tlb.stlb.ways\" = [4, 12, 8]",
    );
    let plan = plan_of(&zip).unwrap();
    assert_eq!(plan.points.len(), 24);
    for point in &plan.points {
        let value = |path: &str| {
            point.keys.iter().find(|(own, _)| own == path).map(|(_, value)| value.as_str())
        };
        let ways = match value("mmu.tlb.stlb.entries") {
            Some("768") => "4",
            Some("1536") => "12",
            _ => "8",
        };
        assert_eq!(value("mmu.tlb.stlb.ways"), Some(ways));
    }
    let uneven = message(&zip.replace("[4, 12, 8]", "[4, 12]"));
    assert!(uneven.contains("has 3 values") && uneven.contains("has 2"), "{uneven}");
    let unknown = message(&zip.replace("\"mmu.tlb.stlb.ways\"]]", "\"mmu.tlb.stlb.wais\"]]"));
    assert!(unknown.contains("similar swept path exists: `mmu.tlb.stlb.ways`"), "{unknown}");
}

#[test]
fn faults_of_a_study_are_shown_at_their_place() {
    let wrong = message(&STUDY.replace("stlb.entries\" = 1536", "stlb.entries\" = 1537"));
    assert!(wrong.contains("never 1537") && wrong.contains("768, 1536, 3072"), "{wrong}");
    let wrong = message(&STUDY.replace("\"core.rob\" = [", "\"core.robb\" = ["));
    assert!(wrong.contains("s.toml:13:1") && wrong.contains("robb"), "{wrong}");
    let wrong = message(&STUDY.replace("[768,", "[769,"));
    assert!(wrong.contains("s.toml:12:1") && wrong.contains("769"), "{wrong}");
    let wrong = message(&STUDY.replace("\"gups\"", "\"gupz\""));
    assert!(wrong.contains("gups"), "{wrong}");
    let wrong = message(&STUDY.replace("name = \"small\"", "name = \"../small\""));
    assert!(wrong.starts_with("s.toml:2:8"), "{wrong}");
}

#[test]
fn shards_partition_the_points_and_keep_functional_machines_together() {
    let plan = plan_of(STUDY).unwrap();
    for count in [1, 2, 3, 5, 40] {
        let mut all: Vec<usize> = (1..=count).flat_map(|index| plan.shard(index, count)).collect();
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..plan.points.len()), "{count}");
        for index in 1..=count {
            let mine = plan.shard(index, count);
            for (at, point) in plan.points.iter().enumerate() {
                let shared = mine.iter().any(|&own| plan.points[own].group == point.group);
                assert_eq!(mine.contains(&at), shared);
            }
        }
    }
}

#[test]
fn jobs_shards_and_interruptions_do_not_change_a_byte() {
    let plan = plan_of(STUDY).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let one = folder.path().join("one");
    assert_eq!(compute(&plan, &one, 1, (1, 1)), Done { computed: 24, stored: 0 });
    let expected = csv(&one);
    assert_eq!(expected.lines().count(), 25);

    let four = folder.path().join("four");
    compute(&plan, &four, 4, (1, 1));
    assert_eq!(csv(&four), expected, "four threads");

    let parts = folder.path().join("parts");
    (1..=3).rev().for_each(|index| {
        compute(&plan, &parts, 2, (index, 3));
    });
    assert_eq!(csv(&parts), expected, "three shards");

    let stopped = folder.path().join("stopped");
    let store = Store::create(&stopped).unwrap();
    let interrupted = AtomicBool::new(false);
    let watch = Quiet { interrupt: Some((&interrupted, 24_000)), told: AtomicU64::new(0) };
    let options = Options {
        jobs: 1,
        shard: (1, 1),
        memory: 1 << 32,
        interrupted: &interrupted,
        watch: &watch,
    };
    assert!(matches!(execute(&plan, &store, &options), Err(Error::Interrupted)));
    let kept = store.points().unwrap().0.len();
    assert!(kept > 0 && kept < 24, "{kept} points were finished");
    let done = compute(&plan, &stopped, 1, (1, 1));
    assert_eq!(done, Done { computed: 24 - kept, stored: kept });
    assert_eq!(csv(&stopped), expected, "resumed");
}

#[test]
fn a_damaged_or_missing_point_is_computed_again() {
    let plan = plan_of(STUDY).unwrap();
    let folder = tempfile::tempdir().unwrap();
    compute(&plan, folder.path(), 2, (1, 1));
    let expected = csv(folder.path());
    let file = |at: usize| {
        folder.path().join("points").join(format!("{:032x}.point", plan.points[at].address))
    };
    std::fs::remove_file(file(3)).unwrap();
    std::fs::write(file(7), b"FLTRSLT\n and then nonsense").unwrap();
    let done = compute(&plan, folder.path(), 2, (1, 1));
    assert_eq!(done, Done { computed: 2, stored: 22 });
    assert_eq!(csv(folder.path()), expected);
    assert!(folder.path().join("report.html").is_file());
    assert!(folder.path().join("charts").join("cycle-stack.png").is_file());
}

#[test]
fn a_resolved_study_is_a_study_with_the_same_points() {
    let plan = plan_of(STUDY).unwrap();
    let text = toml::to_string(&plan.resolved).unwrap();
    let again = plan_of(&text).unwrap();
    let addresses = |plan: &Plan| -> Vec<u128> {
        let mut all: Vec<_> = plan.points.iter().map(|point| point.address).collect();
        all.sort_unstable();
        all
    };
    assert_eq!(addresses(&again), addresses(&plan));
}

#[test]
fn the_study_in_the_manual_is_one() {
    let manual = include_str!("../../../docs/studies.md");
    let text = manual.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let study = plan_of(text).unwrap();
    // Two workloads × two page sizes × three sizes that walk together with their latencies.
    assert_eq!(study.points.len(), 12);
}

/// The means of a sweep are those of its table, and stand in the report.
#[test]
fn groups_have_means_beside_the_points() {
    let text = STUDY
        .replace("updates = 2000 }\n[[", "updates = 2000 }\nweight = 3\ngroup = \"both\"\n[[")
        .replace("updates = 2000 }\n[sweep", "updates = 2000 }\ngroup = \"both\"\n[sweep")
        .replace("[768, 1536, 3072]", "[1536]");
    let plan = plan_of(&text).unwrap();
    let folder = tempfile::tempdir().unwrap();
    compute(&plan, folder.path(), 1, (1, 1));
    let points = csv(folder.path());
    let read = |text: &str| -> Vec<Vec<String>> {
        text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
    };
    let (points, means) =
        (read(&points), read(&std::fs::read_to_string(folder.path().join("means.csv")).unwrap()));
    assert_eq!(means.len(), 1 + 4 * 2);
    let column =
        |table: &[Vec<String>], name: &str| table[0].iter().position(|own| own == name).unwrap();
    for mean in &means[1..] {
        let same = |point: &&Vec<String>| {
            ["core.rob", "mmu.page_size"]
                .iter()
                .all(|key| point[column(&points, key)] == mean[column(&means, key)])
        };
        let mine: Vec<_> = points[1..].iter().filter(same).collect();
        let cycles: Vec<f64> = mine
            .iter()
            .map(|point| point[column(&points, "run.cycles")].parse().unwrap())
            .collect();
        let table = column(&points, "workload.table");
        let first = if mine[0][table] < mine[1][table] { 0 } else { 1 };
        let (a, b) = (cycles[first], cycles[1 - first]);
        let expected = match mean[column(&means, "mean")].as_str() {
            "arithmetic" => (3.0 * a + b) / 4.0,
            _ => (a * a * a * b).sqrt().sqrt(),
        };
        let value: f64 = mean[column(&means, "run.cycles")].parse().unwrap();
        assert!((value / expected - 1.0).abs() < 1e-12, "{value} {expected}");
    }
    let report = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(report.contains("<h2>Means</h2>") && report.contains("both, 2 traces"));
    // A study without groups has none.
    let plain = plan_of(STUDY).unwrap();
    outputs::write_study(&plain, &Store::open(folder.path()).unwrap()).unwrap();
    csv(folder.path());
    assert!(!folder.path().join("means.csv").exists());
}

#[test]
fn weights_and_groups_that_say_nothing_are_refused() {
    let with = |line: &str| STUDY.replace("[sweep]", &format!("{line}\n[sweep]"));
    for wrong in ["weight = 0", "weight = -1.5", "weight = nan", "weight = inf"] {
        let message = message(&with(wrong));
        assert!(message.contains("a weight is a number above 0"), "{message}");
    }
    assert!(message(&with("group = \"\"")).contains("a group needs a name"));
    assert!(plan_of(&with("weight = 2\ngroup = \"spec\"")).is_ok());
}

/// As a single run does.
#[test]
fn a_workload_lies_where_a_narrow_machine_has_addresses() {
    let narrow = |machine: &str| {
        let text = STUDY.replace("machine = \"skylake\"", &format!("machine = {machine}"));
        let plan = plan_of(&text).unwrap();
        let bits = |trace: &super::plan::PlannedTrace| {
            let parameters = trace.spec.parameters(1).unwrap();
            parameters.into_iter().find(|(name, _)| name == "address_bits").map(|(_, bits)| bits)
        };
        plan.traces.iter().map(bits).collect::<Vec<_>>()
    };
    let sv39 = "{ base = \"skylake\", mmu = { page_table = \"sv39\", va_bits = 39 } }";
    assert_eq!(narrow(sv39), vec![Some("38".to_owned()); 2]);
    assert_eq!(narrow("\"skylake\"")[0], narrow("\"zen3\"")[0]);
    assert_ne!(narrow("\"skylake\"")[0], Some("38".to_owned()));
}
