//! The loop that owns a run.

use super::{
    Live, Options, RunError, Which,
    early::{EarlyStop, Fate},
    settle::Positions,
};
use crate::{
    call::{Death, End, Unfinished, Work, Worked, work_on},
    journal::{FlowState, Identity, Mark, Phase, Settled, SourceMark},
    output::{Commit, Dying, Ending, Receipt, Row, RowRef, Writer, WriterError, letter},
    plan::Order,
    record::{Bad, Batch, Fed, Passed, ReaderError, Record, tail_hash},
    report::{Causes, LatencyReport, Outcome, Report, ServiceReport, StepReport},
};
use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tidegate::{
    Gather, Scope,
    stream::{Batcher, Limits, PerKey},
};
use tokio::{
    sync::mpsc,
    time::{Instant, Sleep, sleep_until},
};

/// A commit holds at most this many records, this many bytes, and waits at most this long.
const BATCH: Limits = Limits {
    count: 256,
    bytes: 1024 * 1024,
    age: Duration::from_millis(200),
};
/// Records passed over, after which the mark is written down although nothing else is.
const PASSED: u64 = 16 * 1024;

/// An outcome that is final, in the order in which it goes to the sink.
#[derive(Debug)]
enum Final {
    Done(Row, RowRef),
    Dead(Box<Dying>),
    /// Counted when it was read; here only to keep the order.
    Passed,
}

/// A death that may yet turn out to be everybody's.
#[derive(Debug)]
enum Suspect {
    Record(Box<Record>, Box<Death>),
    Line(Box<Bad>),
}

/// Why nothing new is taken any more.
#[derive(Debug)]
enum Stop {
    /// The caller's scope was cancelled.
    Told(String),
    /// A service, every record, or the sink.
    GaveUp(String),
    /// The input cannot be read on.
    Reading(RunError),
}

/// A run in progress.
pub(super) struct Engine {
    work: Arc<Work>,
    options: Options,
    live: Arc<Live>,
    run: (String, String),
    /// How far the flow had come before.
    phase: Phase,
    /// Dead letters taken up again: no longer skipped.
    taken_again: u64,
    fingerprint: Option<SourceMark>,
    outstanding: u64,

    feed: Option<mpsc::Receiver<Result<Batch, ReaderError>>>,
    stop_reading: Arc<AtomicBool>,
    queue: VecDeque<Fed>,
    keys: PerKey<Identity, Box<Record>>,
    /// Records whose turn has come because the one before them with the same key has ended.
    ready: Vec<Box<Record>>,
    positions: Positions<(u64, Final)>,
    early: EarlyStop<Suspect>,
    writer: Writer,
    batch: Batcher<Final>,
    /// Filtered records that the next commit counts.
    filtered: u64,
    /// Records passed over since the last commit.
    passed: u64,

