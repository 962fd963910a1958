//! What is wrong with a flow file, and how it is shown.

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use std::{fmt, sync::Arc};

use super::tree::Span;

/// A flow file's name and text, kept for showing its lines.
#[derive(Debug)]
pub(crate) struct FlowText {
    /// As the user named it.
    pub(crate) name: String,
    /// Without a byte-order mark.
    pub(crate) text: String,
}

/// Whether to colour what is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// No escape sequences.
    Plain,
    /// ANSI colours, for a terminal.
    Colored,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Severity {
    Error,
    Warning,
}

/// One thing that is wrong, or worth saying.
#[derive(Clone, Debug)]
pub struct Fault {
    severity: Severity,
    message: String,
    at: Option<Span>,
    label: Option<String>,
    also: Vec<(Span, String)>,
    help: Vec<String>,
    notes: Vec<String>,
}

impl Fault {
    pub(crate) fn error(message: impl Into<String>) -> Fault {
        Fault {
            severity: Severity::Error,
            message: message.into(),
            at: None,
            label: None,
            also: Vec::new(),
            help: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(crate) fn warning(message: impl Into<String>) -> Fault {
        Fault {
            severity: Severity::Warning,
            ..Fault::error(message)
        }
    }

    /// Puts the caret.
    pub(crate) fn at(mut self, span: &Span) -> Fault {
        self.at = Some(span.clone());
        self
    }

    /// Words beside the caret.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Fault {
        self.label = Some(label.into());
        self
    }

    /// A second place that has to do with it.
    pub(crate) fn also(mut self, span: &Span, label: impl Into<String>) -> Fault {
        self.also.push((span.clone(), label.into()));
        self
    }

    /// Something to paste or to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Fault {
        self.help.push(help.into());
        self
    }

    /// As [`help`](Fault::help), if there is one.
    pub(crate) fn help_if(self, help: Option<impl Into<String>>) -> Fault {
        match help {
            Some(help) => self.help(help),
            None => self,
        }
    }

    /// Something to know.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Fault {
        self.notes.push(note.into());
        self
    }

    /// What is wrong, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn helps(&self) -> &[String] {
        &self.help
    }

    /// Where, as bytes of the file; none when it is no single place.
    pub fn span(&self) -> Option<std::ops::Range<usize>> {
        self.at.clone()
    }

    fn show(&self, file: &FlowText, look: Look) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(self.message.as_str());
        let mut group = match &self.at {
            Some(at) => {
                let primary = AnnotationKind::Primary
                    .span(visible(at, &file.text))
                    .label(self.label.as_deref());
                let also = self.also.iter().map(|(span, label)| {
                    AnnotationKind::Context
                        .span(visible(span, &file.text))
                        .label(label.as_str())
                });
                title.element(
                    Snippet::source(&file.text)
                        .path(file.name.as_str())
                        .annotation(primary)
                        .annotations(also),
                )
            }
            None => title.element(Origin::path(file.name.as_str())),
        };
        for help in &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        for note in &self.notes {
            group = group.element(Level::NOTE.message(note.as_str()));
        }
        let renderer = match look {
            Look::Plain => Renderer::plain(),
            Look::Colored => Renderer::styled(),
        };
        renderer.render(&[group])
    }
}

/// The part of a span that is on its first line: a caret under many lines helps nobody.
fn visible(span: &Span, text: &str) -> Span {
    let start = span.start.min(text.len());
    let end = span.end.clamp(start, text.len());
    match text[start..end].find('\n') {
        Some(0) | None => start..end,
        Some(line) => start..start + line,
    }
}

/// Everything that is wrong with a flow file: not only the first fault.
///
/// `Display` shows all of them as text without colour; [`render`](Faults::render) may colour.
#[derive(Debug)]
pub struct Faults {
    file: Arc<FlowText>,
    list: Vec<Fault>,
}

impl Faults {
    pub(crate) fn new(file: Arc<FlowText>, mut list: Vec<Fault>) -> Faults {
        // From top to bottom, as one reads; the sort is stable, and what has no place comes first.
        list.sort_by_key(|fault| fault.at.as_ref().map_or(0, |at| at.start));
        Faults { file, list }
    }

    /// The faults, in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.list.iter()
    }

    /// How many there are; never 0.
    #[expect(
        clippy::len_without_is_empty,
        reason = "there is no `Faults` without a fault"
    )]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// All of them as a reader of the file needs them, separated by an empty line.
    pub fn render(&self, look: Look) -> String {
        let shown: Vec<_> = self
            .list
            .iter()
            .map(|fault| fault.show(&self.file, look))
            .collect();
        shown.join("\n\n")
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Look::Plain))
    }
}

impl std::error::Error for Faults {}

/// Something that does not stop the flow, but that its author should know.
#[derive(Debug)]
pub struct Warning {
    file: Arc<FlowText>,
    fault: Fault,
}

impl Warning {
    pub(crate) fn new(file: Arc<FlowText>, fault: Fault) -> Warning {
        Warning { file, fault }
    }

    /// What it is about.
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// As a reader of the file needs it.
    pub fn render(&self, look: Look) -> String {
        self.fault.show(&self.file, look)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Look::Plain))
    }
}

/// Collects while a file is read: reading goes on after a fault, so that all are shown at once.
#[derive(Debug, Default)]
pub(crate) struct Found {
    faults: Vec<Fault>,
    warnings: Vec<Fault>,
}

impl Found {
    /// Adds a fault or warning; the same one again at the same place is dropped.
    pub(crate) fn add(&mut self, fault: Fault) {
        let list = match fault.severity {
            Severity::Error => &mut self.faults,
            Severity::Warning => &mut self.warnings,
        };
        let is_known = |known: &Fault| known.at == fault.at && known.message == fault.message;
        if !list.iter().any(is_known) {
            list.push(fault);
        }
    }

    /// How many faults there are so far.
    pub(crate) fn faults(&self) -> usize {
        self.faults.len()
    }

    pub(crate) fn any_fault(&self) -> bool {
        !self.faults.is_empty()
    }

    /// The warnings, unless there is a fault.
    pub(crate) fn finish(self, file: &Arc<FlowText>) -> Result<Vec<Warning>, Faults> {
        if self.faults.is_empty() {
            Ok(self
                .warnings
                .into_iter()
                .map(|fault| Warning::new(Arc::clone(file), fault))
                .collect())
        } else {
            Err(Faults::new(Arc::clone(file), self.faults))
        }
    }
}
