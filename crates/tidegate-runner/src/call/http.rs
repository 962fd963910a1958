//! One HTTP call: rendered once, sent as often as the policy of its service says.

use super::{
    answer::{self, Judged},
    outcome::{Answered, Death, Failed, Unfinished, is_verdict},
    record::{Flight, Work, Working},
    request::build,
};
use crate::expr::Scope;
use minijinja::Value;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed};
use tidegate::policy::{CallError, Class, Classify, Op, Quota, Sent, StopReason, Verdict};
use tidegate_http::{Answer, HttpError};
use tokio::time::{Instant, timeout};

/// Counts a call that must neither be dropped in the middle nor repeated, from its first attempt to its end.
struct Unsafe<'c> {
    counters: Option<[&'c AtomicUsize; 2]>,
    counted: AtomicBool,
}

impl<'c> Unsafe<'c> {
    fn new(working: &'c Working<'_>, flight: &'c Flight, idempotent: bool) -> Unsafe<'c> {
        let counters = (!idempotent).then_some([&working.open_unsafe, &flight.open_unsafe]);
        Unsafe {
            counters,
            counted: AtomicBool::new(false),
        }
    }

    fn sent(&self) {
        if let Some(counters) = self.counters
            && !self.counted.swap(true, Relaxed)
        {
            for counter in counters {
                counter.fetch_add(1, Relaxed);
            }
        }
    }
}

impl Drop for Unsafe<'_> {
    fn drop(&mut self) {
        if let (Some(counters), true) = (self.counters, self.counted.load(Relaxed)) {
            for counter in counters {
                counter.fetch_sub(1, Relaxed);
            }
        }
    }
}

/// Why one attempt brought nothing.
#[derive(Debug)]
enum Missed {
    /// The server's answer is no success.
    Answered(Box<Answer>, Verdict),
    /// There was none.
    Transport(HttpError),
    /// The record's own time, `records.deadline`, is used up.
    RecordDeadline,
    /// The record or the step has failed while this call waited for its turn: it was not sent.
    Pointless,
    /// `classify: stop` matched.
    Stop(Box<Answer>),
}

impl Classify for Missed {
    fn verdict(&self) -> Verdict {
        match self {
            Missed::Answered(_, verdict) => *verdict,
            Missed::Transport(error) => error.verdict(),
            // Says nothing about the service, and another attempt has no time either.
            Missed::Pointless => Verdict::cancelled().sent(Sent::No),
            Missed::RecordDeadline => Verdict::cancelled().sent(Sent::Maybe),
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
    flight: &Flight,
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
    let unsafe_call = Unsafe::new(working, flight, step.idempotent);
    let mut place = match &service.places {
        Some(places) => Some(places.take(&work.bell).await),
        None => None,
    };
    let outcome = {
        let attempts = &attempts;
        let unsafe_call = &unsafe_call;
        let request = &request;
        service
            .policy
            .call(op, move |attempt| {
                // It has left the gate. For a hedge, which comes later, there is nothing to give back.
                drop(place.take());
                let is_first = attempts.fetch_add(1, Relaxed) == 0;
                let pointless =
                    is_first && (working.failed.load(Relaxed) || flight.failed.load(Relaxed));
                if !pointless {
                    working.sent.store(true, Relaxed);
                    unsafe_call.sent();
                }
                // Boxed: what it holds while it waits for the answer is large, and the steps of a record are moved.
                Box::pin(async move {
                    if pointless {
                        return Err(Missed::Pointless);
                    }
                    let sending = service.client.send_again(request);
                    let sent = match working.clock.start(attempt.started) {
                        None => sending.await,
                        Some((left, _running)) => timeout(left, sending)
                            .await
                            .map_err(|_| Missed::RecordDeadline)?,
                    };
                    let answer = sent.map_err(Missed::Transport)?;
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
                })
            })
            .await
    };
    drop(unsafe_call);
    let attempts = attempts.into_inner();
    match outcome {
        Ok(answer) => {
            let body = answer::value(&answer, step.as_body).map_err(|cause| {
                Failed::Dead(Box::new(Death {
                    step: Some(index),
                    cause,
                    status: Some(answer.status.as_u16()),
                    attempts,
                    body: answer::head(&answer.body, &work.globals),
                    ..Death::default()
                }))
            })?;
            Ok(Answered {
                body,
                status: Some(answer.status.as_u16()),
                headers: headers(work, answer.headers),
                attempts,
            })
        }
        Err(error) => Err(failed(work, index, attempts, error)),
    }
}

/// Headers are slices of the connection's buffer: kept for nothing, they would keep it from being used again.
fn headers(work: &Work, headers: http::HeaderMap) -> Value {
    if work.plan.reads_details {
        answer::headers_value(headers)
    } else {
        Value::from(())
    }
}

/// What a policy's refusal means for the record.
fn failed(work: &Work, index: usize, attempts: u32, error: CallError<Missed>) -> Failed {
    let step = &work.plan.steps[index];
    let (cause, status, body, maybe) = match &error.last {
        Some(Missed::Stop(answer)) => {
            let body = answer::head(&answer.body, &work.globals);
            return Failed::Unfinished(Unfinished::Told {
                step: index,
                status: Some(answer.status.as_u16()),
                body,
            });
        }
        Some(Missed::Answered(answer, verdict)) => {
            let status = answer.status;
            // A 500 or a bare 503 does not say how far the server got; a 429 or a 503 with `Retry-After` refuses.
            let maybe = match verdict.class {
                Class::Transient => true,
                Class::Overload => verdict.retry_at.is_none(),
                _ => false,
            };
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
                answer::head(&answer.body, &work.globals),
                maybe,
            )
        }
        Some(Missed::Transport(error)) => (
            error.to_string(),
            None,
            None,
            error.verdict().sent == Sent::Maybe,
        ),
        Some(Missed::RecordDeadline) => {
            let cause = "its requests took longer than `records.deadline`";
            (cause.to_owned(), None, None, true)
        }
        Some(Missed::Pointless) | None => (String::new(), None, None, false),
    };
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
            // A quota that opens only after `patience` is nobody's verdict on this record.
            return Failed::Unfinished(Unfinished::AskedToWait {
                service: step.service,
                wait: retry_at.saturating_duration_since(Instant::now()),
            });
        }
        StopReason::Cancelled if matches!(error.last, Some(Missed::RecordDeadline)) => cause,
        StopReason::Cancelled => return Failed::Unfinished(Unfinished::Drained),
        why if is_verdict(&why) => cause,
        why => {
            return Failed::Unfinished(Unfinished::Refused {
                service: step.service,
                why: why.to_string(),
            });
        }
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
