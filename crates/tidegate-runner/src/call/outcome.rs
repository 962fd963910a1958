//! How a record or one of its calls ended.

use crate::{output::Row, record::Record};
use minijinja::Value;
use std::time::Duration;
use tidegate::policy::StopReason;

/// A record after its steps.
#[derive(Debug)]
pub(crate) struct Worked {
    pub(crate) record: Box<Record>,
    pub(crate) end: End,
    /// Bit per step: it had an answer that counts as a success.
    pub(crate) ok: u64,
    /// Bit per step: it failed and `otherwise` stood in.
    pub(crate) otherwise: u64,
    /// Bit per step: `when` left it out.
    pub(crate) skipped: u64,
    /// Deaths of steps for which `otherwise` stood in.
    pub(crate) refused: Vec<Death>,
}

/// The end of a record.
#[derive(Debug)]
pub(crate) enum End {
    /// Its row is ready.
    Done(Row),
    /// It will not succeed.
    Dead(Box<Death>),
    /// Given up without a verdict: it counts as not taken.
    Unfinished(Unfinished),
}

/// Why a record will not succeed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Death {
    /// The step; none: the record's row.
    pub(crate) step: Option<usize>,
    pub(crate) cause: String,
    pub(crate) status: Option<u16>,
    pub(crate) attempts: u32,
    /// Head of the last answer's body.
    pub(crate) body: Option<String>,
    pub(crate) maybe_done: bool,
    /// The fault is in a template or an expression.
    pub(crate) template: bool,
}

/// Why a record was given up.
#[derive(Clone, Debug)]
pub(crate) enum Unfinished {
    /// The run stops and nothing had been sent for it.
    Drained,
    /// Its service stayed down longer than its patience.
    GaveUp {
        service: usize,
        down_for: Duration,
        last: String,
    },
    /// The service asks to wait longer than its patience: its quota is spent.
    AskedToWait { service: usize, wait: Duration },
    /// The service's own policy sent nothing, which is no verdict on the record.
    Refused { service: usize, why: String },
    /// `classify: stop` matched.
    Told {
        step: usize,
        status: Option<u16>,
        body: Option<String>,
    },
}

/// Why a call brought no value.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The record's fault, or the server's verdict on it.
    Dead(Box<Death>),
    Unfinished(Unfinished),
}

/// What a step leaves for the expressions after it.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) body: Value,
    pub(crate) status: Option<u16>,
    pub(crate) headers: Value,
    pub(crate) attempts: u32,
}

/// Whether a call ended because of its record: by what the server said, or after as many real attempts as were promised.
/// A policy's own refusal is nobody's verdict.
pub(super) fn is_verdict(why: &StopReason) -> bool {
    matches!(
        why,
        StopReason::NotRetriable | StopReason::NotReplayable | StopReason::AttemptsExhausted { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[test]
    fn what_a_policy_refuses_by_itself_is_no_verdict() {
        let retry_at = Instant::now();
        let down_for = Duration::from_secs(1);
        for refusal in [
            StopReason::BreakerOpen { retry_at },
            StopReason::LeftToOuter,
            StopReason::Full { limit: 1 },
            StopReason::BudgetExhausted,
            StopReason::DeadlineTooClose,
            StopReason::ServerSaidNo { retry_at },
            StopReason::GaveUp { down_for },
            StopReason::Cancelled,
        ] {
            assert!(!is_verdict(&refusal), "{refusal:?}");
        }
        for verdict in [
            StopReason::NotRetriable,
            StopReason::NotReplayable,
            StopReason::AttemptsExhausted { attempts: 5 },
        ] {
            assert!(is_verdict(&verdict), "{verdict:?}");
        }
    }
}
