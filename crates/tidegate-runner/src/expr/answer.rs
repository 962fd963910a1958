use super::scope::Names;
use minijinja::value::{DynObject, Object, Value};
use std::{borrow::Cow, sync::Arc};

/// The names of `classify`: `status`, `headers` and `body` of an answer.
#[derive(Debug)]
pub(super) struct Answer(Arc<AnswerParts>);

#[derive(Debug)]
struct AnswerParts {
    status: Value,
    headers: Value,
    body: Value,
}

impl Answer {
    pub(super) fn new(status: u16, headers: Value, body: Value) -> Self {
        Self(Arc::new(AnswerParts {
            status: Value::from(status),
            headers,
            body,
        }))
    }
}

impl Names for Answer {
    fn lookup(&self, name: &str) -> Option<Value> {
        self.0.get_value_by_str(name)
    }

    fn known(&self) -> Vec<String> {
        vec!["status".to_owned(), "headers".to_owned(), "body".to_owned()]
    }

    fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(text)
    }

    fn context(&self) -> Value {
        Value::from_dyn_object(DynObject::new(Arc::clone(&self.0)))
    }
}

impl Object for AnswerParts {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match key {
            "null" => Some(Value::from(())),
            "status" => Some(self.status.clone()),
            "headers" => Some(self.headers.clone()),
            "body" => Some(self.body.clone()),
            _ => None,
        }
    }
}