    /// The services that a record calls first, and how often.
    doors: Vec<(usize, usize)>,
    /// Records launched since the last time that others could run: they have not come to their service yet.
    fresh: usize,
    /// Records under way.
    flying: usize,
    /// Records taken, in this run.
    taken: u64,
    /// Bytes of records and rows between reading and commit.
    held_bytes: usize,
    /// Bytes of what is in the batch.
    batch_weight: usize,
    stop: Option<Stop>,
    given_up: u64,
    /// Whether rows keep their record, as the sink may refuse one.
    keeps_records: bool,
    began: Instant,
    steps: Vec<StepReport>,
    causes: Causes,
    holders: BTreeMap<String, u64>,
    scratch: Vec<(u64, Final)>,
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
        feed: mpsc::Receiver<Result<Batch, ReaderError>>,
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
            keys: PerKey::new(),
            ready: Vec::new(),
            early: EarlyStop::new(),
            writer,
            batch: Batcher::new(BATCH),
            filtered: 0,
            passed: 0,
            doors,
            fresh: 0,
            flying: 0,
            taken: 0,
            held_bytes: 0,
            batch_weight: 0,
            stop: None,
            given_up: 0,
            began: Instant::now(),
            causes: Causes::default(),
            holders: BTreeMap::new(),
            scratch: Vec::new(),
        }
    }

    /// Runs until everything that was taken is settled and committed, or given up.
    pub(super) async fn run(mut self, scope: &Scope<RunError>) -> Result<Report, RunError> {
        let mut gather: Gather<Worked, RunError> = scope.gather();
        let far = Instant::now() + Duration::from_secs(86_400 * 365);
        let mut due = std::pin::pin!(sleep_until(far));
        let mut cut_at: Option<std::pin::Pin<Box<Sleep>>> = None;
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
                    _ => {
                        self.flying -= 1;
                        self.given_up += 1;
                    }
                },
                why = tidegate::cancelled(), if !matches!(self.stop, Some(Stop::Told(_))) => {
                    // A signal after the run has given up by itself changes neither cause nor drain.
                    match self.stop {
                        None => self.stop(Stop::Told(why.to_string())),
                        Some(_) => self.work.drain.cut(),
                    }
                    cut_at.get_or_insert_with(|| self.cut_timer());
                }
                receipt = self.writer.receipt(), if self.writer.open > 0 => self.receipt(receipt),
                batch = next_batch(&mut self.feed), if reading => self.received(batch),
                () = due.as_mut(), if !self.batch.is_empty() => {}
                () = timer(&mut cut_at), if cut_at.is_some() => {
                    self.work.drain.cut();
                    cut_at = None;
                }
                () = self.work.bell.rung(), if !self.queue.is_empty() => {}
                _ = sample.tick() => self.sample(),
            }
            self.fresh = 0;
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
    fn cut_timer(&self) -> std::pin::Pin<Box<Sleep>> {
        Box::pin(tokio::time::sleep(self.options.grace.mul_f64(0.9)))
    }

    fn wants_more(&self) -> bool {
        self.queue.is_empty() && self.feed.is_some() && self.stop.is_none() && !self.limit_reached()
    }

    fn limit_reached(&self) -> bool {
        self.options.limit.is_some_and(|limit| self.taken >= limit)
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
            for suspect in self.early.release() {
                self.bury(suspect);
            }
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

    /// Takes records from the queue as far as the window, the memory and the limit allow.
    fn admit(&mut self, gather: &mut Gather<Worked, RunError>) {
        let records = &self.work.plan.records;
        let (most, memory) = (records.in_flight, records.memory);
        let window = (records.order == Order::Input).then_some(records.window as u64);
        let mut blocked = None;
        while self.stop.is_none() && !self.limit_reached() {
            let Some(next) = self.queue.front() else {
                break;
            };
            if let Fed::Record(record) = next {
                if self.flying + self.keys.waiting() >= most {
                    break;
                }
                if !self.has_room() {
                    self.work.bell.ask();
                    break;
                }
                if self.held_bytes > 0 && self.held_bytes + record.weight() > memory {
                    blocked = Some("memory: the records under way are large");
                    break;
                }
                if window.is_some_and(|window| {
                    record.retry_of.is_none() && self.positions.ahead(record.position) >= window
                }) {
                    blocked = Some("order: input (a record before waits)");
                    break;
                }
            }
            if self.writer.open > 0 && !self.writer.has_room() && self.batch.is_full() {
                blocked = Some("the sink");
                break;
            }
            match self.queue.pop_front() {
                Some(Fed::Record(record)) => {
                    self.taken += 1;
                    self.taken_again += u64::from(record.retry_of.is_some());
                    self.held_bytes += record.weight();
                    if let Some(record) = self.keys.start(record.identity, record) {
                        self.launch(gather, record);
                    }
                }
                Some(Fed::Bad(bad)) => self.bad(bad),
                Some(Fed::Passed { position, why, .. }) => self.pass(position, why),
                None => break,
            }
        }
        *self
            .live
            .blocked
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = blocked;
        // Records that became free because the one before them with the same key has ended.
        while let Some(record) = self.ready.pop() {
            self.launch(gather, record);
        }
    }

    /// Whether a record's first calls could leave now, as far as permits go: what is taken in advance would only wait.
    fn has_room(&self) -> bool {
        let room = |&(service, calls): &(usize, usize)| {
            let service: &crate::call::Service = &self.work.services[service];
            service.policy.room() > self.fresh * calls
        };
        self.doors.iter().all(room)
    }

    fn launch(&mut self, gather: &mut Gather<Worked, RunError>, record: Box<Record>) {
        let work = self.work.clone();
        self.flying += 1;
        self.fresh += 1;
        let spawned = gather.try_spawn_with_grace("record", self.options.grace, async move {
            Ok(work_on(work, record).await)
        });
        if spawned.is_err() {
            // The scope is cancelled: the loop is about to hear of it.
            self.flying -= 1;
            self.given_up += 1;
        }
    }

    fn received(&mut self, batch: Option<Result<Batch, ReaderError>>) {
        match batch {
            Some(Ok(Batch { items, after })) => {
                self.live.read.fetch_add(items.len() as u64, Relaxed);
                self.live.read_bytes.fetch_max(after.offset, Relaxed);
                for fed in &items {
                    if !fed.is_retry() {
                        self.positions.open(fed.position(), fed.start());
                    }
                }
                self.positions.advance(after);
                self.queue.extend(items);
            }
            Some(Err(error)) => self.stop(Stop::Reading(RunError::Reading {
                is_input: matches!(error, ReaderError::Source(_)),
                message: error.to_string(),
            })),
            None => self.feed = None,
        }
    }

    /// Nothing new is taken from now on.
    fn stop(&mut self, why: Stop) {
        self.stop = Some(why);
        self.work.drain.begin();
        self.stop_reading.store(true, Relaxed);
        self.feed = None;
        self.queue.clear();
    }

    fn pass(&mut self, position: u64, why: Passed) {
        self.live.skipped.fetch_add(1, Relaxed);
        if why == Passed::Filtered {
            self.filtered += 1;
            self.live.filtered.fetch_add(1, Relaxed);
        }
        self.passed += 1;
        self.finalize(position, Final::Passed);
    }

    fn bad(&mut self, bad: Box<Bad>) {
        self.taken += 1;
        self.taken_again += u64::from(bad.retry_of.is_some());
        if !bad.template {
            return self.bury(Suspect::Line(bad));
        }
        let death = Death {
            cause: bad.cause.clone(),
            template: true,
            ..Death::default()
        };
        self.suspect(&death, Suspect::Line(bad));
    }

    /// A record's steps have ended.
    fn worked(&mut self, worked: Worked) {
        self.flying -= 1;
        let Worked {
            record,
            end,
            ok,
            otherwise,
            skipped,
        } = worked;
        self.ready.extend(self.keys.finish(&record.identity));
        for (index, step) in self.steps.iter_mut().enumerate() {
            step.ok += (ok >> index) & 1;
            step.otherwise += (otherwise >> index) & 1;
            step.skipped += (skipped >> index) & 1;
        }
        let refuted = self.early.success(ok, matches!(end, End::Done(_)));
        refuted.into_iter().for_each(|suspect| self.bury(suspect));
        match end {
            End::Done(row) => self.done(record, row),
            End::Dead(death) => self.suspect(&death.clone(), Suspect::Record(record, death)),
            End::Unfinished(why) => {
                self.given_up += 1;
                self.held_bytes -= record.weight();
                self.gave_up(why);
            }
        }
    }

    fn gave_up(&mut self, why: Unfinished) {
        if self.stop.is_some() {
            return;
        }
        let why = match why {
            Unfinished::Drained => return,
            Unfinished::GaveUp {
                service,
                down_for,
                last,
            } => {
                let name = &self.work.plan.services[service].name;
                format!(
                    "{name} was down for {} s, longer than its patience ({last})",
                    down_for.as_secs()
                )
            }
            Unfinished::Told { step, status, body } => {
                let step = &self.work.plan.steps[step];
                let status = status
                    .map(|status| format!(" ({status})"))
                    .unwrap_or_default();
                let said = body
                    .map(|body| format!("\n  it said: {body}"))
                    .unwrap_or_default();
                format!(
                    "step `{}`: the answer{status} matches `classify: stop`{said}",
                    step.name
                )
            }
        };
        self.stop(Stop::GaveUp(why));
    }

    fn done(&mut self, record: Box<Record>, row: Row) {
        self.held_bytes += row.weight();
        let weight = record.weight() + row.weight();
        let (position, is_retry) = (record.position, record.retry_of.is_some());
        let about = RowRef {
            identity: record.identity,
            retry_of: record.retry_of,
            weight,
            record: self.keeps_records.then_some(record),
        };
        self.settle(position, is_retry, Final::Done(row, about));
    }

    fn suspect(&mut self, death: &Death, suspect: Suspect) {
        let plan = self.work.plan.clone();
        match self
            .early
            .death(death, suspect, |step| plan.steps[step].name.clone())
        {
            Fate::Dead(suspect) => self.bury(suspect),
            Fate::Held => {}
            Fate::Stop(why) if self.stop.is_none() => self.stop(Stop::GaveUp(why)),
            Fate::Stop(_) => {}
        }
    }

    /// A record is dead for good.
    fn bury(&mut self, suspect: Suspect) {
        let (position, dying) = match suspect {
            Suspect::Record(record, death) => {
                let step = death
                    .step
                    .map(|step| self.work.plan.steps[step].name.as_str());
                let cause = self.work.globals.redact(&death.cause).into_owned();
                self.causes
                    .count(step, &cause, death.status, || match &record.key {
                        Some(key) => format!("key {key}"),
                        None => format!("line {}", record.start.line),
                    });
                if let Some(step) = death.step {
                    self.steps[step].dead += 1;
                }
                let new = letter::of_record(
                    &record,
                    &Death {
                        cause,
                        ..*death.clone()
                    },
                    step,
                );
                (
                    record.position,
                    Dying {
                        new,
                        retry_of: record.retry_of,
                        weight: record.weight(),
                    },
                )
            }
            Suspect::Line(bad) => {
                self.causes.count(None, &bad.cause, None, || {
                    format!("line {}", bad.start.line)
                });
                (
                    bad.position,
                    Dying {
                        new: letter::of_line(&bad),
                        retry_of: bad.retry_of,
                        weight: 0,
                    },
                )
            }
        };
        let is_retry = dying.retry_of.is_some();
        if dying.new.provisional {
            // Reported and written down, but its position stays open: the next run reads the line again.
            return self.push(Final::Dead(Box::new(dying)));
        }
        self.settle(position, is_retry, Final::Dead(Box::new(dying)));
    }

    fn settle(&mut self, position: u64, is_retry: bool, outcome: Final) {
        if is_retry {
            // Its position was settled when it died.
            return self.push(outcome);
        }
        self.finalize(position, outcome);
    }

    fn finalize(&mut self, position: u64, outcome: Final) {
        let mut ready = mem::take(&mut self.scratch);
        self.positions
            .outcome(position, (position, outcome), &mut ready);
        for (_, outcome) in ready.drain(..) {
            self.push(outcome);
        }
        self.scratch = ready;
        if self.passed >= PASSED {
            self.commit();
        }
    }

    fn push(&mut self, outcome: Final) {
        let bytes = match &outcome {
            Final::Passed => return,
            Final::Done(row, about) => {
                self.batch_weight += about.weight;
                row.weight()
            }
            Final::Dead(dying) => {
                self.batch_weight += dying.weight;
                dying.new.record.len()
            }
        };
        self.batch.push(outcome, bytes, Instant::now());
        if self.batch.is_full() {
            self.commit();
        }
    }

    fn flush_if_due(&mut self) {
        if self.batch.due_at().is_some() && self.batch.is_due(Instant::now()) {
            self.commit();
        }
    }

    /// Hands the batch to the writer, if it has room; else the batch grows, and taking stops when it is full.
    fn commit(&mut self) {
        if !self.writer.has_room() || self.writer.failed {
            return;
        }
        let (settled, mark) = self.positions.progress();
        let mut commit = Commit {
            settled,
            mark,
            filtered: mem::take(&mut self.filtered),
            ..Commit::default()
        };
        commit.weight = mem::take(&mut self.batch_weight);
        self.passed = 0;
        for outcome in self.batch.take() {
            match outcome {
                Final::Done(row, about) => commit.rows.push((row, about)),
                Final::Dead(dying) => commit.dead.push(*dying),
                Final::Passed => {}
            }
        }
        if let Err(error) = self.writer.commit(commit) {
            self.sink_failed(&error);
        }
    }

    fn receipt(&mut self, receipt: Result<Receipt, WriterError>) {
        match receipt {
            Ok(receipt) => {
                self.live.done.fetch_add(receipt.done, Relaxed);
                self.live.dead.fetch_add(receipt.dead, Relaxed);
                self.live.retried.fetch_add(receipt.retried, Relaxed);
                self.outstanding = self.outstanding + receipt.dead - receipt.retried;
                self.held_bytes -= receipt.weight;
                for (cause, key, line) in receipt.refused {
                    self.causes.count(None, &cause, None, || {
                        key.map_or(format!("line {line}"), |key| format!("key {key}"))
                    });
                }
            }
            Err(error) => self.sink_failed(&error),
        }
    }

    fn sink_failed(&mut self, error: &WriterError) {
        self.writer.failed = true;
        if !matches!(self.stop, Some(Stop::GaveUp(_))) {
            self.stop(Stop::GaveUp(format!("the sink cannot be written: {error}")));
        }
        self.work.drain.cut();
    }

    fn publish(&self) {
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
        let pending = self.given_up
            + self.keys.waiting() as u64
            + self.early.held() as u64
            + self.positions.waiting() as u64;
        match self.stop.take() {
            Some(Stop::Reading(error)) => Err(error),
            stop => Ok(self.report(stop, pending, more_came)),
        }
    }

    fn report(self, stop: Option<Stop>, pending: u64, limited: bool) -> Report {
        let done = self.live.done.load(Relaxed);
        let dead = self.live.dead.load(Relaxed);
        let skipped = self
            .live
            .skipped
            .load(Relaxed)
            .saturating_sub(self.taken_again);
        let (outcome, stopped_by) = match stop {
            Some(Stop::Told(why)) => (Outcome::Stopped, Some(why)),
            Some(Stop::GaveUp(why)) => (Outcome::GaveUp, Some(why)),
            Some(Stop::Reading(_)) | None if limited => (Outcome::Limited, None),
            Some(Stop::Reading(_)) | None if self.outstanding > 0 => (Outcome::DeadLetters, None),
            Some(Stop::Reading(_)) | None if done == 0 && skipped > 0 => {
                (Outcome::NothingNew, None)
            }
            Some(Stop::Reading(_)) | None => (Outcome::Done, None),
        };
        let exit = match outcome {
            Outcome::GaveUp => 5,
            Outcome::Stopped => 4,
            _ if self.outstanding > 0 => 3,
            _ => 0,
        };
        let services = self
            .live
            .services()
            .into_iter()
            .map(|service| (service.name.clone(), service_report(&service)))
            .collect();
        let steps = self
            .work
            .plan
            .steps
            .iter()
            .map(|step| step.name.clone())
            .zip(self.steps)
            .collect();
        Report {
            version: 1,
            flow: self.work.plan.name.clone(),
            run: self.run.0,
            started: self.run.1,
            outcome,
            exit,
            stopped_by,
            read: done + dead + skipped + pending,
            done,
            dead,
            skipped,
            pending,
            filtered: self.live.filtered.load(Relaxed),
            dead_outstanding: self.outstanding,
            seconds: self.began.elapsed().as_secs_f64(),
            limited_by: self
                .holders
                .into_iter()
                .max_by_key(|(_, seconds)| *seconds)
                .map(|(holder, _)| holder),
            services,
            steps,
            dead_by: self.causes.into_list(),
        }
    }
}

fn service_report(service: &super::ServiceStatus) -> ServiceReport {
    let snapshot = &service.snapshot;
    let measured = snapshot.requests > 0;
    let latency = |ms: f64| measured.then(|| (ms * 100.0).round() / 100.0);
    ServiceReport {
        requests: snapshot.requests,
        retries: snapshot.retries,
        throttled: snapshot.throttled,
        timeouts: snapshot.timeouts,
        in_flight_max: snapshot.in_flight_max,
        rate_used: snapshot
            .rate
            .map(|_| (snapshot.rate_used * 10_000.0).round() / 10_000.0),
        latency_ms: LatencyReport {
            p50: latency(snapshot.latency.p50_ms),
            p95: latency(snapshot.latency.p95_ms),
            p99: latency(snapshot.latency.p99_ms),
        },
    }
}

async fn next_batch(
    feed: &mut Option<mpsc::Receiver<Result<Batch, ReaderError>>>,
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
