//! The service at work: workers, queue and answers, in exact virtual time.
//!
//! tokio's timers have steps of 1 ms, which would cost a service with 10 ms a request a part of its capacity. So nothing
//! here waits: [`Station::advance`] lets happen what has happened up to now, each at its own instant, and only the
//! delivery of an answer is late by what a timer is late.
//!
//! What must stay true:
//! 1. `idle` and `working` together are all workers, and somebody waits only while none is idle.
//! 2. A request's stage says where its id is: `queue`, `working`, `answers` or nowhere.
//! 3. One that was given up is kept only while it still costs something: in `queue` and `working`.

use super::{
    Service, ServiceError,
    trouble::{Admission, Troubles},
};
use fastrand::Rng;
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    time::Duration,
};
use tokio::time::Instant;

/// How long it takes to say no.
const REFUSAL: Duration = Duration::from_millis(1);

pub(super) type Id = u64;

pub(super) type Answer = Result<(), ServiceError>;

/// The service and what it has to do. `R` is where an answer goes.
#[derive(Debug)]
pub(super) struct Station<R> {
    service: Service,
    troubles: Troubles,
    rng: Rng,
    idle: usize,
    /// By the instant at which the work is done.
    working: BTreeSet<(Instant, Id)>,
    queue: VecDeque<Id>,
    /// By the instant at which the client has them.
    answers: BTreeSet<(Instant, Id)>,
    requests: HashMap<Id, Request<R>>,
    arrived: Id,
    /// Time that workers have spent, and the part of it that was for nothing.
    pub(super) worked: Duration,
    pub(super) wasted: Duration,
}

#[derive(Debug)]
struct Request<R> {
    stage: Stage,
    /// None: the client has given up.
    reply: Option<R>,
    /// The client does not wait beyond this.
    expires: Option<Instant>,
    not_before: Instant,
    answer: Answer,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Waiting,
    Working { since: Instant, until: Instant },
    Answered { at: Instant, took: Duration },
    Lost,
}

impl<R> Station<R> {
    pub(super) fn new(service: Service, troubles: Troubles, rng: Rng) -> Self {
        Self {
            idle: service.workers,
            service,
            troubles,
            rng,
            working: BTreeSet::new(),
            queue: VecDeque::new(),
            answers: BTreeSet::new(),
            requests: HashMap::new(),
            arrived: 0,
            worked: Duration::ZERO,
            wasted: Duration::ZERO,
        }
    }

    /// Lets happen what has happened up to now; these answers have arrived.
    pub(super) fn advance(&mut self, now: Instant) -> Vec<(R, Answer)> {
        while let Some(&(at, id)) = self.working.first()
            && at <= now
        {
            self.working.pop_first();
            self.finish(id);
            self.idle += 1;
            self.begin_next(at);
        }
        let mut arrived = Vec::new();
        while let Some(&(at, id)) = self.answers.first()
            && at <= now
        {
            self.answers.pop_first();
            let request = self.requests.remove(&id);
            arrived.extend(request.and_then(|request| Some((request.reply?, request.answer))));
        }
        arrived
    }

    /// When `advance` has something to do next.
    pub(super) fn next_event(&self) -> Option<Instant> {
        let [work, answer] = [&self.working, &self.answers].map(|set| set.first());
        [work, answer]
            .into_iter()
            .flatten()
            .map(|(at, _)| *at)
            .min()
    }

    /// A request has arrived, now that everything earlier has happened.
    pub(super) fn arrive(&mut self, now: Instant, expires: Option<Instant>, reply: R) -> Id {
        self.arrived += 1;
        let id = self.arrived;
        let request = Request {
            stage: Stage::Lost,
            reply: Some(reply),
            expires,
            not_before: self.troubles.not_before(now),
            answer: Ok(()),
        };
        self.requests.insert(id, request);
        let full = self
            .service
            .room
            .is_some_and(|room| self.queue.len() >= room);
        match self.troubles.admit(now) {
            Admission::Lost => {}
            Admission::Refused => self.refuse(id, now, ServiceError::Unreachable),
            Admission::Throttled { retry_at } => {
                self.refuse(id, now, ServiceError::Throttled { retry_at });
            }
            Admission::Served if self.idle > 0 => self.begin(id, now),
            Admission::Served if full => self.refuse(id, now, ServiceError::Overloaded),
            Admission::Served => {
                self.request(id).stage = Stage::Waiting;
                self.queue.push_back(id);
            }
        }
        id
    }

    /// The client does not wait any more. Nothing happens if it has its answer.
    pub(super) fn give_up(&mut self, id: Id, now: Instant) {
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        request.reply = None;
        match request.stage {
            Stage::Waiting if self.service.stops => self.queue.retain(|waiting| *waiting != id),
            Stage::Working { since, until } if self.service.stops => {
                self.working.remove(&(until, id));
                self.worked += now - since;
                self.wasted += now - since;
                self.idle += 1;
                self.begin_next(now);
            }
            Stage::Answered { at, took } => {
                self.answers.remove(&(at, id));
                self.wasted += took;
            }
            Stage::Lost => {}
            Stage::Waiting | Stage::Working { .. } => return,
        }
        self.requests.remove(&id);
    }

    fn refuse(&mut self, id: Id, now: Instant, why: ServiceError) {
        self.request(id).answer = Err(why);
        self.answer(id, now + REFUSAL, Duration::ZERO);
    }

    fn answer(&mut self, id: Id, at: Instant, took: Duration) {
        self.request(id).stage = Stage::Answered { at, took };
        self.answers.insert((at, id));
    }

    fn begin_next(&mut self, now: Instant) {
        while let Some(id) = self.queue.pop_front() {
            let expires = self.request(id).expires;
            if self.service.drops_expired && expires.is_some_and(|at| at <= now) {
                self.requests.remove(&id);
            } else {
                return self.begin(id, now);
            }
        }
    }

    fn begin(&mut self, id: Id, now: Instant) {
        let factor = self.troubles.factor(now, &mut self.rng);
        let took = self.service.time.draw(&mut self.rng).mul_f64(factor);
        let fails = self.troubles.fails(now, &mut self.rng);
        let request = self.request(id);
        if fails {
            request.answer = Err(ServiceError::Failed);
        }
        let until = now + took;
        request.stage = Stage::Working { since: now, until };
        self.working.insert((until, id));
        self.idle -= 1;
    }

    fn finish(&mut self, id: Id) {
        let request = self.request(id);
        let Stage::Working { since, until } = request.stage else {
            unreachable!("its id was in `working`");
        };
        let (waited_for, at) = (request.reply.is_some(), until.max(request.not_before));
        let took = until - since;
        self.worked += took;
        if waited_for {
            self.answer(id, at, took);
        } else {
            self.wasted += took;
            self.requests.remove(&id);
        }
    }

    fn request(&mut self, id: Id) -> &mut Request<R> {
        self.requests
            .get_mut(&id)
            .expect("what has a stage is kept")
    }
}

#[cfg(test)]
mod tests;
