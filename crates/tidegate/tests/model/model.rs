//! What the documentation says that a program does: one event after the other, no tasks, no clock.
//!
//! - A scope ends when its body is done and nothing runs in it or below: no child, no scope with a running child.
//! - Telling goes down to everything below at once, with one reason, which stays, and one instant. What has a grace runs
//!   on until the earliest of that instant plus its grace and the hard instants of its scope and of all above; the rest
//!   is dropped at its current await.
//! - A failure is recorded, then tells its scope. A failure of a background child is one of the scope that spawned it.
//! - That of a supervised child tells nobody: its handle has it; when that is dropped, before or after, its scope. What
//!   was kept last when the scope has ended is unclaimed. The failure of a supervised body leads, and tells.
//! - An open shield keeps its task, whatever its graces, until the hard instants, and what is inside hears nothing from
//!   above; once it has ended, what is still left below hears what stands above, as of that instant.
//! - A dropped scope is told, then its body is dropped; its parent waits for its children.

use crate::{
    program::{Block, End, Grace, Kind, Knobs, Program, Step},
    seen::{Account, Ambient, Because, Event, Failure, Outcome, Shielded, Stopped, What, Why},
};
use std::sync::Arc;

/// Runs the program in the model.
pub(crate) fn run(program: &Program) -> Account {
    let mut model = Model::default();
    let top = model.open(None, program.top.name, &plain(), None, Role::Scope);
    let actor = Actor {
        scope: top,
        alone: None,
        frames: vec![Frame::new(&program.top, top, None, Vec::new())],
        result: None,
        handle: Handle::Held(None),
        is_child: false,
    };
    model.actors.push(actor);
    model.until_quiet();
    let outcome = loop {
        if let Some(outcome) = model.try_end(top) {
            break outcome;
        }
        model.now = model.next_instant().expect("a program waits for something");
        model.deadlines();
        model.until_quiet();
    };
    model.account.events.push(Event {
        block: program.top.name,
        at: model.now,
        what: What::Scope(outcome),
        ambient: Some(Ambient {
            reason: None,
            grace_left: None,
            remaining: None,
        }),
    });
    model.account
}

fn plain() -> Knobs {
    Knobs {
        supervised: false,
        timeout: None,
        grace: Grace::Default,
        cancel_on_leave: false,
        at_most: None,
    }
}

#[derive(Default)]
struct Model {
    now: u64,
    scopes: Vec<Scope>,
    actors: Vec<Actor>,
    account: Account,
}

struct Scope {
    name: &'static str,
    parent: Option<usize>,
    /// The child that has opened it.
    opener: Option<usize>,
    role: Role,
    supervised: bool,
    body_failed: bool,
    grace: Option<u64>,
    deadline: Option<(u64, usize)>,
    cancel_on_leave: bool,
    at_most: usize,
    told: Option<(Why, u64)>,
    hard: Option<u64>,
    running: usize,
    background: Option<usize>,
    failures: Vec<Failure>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Scope,
    /// Holds the background children of its parent.
    Hidden,
    /// The inside of a shield.
    Shield,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The body runs.
    Body,
    /// The body is done: with a value?
    Joining(bool),
    /// The future was dropped.
    Orphan,
    /// Nothing is left of it.
    Ended,
}

/// A task: a child, or what runs the whole program.
struct Actor {
    /// That counts it.
    scope: usize,
    /// What only it was told.
    alone: Option<(Why, u64)>,
    /// Bodies of scopes run inline, so a task is a stack.
    frames: Vec<Frame>,
    result: Option<Result<(), Stopped>>,
    handle: Handle,
    is_child: bool,
}

/// Of a supervised child.
#[derive(Clone, Copy)]
enum Handle {
    /// With the failure of the child, if there is one yet.
    Held(Option<Failure>),
    Dropped,
}

