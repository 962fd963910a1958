//! The parser's events as a tree.
//!
//! No loader into plain values gives what a flow needs: places, `NO` as a text, and doubled keys as faults.

use saphyr_parser::{Event, Parser, ScalarStyle, Span as Marks, StrInput};
use std::collections::HashMap;

use super::{
    fault::{Fault, Found},
    traps,
    tree::{Map, Node, Scalar, Span, Style},
};

/// Deeper files are refused: nobody writes them by hand, and the tree is read recursively.
const MAX_DEPTH: usize = 64;

/// Reads one document. None: there is none, or its faults leave nothing to read.
pub(crate) fn parse(text: &str, found: &mut Found) -> Option<Node> {
    let mut builder = Builder {
        text,
        bytes: char_starts(text),
        parser: Parser::new_from_str(text),
        found,
    };
    builder.document().ok().flatten()
}

/// The fault has been reported.
struct Stop;

struct Builder<'t, 'f> {
    text: &'t str,
    /// Byte of each character: the parser counts in characters.
    bytes: Vec<usize>,
    parser: Parser<'t, StrInput<'t>>,
    found: &'f mut Found,
}

fn char_starts(text: &str) -> Vec<usize> {
    text.char_indices()
        .map(|(at, _)| at)
        .chain([text.len()])
        .collect()
}

impl<'t> Builder<'t, '_> {
    fn document(&mut self) -> Result<Option<Node>, Stop> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root),
                Event::DocumentStart(_) if root.is_some() => {
                    let fault = Fault::error("a flow file holds one document")
                        .at(&span)
                        .label("a second one starts here");
                    return self.stop(fault.help("put the second flow into a file of its own"));
                }
                Event::StreamStart
                | Event::DocumentStart(_)
                | Event::DocumentEnd
                | Event::Nothing => {}
                event => root = Some(self.node(event, span, 0)?),
            }
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, Stop> {
        if depth > MAX_DEPTH {
            return self.stop(
                Fault::error(format!("more than {MAX_DEPTH} levels inside each other")).at(&span),
            );
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_anchor_and_tag(anchor, tag.is_some(), &span);
                self.refuse_tab_before(&span);
                Ok(Node::Scalar(self.scalar(text.into_owned(), style, span)))
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_anchor_and_tag(anchor, tag.is_some(), &span);
                self.list(span, depth)
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_anchor_and_tag(anchor, tag.is_some(), &span);
                self.map(span, depth)
            }
            Event::Alias(_) => {
                self.found.add(
                    Fault::error("a flow file has no aliases")
                        .at(&span)
                        .label("YAML reads `*` as the name of an earlier value")
                        .help("write the value out; if it is a text, quote it"),
                );
                Ok(Node::Broken(span))
            }
            other => unreachable!("the parser gives a value here, not {other:?}"),
        }
    }

    fn scalar(&self, text: String, style: ScalarStyle, span: Span) -> Scalar {
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::Single,
            ScalarStyle::DoubleQuoted => Style::Double,
            ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        };
        // The parser counts the blanks behind a quoted scalar as part of it.
        let len = self.text[span.clone()].trim_end().len();
        // An empty value of a flow map has the span of the brace that ends it.
        let len = if text.is_empty() && style == Style::Plain {
            0
        } else {
            len
        };
        Scalar {
            text,
            style,
            span: span.start..span.start + len,
        }
    }

    fn list(&mut self, start: Span, depth: usize) -> Result<Node, Stop> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                let last = items.last().map(|item: &Node| item.span().end);
                return Ok(Node::List(items, self.whole(&start, &span, last)));
            }
            items.push(self.node(event, span, depth + 1)?);
        }
    }

    fn map(&mut self, start: Span, depth: usize) -> Result<Node, Stop> {
        let mut entries: Vec<(Scalar, Node)> = Vec::new();
        let mut seen: HashMap<String, Span> = HashMap::new();
        // Faults of what a broken map lacks or holds would only repeat its own.
        let mut broken = false;
        let mut last = None;
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                let span = self.whole(&start, &span, last);
                let map = Map { entries, span };
                return Ok(if broken {
                    Node::Broken(map.span)
                } else {
                    Node::Map(map)
                });
            }
            let complex = matches!(event, Event::MappingStart(..) | Event::SequenceStart(..));
            if complex && !broken {
                self.found.add(traps::complex_key(self.text, &start, &span));
                broken = true;
            }
            let key = self.node(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            last = Some(value.span().end);
            let Node::Scalar(key) = key else { continue };
            if key.text == "<<" && key.style == Style::Plain {
                let fault = Fault::error("a flow file has no merge keys").at(&key.span);
                self.found.add(fault.help("write the keys out"));
                broken = true;
                continue;
            }
            if let Some(first) = seen.get(&key.text) {
                let fault = Fault::error(format!("`{}` is there twice", key.text));
                let fault = fault.at(&key.span).also(first, "first here");
                self.found.add(fault.help("keep one of them"));
                continue;
            }
            seen.insert(key.text.clone(), key.span.clone());
            entries.push((key, value));
        }
    }

    /// A list or map from its first byte to its last: the parser counts blanks and comments behind it as part of it.
    fn whole(&self, start: &Span, end: &Span, last: Option<usize>) -> Span {
        let closes = self.text[end.start..].starts_with([']', '}']);
        let end = if closes {
            end.start + 1
        } else {
            last.unwrap_or(start.end)
        };
        start.start..end.max(start.start)
    }

    fn refuse_anchor_and_tag(&mut self, anchor: usize, tag: bool, span: &Span) {
        if anchor != 0 {
            self.found.add(
                Fault::error("a flow file has no anchors")
                    .at(span)
                    .help("write the value out where it is needed; if it is a text, quote it"),
            );
        }
        if tag {
            self.found.add(
                Fault::error("a flow file has no tags")
                    .at(span)
                    .help("leave the `!…` out; if it is a text, quote it"),
            );
        }
    }

    /// The parser lets some tabs pass that editors show as nothing.
    fn refuse_tab_before(&mut self, span: &Span) {
        let before = &self.text[..span.start];
        let blanks = before.len() - before.trim_end_matches([' ', '\t']).len();
        if let Some(tab) = before[before.len() - blanks..].find('\t') {
            let at = before.len() - blanks + tab;
            self.found.add(
                Fault::error("a tab before a value")
                    .at(&(at..at + 1))
                    .help("use spaces"),
            );
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Stop> {
        match self.parser.next_event() {
            Some(Ok((event, marks))) => Ok((event, self.span(marks))),
            Some(Err(error)) => {
                let at = self.byte(error.marker().index());
                self.stop(traps::explain(self.text, at, error.info()))
            }
            None => Ok((Event::StreamEnd, self.text.len()..self.text.len())),
        }
    }

    fn stop<T>(&mut self, fault: Fault) -> Result<T, Stop> {
        self.found.add(fault);
        Err(Stop)
    }

    fn span(&self, marks: Marks) -> Span {
        self.byte(marks.start.index())..self.byte(marks.end.index())
    }

    fn byte(&self, char_index: usize) -> usize {
        self.bytes
            .get(char_index)
            .copied()
            .unwrap_or(self.text.len())
    }
}
