//! One HTTP call: rendered once, sent as often as the policy of its service says.

use super::{
    answer::{self, Judged},
    idempotency,
    outcome::{Answered, Death, Failed, Unfinished},
    record::{Work, Working},
};
use crate::{
    expr::{EvalError, Globals, Scope, TargetValue, encode_query},
    plan::{BodyPlan, CallPlan, ServicePlan, StepPlan},
    record::Record,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use minijinja::Value;
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};
use tidegate::policy::{
    BadPolicy, CallError, Class, Classify, Op, Outage, Policy, Quota, Retry, Sent, StopReason,
    Verdict,
};
use tidegate_http::{Answer, BadClient, Client, HttpError, Request};
use tokio::time::Instant;

/// What a server sees as the caller, unless `headers` says otherwise.
const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("tidegate/", env!("CARGO_PKG_VERSION")));

/// A remote dependency, ready to be called.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) policy: Policy,
    client: Client,
    /// Sent with every request: those of the flow file that are the same for every record.
    headers: HeaderMap,
    /// Indexes into the plan's headers of those that are not.
    varying: Vec<usize>,
    /// `scheme://authority` and the path before every target.
    base: Option<(http::uri::Scheme, http::uri::Authority, String)>,
}

/// Why a service cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub enum BadService {
    /// Its limits contradict each other.
    #[error("service `{name}`: {source}")]
    Policy {
        /// The service.
        name: String,
        /// Why.
        source: BadPolicy,
    },
    /// Its TLS settings cannot be used.
    #[error("service `{name}`: {source}")]
    Client {
        /// The service.
        name: String,
        /// Why.
        source: BadClient,
    },
    /// One of its headers cannot be made.
    #[error("service `{name}`, header `{header}`: {source}")]
    Header {
        /// The service.
        name: String,
        /// The header.
        header: HeaderName,
        /// Why.
        source: EvalError,
    },
}

impl Service {
    /// Builds the policy and the client that `plan` describes.
    ///
    /// `waiting` is the most calls that can wait at once: the records in flight times the calls that each may have open.
    pub(crate) fn new(
        plan: &ServicePlan,
        globals: &Arc<Globals>,
        waiting: usize,
    ) -> Result<Service, BadService> {
        let name = || plan.name.clone();
        let mut policy = Policy::named(plan.name.as_str())
            .in_flight(plan.in_flight)
            .max_waiting(waiting)
            .burst(plan.burst)
            .attempt_timeout(plan.timeout)
            .retry(Retry {
                max_attempts: plan.retry.saturating_add(1),
                base: plan.retry_base,
                cap: plan.retry_cap,
                ..Retry::default()
            })
            .outage(Outage {
                patience: Some(plan.patience),
                ..Outage::default()
            });
        if let Some(rate) = plan.rate {
            policy = policy.rate(rate);
        }
        let policy = policy.build().map_err(|source| BadService::Policy {
            name: name(),
            source,
        })?;
        let mut client = Client::builder()
            .max_body(plan.max_body)
            .redirects(plan.redirects)
            .idle_per_host(plan.in_flight);
        if let Some(ca) = &plan.tls_ca {
            client = client.extra_ca(ca);
        }
        let client = client.build().map_err(|source| BadService::Client {
            name: name(),
            source,
        })?;
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, USER_AGENT);
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        let nobody = Scope::new(globals, Value::UNDEFINED);
        let mut varying = Vec::new();
        for (index, (header, text)) in plan.headers.iter().enumerate() {
            if !text.mentions().is_fixed() {
                varying.push(index);
                continue;
            }
            let value = text
                .render_optional(&nobody)
                .and_then(|value| value.map(header_value).transpose());
            let value = value.map_err(|source| BadService::Header {
                name: name(),
                header: header.clone(),
                source,
            })?;
            if let Some(value) = value {
                headers.insert(header, value);
            }
        }
        let base = plan.base.as_ref().and_then(|base| {
            let path = base.path().trim_end_matches('/').to_owned();
            Some((base.scheme()?.clone(), base.authority()?.clone(), path))
        });
        Ok(Service {
            policy,
            client,
            headers,
            varying,
            base,
        })
    }

    /// The whole URL of a target.
    fn uri(&self, plan: &ServicePlan, target: TargetValue, query: &str) -> Result<Uri, String> {
        match target {
            TargetValue::PathAndQuery(mut path) => {
                let (scheme, authority, prefix) =
                    self.base.as_ref().ok_or("the service has no `base`")?;
                if !prefix.is_empty() {
                    path.insert_str(0, prefix);
                }
                append_query(&mut path, query);
                Uri::builder()
                    .scheme(scheme.clone())
                    .authority(authority.clone())
                    .path_and_query(path)
                    .build()
                    .map_err(|error| format!("no URL can be made of the target: {error}"))
            }
            TargetValue::Url(mut url) => {
                append_query(&mut url, query);
                let uri: Uri = url
                    .parse()
                    .map_err(|error| format!("the target is not a URL: {error}"))?;
                self.allow(plan, &uri)?;
                Ok(uri)
            }
        }
    }

    /// A URL that comes from data may name only the host of `base` and those of `allow`.
    fn allow(&self, plan: &ServicePlan, uri: &Uri) -> Result<(), String> {
        let host = uri
            .host()
            .filter(|_| matches!(uri.scheme_str(), Some("http" | "https")));
        let host = host.ok_or("the target is not an http or https URL")?;
        let own = self.base.as_ref().is_some_and(|(scheme, authority, _)| {
            uri.scheme() == Some(scheme) && uri.authority().is_some_and(|other| other == authority)
        });
        let listed = |entry: &String| {
            entry.eq_ignore_ascii_case(host) || (entry == "public" && is_public_name(host))
        };
        if own || plan.allow.iter().any(listed) {
            return Ok(());
        }
        Err(format!(
            "the host `{host}` is neither that of `base` nor in `allow` of service `{}`",
            plan.name
        ))
    }
}