struct Frame {
    block: Arc<Block>,
    /// The next step.
    step: usize,
    wait: Wait,
    /// That the code is in.
    scope: usize,
    grace: Option<u64>,
    /// The scopes that the block is written in.
    around: Vec<usize>,
    tasks: Vec<Option<usize>>,
    started: bool,
    /// Was told before the task was woken: looks at its time only from the outside in.
    stays: bool,
    /// Whether a shield was open inside when it last looked.
    was_shielded: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    No,
    Until(u64),
    Told {
        pause: u64,
    },
    Task {
        actor: usize,
        pause: u64,
    },
    Scope {
        scope: usize,
        give_up: Option<u64>,
        pause: u64,
    },
    Shield {
        shield: usize,
        until: u64,
        give_up: Option<u64>,
        pause: u64,
    },
}

impl Wait {
    /// The scope or the shield inside, when the wait for it is given up, and the pause then.
    fn inside(self) -> Option<(usize, Option<u64>, u64)> {
        match self {
            Wait::Scope {
                scope: inside,
                give_up,
                pause,
            }
            | Wait::Shield {
                shield: inside,
                give_up,
                pause,
                ..
            } => Some((inside, give_up, pause)),
            Wait::No | Wait::Until(_) | Wait::Told { .. } | Wait::Task { .. } => None,
        }
    }
}

impl Frame {
    fn new(block: &Arc<Block>, scope: usize, grace: Option<u64>, around: Vec<usize>) -> Frame {
        Frame {
            block: block.clone(),
            step: 0,
            wait: Wait::No,
            scope,
            grace,
            around,
            tasks: Vec::new(),
            started: false,
            stays: false,
            was_shielded: false,
        }
    }
}

/// Time.
impl Model {
    fn next_instant(&self) -> Option<u64> {
        let mut instants = Vec::new();
        for scope in 0..self.scopes.len() {
            instants.extend(self.own_deadline(scope));
        }
        for actor in 0..self.actors.len() {
            for (depth, frame) in self.actors[actor].frames.iter().enumerate() {
                match frame.wait {
                    Wait::Until(at) => instants.push(at),
                    Wait::Scope { give_up, .. } => instants.extend(give_up),
                    Wait::Shield { until, give_up, .. } => {
                        instants.extend(give_up.into_iter().chain([until]));
                    }
                    Wait::No | Wait::Told { .. } | Wait::Task { .. } => {}
                }
                instants.extend(self.forced_at(actor, depth));
            }
        }
        instants.into_iter().filter(|at| *at > self.now).min()
    }

    /// The instant of a deadline that this scope keeps itself.
    fn own_deadline(&self, scope: usize) -> Option<u64> {
        let Scope {
            role,
            deadline,
            told,
            stage,
            ..
        } = &self.scopes[scope];
        match (deadline, told, stage) {
            // A shield looks at its own after its work.
            _ if *role == Role::Shield => None,
            (Some((at, by)), None, Stage::Body | Stage::Joining(_)) if *by == scope => Some(*at),
            _ => None,
        }
    }

    fn deadlines(&mut self) {
        for scope in 0..self.scopes.len() {
            if self.own_deadline(scope).is_some_and(|at| at <= self.now) {
                let why = Why::Deadline(self.scopes[scope].name);
                self.tell(scope, why, self.now, None);
            }
        }
    }

    /// What the code of a frame was told, and when.
    fn told(&self, actor: usize, depth: usize) -> Option<(Why, u64)> {
        let alone = self.actors[actor].alone.filter(|_| depth == 0);
        alone.or(self.scopes[self.actors[actor].frames[depth].scope].told)
    }

    fn forced_at(&self, actor: usize, depth: usize) -> Option<u64> {
        let frame = &self.actors[actor].frames[depth];
        let (_, told_at) = self.told(actor, depth)?;
        let hard = self.scopes[frame.scope].hard;
        if self.is_shielded(actor, depth) {
            return hard;
        }
        let own = told_at + frame.grace?;
        Some(hard.map_or(own, |hard| hard.min(own)))
    }

