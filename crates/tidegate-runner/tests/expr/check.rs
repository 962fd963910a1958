//! What every test needs: a scope over a record, and one line to evaluate in it.

use minijinja::Value;
use std::{collections::BTreeMap, sync::Arc};
use tidegate_runner::expr::{EvalError, Expr, ExprFault, Globals, RunInfo, Scope, StepValue, json};

/// JSON as a value.
pub(crate) fn value(json_text: &str) -> Value {
    json::parse(json_text.as_bytes()).unwrap()
}

/// A value as JSON.
pub(crate) fn shown(value: &Value) -> String {
    let mut out = Vec::new();
    json::to_json(value, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The names of every test: steps `user` and `geo`, one secret, one short variable, one of `vars`.
pub(crate) fn globals() -> Arc<Globals> {
    let env = [("TOKEN", "s3cr3t/t0ken+x"), ("REGION", "eu")];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let vars = BTreeMap::from([("limit".to_owned(), Value::from(7))]);
    let run = RunInfo {
        id: "r1".to_owned(),
        started: "2026-01-02T03:04:05Z".to_owned(),
    };
    Arc::new(Globals::new(
        vec!["user".to_owned(), "geo".to_owned()],
        BTreeMap::from(env),
        vars,
        run,
    ))
}

/// A scope over a record, before any step.
pub(crate) fn scope(record: &str) -> Scope {
    Scope::new(&globals(), value(record))
}

/// A scope in which step `user` has answered with `body`.
pub(crate) fn scope_with_user(record: &str, body: &str) -> Scope {
    let scope = scope(record);
    scope.set_step(
        0,
        StepValue {
            body: value(body),
            status: Some(200),
            headers: value(r#"{"content-type":"application/json"}"#),
            attempts: 2,
            error: None,
        },
    );
    scope
}

pub(crate) fn eval(source: &str, scope: &Scope) -> Result<Value, EvalError> {
    Expr::compile(source).unwrap().eval(scope)
}

/// The value of an expression over a record, as JSON.
pub(crate) fn json_of(source: &str, record: &str) -> String {
    shown(&eval(source, &scope(record)).unwrap())
}

/// The message of an expression that has no value.
pub(crate) fn error_of(source: &str, record: &str) -> String {
    eval(source, &scope(record)).expect_err(source).to_string()
}

pub(crate) fn fault_of(source: &str) -> ExprFault {
    Expr::compile(source).expect_err(source)
}
