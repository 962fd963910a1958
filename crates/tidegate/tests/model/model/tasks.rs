//! Tasks: what they do when polled, and what is left of them.

use super::*;

impl Model {
    pub(super) fn poll(&mut self, actor: usize) -> bool {
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
    pub(super) fn settle(&mut self, actor: usize) {
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
    pub(super) fn is_doomed(&self, actor: usize, depth: usize) -> bool {
        self.actors[actor].frames[depth].grace.is_none() && self.told(actor, depth).is_some()
    }

    /// Lets the innermost frame run to its next await. `false`: it still waits.
    pub(super) fn advance(&mut self, actor: usize) -> bool {
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
    pub(super) fn run(&mut self, actor: usize) {
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
    pub(super) fn step(&mut self, actor: usize, depth: usize, step: &Step) -> Option<Wait> {
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

    pub(super) fn spawn(
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

    pub(super) fn background(&mut self, scope: usize) -> usize {
        if let Some(background) = self.scopes[scope].background {
            return background;
        }
        let name = self.scopes[scope].name;
        let background = self.open(Some(scope), name, &plain(), None, Role::Hidden);
        self.scopes[scope].background = Some(background);
        background
    }

    /// The innermost frame is at its end.
    pub(super) fn end_frame(&mut self, actor: usize, depth: usize, end: End) {
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
    pub(super) fn end_shield(&mut self, actor: usize, depth: usize, shield: usize, end: End) {
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
    pub(super) fn unwind(&mut self, actor: usize, depth: usize) {
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
    pub(super) fn left(
        &mut self,
        actor: usize,
        depth: usize,
        scope: usize,
        result: Result<(), Stopped>,
    ) {
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
    pub(super) fn drop_frame(&mut self, actor: usize, depth: usize) {
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
    pub(super) fn drop_above(&mut self, actor: usize, depth: usize) {
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