    /// Whether it is dropped at its current await.
    fn is_over(&self, actor: usize, depth: usize) -> bool {
        let forced_at = self.forced_at(actor, depth);
        let is_due = match self.is_shielded(actor, depth) {
            true => forced_at.is_some_and(|at| at <= self.now),
            false => forced_at.is_none_or(|at| at <= self.now),
        };
        self.told(actor, depth).is_some() && is_due
    }

    fn is_shielded(&self, actor: usize, depth: usize) -> bool {
        let inside = &self.actors[actor].frames[depth + 1..];
        inside
            .iter()
            .any(|frame| self.scopes[frame.scope].role == Role::Shield)
    }

    fn until_quiet(&mut self) {
        while self.pass() {}
    }

    /// Lets every task do what it can. `false`: there was nothing to do.
    fn pass(&mut self) -> bool {
        let mut moved = false;
        for actor in 0..self.actors.len() {
            moved |= self.poll(actor);
        }
        moved
    }
}

/// Scopes.
impl Model {
    fn open(
        &mut self,
        parent: Option<usize>,
        name: &'static str,
        knobs: &Knobs,
        opener: Option<usize>,
        role: Role,
    ) -> usize {
        let id = self.scopes.len();
        let above = parent
            .filter(|_| role != Role::Shield)
            .and_then(|parent| self.scopes[parent].deadline);
        let own = knobs.timeout.map(|after| (self.now + after.0, id));
        let deadline = match (own, above) {
            (Some(own), Some(above)) if own.0 < above.0 => Some(own),
            (own, None) => own,
            (_, above) => above,
        };
        self.scopes.push(Scope {
            name,
            parent,
            opener,
            role,
            supervised: knobs.supervised,
            body_failed: false,
            grace: match knobs.grace {
                Grace::Default => None,
                Grace::Zero => Some(0),
                Grace::Some(grace) => Some(grace.0),
            },
            deadline,
            cancel_on_leave: knobs.cancel_on_leave,
            at_most: knobs.at_most.unwrap_or(usize::MAX),
            told: None,
            hard: None,
            running: 0,
            background: None,
            failures: Vec::new(),
            stage: Stage::Body,
        });
        let alone = opener.and_then(|opener| self.actors[opener].alone);
        if let Some(parent) = parent.filter(|_| role != Role::Shield)
            && let Some((why, at)) = alone.or(self.scopes[parent].told)
        {
            self.tell(id, why, at, self.scopes[parent].hard);
        }
        id
    }

    fn below(&self, scope: usize) -> Vec<usize> {
        (0..self.scopes.len())
            .filter(|below| self.scopes[*below].parent == Some(scope))
            .collect()
    }

    /// The number of children that run in it or below.
    fn busy(&self, scope: usize) -> usize {
        let below = self.below(scope);
        let below: usize = below.into_iter().map(|below| self.busy(below)).sum();
        self.scopes[scope].running + below
    }

    fn tell(&mut self, scope: usize, why: Why, at: u64, hard: Option<u64>) {
        let this = &mut self.scopes[scope];
        if this.stage == Stage::Ended {
            return;
        }
        let mut wishes = vec![this.hard, hard];
        if this.told.is_none() {
            this.told = Some((why, at));
            wishes.push(this.grace.map(|grace| at + grace));
        }
        this.hard = wishes.into_iter().flatten().min();
        let hard = this.hard;
        for below in self.below(scope) {
            let Scope { role, stage, .. } = self.scopes[below];
            if role == Role::Shield && stage == Stage::Body {
                continue;
            }
            self.tell(below, why, at, hard);
        }
    }

    fn tell_alone(&mut self, actor: usize, why: Why) {
        let this = &mut self.actors[actor];
        let told = this.alone.is_some() || self.scopes[this.scope].told.is_some();
        if this.result.is_some() || told {
            return;
        }
        this.alone = Some((why, self.now));
        let opened =
            (0..self.scopes.len()).filter(|scope| self.scopes[*scope].opener == Some(actor));
        for scope in opened.collect::<Vec<_>>() {
            self.tell(scope, why, self.now, None);
        }
    }