/// Not an address of this machine or of a private network, and not a name that stands for one.
///
/// A name that resolves to a private address is not seen here.
fn is_public_name(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(ip)) => {
            let shared = ip.octets()[0] == 100 && (64..128).contains(&ip.octets()[1]);
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip.is_broadcast()
                || shared)
        }
        Ok(std::net::IpAddr::V6(ip)) => {
            let mapped_private = ip.to_ipv4_mapped().is_some();
            !(ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
                || ip.is_multicast()
                || mapped_private)
        }
        Err(_) => {
            bare.contains('.')
                && !bare.ends_with(".local")
                && !bare.ends_with(".internal")
                && !bare.ends_with(".localhost")
        }
    }
}

fn append_query(target: &mut String, query: &str) {
    if !query.is_empty() {
        target.push(if target.contains('?') { '&' } else { '?' });
        target.push_str(query);
    }
}

fn header_value(text: String) -> Result<HeaderValue, EvalError> {
    HeaderValue::try_from(text).map_err(|_| EvalError::new("the value cannot stand in a header"))
}

/// Why one attempt brought nothing.
#[derive(Debug)]
enum Missed {
    /// The server's answer is no success.
    Answered(Box<Answer>, Verdict),
    /// There was none.
    Transport(HttpError),
    /// `classify: stop` matched.
    Stop(Box<Answer>),
}

impl Classify for Missed {
    fn verdict(&self) -> Verdict {
        match self {
            Missed::Answered(_, verdict) => *verdict,
            Missed::Transport(error) => error.verdict(),
            Missed::Stop(_) => Verdict {
                class: Class::Fatal,
                sent: Sent::Answered,
                retry_at: None,
            },
        }
    }
}

