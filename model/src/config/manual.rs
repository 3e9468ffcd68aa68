//! The reference manual of the settings, written from their declarations.

use std::fmt::Write as _;

use serde_json::Value;

use super::schema::{Effect, Setting, schema, settings};

const INTRODUCTION: &str = "\
# Configuration reference

Written from the declarations of the settings: `UPDATE_DOCS=1 cargo test -p workspace-tests manual`
writes it again.

A machine is a TOML file. `base = \"NAME\"` inherits from a preset, or from a file relative to this one; a
later value wins. Tables merge key by key; `[[mmu.tlb]]`, `[[cache]]`, `[[mmu.layout]]`, `[[swap.area]]` and `[[numa.node]]`
merge by `name`, `[[mmu.pwc]]` by `level` and `[[swap.content]]` by `class`. In such an element `remove = true` takes it out of what is inherited, and an
empty array (`tlb = []`) takes out all. `--set path=value` has the last word; its path names an element
as `mmu.tlb.stlb.entries` or `mmu.pwc.2.entries`.

Sizes are strings with binary units (\"32KiB\") or bytes, times are \"80ns\" or \"4cycles\", frequencies
\"3.7GHz\". A *function* setting changes what happens to accesses; a *timing* setting changes only what it
costs, and no count.
";

/// The manual as Markdown.
pub fn manual() -> String {
    let mut text = INTRODUCTION.to_owned();
    let mut sorted: Vec<_> = settings()
        .iter()
        .map(|setting| (setting.path.rsplit_once('.').unwrap_or(("", &setting.path)), setting))
        .collect();
    sorted.sort_by_key(|(place, _)| *place);
    let mut section = None;
    for ((table, key), setting) in sorted {
        if section != Some(table) {
            section = Some(table);
            let title = if table.is_empty() { "The machine" } else { table };
            // Writing to a string does not fail.
            let _ =
                write!(text, "\n## {title}\n\n| key | values | default | affects | meaning |\n");
            text.push_str("|---|---|---|---|---|\n");
        }
        let _ = writeln!(text, "{}", row(key, setting));
    }
    text.push_str(&choices(&schema()));
    text
}

/// The choices that have parameters: their definition, what the manual says of them, and what one does.
const CHOICES: [(&str, &str, &str); 3] = [
    (
        "ReplacementPolicy",
        "## Replacement policies\n\n\
         A policy is its name, or a table with its parameters: `replacement = { policy = \"srrip\", bits = 3 }`. \
         Invalid ways are filled first, the lowest one first.",
        "displaces",
    ),
    (
        "ReclaimPolicy",
        "## Reclaim policies\n\n\
         A policy is its name, or a table with its parameters: `reclaim = { policy = \"clock\", bits = 2 }`.",
        "takes",
    ),
    (
        "Prefetcher",
        "## Prefetchers\n\n\
         A prefetcher is its name, or a table with its parameters: \
         `prefetcher = { prefetcher = \"stride\", degree = 4 }`.",
        "fetches",
    ),
];

/// What can be chosen, with its parameters.
fn choices(schema: &Value) -> String {
    let mut text = String::new();
    for (definition, introduction, does) in CHOICES {
        let definition = &schema["$defs"][definition];
        let key = definition["x-key"].as_str().unwrap_or_default();
        // Writing to a string does not fail.
        let _ =
            write!(text, "\n{introduction}\n\n| {key} | {does} | parameters |\n|---|---|---|\n");
        for form in definition["anyOf"].as_array().into_iter().flatten() {
            let Some(name) = form["properties"][key]["const"].as_str() else { continue };
            let doc = form["description"].as_str().unwrap_or_default();
            let properties = form["properties"].as_object().into_iter().flatten();
            let parameters: Vec<_> = properties
                .filter(|(other, _)| *other != key)
                .map(|(key, parameter)| describe(key, parameter))
                .collect();
            let parameters = parameters.join("<br>");
            let _ = writeln!(text, "| `{name}` | {doc} | {parameters} |");
        }
    }
    text
}

fn describe(key: &str, parameter: &Value) -> String {
    let doc = parameter["description"].as_str().unwrap_or_default().replace('\n', " ");
    match &parameter["default"] {
        Value::Null => format!("`{key}`: {doc}"),
        default => format!("`{key}` (default {default}): {doc}"),
    }
}

fn row(key: &str, setting: &Setting) -> String {
    let range = match (setting.minimum, setting.maximum) {
        (Some(least), Some(most)) if least == most => format!(" {least}"),
        (Some(least), Some(most)) => format!(" {least} to {most}"),
        (Some(least), None) => format!(" from {least}"),
        (None, Some(most)) => format!(" up to {most}"),
        (None, None) => String::new(),
    };
    let default = setting.default.as_ref().map_or(String::new(), |value| match value {
        Value::String(text) => format!("`\"{text}\"`"),
        other => format!("`{other}`"),
    });
    let effect = match setting.effect {
        Some(Effect::Function) => "function",
        Some(Effect::Timing) => "timing",
        Some(Effect::None) | None => "",
    };
    let cell = |text: &str| text.replace('|', "\\|");
    let (kind, doc) = (cell(&setting.kind), cell(&setting.doc));
    format!("| `{key}` | {kind}{range} | {default} | {effect} | {doc} |")
}