    /// The scope that has spawned the children of this one.
    fn apparent(&self, scope: usize) -> usize {
        match self.scopes[scope].parent {
            Some(parent) if self.scopes[scope].role == Role::Hidden => parent,
            _ => scope,
        }
    }

    /// The frame of `actor` that was at `depth` has failed.
    fn fail(
        &mut self,
        actor: usize,
        depth: usize,
        scope: usize,
        block: &'static str,
        is_panic: bool,
    ) -> Stopped {
        let in_background = self.scopes[scope].role == Role::Hidden;
        let scope = self.apparent(scope);
        let failure = Failure {
            block,
            after_cancel: self.scopes[scope].told.is_some(),
            is_panic,
        };
        let is_body = depth > 0 || !self.actors[actor].is_child;
        if !is_body && self.scopes[scope].supervised {
            match &mut self.actors[actor].handle {
                Handle::Held(held) if !in_background => *held = Some(failure),
                _ => self.keep(scope, failure),
            }
            return Stopped::Own { is_panic };
        }
        self.scopes[scope].body_failed |= is_body;
        self.scopes[scope].failures.push(failure);
        let why = match is_panic {
            true => Why::Panicked(block),
            false => Why::Failed(block),
        };
        self.tell(scope, why, self.now, None);
        match is_panic {
            true => Stopped::Panicked,
            false => Stopped::Failed,
        }
    }

    /// Nobody awaits it any more.
    fn keep(&mut self, scope: usize, failure: Failure) {
        if self.scopes[scope].stage == Stage::Ended {
            let path = self.path(scope);
            self.account.unclaimed.push((path, failure));
        } else {
            self.scopes[scope].failures.push(failure);
        }
    }

    fn drop_handle(&mut self, task: usize) {
        let scope = self.apparent(self.actors[task].scope);
        let handle = std::mem::replace(&mut self.actors[task].handle, Handle::Dropped);
        if let Handle::Held(Some(failure)) = handle {
            self.keep(scope, failure);
        }
    }

    /// Those that a frame holds: first the one that it awaits.
    fn drop_handles(&mut self, frame: &Frame) {
        let awaited = match frame.wait {
            Wait::Task { actor, .. } => Some(actor),
            _ => None,
        };
        for task in awaited
            .into_iter()
            .chain(frame.tasks.iter().flatten().copied())
        {
            self.drop_handle(task);
        }
    }

    fn leave_body(&mut self, scope: usize, has_value: bool) {
        self.scopes[scope].stage = Stage::Joining(has_value);
        if self.scopes[scope].cancel_on_leave && self.busy(scope) > 0 {
            self.tell(scope, Why::BodyReturned, self.now, None);
        }
    }

    /// Ends a scope whose body is done, if nothing is left.
    fn try_end(&mut self, scope: usize) -> Option<Outcome> {
        let Stage::Joining(has_value) = self.scopes[scope].stage else {
            return None;
        };
        let busy = self.busy(scope);
        if let Some(background) = self.scopes[scope].background
            && busy > 0
            && busy == self.busy(background)
            && self.scopes[background].told.is_none()
        {
            self.tell(background, Why::BodyReturned, self.now, None);
        }
        if busy > 0 {
            return None;
        }
        self.end(scope);
        let this = &mut self.scopes[scope];
        let mut failures = std::mem::take(&mut this.failures);
        if this.supervised && this.body_failed {
            failures.sort_by_key(|failure| failure.block != this.name);
        } else if this.supervised && has_value {
            return Some(Outcome::Supervised(failures));
        }
        Some(match this.told {
            _ if !failures.is_empty() => Outcome::Failed(failures),
            _ if has_value => Outcome::Value,
            Some((why, _)) => Outcome::Cancelled(why),
            None => unreachable!("a body ends with a value or a failure, or was told"),
        })
    }

    fn end(&mut self, scope: usize) {
        self.scopes[scope].stage = Stage::Ended;
        if let Some(background) = self.scopes[scope].background {
            self.scopes[background].stage = Stage::Ended;
        }
    }

