//! Taking records: as many as the window, the memory, the limit and the services allow.

use super::{
    RunError,
    run::{Engine, Stop},
};
use crate::{
    call::{Worked, work_on},
    plan::Order,
    record::{Batch, Fed, ReaderError, Record},
};
use std::sync::{PoisonError, atomic::Ordering::Relaxed};
use tidegate::Gather;

impl Engine {
    pub(super) fn wants_more(&self) -> bool {
        self.queue.is_empty() && self.feed.is_some() && self.stop.is_none() && !self.limit_reached()
    }

    pub(super) fn limit_reached(&self) -> bool {
        self.options.limit.is_some_and(|limit| self.taken >= limit)
    }

    /// Takes records from the queue as far as the window, the memory, the limit and the services allow.
    pub(super) fn admit(&mut self, gather: &mut Gather<Worked, RunError>) {
        // Records that became free because the one before them with the same key has ended.
        while let Some(record) = self.ready.pop_front() {
            self.launch(gather, record);
        }
        let mut blocked = None;
        let mut open = true;
        while open && self.stop.is_none() && !self.limit_reached() {
            let Some(next) = self.queue.front() else {
                break;
            };
            if let Some(why) = self.blocked(next) {
                // Only further records could decide what is held back, and none can come: it is dead after all.
                if self.flying == 0 && self.early.held() > 0 && why.is_own() {
                    let held = self.early.release();
                    self.bury_held(held);
                    continue;
                }
                if why == Blocked::Memory && self.flying == 0 {
                    // Only a commit frees it, and nothing else will fill the batch.
                    self.commit();
                }
                if why == Blocked::NoRoom {
                    self.work.bell.ask();
                }
                blocked = why.shown();
                break;
            }
            match self.queue.pop_front() {
                Some(Fed::Record(record)) => {
                    self.taken += 1;
                    self.taken_again += u64::from(record.retry_of.is_some());
                    self.held_bytes += record.weight();
                    if let Some(record) = self.keys.start(record.identity, record) {
                        open = self.launch(gather, record);
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
    }

    /// What keeps the next record out.
    fn blocked(&self, next: &Fed) -> Option<Blocked> {
        let records = &self.work.plan.records;
        // Held-back deaths keep their places in the order: the window grows by them, or it would hold what decides them.
        let window = (records.window + self.early.held()) as u64;
        let waits_for_order = records.order == Order::Input
            && !next.is_retry()
            && self.positions.ahead(next.position()) >= window;
        if waits_for_order {
            return Some(Blocked::Order);
        }
        if self.writer.open > 0 && !self.writer.has_room() && self.batch.is_full() {
            return Some(Blocked::Sink);
        }
        let Fed::Record(record) = next else {
            return None;
        };
        if self.flying + self.keys.waiting() >= records.in_flight {
            return Some(Blocked::InFlight);
        }
        if self.held_bytes > 0 && self.held_bytes + record.weight() > records.memory {
            return Some(Blocked::Memory);
        }
        (!self.has_room()).then_some(Blocked::NoRoom)
    }

    /// Whether a record's first calls could leave now, as far as permits go: what is taken in advance would only wait.
    /// And whether every queue that has a limit has a place: what is begun meanwhile would stop in front of it later.
    fn has_room(&self) -> bool {
        let coming = self.launched - self.work.begun.load(Relaxed);
        let room = |&(service, calls): &(usize, usize)| {
            let service: &crate::call::Service = &self.work.services[service];
            service.policy.room() >= (coming + 1) * calls
        };
        let takes_more = |service: &crate::call::Service| {
            service
                .places
                .as_ref()
                .is_none_or(|places| places.any_free())
        };
        // A service that takes fewer calls than one record makes is given one record at a time.
        self.flying == 0 || self.work.services.iter().all(takes_more) && self.doors.iter().all(room)
    }

    /// Starts a record. False once the scope is cancelled, which the loop is about to hear: the record counts as not taken.
    fn launch(&mut self, gather: &mut Gather<Worked, RunError>, record: Box<Record>) -> bool {
        let work = self.work.clone();
        let (weight, is_retry) = (record.weight(), record.retry_of.is_some());
        let spawned = gather.try_spawn_with_grace("record", self.options.grace, async move {
            Ok(work_on(work, record).await)
        });
        if spawned.is_err() {
            self.taken -= 1;
            self.taken_again -= u64::from(is_retry);
            self.held_bytes -= weight;
            return false;
        }
        self.flying += 1;
        self.launched += 1;
        true
    }

    pub(super) fn received(&mut self, batch: Option<Result<Batch, ReaderError>>) {
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
}

/// What keeps a record from being taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blocked {
    Order,
    Memory,
    Sink,
    InFlight,
    NoRoom,
}

impl Blocked {
    /// Whether it ends only by what the run itself does.
    fn is_own(self) -> bool {
        matches!(self, Blocked::Order | Blocked::Memory)
    }

    /// For the progress; in-flight bounds show themselves at their service.
    fn shown(self) -> Option<&'static str> {
        match self {
            Blocked::Order => Some("order: input (a record before waits)"),
            Blocked::Memory => Some("memory: the records under way are large"),
            Blocked::Sink => Some("the sink"),
            Blocked::InFlight | Blocked::NoRoom => None,
        }
    }
}
