//! Where the numbers of a machine come from, as its file marks them.
//!
//! A mark is the comment of a line, `# documented: SOURCE`, or of its table's header, which then holds for
//! every line of the table without one. It is `measured`, `documented` or `assumed`, and ` (unchecked)` where
//! it was quoted from memory.

/// How a number is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Somebody measured it.
    Measured,
    /// Who makes the part says so.
    Documented,
    /// A choice of this model.
    Assumed,
}

impl Mark {
    /// The mark as a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Documented => "documented",
            Self::Assumed => "assumed",
        }
    }
}

/// A setting of a machine and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The setting's dotted path.
    pub setting: String,
    /// Its value as the file writes it.
    pub value: String,
    /// How it is known.
    pub mark: Mark,
    /// Whether somebody has looked at the source, rather than quoted it from memory.
    pub checked: bool,
    /// Who says so, or why it was chosen.
    pub source: String,
}

/// Settings that say what is meant rather than how large or how fast it is.
const STRUCTURE: [&str; 6] = ["name", "base", "level", "serves", "pages", "entry_level"];

/// Reads a comment as a mark: the mark, whether it was checked, and its source.
fn mark(comment: &str) -> Option<(Mark, bool, &str)> {
    let (head, source) = comment.split_once(':')?;
    let (word, checked) = match head.strip_suffix(" (unchecked)") {
        Some(word) => (word, false),
        None => (head, true),
    };
    let marks = [Mark::Measured, Mark::Documented, Mark::Assumed];
    let mark = marks.into_iter().find(|mark| mark.name() == word)?;
    let source = source.trim();
    (!source.is_empty()).then_some((mark, checked, source))
}

/// A line without its comment, and the comment.
fn split(line: &str) -> (&str, &str) {
    let mut quoted = false;
    for (at, letter) in line.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            '#' if !quoted => return (line[..at].trim(), line[at + 1..].trim()),
            _ => {}
        }
    }
    (line.trim(), "")
}

/// Every setting of a machine's file that has a size, a time or a number, in the order of the file.
///
/// # Errors
/// A line has no mark, or is not of the form that the shipped files have.
pub fn sources(text: &str) -> Result<Vec<Source>, String> {
    let (mut table, mut element) = (String::new(), None::<String>);
    let mut inherited = None;
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let (body, comment) = split(line);
        if body.is_empty() {
            continue;
        }
        if let Some(header) = body.strip_prefix('[') {
            table = header.trim_matches(['[', ']']).to_owned();
            element = None;
            inherited = mark(comment);
            continue;
        }
        let Some((key, value)) =
            body.split_once('=').map(|(key, value)| (key.trim(), value.trim()))
        else {
            return Err(format!("line {number} is not `key = value`"));
        };
        if key == "name" || (key == "level" && table == "mmu.pwc") {
            element = (!table.is_empty()).then(|| value.trim_matches('"').to_owned());
        }
        let is_number = value.contains(|letter: char| letter.is_ascii_digit()) || key == "ways";
        let own = mark(comment);
        if STRUCTURE.contains(&key) || (!is_number && own.is_none()) {
            continue;
        }
        let Some((mark, checked, source)) = own.or(inherited) else {
            return Err(format!(
                "line {number}: `{key}` is not marked measured, documented or assumed"
            ));
        };
        let parts = [Some(table.as_str()), element.as_deref(), Some(key)];
        let parts: Vec<_> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        found.push(Source {
            setting: parts.join("."),
            value: value.trim_matches('"').to_owned(),
            mark,
            checked,
            source: source.to_owned(),
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_every_machine_that_was_built_is_marked() {
        let mut built = 0;
        for machine in crate::MACHINES.iter().filter(|machine| machine.built) {
            let found =
                sources(machine.text).unwrap_or_else(|error| panic!("{}: {error}", machine.name));
            assert!(found.len() >= 7, "{}: {} numbers", machine.name, found.len());
            built += 1;
        }
        assert!(built >= 3, "{built}");
    }

    #[test]
    fn a_mark_is_the_lines_own_or_its_tables() {
        let text = "name = \"x\"\n[core]\nwidth = 4 # measured (unchecked): [a]\n\
                    [[mmu.tlb]] # documented: [b]\nname = \"dtlb\"\npages = [\"4KiB\"]\n\
                    entries = 64 # every size\nways = \"full\"\nlatency = \"1cycles\" # assumed: c # d\n\
                    [[mmu.pwc]] # assumed: e\nlevel = 2\nentries = 8\nreplacement = \"lru\"\n";
        let found = sources(text).unwrap();
        let told: Vec<_> = found
            .iter()
            .map(|one| {
                (one.setting.as_str(), one.value.as_str(), one.mark.name(), one.source.as_str())
            })
            .collect();
        let wanted = [
            ("core.width", "4", "measured", "[a]"),
            ("mmu.tlb.dtlb.entries", "64", "documented", "[b]"),
            ("mmu.tlb.dtlb.ways", "full", "documented", "[b]"),
            ("mmu.tlb.dtlb.latency", "1cycles", "assumed", "c # d"),
            ("mmu.pwc.2.entries", "8", "assumed", "e"),
        ];
        assert_eq!(told, wanted);
        assert_eq!(found.iter().filter(|one| !one.checked).count(), 1);
    }

    #[test]
    fn what_is_not_marked_is_an_error() {
        for text in [
            "[core]\nwidth = 4\n",
            "[core]\nwidth = 4 # because\n",
            "[core]\nwidth = 4 # guessed: [a]\n",
            "[core]\nwidth = 4 # documented:\n",
            "[core] # documented: [a]\nwidth = 4\n[mmu]\nasids = 0\n",
            "[[mmu.tlb]]\nname = \"a\"\nways = \"full\"\n",
            "width\n",
        ] {
            assert!(sources(text).is_err(), "{text}");
        }
    }
}
