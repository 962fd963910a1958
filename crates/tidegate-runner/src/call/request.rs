//! The request of a call, rendered once and the same for every attempt.

use super::{
    idempotency,
    record::{Work, Working},
    service::{header_value, plain_headers},
};
use crate::{
    expr::{EvalError, Scope, encode_query},
    plan::{BodyPlan, CallPlan, StepPlan},
    record::Record,
};
use bytes::Bytes;
use http::{HeaderValue, Method, header};
use tidegate_http::Request;

/// The request of a step whose needs are met, as text.
pub(crate) fn preview(work: &Work, record: &Record, index: usize) -> Result<String, String> {
    let working = Working::new(record, None);
    let scope = record.scope.as_ref().expect("nobody works on it");
    let request = build(work, &working, &work.plan.steps[index], scope, None)?;
    let mut text = format!("{} {}", request.method, request.uri);
    for (name, value) in &request.headers {
        text.push_str(&format!(
            "\n{name}: {}",
            String::from_utf8_lossy(value.as_bytes())
        ));
    }
    if !request.body.is_empty() {
        text.push_str(&format!("\n{}", String::from_utf8_lossy(&request.body)));
    }
    Ok(text)
}

/// The request, the same for every attempt.
pub(super) fn build(
    work: &Work,
    working: &Working<'_>,
    step: &StepPlan,
    scope: &Scope,
    item: Option<usize>,
) -> Result<Request, String> {
    let CallPlan::Http {
        method,
        target,
        query,
        headers,
        body,
    } = &step.call;
    let service = &work.services[step.service];
    let plan = &work.plan.services[step.service];
    let shown = |error: EvalError| error.to_string();
    let body_bytes = render_body(body, scope).map_err(shown)?;
    let mut pairs = String::new();
    for (name, text) in query {
        if let Some(value) = text.render_optional(scope).map_err(shown)? {
            push_pair(&mut pairs, name, &value);
        }
    }
    let (uri, is_own) = service.uri(plan, target.render(scope).map_err(shown)?, &pairs)?;
    // The service's own headers hold its credentials: they go to its own origin only.
    let mut all = if is_own {
        service.headers.clone()
    } else {
        plain_headers()
    };
    match body {
        BodyPlan::Json(_) => all.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
        BodyPlan::Text(_) => all.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        ),
        BodyPlan::Form(_) => all.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        ),
        BodyPlan::None => None,
    };
    if matches!(*method, Method::POST | Method::PATCH) {
        let key = idempotency::key(&work.journal, working.record, &step.name, item);
        all.insert(
            idempotency::HEADER,
            HeaderValue::try_from(key).expect("hexadecimal digits can stand in a header"),
        );
    }
    let varying = service.varying.iter().filter(|_| is_own);
    let varying = varying.map(|index| &plan.headers[*index]);
    let mut with_request = None;
    for (name, text) in varying.chain(headers) {
        let scope = if text.mentions().reserved.contains("request") {
            with_request.get_or_insert_with(|| {
                scope.with_request(
                    uri.host().unwrap_or_default(),
                    &crate::journal::now(),
                    &String::from_utf8_lossy(&body_bytes),
                )
            })
        } else {
            scope
        };
        match text.render_optional(scope).map_err(shown)? {
            Some(value) => {
                all.insert(name, header_value(value).map_err(shown)?);
            }
            None => {
                all.remove(name);
            }
        }
    }
    Ok(Request {
        method: method.clone(),
        uri,
        headers: all,
        body: body_bytes,
    })
}

fn render_body(body: &BodyPlan, scope: &Scope) -> Result<Bytes, EvalError> {
    match body {
        BodyPlan::None => Ok(Bytes::new()),
        BodyPlan::Json(tree) => {
            let mut bytes = Vec::new();
            tree.render_json(scope, &mut bytes)?;
            Ok(bytes.into())
        }
        BodyPlan::Text(text) => Ok(text.render(scope)?.into()),
        BodyPlan::Form(entries) => {
            let mut pairs = String::new();
            for (name, text) in entries {
                if let Some(value) = text.render_optional(scope)? {
                    push_pair(&mut pairs, name, &value);
                }
            }
            Ok(pairs.into())
        }
    }
}

/// Appends `name=value`; both are already encoded where they come from a template in query position.
fn push_pair(pairs: &mut String, name: &str, value: &str) {
    if !pairs.is_empty() {
        pairs.push('&');
    }
    encode_query(pairs, name);
    pairs.push('=');
    pairs.push_str(value);
}
