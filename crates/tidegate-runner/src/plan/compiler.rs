//! Compiling the expressions and texts of a flow: every fault of an expression at its place in the file.

use minijinja::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{columns::Columns, load::Given, names::Reach};
use crate::{
    expr::{Expr, ExprFault, Globals, Position, RunInfo, Scope, Target, Text, Tree},
    flow::{Fault, Flow, Found, Kind, Map, Node, Scalar, Span},
};

/// What the parts of a plan are made with.
pub(super) struct Compiler<'a> {
    pub(super) flow: &'a Flow,
    pub(super) found: &'a mut Found,
    /// The record's fields, as far as they are known before the first record.
    pub(super) columns: Columns,
    /// The delimiter that the CSV file seems to have when its header is one column, as a flow file writes it.
    pub(super) likely_delimiter: Option<String>,
    folder: PathBuf,
    pub(super) given: &'a Given<'a>,
    pub(super) vars: BTreeMap<String, Value>,
    pub(super) env: BTreeMap<String, String>,
    /// Variables that are not set; each is one fault, however often it is mentioned.
    pub(super) unset: BTreeSet<String>,
    /// Steps mentioned since [`take_uses`](Compiler::take_uses), each with its first place.
    pub(super) uses: BTreeMap<String, Span>,
    /// Some expression reads `steps.…`.
    pub(super) reads_details: bool,
}

