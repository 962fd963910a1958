//! What expressions mention: the environment, variables, and the steps that decide the order.

use std::ops::Range;

use super::{
    compiler::{Compiler, Place},
    names,
};
use crate::{
    expr::Mentions,
    flow::{Fault, Scalar, Span, did_you_mean},
};

impl Compiler<'_> {
    /// Checks what a scalar mentions, and keeps it.
    pub(super) fn mention(&mut self, mentions: &Mentions, scalar: &Scalar, place: Place<'_>) {
        self.mention_env(mentions, scalar);
        self.reads_details |= mentions.reserved.contains("steps");
        for name in &mentions.vars {
            if !self.vars.contains_key(name) {
                let at = self.locate(scalar, &["vars", name]);
                let declared = self
                    .flow
                    .vars
                    .entries
                    .iter()
                    .map(|(name, _)| name.text.as_str());
                let help = did_you_mean(name, declared)
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
