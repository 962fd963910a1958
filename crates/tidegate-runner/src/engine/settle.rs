//! From the end of a record to its commit.

use super::{
    early::Fate,
    run::{Engine, Final, Stop, Suspect},
};
use crate::{
    call::{Death, End, Unfinished, Worked},
    output::{Commit, Dying, Receipt, Row, RowRef, WriterError, letter},
    record::{Bad, Passed, Record},
};
use std::{mem, sync::atomic::Ordering::Relaxed};
use tidegate::policy::{Class, Health};
use tokio::time::Instant;

/// Records passed over, after which the mark is written down although nothing else is.
const PASSED: u64 = 16 * 1024;

impl Engine {
    pub(super) fn pass(&mut self, position: u64, why: Passed) {
        self.live.skipped.fetch_add(1, Relaxed);
        if why == Passed::Filtered {
            self.live.filtered.fetch_add(1, Relaxed);
        }
        self.finalize(position, Final::Passed(why));
    }

    pub(super) fn bad(&mut self, bad: Box<Bad>) {
        self.taken += 1;
        self.taken_again += u64::from(bad.retry_of.is_some());
        self.held_bytes += bad.weight();
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
    pub(super) fn worked(&mut self, worked: Worked) {
        self.flying -= 1;
        let Worked {
            record,
            end,
            ok,
            otherwise,
            skipped,
            refused,
        } = worked;
        self.ready.extend(self.keys.finish(&record.identity));
        for (index, step) in self.steps.iter_mut().enumerate() {
            step.ok += (ok >> index) & 1;
            step.otherwise += (otherwise >> index) & 1;
            step.skipped += (skipped >> index) & 1;
        }
        let refuted = self.early.success(ok, matches!(end, End::Done(_)));
        self.bury_held(refuted);
        for death in refused {
            let plan = self.work.plan.clone();
            let stop = self
                .early
                .gone_on(&death, |step| plan.steps[step].name.clone());
            if let (Some(why), true) = (stop, self.stop.is_none()) {
                self.stop(Stop::GaveUp(why));
            }
        }
        match end {
            End::Done(row) => self.done(record, row),
            End::Dead(death) => self.suspect(&death.clone(), Suspect::Record(record, death)),
            End::Unfinished(why) => {
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
            // Only a stop gives up a record that nobody has judged.
            Unfinished::Drained => "a call was given up by its own record".to_owned(),
            Unfinished::GaveUp {
                service,
                down_for,
                last,
            } => {
                let name = &self.work.plan.services[service].name;
                let last = if last.is_empty() {
                    self.outage(service)
                } else {
                    last
                };
                let seconds = down_for.as_secs();
                format!("{name} was down for {seconds} s, longer than its patience ({last})")
            }
            Unfinished::Refused { service, why } => {
                let name = &self.work.plan.services[service].name;
                format!("a call of {name} was refused by its own policy: {why}")
            }
            Unfinished::AskedToWait { service, wait } => {
                let name = &self.work.plan.services[service].name;
                let seconds = wait.as_secs();
                format!("{name} asks to wait {seconds} s, longer than its patience")
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

    /// What a service that is down does.
    fn outage(&self, service: usize) -> String {
        let snapshot = self.work.services[service].policy.snapshot();
        let said = match snapshot.health {
            Health::Up => "its breaker is open",
            Health::Down {
                class: Class::NeverSent,
                ..
            } => "no connection",
            Health::Down {
                class: Class::Timeout,
                ..
            } => "no answer within the timeout",
            Health::Down {
                class: Class::Overload,
                ..
            } => "it says that it is overloaded",
            _ => "it answers with server errors",
        };
        said.to_owned()
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
        let weight = suspect.weight();
        match self
            .early
            .death(death, suspect, |step| plan.steps[step].name.clone())
        {
            Fate::Dead(suspect) => self.bury(suspect),
            // Undecided, it must not keep out those that will decide it: a streak is short, and bounded.
            Fate::Held => self.held_bytes -= weight,
            Fate::Stop(why) => {
                self.held_bytes -= weight;
                if self.stop.is_none() {
                    self.stop(Stop::GaveUp(why));
                }
            }
        }
    }

    /// What was held back is dead after all.
    pub(super) fn bury_held(&mut self, held: Vec<Suspect>) {
        for suspect in held {
            self.held_bytes += suspect.weight();
            self.bury(suspect);
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
                        None => place(record.start.line, record.position),
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
                    place(bad.start.line, bad.position)
                });
                (
                    bad.position,
                    Dying {
                        new: letter::of_line(&bad),
                        retry_of: bad.retry_of,
                        weight: bad.weight(),
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
        let mut next = self.positions.outcome(position, outcome);
        while let Some(outcome) = next {
            self.push(outcome);
            next = self.positions.next_final();
        }
        if self.passed >= PASSED {
            self.commit();
        }
    }

    fn push(&mut self, outcome: Final) {
        let bytes = match &outcome {
            Final::Passed(why) => {
                self.passed += 1;
                self.filtered += u64::from(*why == Passed::Filtered);
                return;
            }
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

    pub(super) fn flush_if_due(&mut self) {
        if self.batch.due_at().is_some() && self.batch.is_due(Instant::now()) {
            self.commit();
        }
    }

    /// Hands the batch to the writer, if it has room; else the batch grows, and taking stops when it is full.
    pub(super) fn commit(&mut self) {
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
                Final::Passed(_) => {}
            }
        }
        if let Err(error) = self.writer.commit(commit) {
            self.sink_failed(&error);
        }
    }

    pub(super) fn receipt(&mut self, receipt: Result<Receipt, WriterError>) {
        match receipt {
            Ok(receipt) => {
                self.live.done.fetch_add(receipt.done, Relaxed);
                self.live.dead.fetch_add(receipt.dead, Relaxed);
                self.outstanding = self.outstanding + receipt.dead - receipt.retried;
                self.held_bytes -= receipt.weight;
                if let (Some(why), None) = (receipt.dead_file, &self.stop) {
                    self.stop(Stop::GaveUp(format!(
                        "the dead-letter file cannot be written: {why}"
                    )));
                }
                for (cause, key, line) in receipt.refused {
                    self.causes.count(None, &cause, None, || {
                        key.map_or(format!("line {line}"), |key| format!("key {key}"))
                    });
                }
            }
            Err(error) => self.sink_failed(&error),
        }
    }

    pub(super) fn sink_failed(&mut self, error: &WriterError) {
        self.writer.failed = true;
        if !matches!(self.stop, Some(Stop::GaveUp(_))) {
            self.stop(Stop::GaveUp(format!("the sink cannot be written: {error}")));
        }
        self.work.drain.cut();
    }
}

/// Where a record without a key stands; a database has no lines.
fn place(line: u64, position: u64) -> String {
    match line {
        0 => format!("record {}", position + 1),
        line => format!("line {line}"),
    }
}