    /// Its future is dropped; the body still stands.
    fn tell_dropped(&mut self, scope: usize, above: Option<Why>) {
        let here = self.scopes[scope].told.map(|(why, _)| why);
        let why = here.or(above).unwrap_or(Why::OwnerDropped);
        let parent = self.scopes[scope].parent;
        let hard = parent.and_then(|parent| self.scopes[parent].hard);
        self.tell(scope, why, self.now, hard);
    }

    /// Nothing holds any more what stands above.
    fn close_shield(&mut self, shield: usize) {
        self.scopes[shield].stage = Stage::Orphan;
        if let Some(parent) = self.scopes[shield].parent
            && let Some((why, _)) = self.scopes[parent].told
        {
            self.tell(shield, why, self.now, self.scopes[parent].hard);
        }
        self.bury_orphans();
    }

    fn bury_orphans(&mut self) {
        for scope in 0..self.scopes.len() {
            if self.scopes[scope].stage == Stage::Orphan && self.busy(scope) == 0 {
                self.end(scope);
                let path = self.path(scope);
                let failures = std::mem::take(&mut self.scopes[scope].failures);
                let unclaimed = failures.into_iter().map(|failure| (path.clone(), failure));
                self.account.unclaimed.extend(unclaimed);
            }
        }
    }

    fn path(&self, scope: usize) -> String {
        let this = &self.scopes[scope];
        let above = this.parent.map(|parent| self.path(parent));
        match above {
            Some(above) if this.role != Role::Scope => above,
            Some(above) => format!("{above}/{}", this.name),
            None => this.name.into(),
        }
    }
}

/// Tasks.
impl Model {
    fn poll(&mut self, actor: usize) -> bool {
        // From the outside in: what is over is dropped with all that is inside.
        for depth in 0..self.actors[actor].frames.len() {
            self.actors[actor].frames[depth].stays = self.told(actor, depth).is_some();
            self.actors[actor].frames[depth].was_shielded = self.is_shielded(actor, depth);
            if self.is_over(actor, depth) {
                self.drop_frame(actor, depth);
                self.settle(actor);
                return true;
            }
            let wait = self.actors[actor].frames[depth].wait;
            if let Some((_, Some(at), pause)) = wait.inside()
                && at <= self.now
            {
                self.drop_above(actor, depth);
                self.note(actor, depth, What::GaveUp);
                self.actors[actor].frames[depth].wait = Wait::Until(self.now + pause);
                self.settle(actor);
                return true;
            }
            if let Wait::Shield {
                shield,
                until,
                pause,
                ..
            } = wait
                && until <= self.now
            {
                self.tell(shield, Why::Deadline("shield"), until, None);
                self.drop_above(actor, depth);
                self.note(actor, depth, What::Shield(Shielded::Overdue));
                self.actors[actor].frames[depth].wait = Wait::Until(self.now + pause);
                self.settle(actor);
                return true;
            }
        }
        let moved = self.advance(actor);
        if moved {
            self.settle(actor);
        }
        moved
    }

    /// From the inside out: what was told while it ran is dropped at the await that it has come to.
    fn settle(&mut self, actor: usize) {
        loop {
            while self.advance(actor) {}
            let over = (0..self.actors[actor].frames.len()).rev().find(|depth| {
                let frame = &self.actors[actor].frames[*depth];
                let looks = !frame.stays || frame.was_shielded != self.is_shielded(actor, *depth);
                looks && self.is_over(actor, *depth)
            });
            match over {
                Some(depth) => self.drop_frame(actor, depth),
                None => return,
            }
        }
    }

    /// Code that is to be dropped at this very await does not hear that what it awaits was stopped.
    fn is_doomed(&self, actor: usize, depth: usize) -> bool {
        self.actors[actor].frames[depth].grace.is_none() && self.told(actor, depth).is_some()
    }

