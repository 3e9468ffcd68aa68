//! A result as text for reading: what was run, the structures side by side, where the cycles went.

use analysis::measured::{Measure, Measured, Number};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// Width of a full bar in characters.
const BAR: f64 = 40.0;

/// What to say where most pages were only read, so that they share the zero page and hit in the caches:
/// the trace begins after its memory was written, which is easily overlooked.
pub fn zero_page_note(measured: &Measured) -> Option<String> {
    let zero = measured.real("os.faults.zero_page");
    let anonymous = measured.real("os.faults.anonymous");
    (zero > 100.0 && zero > anonymous).then(|| {
        format!(
            "note: {zero} first touches were reads, which share one zero page; where the trace begins after its memory was written, --set os.prefault=accessed maps it first"
        )
    })
}

/// The result of running on the machine called `machine`.
pub fn text(machine: &str, measured: &Measured) -> String {
    let mut text = format!("{} on {machine}\n", measured.trace.name);
    if measured.trace.uncounted > 0 {
        let accesses = separated(measured.trace.uncounted);
        text.push_str(&format!("{accesses} accesses warmed the machine up and are not counted\n"));
    }
    if let Some(sample) = &measured.sample {
        text.push_str(&format!("{}\n", sample.sentence()));
    }
    let groups = groups(measured);
    let structures: Vec<&Group<'_>> = groups.iter().filter(|group| group.is_structure()).collect();
    for group in groups.iter().filter(|group| group.name == "run") {
        text.push_str(&group.list());
    }
    if !structures.is_empty() {
        text.push_str(&structure_table(&structures));
        text.push_str(&prefetcher_table(&structures));
    }
    for group in &groups {
        match group.name {
            "run" => {}
            "cycles" => text.push_str(&bars(group)),
            "ideal" => text.push_str(&ideals(group, measured.real("run.cycles"))),
            _ if group.is_structure() => {}
            _ => text.push_str(&group.list()),
        }
    }
    text.push_str(&histograms(measured));
    text
}

/// The statistics whose names start alike.
struct Group<'a> {
    name: &'a str,
    entries: Vec<(&'a str, &'a Measure)>,
}

impl Group<'_> {
    fn get(&self, name: &str) -> Option<Number> {
        self.entries.iter().find(|(own, _)| *own == name).map(|(_, entry)| entry.value)
    }

    /// A TLB or a cache.
    fn is_structure(&self) -> bool {
        ["accesses", "hits", "misses", "mpki"].iter().all(|name| self.get(name).is_some())
    }

    fn list(&self) -> String {
        let mut table = blank();
        for (name, entry) in self.entries.iter().filter(|(_, entry)| !is_zero(entry.value)) {
            table.add_row(vec![format!("  {name}"), number(entry.value), entry.unit.clone()]);
        }
        if table.is_empty() {
            return String::new();
        }
        right(&mut table, 1..2);
        format!("\n{}\n{}\n", self.name, table.trim_fmt())
    }
}

fn is_zero(value: Number) -> bool {
    value.as_f64() == 0.0
}

fn groups(measured: &Measured) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for entry in &measured.statistics {
        let (name, rest) = entry.name.split_once('.').unwrap_or(("", &entry.name));
        match groups.iter_mut().find(|group| group.name == name) {
            Some(group) => group.entries.push((rest, entry)),
            None => groups.push(Group { name, entries: vec![(rest, entry)] }),
        }
    }
    groups
}

fn blank() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
}

