//! The account of a run: what `--report` writes and the exit code is made of.

use serde::Serialize;
use std::collections::BTreeMap;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every record is done.
    Done,
    /// Finished, with dead letters outstanding.
    DeadLetters,
    /// There was nothing that an earlier run had not finished.
    NothingNew,
    /// `--limit` was reached.
    Limited,
    /// Stopped by a signal; the next run goes on.
    Stopped,
    /// A service, the sink or every record refused; the next run goes on.
    GaveUp,
}

/// The report of a run. `read = done + dead + skipped + pending`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The version of this form: 1.
    pub version: u32,
    /// The flow's name.
    pub flow: String,
    /// The run's name; a resumed run keeps it.
    pub run: String,
    /// When it began, as RFC 3339; a resumed run keeps it.
    pub started: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The program's exit code.
    pub exit: u8,
    /// What stopped it before its end.
    pub stopped_by: Option<String>,
    /// The sum of the four that follow.
    pub read: u64,
    /// Records done by this run.
    pub done: u64,
    /// Records that died in this run.
    pub dead: u64,
    /// Records settled by an earlier run, and those that `where` left out.
    pub skipped: u64,
    /// Records taken and not finished; 0 unless the run was stopped.
    pub pending: u64,
    /// Of `skipped`: left out by `where`, in this run.
    pub filtered: u64,
    /// Dead letters outstanding, those of earlier runs included.
    pub dead_outstanding: u64,
    /// Length of this run in seconds.
    pub seconds: f64,
    /// What held the run back most.
    pub limited_by: Option<String>,
    /// Per service.
    pub services: BTreeMap<String, ServiceReport>,
    /// Per step.
    pub steps: BTreeMap<String, StepReport>,
    /// The causes of death, the commonest first; at most 50.
    pub dead_by: Vec<DeadBy>,
}

/// What a service was asked.
#[derive(Clone, Debug, Serialize)]
pub struct ServiceReport {
    /// Attempts sent.
    pub requests: u64,
    /// Of these, repeats.
    pub retries: u64,
    /// Answers that said "too fast".
    pub throttled: u64,
    /// Attempts without an answer in time.
    pub timeouts: u64,
    /// Most requests open at once.
    pub in_flight_max: usize,
    /// Share of the rate that was used, 0 to 1; null without a rate.
    pub rate_used: Option<f64>,
    /// Of `requests`: sent beside one that took long; null without `hedge`.
    pub hedges: Option<HedgesReport>,
    /// How often its breaker opened; null without `breaker`.
    pub breaker_opened: Option<u64>,
    /// Of attempts that were answered, in milliseconds.
    pub latency_ms: LatencyReport,
}

/// Requests sent beside one that took long.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct HedgesReport {
    /// All of them.
    pub sent: u64,
    /// Those that answered first.
    pub won: u64,
}

/// Quantiles in milliseconds; null before the first answer.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LatencyReport {
    /// The median.
    pub p50: Option<f64>,
    /// 95 of 100 were faster.
    pub p95: Option<f64>,
    /// 99 of 100 were faster.
    pub p99: Option<f64>,
}

/// How a step ended, by records.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct StepReport {
    /// With an answer.
    pub ok: u64,
    /// With the value of `otherwise`.
    pub otherwise: u64,
    /// Left out by `when`.
    pub skipped: u64,
    /// With the record's death.
    pub dead: u64,
}

/// One cause of death.
#[derive(Clone, Debug, Serialize)]
pub struct DeadBy {
    /// The step; null for the record itself, its row or the sink.
    pub step: Option<String>,
    /// Why.
    pub cause: String,
    /// The HTTP status.
    pub status: Option<u16>,
    /// How many records.
    pub count: u64,
    /// One of them: its key or line.
    pub example: String,
}

/// Counts causes, bounded: an API that puts an id into every message must not fill the memory.
#[derive(Debug, Default)]
pub(crate) struct Causes {
    all: Vec<DeadBy>,
    others: u64,
}

const MOST_CAUSES: usize = 50;

impl Causes {
    pub(crate) fn count(
        &mut self,
        step: Option<&str>,
        cause: &str,
        status: Option<u16>,
        example: impl FnOnce() -> String,
    ) {
        let same = |known: &&mut DeadBy| {
            known.step.as_deref() == step && known.cause == cause && known.status == status
        };
        if let Some(known) = self.all.iter_mut().find(same) {
            known.count += 1;
        } else if self.all.len() < MOST_CAUSES {
            let step = step.map(str::to_owned);
            self.all.push(DeadBy {
                step,
                cause: cause.to_owned(),
                status,
                count: 1,
                example: example(),
            });
        } else {
            self.others += 1;
        }
    }

    pub(crate) fn into_list(mut self) -> Vec<DeadBy> {
        self.all.sort_by_key(|cause| std::cmp::Reverse(cause.count));
        if self.others > 0 {
            let cause = "other causes".to_owned();
            self.all.push(DeadBy {
                step: None,
                cause,
                status: None,
                count: self.others,
                example: String::new(),
            });
        }
        self.all
    }
}