    /// Lets the innermost frame run to its next await. `false`: it still waits.
    fn advance(&mut self, actor: usize) -> bool {
        let Some(depth) = self.actors[actor].frames.len().checked_sub(1) else {
            return false;
        };
        match self.actors[actor].frames[depth].wait {
            Wait::No => {}
            Wait::Until(at) if at <= self.now => self.note(actor, depth, What::Slept),
            Wait::Told { pause } => {
                let Some((why, _)) = self.told(actor, depth) else {
                    return false;
                };
                self.note(actor, depth, What::Told(why));
                self.actors[actor].frames[depth].wait = Wait::Until(self.now + pause);
                return true;
            }
            Wait::Task {
                actor: awaited,
                pause,
            } => {
                let Some(result) = self.actors[awaited].result else {
                    return false;
                };
                if result.is_err() && self.is_doomed(actor, depth) {
                    return false;
                }
                self.actors[awaited].handle = Handle::Dropped;
                self.note(actor, depth, What::Task(result));
                self.actors[actor].frames[depth].wait = Wait::Until(self.now + pause);
                return true;
            }
            Wait::Scope { scope, pause, .. } => {
                let Some(outcome) = self.try_end(scope) else {
                    return false;
                };
                if matches!(outcome, Outcome::Cancelled(_)) && self.is_doomed(actor, depth) {
                    return false;
                }
                self.note(actor, depth, What::Scope(outcome));
                self.actors[actor].frames[depth].wait = Wait::Until(self.now + pause);
                return true;
            }
            Wait::Until(_) | Wait::Shield { .. } => return false,
        }
        self.run(actor);
        true
    }

    /// Runs the innermost frame from where it is.
    fn run(&mut self, actor: usize) {
        let depth = self.actors[actor].frames.len() - 1;
        if !self.actors[actor].frames[depth].started {
            self.actors[actor].frames[depth].started = true;
            self.note(actor, depth, What::Started);
        }
        loop {
            let frame = &mut self.actors[actor].frames[depth];
            let block = frame.block.clone();
            let Some(step) = block.steps.get(frame.step) else {
                return self.end_frame(actor, depth, block.end);
            };
            frame.step += 1;
            if let Some(wait) = self.step(actor, depth, step) {
                self.actors[actor].frames[depth].wait = wait;
                return;
            }
        }
    }

    /// `Some`: that is to be waited for.
    fn step(&mut self, actor: usize, depth: usize, step: &Step) -> Option<Wait> {
        match step {
            Step::Sleep(span) => return Some(Wait::Until(self.now + span.0)),
            Step::Spawn {
                into,
                kind,
                work,
                holds,
            } => {
                let task = self.spawn(actor, depth, *into, *kind, work);
                if !matches!(kind, Kind::Background) {
                    let held = task.filter(|_| *holds);
                    self.actors[actor].frames[depth].tasks.push(held);
                }
                if let Some(task) = task.filter(|_| !holds) {
                    self.drop_handle(task);
                }
            }
            Step::Cancel { whom, grace, why } => {
                let whom = self.actors[actor].frames[depth].around[*whom];
                let grace = grace.map_or(0, |grace| grace.0);
                self.tell(whom, Why::User(why), self.now, Some(self.now + grace));
            }
            Step::Open {
                knobs,
                drop_after,
                body,
                pause,
            } => {
                let frame = &self.actors[actor].frames[depth];
                let (parent, mut around) = (frame.scope, frame.around.clone());
                let opener = (depth == 0).then_some(actor);
                let scope = self.open(Some(parent), body.name, knobs, opener, Role::Scope);
                around.push(scope);
                let grace = match knobs.grace {
                    Grace::Some(grace) => Some(grace.0),
                    Grace::Default | Grace::Zero => None,
                };
                let wait = Wait::Scope {
                    scope,
                    give_up: drop_after.map(|after| self.now + after.0),
                    pause: pause.0,
                };
                self.actors[actor].frames[depth].wait = wait;
                let inner = Frame::new(body, scope, grace, around);
                self.actors[actor].frames.push(inner);
                return Some(wait);
            }
            Step::Shield {
                within,
                drop_after,
                work,
                pause,
            } => {
                let frame = &self.actors[actor].frames[depth];
                let (parent, around) = (frame.scope, frame.around.clone());
                let knobs = Knobs {
                    timeout: Some(*within),
                    ..plain()
                };
                let shield = self.open(Some(parent), "shield", &knobs, None, Role::Shield);
                let wait = Wait::Shield {
                    shield,
                    until: self.now + within.0,
                    give_up: drop_after.map(|after| self.now + after.0),
                    pause: pause.0,
                };
                self.actors[actor].frames[depth].wait = wait;
                let inner = Frame::new(work, shield, None, around);
                self.actors[actor].frames.push(inner);
                return Some(wait);
            }
            Step::AwaitTold { pause } => return Some(Wait::Told { pause: pause.0 }),
            Step::Stop { task, why, pause } => {
                if let Some(task) = self.actors[actor].frames[depth].tasks[*task] {
                    self.tell_alone(task, Why::User(why));
                }
                return Some(Wait::Until(self.now + pause.0));
            }
            Step::AwaitTask { task, pause } => {
                let task = self.actors[actor].frames[depth].tasks[*task].take();
                return task.map(|actor| Wait::Task {
                    actor,
                    pause: pause.0,
                });
            }
            Step::Forget { task } => {
                if let Some(task) = self.actors[actor].frames[depth].tasks[*task].take() {
                    self.drop_handle(task);
                }
                self.note(actor, depth, What::Forgot);
            }
        }
        None
    }

