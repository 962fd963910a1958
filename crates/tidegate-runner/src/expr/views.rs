//! Reserved names that are looked into: `steps`, `steps.NAME` and `env`.

use super::{globals::Globals, scope::Shared};
use minijinja::value::{Enumerator, Object, Value};
use std::sync::Arc;

/// `steps`: by name only, so that the order of steps can be read from the file.
#[derive(Debug)]
pub(super) struct Steps(pub(super) Arc<Shared>);

impl Object for Steps {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let index = self.0.globals.step(key.as_str()?)?;
        Some(Value::from_object(Step {
            shared: Arc::clone(&self.0),
            index,
        }))
    }
}

/// `steps.NAME`.
#[derive(Debug)]
struct Step {
    shared: Arc<Shared>,
    index: usize,
}

const STEP_FIELDS: &[&str] = &["status", "headers", "body", "attempts", "error"];

impl Object for Step {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let step = self.shared.steps[self.index].get();
        // A step that was skipped has all the fields, so that `steps.geo.status == 404` is false and no error.
        match key.as_str()? {
            "status" => Some(Value::from(step.and_then(|step| step.status))),
            "headers" => Some(step.map_or_else(|| Value::from(()), |step| step.headers.clone())),
            "body" => Some(step.map_or_else(|| Value::from(()), |step| step.body.clone())),
            "attempts" => Some(Value::from(step.map_or(0, |step| step.attempts))),
            "error" => Some(Value::from(step.and_then(|step| step.error.as_deref()))),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(STEP_FIELDS)
    }
}

/// `env`: one name at a time; it cannot be listed.
#[derive(Debug)]
pub(super) struct Env(pub(super) Arc<Globals>);

impl Object for Env {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.env.get(key.as_str()?).map(Value::from)
    }
}
