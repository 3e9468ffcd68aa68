//! Allocation traces of the malloc lab (CS:APP, "Malloc Lab", trace files): four numbers (a suggested heap
//! size, how many identifiers, how many operations, a weight) and then a line an operation: `a id bytes`,
//! `r id bytes`, `f id`.

use std::path::Path;

use crate::error::TraceError;

/// One operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `malloc`
    Allocate {
        /// The block's name from here on.
        id: u32,
        /// Its payload.
        bytes: u64,
    },
    /// `realloc`
    Reallocate {
        /// The block.
        id: u32,
        /// Its new payload.
        bytes: u64,
    },
    /// `free`; without a block, of a null pointer.
    Free {
        /// The block.
        id: Option<u32>,
    },
}

/// Numbers before the operations.
const HEADER: usize = 4;

/// The operations of a file with their lines, from 1.
///
/// # Errors
/// With line and column, where the text is not of the format.
pub fn parse(path: &Path, text: &str) -> Result<Vec<(u64, Operation)>, TraceError> {
    let mut header = 0;
    let mut operations = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        let mut words = Words { path, line, rest: content, column: 1 };
        while header < HEADER {
            let Some((column, word)) = words.next_word() else { break };
            words.number::<u64>(column, word, "a number of the header")?;
            header += 1;
        }
        let Some((column, word)) = words.next_word() else { continue };
        operations.push((line, words.operation(column, word)?));
    }
    if header < HEADER {
        let message = format!("expected {HEADER} numbers before the operations, found {header}");
        return Err(TraceError::Format { path: path.into(), message });
    }
    Ok(operations)
}

/// The words of a line.
struct Words<'a> {
    path: &'a Path,
    line: u64,
    rest: &'a str,
    column: u64,
}

impl<'a> Words<'a> {
    fn next_word(&mut self) -> Option<(u64, &'a str)> {
        let trimmed = self.rest.trim_start();
        let skipped = self.rest.len() - trimmed.len();
        let length = trimmed.find(char::is_whitespace).unwrap_or(trimmed.len());
        let column = self.column + skipped as u64;
        self.rest = &trimmed[length..];
        self.column = column + length as u64;
        (length > 0).then(|| (column, &trimmed[..length]))
    }

    fn error(&self, column: u64, message: String) -> TraceError {
        TraceError::Text { path: self.path.into(), line: self.line, column, message }
    }

    fn number<T: std::str::FromStr>(
        &self,
        column: u64,
        word: &str,
        what: &str,
    ) -> Result<T, TraceError> {
        word.parse().map_err(|_| self.error(column, format!("expected {what}, found {word:?}")))
    }

    fn next_number<T: std::str::FromStr>(&mut self, what: &str) -> Result<T, TraceError> {
        match self.next_word() {
            Some((column, word)) => self.number(column, word, what),
            None => Err(self.error(self.column, format!("expected {what}, found the line's end"))),
        }
    }

    fn operation(&mut self, column: u64, name: &str) -> Result<Operation, TraceError> {
        let operation = match name {
            "a" => Operation::Allocate {
                id: self.next_number("an identifier")?,
                bytes: self.next_number("a number of bytes")?,
            },
            "r" => Operation::Reallocate {
                id: self.next_number("an identifier")?,
                bytes: self.next_number("a number of bytes")?,
            },
            "f" => match self.next_number::<i64>("an identifier")? {
                -1 => Operation::Free { id: None },
                id => {
                    let no_identifier = |_| self.error(column, format!("no identifier: {id}"));
                    Operation::Free { id: Some(u32::try_from(id).map_err(no_identifier)?) }
                }
            },
            other => {
                return Err(self.error(column, format!("expected a, r or f, found {other:?}")));
            }
        };
        match self.next_word() {
            None => Ok(operation),
            Some((column, word)) => {
                Err(self.error(column, format!("expected the line's end, found {word:?}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<(u64, Operation)>, String> {
        parse(Path::new("x.rep"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_line_is_an_operation() {
        let operations = parsed("20000\n2\n3\n1\na 0 512\nr 0 640\n\nf 0\nf -1\n").unwrap();
        let expected = [
            (5, Operation::Allocate { id: 0, bytes: 512 }),
            (6, Operation::Reallocate { id: 0, bytes: 640 }),
            (8, Operation::Free { id: Some(0) }),
            (9, Operation::Free { id: None }),
        ];
        assert_eq!(operations, expected);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, expected) in [
            ("1 1 1 1\na 0 -5", "x.rep:2:5: expected a number of bytes, found \"-5\""),
            ("1 1 1 1\na 0", "x.rep:2:4: expected a number of bytes, found the line's end"),
            ("1 1 1 1\nq 0", "x.rep:2:1: expected a, r or f, found \"q\""),
            ("1 1 1 1\nf 0 0", "x.rep:2:5: expected the line's end, found \"0\""),
            ("1 x", "x.rep:1:3: expected a number of the header, found \"x\""),
            ("1 1", "x.rep: expected 4 numbers before the operations, found 2"),
            ("1 1 1 1\nf -2", "x.rep:2:1: no identifier: -2"),
        ] {
            assert_eq!(parsed(text).unwrap_err(), expected);
        }
    }
}