    fn spawn(
        &mut self,
        actor: usize,
        depth: usize,
        into: usize,
        kind: Kind,
        work: &Arc<Block>,
    ) -> Option<usize> {
        let around = self.actors[actor].frames[depth].around.clone();
        let mut scope = around[into];
        let has_ended = self.scopes[scope].stage == Stage::Ended;
        if matches!(kind, Kind::Background) && !has_ended {
            scope = self.background(scope);
        }
        let this = &self.scopes[scope];
        let refused = match this.told {
            _ if has_ended => Some(Because::Ended),
            Some((why, _)) => Some(Because::Told(why)),
            None if this.running >= this.at_most => Some(Because::Full(this.at_most)),
            None => None,
        };
        match refused {
            Some(because) => {
                self.push(work.name, What::Dropped { started: false }, None);
                self.note(actor, depth, What::Refused(because));
                None
            }
            None => {
                self.scopes[scope].running += 1;
                let grace = match kind {
                    Kind::Grace(grace) => Some(grace.0),
                    Kind::Plain | Kind::Background => None,
                };
                self.actors.push(Actor {
                    scope,
                    alone: None,
                    frames: vec![Frame::new(work, scope, grace, around)],
                    result: None,
                    handle: Handle::Held(None),
                    is_child: true,
                });
                self.note(actor, depth, What::Spawned);
                Some(self.actors.len() - 1)
            }
        }
    }

    fn background(&mut self, scope: usize) -> usize {
        if let Some(background) = self.scopes[scope].background {
            return background;
        }
        let name = self.scopes[scope].name;
        let background = self.open(Some(scope), name, &plain(), None, Role::Hidden);
        self.scopes[scope].background = Some(background);
        background
    }

    /// The innermost frame is at its end.
    fn end_frame(&mut self, actor: usize, depth: usize, end: End) {
        self.note(actor, depth, What::Ends(end));
        let Some(frame) = self.actors[actor].frames.pop() else {
            return;
        };
        self.drop_handles(&frame);
        if self.scopes[frame.scope].role == Role::Shield {
            return self.end_shield(actor, depth, frame.scope, end);
        }
        let mut fail = |is_panic| self.fail(actor, depth, frame.scope, frame.block.name, is_panic);
        let result = match end {
            End::Value => Ok(()),
            End::Error => Err(fail(false)),
            End::Panic => Err(fail(true)),
        };
        self.left(actor, depth, frame.scope, result);
    }

