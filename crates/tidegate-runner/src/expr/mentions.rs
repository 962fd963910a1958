use std::collections::BTreeSet;

/// What an expression or text mentions: the names that decide the order of steps and what must be set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mentions {
    /// Names at the start of a path that are no reserved words: fields or steps (`user` of `user.name`).
    pub names: BTreeSet<String>,
    /// Reserved words at the start of a path (`item`, `request`, `record`).
    pub reserved: BTreeSet<String>,
    /// `NAME` of `steps.NAME`.
    pub steps: BTreeSet<String>,
    /// `NAME` of `env.NAME` where it must be set.
    pub env: BTreeSet<String>,
    /// `NAME` of `env.NAME | default(…)`; may also stand in `env`, which then wins.
    pub env_optional: BTreeSet<String>,
    /// `NAME` of `vars.NAME`.
    pub vars: BTreeSet<String>,
    /// `NAME` of `record.NAME` and `record['NAME']`.
    pub record_fields: BTreeSet<String>,
}

impl Mentions {
    /// Whether the value is the same for all records of a run: nothing but `env`, `vars` and `run` is mentioned.
    pub fn is_fixed(&self) -> bool {
        let is_fixed = |name: &String| matches!(name.as_str(), "env" | "vars" | "run");
        self.names.is_empty() && self.reserved.iter().all(is_fixed)
    }

    /// Adds everything that `other` mentions.
    pub fn merge(&mut self, other: &Self) {
        let sets = [
            (&mut self.names, &other.names),
            (&mut self.reserved, &other.reserved),
            (&mut self.steps, &other.steps),
            (&mut self.env, &other.env),
            (&mut self.env_optional, &other.env_optional),
            (&mut self.vars, &other.vars),
            (&mut self.record_fields, &other.record_fields),
        ];
        for (mine, others) in sets {
            mine.extend(others.iter().cloned());
        }
    }
}
