//! The quick way through plain lines and the careful one give the same records and the same errors.

use proptest::prelude::*;

use super::*;
use crate::formats::text::LineFormat;

/// What `parse` alone makes of `text`: the records, and the line and column of the error.
fn carefully<F: LineFormat>(mut format: F, text: &str) -> (Vec<Record>, Option<(u64, u64)>) {
    let mut batch = Batch::new();
    let whole = text.strip_suffix('\n').unwrap_or(text);
    let lines = whole.split('\n').filter(|_| !text.is_empty());
    for (number, line) in lines.enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if let Err(fault) = format.parse(line.as_bytes(), &mut batch) {
            let place = (number as u64 + 1, fault.at as u64 + 1);
            return (batch.iter().collect(), Some(place));
        }
    }
    (batch.iter().collect(), None)
}

/// The same of a source.
fn quickly(format: Format, text: &str) -> (Vec<Record>, Option<(u64, u64)>) {
    let input = Input::Stdin;
    let stream = Stream::over(&input, Cursor::new(text.as_bytes().to_vec()), None).unwrap();
    let options = OpenOptions { format: Some(format), ..OpenOptions::default() };
    let mut source = open_stream(stream, &options).unwrap().1;
    let (mut batch, mut records) = (Batch::new(), Vec::new());
    loop {
        let filled = source.fill(&mut batch);
        records.extend(batch.iter());
        match filled {
            Ok(true) => {}
            Ok(false) => return (records, None),
            Err(TraceError::Text { line, column, .. }) => return (records, Some((line, column))),
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// Lines of `line`, some of which something is done to.
fn text(line: &'static str) -> impl Strategy<Value = String> {
    let damage = prop_oneof![
        8 => Just(None),
        1 => ("[0-9a-fLSMI ,xX#\"\r.-]", 0..24_usize).prop_map(Some),
    ];
    prop::collection::vec((line, damage, 0..24_usize), 0..40).prop_map(|lines| {
        let mut text = String::new();
        for (mut line, damage, cut) in lines {
            match damage {
                Some((extra, at)) if cut % 2 == 0 => line.insert_str(at.min(line.len()), &extra),
                Some(_) => line.truncate(cut),
                None => {}
            }
            text.push_str(&line);
            text.push('\n');
        }
        text
    })
}

proptest! {
    #[test]
    fn lackey(text in text("(I | [LSM]) [0-9a-f]{0,17},[0-9]{0,6}")) {
        prop_assert_eq!(quickly(Format::Lackey, &text), carefully(lackey::Lackey::default(), &text));
    }

    #[test]
    fn din(text in text("[0-3] [0-9a-fA-F]{0,17}")) {
        prop_assert_eq!(quickly(Format::Din, &text), carefully(din::Din::default(), &text));
    }

    #[test]
    fn pages(text in text("(0x)?[0-9]{0,18}")) {
        prop_assert_eq!(quickly(Format::Pages, &text), carefully(pages::Pages, &text));
    }

    #[test]
    fn csv(text in text("[0-9]{0,18}(,[0-9]{1,3}){0,2}")) {
        prop_assert_eq!(quickly(Format::Csv, &text), carefully(csv::Csv::new(None, None), &text));
    }

    #[test]
    fn csv_of_several_columns(text in text("[0-9]{0,18},[0-9]{0,18},[0-9]{0,3}")) {
        let text = format!("time,page,other\n{text}");
        prop_assert_eq!(quickly(Format::Csv, &text), carefully(csv::Csv::new(None, None), &text));
    }
}
