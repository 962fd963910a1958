//! The figures with a label. Each takes its part of the snapshot to pieces, so that no piece can be forgotten.

use super::figure::{Look, Points, each};
use crate::policy::{BreakerFigures, BreakerState, Classes, Consulted, Latency, StopCounts};

pub(super) fn stopped(look: &Look<'_>) -> Points<u64> {
    let StopCounts {
        not_retriable,
        attempts_exhausted,
        budget_exhausted,
        deadline_too_close,
        server_said_no,
        not_replayable,
        cancelled,
        full,
        gave_up,
        breaker_open,
        left_to_outer,
    } = look.snapshot.calls.stopped;
    each([
        ("not_retriable", not_retriable),
        ("attempts_exhausted", attempts_exhausted),
        ("budget_exhausted", budget_exhausted),
        ("deadline_too_close", deadline_too_close),
        ("server_said_no", server_said_no),
        ("not_replayable", not_replayable),
        ("cancelled", cancelled),
        ("full", full),
        ("gave_up", gave_up),
        ("breaker_open", breaker_open),
        ("left_to_outer", left_to_outer),
    ])
}

pub(super) fn classes(look: &Look<'_>) -> Points<u64> {
    let Classes {
        ok,
        transient,
        throttled,
        overload,
        fatal,
        never_sent,
        timeout,
        rejected,
        cancelled,
    } = look.snapshot.classes;
    each([
        ("ok", ok),
        ("transient", transient),
        ("throttled", throttled),
        ("overload", overload),
        ("fatal", fatal),
        ("never_sent", never_sent),
        ("timeout", timeout),
        ("rejected", rejected),
        ("cancelled", cancelled),
    ])
}

pub(super) fn consulted(look: &Look<'_>) -> Points<u64> {
    let Consulted {
        deadline,
        queue,
        breaker,
        health,
        pause,
        permit,
        rate,
        retry,
        budget,
        hedge,
        timeout,
        fallback,
    } = look.snapshot.consulted;
    each([
        ("deadline", deadline),
        ("queue", queue),
        ("breaker", breaker),
        ("health", health),
        ("pause", pause),
        ("permit", permit),
        ("rate", rate),
        ("retry", retry),
        ("budget", budget),
        ("hedge", hedge),
        ("timeout", timeout),
        ("fallback", fallback),
    ])
}

/// In seconds.
pub(super) fn quantiles(latency: Latency) -> Points<f64> {
    let Latency {
        p50_ms,
        p95_ms,
        p99_ms,
    } = latency;
    each([
        ("0.5", p50_ms / 1e3),
        ("0.95", p95_ms / 1e3),
        ("0.99", p99_ms / 1e3),
    ])
}

/// 1 for the state that the breaker is in: states have no order that a number could show.
pub(super) fn breaker_state(look: &Look<'_>) -> Points<f64> {
    let Some(BreakerFigures { state, .. }) = look.snapshot.breaker else {
        return Vec::new();
    };
    let [closed, open, half_open] = match state {
        BreakerState::Closed => [1.0, 0.0, 0.0],
        BreakerState::Open { .. } => [0.0, 1.0, 0.0],
        BreakerState::HalfOpen { .. } => [0.0, 0.0, 1.0],
    };
    each([("closed", closed), ("open", open), ("half_open", half_open)])
}

pub(super) fn breaker_probes(look: &Look<'_>) -> Points<f64> {
    let Some(BreakerFigures { state, .. }) = look.snapshot.breaker else {
        return Vec::new();
    };
    let (out, succeeded) = match state {
        BreakerState::HalfOpen { out, succeeded } => (out, succeeded),
        BreakerState::Closed | BreakerState::Open { .. } => (0, 0),
    };
    each([("out", f64::from(out)), ("succeeded", f64::from(succeeded))])
}
