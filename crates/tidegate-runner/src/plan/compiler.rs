//! Compiling the expressions and texts of a flow: every fault of an expression at its place in the file.

use minijinja::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    columns::Columns,
    load::Given,
    names::{self, Reach},
};
use crate::{
    expr::{Expr, ExprFault, Globals, Mentions, Position, RunInfo, Scope, Target, Text, Tree},
    flow::{Fault, Flow, Found, Kind, Map, Node, Scalar, Span},
};

/// What the parts of a plan are made with.
pub(super) struct Compiler<'a> {
    pub(super) flow: &'a Flow,
    pub(super) found: &'a mut Found,
    /// The record's fields, as far as they are known before the first record.
    pub(super) columns: Columns,
    folder: PathBuf,
    given: &'a Given<'a>,
    vars: BTreeMap<String, Value>,
    env: BTreeMap<String, String>,
    /// Variables that are not set; each is one fault, however often it is mentioned.
    unset: BTreeSet<String>,
    /// Steps mentioned since [`take_uses`](Compiler::take_uses), each with its first place.
    uses: BTreeMap<String, Span>,
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
            folder,
            given,
            vars,
            env: BTreeMap::new(),
            unset: BTreeSet::new(),
            uses: BTreeMap::new(),
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
                    Fault::error(format!("`{}` is empty", place.key))
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
            let fault = Fault::error(format!("`{}` is an expression, without braces", place.key))
                .at(&scalar.span);
            self.fault(fault.help(inner.trim()));
            return None;
        }
        let offset = scalar.text.len() - scalar.text.trim_start().len();
        match Expr::compile(source) {
            Ok(expr) => {
                self.mention(expr.mentions(), scalar, place);
                self.compare(&expr, scalar, offset);
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
        let unset = self.unset.len();
        let text = self.text(
            node,
            Position::Plain,
            Place {
                key,
                reach: Reach::Fixed,
            },
        )?;
        let known = self.unset.len() == unset
            && text
                .mentions()
                .env
                .iter()
                .all(|name| self.env.contains_key(name));
        if !known
            || text
                .mentions()
                .vars
                .iter()
                .any(|name| !self.vars.contains_key(name))
        {
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

    fn mention(&mut self, mentions: &Mentions, scalar: &Scalar, place: Place<'_>) {
        self.mention_env(mentions, scalar);
        for name in &mentions.vars {
            if !self.vars.contains_key(name) {
                let at = self.locate(scalar, &["vars", name]);
                let declared = self
                    .flow
                    .vars
                    .entries
                    .iter()
                    .map(|(name, _)| name.text.as_str());
                let help = crate::flow::did_you_mean(name, declared)
                    .unwrap_or_else(|| format!("vars: {{ {name}: VALUE }}"));
                self.fault(
                    Fault::error(format!("no variable `{name}`"))
                        .at(&at)
                        .help(help),
                );
            }
        }
        for fault in names::check(self, mentions, scalar, place) {
            self.fault(fault);
        }
        let steps = mentions
            .steps
            .iter()
            .map(|name| (name, true))
            .chain(mentions.names.iter().map(|name| (name, false)));
        for (name, dotted) in steps {
            if self.is_step(name) && place.reach.has_steps() {
                let at = if dotted {
                    self.locate(scalar, &["steps", name])
                } else {
                    self.locate(scalar, &[name])
                };
                self.uses.entry(name.clone()).or_insert(at);
            }
        }
    }

    fn mention_env(&mut self, mentions: &Mentions, scalar: &Scalar) {
        for name in mentions.env.iter().chain(&mentions.env_optional) {
            if self.env.contains_key(name) || self.unset.contains(name) {
                continue;
            }
            if let Some(value) = (self.given.env)(name) {
                self.env.insert(name.clone(), value);
            } else if mentions.env.contains(name) {
                self.unset.insert(name.clone());
                let at = self.locate(scalar, &["env", name]);
                let fault = Fault::error(format!("the environment has no `{name}`")).at(&at);
                self.fault(fault.help(format!("export {name}=…")).help(format!(
                    "or give a value for when it is missing: env.{name} | default('')"
                )));
            }
        }
    }

    /// Where a path stands in a scalar.
    pub(super) fn locate(&self, scalar: &Scalar, path: &[&str]) -> Span {
        match find_path(&scalar.text, path) {
            Some(at) => scalar.locate(&at, &self.flow.text.text),
            None => scalar.span.clone(),
        }
    }
}

/// A text as an expression writes it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The first place where the names stand one after another with nothing but dots between, outside of quotes.
fn find_path(text: &str, path: &[&str]) -> Option<Range<usize>> {
    let dotted = path.join(".");
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let fits = |at: usize| {
        let (before, after) = (
            text[..at].chars().next_back(),
            text[at + dotted.len()..].chars().next(),
        );
        !before.is_some_and(|c| word(c) || c == '.') && !after.is_some_and(word)
    };
    // Outside of placeholders a quote is only a character, so what comes last counts: the braces.
    let quoted = |at: usize| {
        let inside = text[..at].rfind("{{").map_or(0, |open| open + 2);
        let opened = &text[inside..at];
        opened.matches('\'').count() % 2 == 1 || opened.matches('"').count() % 2 == 1
    };
    let places = text
        .match_indices(&dotted)
        .map(|(at, _)| at)
        .filter(|at| fits(*at));
    let at = places
        .clone()
        .find(|at| !quoted(*at) && (!text.contains("{{") || text[..*at].contains("{{")))?;
    Some(at..at + dotted.len())
}

#[cfg(test)]
mod tests {
    use super::find_path;

    #[test]
    fn a_name_is_found_where_it_is_a_name() {
        assert_eq!(find_path("ok", &["ok"]), Some(0..2));
        assert_eq!(find_path("'ok' ~ ok", &["ok"]), Some(7..9));
        assert_eq!(find_path("user.ok or ok", &["ok"]), Some(11..13));
        assert_eq!(find_path("okay", &["ok"]), None);
        assert_eq!(find_path("it's id {{ id }}", &["id"]), Some(11..13));
        assert_eq!(find_path("{{ env.KEY }}", &["env", "KEY"]), Some(3..10));
    }
}
