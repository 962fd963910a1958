use super::{
    globals::Globals,
    views::{Env, Steps},
};
use minijinja::value::{Object, Value};
use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

/// What a step left behind: its name is `body`, `steps.NAME` the whole.
#[derive(Clone, Debug)]
pub struct StepValue {
    /// The answer's body, or the value of `otherwise`.
    pub body: Value,
    /// The answer's status; none if there was no answer.
    pub status: Option<u16>,
    /// A map from lower-case names to text.
    pub headers: Value,
    /// Requests that were sent.
    pub attempts: u32,
    /// Why the step failed, where `otherwise` stood in.
    pub error: Option<String>,
}

/// Where an expression finds its names.
pub(super) trait Names {
    /// The value of a name; none if nothing is called so.
    fn lookup(&self, name: &str) -> Option<Value>;

    /// The names to choose from, for messages.
    fn known(&self) -> Vec<String>;

    /// `text` as it may stand in a message.
    fn redact<'a>(&self, text: &'a str) -> Cow<'a, str>;

    /// The same names for the interpreter.
    fn context(&self) -> Value;
}

/// The names within reach while one record is worked on.
///
/// A clone is cheap and shares the results of steps.
#[derive(Clone, Debug)]
pub struct Scope {
    inner: Arc<Inner>,
}

#[derive(Clone, Debug)]
struct Inner {
    shared: Arc<Shared>,
    item: Option<(Value, usize)>,
    request: Option<Value>,
}

/// What all scopes of one record share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) globals: Arc<Globals>,
    record: Value,
    pub(super) steps: Box<[OnceLock<StepValue>]>,
}

impl Scope {
    /// The scope of a record before its first step.
    pub fn new(globals: &Arc<Globals>, record: Value) -> Self {
        let steps = globals.step_names.iter().map(|_| OnceLock::new()).collect();
        let shared = Shared {
            globals: Arc::clone(globals),
            record,
            steps,
        };
        Self {
            inner: Arc::new(Inner {
                shared: Arc::new(shared),
                item: None,
                request: None,
            }),
        }
    }

    /// Puts the result of step `index` within reach, in all clones; a second result of the same step is dropped.
    ///
    /// # Panics
    ///
    /// If there is no such step.
    pub fn set_step(&self, index: usize, value: StepValue) {
        // The first answer stands: whoever read it must not see another one.
        drop(self.inner.shared.steps[index].set(value));
    }

    /// The scope of one item of `each`: `item` and `index` (from 0) are within reach.
    #[must_use]
    pub fn with_item(&self, item: Value, index: usize) -> Self {
        Self {
            inner: Arc::new(Inner {
                item: Some((item, index)),
                ..Inner::clone(&self.inner)
            }),
        }
    }

    /// The scope of an attempt that is about to leave: `request.host`, `request.time` (RFC 3339) and `request.body`, the bytes as text.
    #[must_use]
    pub fn with_request(&self, host: &str, time: &str, body: &str) -> Self {
        let request = Value::from_pairs([
            ("host", Value::from(host)),
            ("time", Value::from(time)),
            ("body", Value::from(body)),
        ]);
        Self {
            inner: Arc::new(Inner {
                request: Some(request),
                ..Inner::clone(&self.inner)
            }),
        }
    }

    /// What step `index` left under its name; none if it has not run or was skipped.
    ///
    /// # Panics
    ///
    /// If there is no such step.
    pub fn step_body(&self, index: usize) -> Value {
        self.inner.shared.step_body(index)
    }

    /// The record.
    pub fn record(&self) -> &Value {
        &self.inner.shared.record
    }

    /// The names that are the same for every record.
    pub fn globals(&self) -> &Arc<Globals> {
        &self.inner.shared.globals
    }
}

impl Names for Scope {
    fn lookup(&self, name: &str) -> Option<Value> {
        self.inner.lookup(name)
    }

    fn known(&self) -> Vec<String> {
        let fields = keys(&self.inner.shared.record);
        fields
            .into_iter()
            .chain(self.globals().step_names().iter().cloned())
            .collect()
    }

    fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.globals().redact(text)
    }

    fn context(&self) -> Value {
        Value::from_dyn_object(Arc::clone(&self.inner))
    }
}

impl Shared {
    fn step_body(&self, index: usize) -> Value {
        match self.steps[index].get() {
            Some(step) => step.body.clone(),
            None => Value::from(()),
        }
    }
}

impl Inner {
    fn lookup(&self, name: &str) -> Option<Value> {
        let shared = &self.shared;
        match name {
            "null" => Some(Value::from(())),
            "record" => Some(shared.record.clone()),
            "steps" => Some(Value::from_object(Steps(Arc::clone(shared)))),
            "env" => Some(Value::from_object(Env(Arc::clone(&shared.globals)))),
            "vars" => Some(shared.globals.vars.clone()),
            "run" => Some(shared.globals.run.clone()),
            "item" => self.item.as_ref().map(|(item, _)| item.clone()),
            "index" => self.item.as_ref().map(|(_, index)| Value::from(*index)),
            "request" => self.request.clone(),
            "message" | "cursor" | "response" => None,
            _ => match shared.globals.step(name) {
                Some(index) => Some(shared.step_body(index)),
                None => field(&shared.record, name),
            },
        }
    }
}

impl Object for Inner {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.lookup(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.lookup(key)
    }
}

/// A field of a map; none if it has no such field or is no map.
pub(super) fn field(value: &Value, name: &str) -> Option<Value> {
    value
        .get_attr(name)
        .ok()
        .filter(|found| !found.is_undefined())
}

/// The keys of a map that are text, in their order.
pub(super) fn keys(value: &Value) -> Vec<String> {
    let is_map = value.kind() == minijinja::value::ValueKind::Map;
    let iter = is_map.then(|| value.try_iter().ok()).flatten();
    iter.into_iter()
        .flatten()
        .filter_map(|key| key.as_str().map(str::to_owned))
        .collect()
}