    /// The work of a shield, which was the innermost frame, is at its end.
    fn end_shield(&mut self, actor: usize, depth: usize, shield: usize, end: End) {
        self.close_shield(shield);
        let seen = match end {
            End::Value => Shielded::Value,
            End::Error => Shielded::Error,
            End::Panic => return self.unwind(actor, depth - 1),
        };
        self.note(actor, depth - 1, What::Shield(seen));
        let wait = &mut self.actors[actor].frames[depth - 1].wait;
        if let Some((_, _, pause)) = wait.inside() {
            *wait = Wait::Until(self.now + pause);
        }
    }

    /// A panic comes up to the innermost frame.
    fn unwind(&mut self, actor: usize, depth: usize) {
        let Some(frame) = self.actors[actor].frames.pop() else {
            return;
        };
        self.drop_handles(&frame);
        self.push(frame.block.name, What::Dropped { started: true }, None);
        if self.scopes[frame.scope].role == Role::Shield {
            self.close_shield(frame.scope);
            return self.unwind(actor, depth - 1);
        }
        let stopped = self.fail(actor, depth, frame.scope, frame.block.name, true);
        self.left(actor, depth, frame.scope, Err(stopped));
    }

    /// The innermost frame, which was in `scope`, is gone.
    fn left(&mut self, actor: usize, depth: usize, scope: usize, result: Result<(), Stopped>) {
        if depth > 0 || !self.actors[actor].is_child {
            self.leave_body(scope, result.is_ok());
        }
        if depth > 0 {
            return;
        }
        self.actors[actor].result = Some(result);
        if self.actors[actor].is_child {
            self.scopes[scope].running -= 1;
            self.bury_orphans();
        }
    }

    /// Drops a frame that is over, and what is inside.
    fn drop_frame(&mut self, actor: usize, depth: usize) {
        self.drop_above(actor, depth);
        let (why, _) = self.told(actor, depth).expect("it is over");
        let Some(frame) = self.actors[actor].frames.pop() else {
            return;
        };
        self.drop_handles(&frame);
        let started = frame.started;
        self.push(frame.block.name, What::Dropped { started }, None);
        let stopped = match started {
            true => Stopped::Cancelled(why),
            false => Stopped::NotStarted(Because::Told(why)),
        };
        self.left(actor, depth, frame.scope, Err(stopped));
    }

    /// Drops the scope or the shield that a frame waits for: its future, with all that is inside.
    fn drop_above(&mut self, actor: usize, depth: usize) {
        let mut above = self.told(actor, depth).map(|(why, _)| why);
        let inner = self.actors[actor].frames.split_off(depth + 1);
        for frame in &inner {
            let started = frame.started;
            self.push(frame.block.name, What::Dropped { started }, None);
        }
        let waits = inner.iter().map(|frame| frame.wait);
        let waits: Vec<_> = [self.actors[actor].frames[depth].wait]
            .into_iter()
            .chain(waits)
            .collect();
        for wait in waits {
            if let Some((inside, _, _)) = wait.inside()
                && self.scopes[inside].stage != Stage::Ended
            {
                self.tell_dropped(inside, above);
                self.scopes[inside].stage = Stage::Orphan;
                above = self.scopes[inside].told.map(|(why, _)| why);
            }
        }
        for frame in inner.iter().rev() {
            self.drop_handles(frame);
        }
        self.bury_orphans();
    }
}

/// What is seen.
impl Model {
    fn note(&mut self, actor: usize, depth: usize, what: What) {
        let told = self.told(actor, depth);
        let grace_left = told.map(|_| {
            let forced = self.forced_at(actor, depth).unwrap_or(self.now);
            forced.saturating_sub(self.now)
        });
        let frame = &self.actors[actor].frames[depth];
        let deadline = self.scopes[frame.scope].deadline;
        let ambient = Ambient {
            reason: told.map(|(why, _)| why),
            grace_left,
            remaining: deadline.map(|(at, _)| at.saturating_sub(self.now)),
        };
        let name = frame.block.name;
        self.push(name, what, Some(ambient));
    }

    fn push(&mut self, block: &'static str, what: What, ambient: Option<Ambient>) {
        self.account.events.push(Event {
            block,
            at: self.now,
            what,
            ambient,
        });
    }
}