/// Where an expression stands: for its faults, and for the names within its reach.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'p> {
    /// The key of the file.
    pub(super) key: &'p str,
    pub(super) reach: Reach,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(
        flow: &'a Flow,
        path: &Path,
        given: &'a Given<'a>,
        found: &'a mut Found,
    ) -> Compiler<'a> {
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let vars = super::vars::read(flow, given, found);
        Compiler {
            flow,
            found,
            columns: Columns::Unknown,
            likely_delimiter: None,
            folder,
            given,
            vars,
            env: BTreeMap::new(),
            unset: BTreeSet::new(),
            uses: BTreeMap::new(),
            reads_details: false,
        }
    }

    pub(super) fn finish(self) -> (BTreeMap<String, Value>, BTreeMap<String, String>) {
        (self.vars, self.env)
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        self.found.add(fault);
    }

    /// A bare expression; a map or a list holds more of them.
    pub(super) fn expr(&mut self, node: &Node, place: Place<'_>) -> Option<Expr> {
        if let Node::Scalar(scalar) = node {
            return self.leaf(scalar, place);
        }
        // Every leaf has been compiled by itself, with its faults; now they become one expression.
        let source = self.source_of(node, place)?;
        match Expr::compile(&source) {
            Ok(expr) => Some(expr),
            Err(fault) => {
                self.fault(
                    Fault::error(fault.message)
                        .at(node.span())
                        .help_if(fault.help),
                );
                None
            }
        }
    }

    fn source_of(&mut self, node: &Node, place: Place<'_>) -> Option<String> {
        match node {
            Node::Scalar(scalar) => self
                .leaf(scalar, place)
                .map(|expr| expr.source().to_owned()),
            Node::List(items, _) => {
                // All of them, so that all faults are found.
                let items: Vec<_> = items
                    .iter()
                    .map(|item| self.source_of(item, place))
                    .collect();
                let items: Option<Vec<_>> = items
                    .into_iter()
                    .map(|item| Some(format!("({})", item?)))
                    .collect();
                Some(format!("[{}]", items?.join(", ")))
            }
            Node::Map(map) => {
                let entries: Vec<_> = map
                    .entries
                    .iter()
                    .map(|(key, value)| (key, self.source_of(value, place)))
                    .collect();
                let entries: Option<Vec<_>> = entries
                    .into_iter()
                    .map(|(key, value)| Some(format!("{}: ({})", quoted(&key.text), value?)))
                    .collect();
                Some(format!("{{{}}}", entries?.join(", ")))
            }
            Node::Broken(_) => None,
        }
    }

    fn leaf(&mut self, scalar: &Scalar, place: Place<'_>) -> Option<Expr> {
        let source = match scalar.kind() {
            Kind::Null if scalar.text.is_empty() => {
                self.fault(
                    Fault::error("an expression is missing")
                        .at(&scalar.span)
                        .help("write an expression, or  none"),
                );
                return None;
            }
            Kind::Null => "none",
            _ => scalar.text.trim(),
        };
        if let Some(inner) = source
            .strip_prefix("{{")
            .and_then(|rest| rest.strip_suffix("}}"))
            && !inner.contains("{{")
        {
            let fault = Fault::error("an expression has no braces here").at(&scalar.span);
            self.fault(fault.help(inner.trim()));
            return None;
        }
        let offset = scalar.text.len() - scalar.text.trim_start().len();
        let compiled = match place.reach {
            Reach::Answer => Expr::compile_answer(source),
            _ => Expr::compile(source),
        };
        match compiled {
            Ok(expr) => {
                let faults = self.found.faults();
                self.mention(expr.mentions(), scalar, place);
                // Of a name that is wrong, its type says nothing: `user-id` is no difference of two columns.
                if self.found.faults() == faults {
                    self.compare(&expr, scalar, offset);
                }
                Some(expr)
            }
            Err(fault) => {
                self.expr_fault(fault, scalar, offset as isize);
                None
            }
        }
    }

    /// A column without a type is text, and any text is greater than any number.
    fn compare(&mut self, expr: &Expr, scalar: &Scalar, offset: usize) {
        if let Some(fault) = expr
            .compares_text_with_number(&|field| self.columns.is_text(field) && !self.is_step(field))
        {
            self.expr_fault(fault, scalar, offset as isize);
        }
    }

    /// An expression that says yes or no. A CSV column without a type never does: `"false"` is a text.
    pub(super) fn condition(&mut self, node: &Node, place: Place<'_>) -> Option<Expr> {
        let expr = self.expr(node, place)?;
        let (source, mentions) = (expr.source(), expr.mentions());
        let mut fields = mentions.names.iter().chain(&mentions.record_fields);
        let lone = fields.find(|field| source == **field || source == format!("record.{field}"));
        if let Some(field) = lone
            && self.columns.is_text(field)
            && !self.is_step(source)
        {
            let fault = Fault::error(format!(
                "`{source}` is text, so it is neither true nor false"
            ));
            let fault = fault
                .at(node.span())
                .help(format!("types: {{ {field}: bool }}"));
            self.fault(fault.help(format!("or compare it:  {}: {source} == 'true'", place.key)));
        }
        Some(expr)
    }

    /// A text with placeholders. None: null, which leaves the entry out, or a fault.
    pub(super) fn text(
        &mut self,
        node: &Node,
        position: Position,
        place: Place<'_>,
    ) -> Option<Text> {
        match node {
            Node::Scalar(scalar) if scalar.kind() == Kind::Null => None,
            Node::Scalar(scalar) => self.text_behind("", scalar, position, place),
            _ => {
                self.expected(node, "a text");
                None
            }
        }
    }

    /// A text behind a fixed beginning.
    pub(super) fn text_behind(
        &mut self,
        before: &str,
        scalar: &Scalar,
        position: Position,
        place: Place<'_>,
    ) -> Option<Text> {
        match Text::compile(&format!("{before}{}", scalar.text), position) {
            Ok(text) => {
                self.mention(text.mentions(), scalar, place);
                Some(text)
            }
            Err(fault) => {
                self.expr_fault(fault, scalar, -(before.len() as isize));
                None
            }
        }
    }

    /// Names and texts; entries that are null are left out.
    pub(super) fn texts(
        &mut self,
        map: &Map,
        position: Position,
        place: Place<'_>,
    ) -> Vec<(String, Text)> {
        let entries = map.entries.iter();
        entries
            .filter_map(|(name, node)| Some((name.text.clone(), self.text(node, position, place)?)))
            .collect()
    }

    /// The part of a scalar behind the method.
    pub(super) fn target(
        &mut self,
        scalar: &Scalar,
        from: usize,
        place: Place<'_>,
    ) -> Option<Target> {
        match Target::compile(&scalar.text[from..]) {
            Ok(target) => {
                self.mention(target.mentions(), scalar, place);
                Some(target)
            }
            Err(fault) => {
                self.expr_fault(fault, scalar, from as isize);
                None
            }
        }
    }

    /// A JSON body.
    pub(super) fn tree(&mut self, node: &Node, place: Place<'_>) -> Option<Tree> {
        Some(match node {
            Node::Scalar(scalar) => match scalar.kind() {
                Kind::Null => Tree::Null,
                Kind::Bool(value) => Tree::Bool(value),
                Kind::Number(number) => Tree::Number(number),
                Kind::Text => Tree::Text(self.text(node, Position::Json, place)?),
            },
            Node::List(items, _) => {
                let items: Vec<_> = items.iter().map(|item| self.tree(item, place)).collect();
                Tree::List(items.into_iter().collect::<Option<_>>()?)
            }
            Node::Map(map) => {
                let entries: Vec<_> = map
                    .entries
                    .iter()
                    .map(|(key, value)| (key.text.clone(), self.tree(value, place)))
                    .collect();
                Tree::Map(
                    entries
                        .into_iter()
                        .map(|(key, value)| Some((key, value?)))
                        .collect::<Option<_>>()?,
                )
            }
            Node::Broken(_) => return None,
        })
    }

    /// A text whose value is known before the first record: only `env` and `vars` are within reach.
    pub(super) fn fixed(&mut self, node: &Node, key: &str) -> Option<(String, Span)> {
        let faults = self.found.faults();
        let place = Place {
            key,
            reach: Reach::Fixed,
        };
        let text = self.text(node, Position::Plain, place)?;
        // An unset variable is one fault, reported where it was met first.
        let is_set = |name: &String| self.env.contains_key(name);
        if self.found.faults() > faults || !text.mentions().env.iter().all(is_set) {
            return None;
        }
        let run = RunInfo {
            id: String::new(),
            started: String::new(),
        };
        let globals = Globals::new(Vec::new(), self.env.clone(), self.vars.clone(), run);
        match text.render(&Scope::new(&Arc::new(globals), Value::from(()))) {
            Ok(value) => Some((value, node.span().clone())),
            Err(error) => {
                self.fault(
                    Fault::error(error.message)
                        .at(node.span())
                        .help_if(error.help),
                );
                None
            }
        }
    }

    /// A file's path, relative to the flow file. None: `-`.
    pub(super) fn path(&mut self, node: &Node, key: &str) -> Option<Option<PathBuf>> {
        let (place, at) = self.fixed(node, key)?;
        if place.is_empty() {
            self.fault(
                Fault::error(format!("`{key}` names no file"))
                    .at(&at)
                    .help(format!("{key}: FILE")),
            );
            return None;
        }
        Some((place != "-").then(|| self.folder.join(place)))
    }

    /// Adds a variable that no file can name, so that its value is redacted like any other of `env`.
    pub(super) fn keep_secret(&mut self, name: String, value: String) {
        self.env.insert(name, value);
    }

    /// When the header of a CSV file is one column by mistake, that is why a field is missing.
    pub(super) fn delimiter_help(&self) -> Option<String> {
        let delimiter = self.likely_delimiter.as_ref()?;
        Some(format!("delimiter: \"{delimiter}\""))
    }

    /// The steps mentioned since the last call.
    pub(super) fn take_uses(&mut self) -> BTreeMap<String, Span> {
        std::mem::take(&mut self.uses)
    }

    pub(super) fn is_step(&self, name: &str) -> bool {
        self.flow.steps.iter().any(|step| step.name.value == name)
    }

    pub(super) fn expected(&mut self, node: &Node, expects: &str) {
        if !matches!(node, Node::Broken(_)) {
            self.fault(
                Fault::error(format!("expected {expects}, found {}", node.what())).at(node.span()),
            );
        }
    }

    /// Puts a fault of an expression at its place; `offset` is where its source begins in the scalar.
    fn expr_fault(&mut self, fault: ExprFault, scalar: &Scalar, offset: isize) {
        let shift = |at: usize| at.saturating_add_signed(offset).min(scalar.text.len());
        let at = scalar.locate(
            &(shift(fault.at.start)..shift(fault.at.end)),
            &self.flow.text.text,
        );
        self.fault(Fault::error(fault.message).at(&at).help_if(fault.help));
    }
}

/// A text as an expression writes it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