/// Makes one call of `step`; `item` is its index within an `each`.
///
/// # Cancel safety
/// Dropping the future drops the attempt in progress: a request that was sent may be carried out all the same. No permit,
/// token or place in the queue is lost.
pub(super) async fn call(
    work: &Work,
    working: &Working<'_>,
    index: usize,
    scope: &Scope,
    item: Option<usize>,
) -> Result<Answered, Failed> {
    let step = &work.plan.steps[index];
    let service = &work.services[step.service];
    let plan = &work.plan.services[step.service];
    let fault = |cause: String| {
        Failed::Dead(Box::new(Death {
            step: Some(index),
            cause,
            template: true,
            ..Death::default()
        }))
    };
    let request = build(work, working, step, scope, item).map_err(fault)?;
    let op = if step.idempotent {
        Op::idempotent()
    } else {
        Op::unsafe_to_repeat()
    };
    let op = match step.timeout {
        Some(timeout) => op.timeout(timeout),
        None => op,
    };
    let attempts = AtomicU32::new(0);
    let outcome = {
        let attempts = &attempts;
        let request = &request;
        service
            .policy
            .call(op, move |attempt| {
                attempts.store(attempt.number, Relaxed);
                working.sent.store(true, Relaxed);
                let request = request.clone();
                async move {
                    let answer = service
                        .client
                        .send(request)
                        .await
                        .map_err(Missed::Transport)?;
                    if let Some((remaining, reset_at)) =
                        tidegate_http::quota(&answer.headers, Instant::now())
                    {
                        attempt.quota(Quota {
                            remaining,
                            reset_at,
                        });
                    }
                    match answer::judge(&answer, [step.classify.as_ref(), plan.classify.as_ref()]) {
                        Judged::Stop => Err(Missed::Stop(Box::new(answer))),
                        Judged::Verdict(verdict) if verdict.class == Class::Ok => Ok(answer),
                        Judged::Verdict(verdict) => {
                            Err(Missed::Answered(Box::new(answer), verdict))
                        }
                    }
                }
            })
            .await
    };
    let attempts = attempts.into_inner();
    match outcome {
        Ok(answer) => {
            let body = answer::value(&answer, step.as_body).map_err(|cause| {
                Failed::Dead(Box::new(Death {
                    step: Some(index),
                    cause,
                    status: Some(answer.status.as_u16()),
                    attempts,
                    body: answer::head(&answer.body),
                    ..Death::default()
                }))
            })?;
            Ok(Answered {
                body,
                status: Some(answer.status.as_u16()),
                headers: answer::headers_value(answer.headers),
                attempts,
            })
        }
        Err(error) => Err(failed(work, index, attempts, error)),
    }
}

/// The request of a step whose needs are met, as text.
pub(crate) fn preview(work: &Work, record: &Record, index: usize) -> Result<String, String> {
    let working = Working::new(record);
    let scope = Scope::new(&work.globals, record.value.clone());
    let request = build(work, &working, &work.plan.steps[index], &scope, None)?;
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
fn build(
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
    let uri = service.uri(plan, target.render(scope).map_err(shown)?, &pairs)?;
    let mut all = service.headers.clone();
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
    let varying = service.varying.iter().map(|index| &plan.headers[*index]);
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

/// What a policy's refusal means for the record.
fn failed(work: &Work, index: usize, attempts: u32, error: CallError<Missed>) -> Failed {
    let step = &work.plan.steps[index];
    let (cause, status, body, maybe) = match &error.last {
        Some(Missed::Stop(answer)) => {
            let body =
                answer::head(&answer.body).map(|body| work.globals.redact(&body).into_owned());
            return Failed::Unfinished(Unfinished::Told {
                step: index,
                status: Some(answer.status.as_u16()),
                body,
            });
        }
        Some(Missed::Answered(answer, _)) => {
            let status = answer.status;
            let cause = format!(
                "{} {}",
                status.as_str(),
                status.canonical_reason().unwrap_or("")
            )
            .trim_end()
            .to_owned();
            (
                cause,
                Some(status.as_u16()),
                answer::head(&answer.body),
                false,
            )
        }
        Some(Missed::Transport(error)) => (
            error.to_string(),
            None,
            None,
            error.verdict().sent == Sent::Maybe,
        ),
        None => (String::new(), None, None, false),
    };
    let body = body.map(|body| work.globals.redact(&body).into_owned());
    let timed_out = error
        .attempts
        .last()
        .is_some_and(|attempt| attempt.class == Class::Timeout);
    let cause = if cause.is_empty() && timed_out {
        "no answer within the timeout".to_owned()
    } else {
        cause
    };
    let cause = match error.why {
        StopReason::GaveUp { down_for } => {
            return Failed::Unfinished(Unfinished::GaveUp {
                service: step.service,
                down_for,
                last: cause,
            });
        }
        StopReason::ServerSaidNo { retry_at } => {
            let wait = retry_at.saturating_duration_since(Instant::now());
            let asks = format!("the server asks to wait {} s, longer than `patience`", wait.as_secs());
            if error.attempts.is_empty() {
                // The whole service pauses: nothing was sent for this record.
                return Failed::Unfinished(Unfinished::GaveUp { service: step.service, down_for: wait, last: asks });
            }
            format!("{cause}; {asks}")
        }
        StopReason::Cancelled | StopReason::Full { .. } => {
            return Failed::Unfinished(Unfinished::Drained);
        }
        _ => cause,
    };
    let maybe_done = !step.idempotent && (maybe || timed_out);
    let cause = if maybe_done {
        format!("{cause} (maybe done: the request was sent, and the step is not idempotent)")
    } else {
        cause
    };
    Failed::Dead(Box::new(Death {
        step: Some(index),
        cause,
        status,
        attempts,
        body,
        maybe_done,
        template: false,
    }))
}
