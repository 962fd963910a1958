use super::redact::Secrets;
use minijinja::value::Value;
use std::{borrow::Cow, collections::BTreeMap, fmt};

/// Names that are stronger than a step or a field of that name.
pub const RESERVED: [&str; 11] = [
    "record", "steps", "env", "vars", "run", "item", "index", "message", "cursor", "request",
    "response",
];

/// Fixed facts of one run: a resumed run has the same ones, so it writes the same values.
#[derive(Clone, Debug)]
pub struct RunInfo {
    /// `run.id`.
    pub id: String,
    /// `run.started`, an RFC 3339 time.
    pub started: String,
}

/// The names that are the same for every record of a run.
pub struct Globals {
    pub(super) step_names: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) vars: Value,
    pub(super) run: Value,
    secrets: Secrets,
}

impl Globals {
    /// Takes the steps in their order in the plan, the variables of the environment that the flow names, and `vars:`.
    pub fn new(
        step_names: Vec<String>,
        env: BTreeMap<String, String>,
        vars: BTreeMap<String, Value>,
        run: RunInfo,
    ) -> Self {
        Self {
            step_names,
            secrets: Secrets::of(&env),
            env,
            vars: Value::from_pairs(vars),
            run: Value::from_pairs([("id", run.id), ("started", run.started)]),
        }
    }

    /// `text` with `•••` in place of every value of `env` of eight characters or more, also percent-encoded ones.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.secrets.hide(text)
    }

    /// The place of a step. A flow has few: looking at each is faster than hashing the name.
    pub(super) fn step(&self, name: &str) -> Option<usize> {
        self.step_names.iter().position(|step| step == name)
    }

    pub(super) fn step_names(&self) -> &[String] {
        &self.step_names
    }
}

impl fmt::Debug for Globals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Globals")
            .field("step_names", &self.step_names)
            .field("env", &self.env.keys())
            .finish_non_exhaustive()
    }
}
