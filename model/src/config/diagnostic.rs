//! What is wrong with a configuration, shown at the place where it was written.

use std::fmt;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use thiserror::Error;

use super::Layer;
use super::tree::Place;

/// A fault and where it is, before the layers' texts are attached.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// What is wrong.
    pub message: String,
    /// Where, if anywhere in particular.
    pub place: Option<Place>,
    /// What stands beside the caret.
    pub label: Option<String>,
    /// What to do about it, such as the nearest valid name.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A fault at `place`.
    pub fn new(message: impl Into<String>, place: Option<Place>) -> Self {
        Self { message: message.into(), place, label: None, help: None }
    }

    /// The same with a note beside the caret.
    pub fn label(mut self, label: Option<String>) -> Self {
        self.label = label;
        self
    }

    /// The same with advice.
    pub fn help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    /// Renders the fault against the texts of `layers`.
    pub fn render(self, layers: &[Layer]) -> LoadError {
        let layer = self.place.as_ref().and_then(|place| layers.get(place.layer));
        let mut group = Group::with_title(Level::ERROR.no_name().primary_title(&*self.message));
        if let (Some(place), Some(layer)) = (&self.place, layer) {
            if place.span.is_empty() && place.span.start == 0 {
                group = group.element(Origin::path(&*layer.name));
            } else {
                let span = clamp(&layer.text, place.span.start, place.span.end);
                let caret = AnnotationKind::Primary.span(span).label(self.label.as_deref());
                let snippet = Snippet::source(&*layer.text).path(&*layer.name).annotation(caret);
                group = group.element(snippet);
            }
        } else if let Some(label) = &self.label {
            group = group.element(Level::NOTE.no_name().message(label));
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help));
        }
        LoadError { message: self.message.clone(), rendered: Renderer::plain().render(&[group]) }
    }
}

/// `start..end` inside `text`, on character boundaries and at least a character long where there is one.
fn clamp(text: &str, start: usize, end: usize) -> std::ops::Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(start);
    // A caret under the whole of a table or of a long array points at nothing: its first line does.
    let line = text[start..].find('\n').map_or(text.len(), |at| start + at);
    start..floor(end).clamp(start, line.max(start))
}

/// A configuration that cannot be used. It displays as one message with file, line, column and caret.
#[derive(Debug, Clone, Error)]
pub struct LoadError {
    /// What is wrong, in a line.
    pub message: String,
    /// The message with the place in the text.
    pub rendered: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rendered)
    }
}

/// The candidate that `name` is most likely a misspelling of.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(score, _)| *score > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