fn right(table: &mut Table, columns: std::ops::Range<usize>) {
    for index in columns {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// What the run, which took `cycles`, would take were each component perfect; those that cost nothing are
/// left out.
fn ideals(group: &Group<'_>, cycles: f64) -> String {
    let mut table = blank();
    for (name, entry) in &group.entries {
        let cost = cycles - entry.value.as_f64();
        if cost != 0.0 {
            let name = name.trim_end_matches(".cycles");
            let share = format!("{:.1} %", 100.0 * cost / cycles);
            table.add_row(vec![format!("  {name}"), number(entry.value), share]);
        }
    }
    right(&mut table, 1..3);
    format!("\ncycles without a component, and what it costs\n{}\n", table.trim_fmt())
}

/// What the prefetchers of caches did; nothing where there is none.
fn prefetcher_table(structures: &[&Group<'_>]) -> String {
    const COLUMNS: [&str; 6] = ["issued", "useful", "useless", "late", "accuracy", "coverage"];
    let mut table = blank();
    table.add_row(std::iter::once("").chain(COLUMNS));
    for group in structures.iter().filter(|group| group.get("prefetch.issued").is_some()) {
        let cells = COLUMNS.map(|name| match group.get(&format!("prefetch.{name}")) {
            Some(Number::Real(share)) => format!("{:.2} %", 100.0 * share),
            Some(count) => number(count),
            None => String::new(),
        });
        table.add_row(std::iter::once(format!("  {}", group.name)).chain(cells));
    }
    if table.row_count() < 2 {
        return String::new();
    }
    right(&mut table, 1..COLUMNS.len() + 1);
    format!("\nprefetchers\n{}\n", table.trim_fmt())
}

fn structure_table(structures: &[&Group<'_>]) -> String {
    let mut table = blank();
    table.add_row(vec!["", "accesses", "misses", "miss ratio", "MPKI", "evictions", "write-backs"]);
    for group in structures {
        let count = |name: &str| group.get(name).map_or(String::new(), number);
        let real = |name: &str| group.get(name).map_or(0.0, Number::as_f64);
        let accesses = real("accesses");
        let ratio = if accesses > 0.0 { 100.0 * real("misses") / accesses } else { 0.0 };
        table.add_row(vec![
            format!("  {}", group.name),
            count("accesses"),
            count("misses"),
            format!("{ratio:.2} %"),
            format!("{:.2}", real("mpki")),
            count("evictions"),
            count("writebacks"),
        ]);
    }
    right(&mut table, 1..7);
    format!("\nTLBs and caches\n{}\n", table.trim_fmt())
}

/// The cycle stack: a bar for each component.
fn bars(group: &Group<'_>) -> String {
    let total: f64 = group.entries.iter().map(|(_, entry)| entry.value.as_f64()).sum();
    let mut table = blank();
    for (name, entry) in group.entries.iter().filter(|(_, entry)| !is_zero(entry.value)) {
        let share = entry.value.as_f64() / total.max(1.0);
        let filled = (share * BAR).round().max(1.0) as usize;
        table.add_row(vec![
            format!("  {name}"),
            number(entry.value),
            format!("{:.1} %", 100.0 * share),
            "█".repeat(filled),
        ]);
    }
    right(&mut table, 1..3);
    format!("\nwhere the cycles went\n{}\n", table.trim_fmt())
}

fn histograms(measured: &Measured) -> String {
    let mut table = blank();
    table.add_row(vec!["", "count", "mean", "p50", "p90", "p99", "p99.9", "max"]);
    for (name, from) in measured.histograms.iter().filter(|(_, from)| from.count > 0) {
        let mut row = vec![format!("  {name}"), separated(from.count), format!("{:.1}", from.mean)];
        row.extend([from.p50, from.p90, from.p99, from.p99_9, from.max].map(separated));
        table.add_row(row);
    }
    if table.row_count() == 1 {
        return String::new();
    }
    right(&mut table, 1..8);
    format!("\ndistributions\n{}\n", table.trim_fmt())
}

fn number(value: Number) -> String {
    match value {
        Number::Count(count) => separated(count),
        Number::Real(real) => format!("{real:.3}"),
    }
}

/// Thousands with commas.
pub fn separated(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_what_a_reader_looks_for() {
        let entry = |name: &str, value, unit: &str| Measure {
            name: name.to_owned(),
            unit: unit.to_owned(),
            value,
        };
        let measured = Measured {
            statistics: vec![
                entry("run.cycles", Number::Count(1_234_567), "cycles"),
                entry("dtlb.accesses", Number::Count(1000), ""),
                entry("dtlb.hits", Number::Count(900), ""),
                entry("dtlb.misses", Number::Count(100), ""),
                entry("dtlb.mpki", Number::Real(25.0), ""),
                entry("cycles.base", Number::Count(250), "cycles"),
                entry("cycles.walk", Number::Count(750), "cycles"),
            ],
            ..Measured::default()
        };
        let text = text("skylake", &measured);
        assert!(text.contains("1,234,567 cycles") || text.contains("1,234,567"), "{text}");
        assert!(text.contains("10.00 %") && text.contains("25.00"), "{text}");
        assert!(text.contains("75.0 %") && text.contains(&"█".repeat(30)), "{text}");
    }
}
