//! The loop that owns a run.

use super::{Live, Options, RunError, Which, early::EarlyStop, positions::Positions};
use crate::{
    call::{Death, Work, Worked},
    journal::{ByIdentity, FlowState, Identity, Mark, Phase, Settled, SourceMark},
    output::{Dying, Ending, Row, RowRef, Writer},
    record::{Bad, Batch, Fed, Passed, ReaderError, Record, tail_hash},
    report::{Causes, Report, StepReport},
};
use std::{
    collections::{BTreeMap, VecDeque},
    hash::BuildHasherDefault,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tidegate::{
    Gather, Reason, Scope,
    stream::{Batcher, Limits, PerKey, Receiver},
};
use tokio::time::{Instant, Sleep, sleep_until};

/// A commit holds at most this many records, this many bytes, and waits at most this long.
const BATCH: Limits = Limits {
    count: 256,
    bytes: 1024 * 1024,
    age: Duration::from_millis(200),
};

/// An outcome that is final, in the order in which it goes to the sink.
#[derive(Debug)]
pub(super) enum Final {
    Done(Row, RowRef),
    Dead(Box<Dying>),
    /// Nothing to write; here to keep the order, and to be counted with its position.
    Passed(Passed),
}

/// A death that may yet turn out to be everybody's.
#[derive(Debug)]
pub(super) enum Suspect {
    Record(Box<Record>, Box<Death>),
    Line(Box<Bad>),
}

impl Suspect {
    /// Bytes of the run's memory.
    pub(super) fn weight(&self) -> usize {
        match self {
            Suspect::Record(record, _) => record.weight(),
            Suspect::Line(bad) => bad.weight(),
        }
    }
}

/// Why nothing new is taken any more.
#[derive(Debug)]
pub(super) enum Stop {
    /// The caller's scope was cancelled.
    Told(String),
    /// A service, every record, or the sink.
    GaveUp(String),
    /// The input cannot be read on.
    Reading(RunError),
}

/// A run in progress.
pub(super) struct Engine {
    pub(super) work: Arc<Work>,
    pub(super) options: Options,
    pub(super) live: Arc<Live>,
    pub(super) run: (String, String),
    /// How far the flow had come before.
    pub(super) phase: Phase,
    /// Dead letters taken up again: no longer skipped.
    pub(super) taken_again: u64,
    pub(super) fingerprint: Option<SourceMark>,
    pub(super) outstanding: u64,

    pub(super) feed: Option<Receiver<Result<Batch, ReaderError>>>,
    pub(super) stop_reading: Arc<AtomicBool>,
    pub(super) queue: VecDeque<Fed>,
    pub(super) keys: PerKey<Identity, Box<Record>, BuildHasherDefault<ByIdentity>>,
    /// Records whose turn has come because the one before them with the same key has ended.
    pub(super) ready: VecDeque<Box<Record>>,
    pub(super) positions: Positions<Final>,
    pub(super) early: EarlyStop<Suspect>,
    pub(super) writer: Writer,
    pub(super) batch: Batcher<Final>,
    /// Filtered records that the next commit counts.
    pub(super) filtered: u64,
    /// Records passed over since the last commit.
    pub(super) passed: u64,

    /// The services that a record calls first, and how often.
    pub(super) doors: Vec<(usize, usize)>,
    /// Records launched, in this run; those that have not begun yet have not come to their service either.
    pub(super) launched: usize,
    /// Records under way.
    pub(super) flying: usize,
    /// Records taken, in this run.
    pub(super) taken: u64,
    /// Bytes of records and rows between reading and commit.
    pub(super) held_bytes: usize,
    /// Bytes of what is in the batch.
    pub(super) batch_weight: usize,
    pub(super) stop: Option<Stop>,
    /// Whether rows keep their record, as the sink may refuse one.
    pub(super) keeps_records: bool,
    pub(super) began: Instant,
    pub(super) steps: Vec<StepReport>,
    pub(super) causes: Causes,
    pub(super) holders: BTreeMap<String, u64>,
}

impl Engine {
    #[expect(
        clippy::too_many_arguments,
        reason = "called once, from the set-up that made them all"
    )]
    pub(super) fn new(
        work: Arc<Work>,
        options: Options,
        live: Arc<Live>,
        state: &FlowState,
        settled: Settled,
        start: Mark,
        fingerprint: Option<SourceMark>,
        feed: Receiver<Result<Batch, ReaderError>>,
        writer: Writer,
        stop_reading: Arc<AtomicBool>,
    ) -> Engine {
        let records = &work.plan.records;
        let mut calls = BTreeMap::new();
        for step in work.plan.steps.iter().filter(|step| step.needs.is_empty()) {
            *calls.entry(step.service).or_insert(0) += 1;
        }
        let doors = calls.into_iter().collect();
        let mark = if settled.mark() == 0 {
            start
        } else {
            state.mark
        };
        Engine {
            positions: Positions::new(records.order, settled, mark),
            steps: vec![StepReport::default(); work.plan.steps.len()],
            keeps_records: writer.may_refuse,
            run: (state.run.clone(), state.started.clone()),
            phase: state.phase,
            taken_again: 0,
            outstanding: state.dead,
            work,
            options,
            live,
            fingerprint,
            feed: Some(feed),
            stop_reading,
            queue: VecDeque::new(),
            keys: PerKey::default(),
            ready: VecDeque::new(),
            early: EarlyStop::new(),
            writer,
            batch: Batcher::new(BATCH),
            filtered: 0,
            passed: 0,
            doors,
            launched: 0,
            flying: 0,
            taken: 0,
            held_bytes: 0,
            batch_weight: 0,
            stop: None,
            began: Instant::now(),
            causes: Causes::default(),
            holders: BTreeMap::new(),
        }
    }

    /// The run was told to stop before it could start its threads. Its journal stays as that of a run that was killed.
    pub(super) fn never_began(self, why: Reason) -> Report {
        self.report(Some(Stop::Told(told(why))), false)
    }

    /// Runs until everything that was taken is settled and committed, or given up.
    pub(super) async fn run(mut self, scope: &Scope<RunError>) -> Result<Report, RunError> {
        let mut gather: Gather<Worked, RunError> = scope.gather();
        let far = Instant::now() + Duration::from_secs(86_400 * 365);
        let mut due = std::pin::pin!(sleep_until(far));
        let mut cut_at: Option<std::pin::Pin<Box<Sleep>>> = None;
        // A cancel is level-triggered: without this it would be heard in every round.
        let mut heard = false;
        let mut sample = tokio::time::interval(Duration::from_secs(1));
        loop {
            self.admit(&mut gather);
            self.flush_if_due();
            self.publish();
            if self.is_over() {
                break;
            }
            let wake = self.batch.due_at().unwrap_or(far);
            if due.deadline() != wake {
                due.as_mut().reset(wake);
            }
            let reading = self.wants_more();
            tokio::select! {
                biased;
                worked = gather.next(), if self.flying > 0 => match worked {
                    Some(Ok(worked)) => self.worked(worked),
                    // Cut: nothing is known of it but that it is not done.
                    _ => self.flying -= 1,
                },
                why = tidegate::cancelled(), if !heard => {
                    heard = true;
                    // A signal after the run has given up by itself changes neither cause nor drain.
                    match self.stop {
                        None => self.stop(Stop::Told(told(why))),
                        Some(_) => self.work.drain.cut(),
                    }
                    cut_at.get_or_insert_with(|| self.cut_timer());
                }
                receipt = self.writer.receipt(), if self.writer.open > 0 => self.receipt(receipt),
                batch = next_batch(&mut self.feed), if reading => self.received(batch),
                () = due.as_mut(), if !self.batch.is_empty() && self.writer.has_room() => {}
                () = timer(&mut cut_at), if cut_at.is_some() => {
                    self.work.drain.cut();
                    cut_at = None;
                }
                () = self.work.bell.rung(), if !self.queue.is_empty() => {}
                _ = sample.tick() => self.sample(),
            }
            if self.stop.is_some()
                && cut_at.is_none()
                && self.flying > 0
                && !self.work.drain.is_cut()
            {
                cut_at = Some(self.cut_timer());
            }
        }
        self.finish().await
    }

    /// Started work gets nine tenths of the grace; the rest is for the last commit.
    pub(super) fn cut_timer(&self) -> std::pin::Pin<Box<Sleep>> {
        Box::pin(tokio::time::sleep(self.options.grace.mul_f64(0.9)))
    }

    /// Nothing is under way, nothing will come, and everything is committed.
    fn is_over(&mut self) -> bool {
        if self.flying > 0 || self.writer.open > 0 {
            return false;
        }
        let no_more = self.stop.is_some()
            || self.limit_reached()
            || (self.feed.is_none() && self.queue.is_empty());
        if !no_more {
            return false;
        }
        if self.stop.is_none() {
            // The input is at its end: what is held back is dead after all.
            let held = self.early.release();
            self.bury_held(held);
        }
        if matches!(self.stop, Some(Stop::GaveUp(_))) && self.writer.failed {
            return true;
        }
        if self.has_uncommitted() {
            self.commit();
            return false;
        }
        true
    }

    fn has_uncommitted(&self) -> bool {
        !self.batch.is_empty() || self.filtered > 0 || self.passed > 0
    }

    /// Nothing new is taken from now on.
    pub(super) fn stop(&mut self, why: Stop) {
        self.stop = Some(why);
        self.work.drain.begin();
        self.stop_reading.store(true, Relaxed);
        self.feed = None;
        self.queue.clear();
    }

    pub(super) fn publish(&self) {
        self.live
            .flying
            .store((self.flying + self.keys.waiting()) as u64, Relaxed);
    }

    /// Once a second: what holds the run back.
    fn sample(&mut self) {
        if let Some(holder) = self.live.status().held_by {
            *self.holders.entry(holder).or_default() += 1;
        }
    }

    async fn finish(mut self) -> Result<Report, RunError> {
        let limited = self.limit_reached() && !(self.feed.is_none() && self.queue.is_empty());
        let more_came = limited && self.stop.is_none();
        let ended = self.stop.is_none() && !more_came;
        self.stop_reading.store(true, Relaxed);
        self.feed = None;
        if !self.writer.failed {
            let mark = self.positions.mark();
            let phase = match self.options.which {
                Which::All if ended => Phase::Finished,
                Which::All => Phase::Stopped,
                // Nothing was read: the flow is as far as it was.
                Which::Marked if self.phase == Phase::Finished => Phase::Finished,
                Which::Marked => Phase::Stopped,
            };
            let source = self.fingerprint.take().map(|known| SourceMark {
                tail: tail_hash(&self.work.plan, mark),
                ..known
            });
            let ended = match self.writer.end(Ending { phase, source }) {
                Ok(()) => self.writer.receipt().await.map(drop),
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                self.sink_failed(&error);
            }
        }
        match self.stop.take() {
            Some(Stop::Reading(error)) => Err(error),
            stop => Ok(self.report(stop, more_came)),
        }
    }
}

async fn next_batch(
    feed: &mut Option<Receiver<Result<Batch, ReaderError>>>,
) -> Option<Result<Batch, ReaderError>> {
    match feed {
        Some(feed) => feed.recv().await,
        None => std::future::pending().await,
    }
}

async fn timer(at: &mut Option<std::pin::Pin<Box<Sleep>>>) {
    match at {
        Some(at) => at.as_mut().await,
        None => std::future::pending().await,
    }
}

/// A signal by its name, anything else in its own words.
fn told(why: Reason) -> String {
    match why {
        Reason::Shutdown(signal) => signal.to_string(),
        why => why.to_string(),
    }
}
