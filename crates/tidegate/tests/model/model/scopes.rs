//! Scopes: who is told what, who keeps which failure, and when a scope ends.

use super::*;

impl Model {
    pub(super) fn open(
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

    pub(super) fn below(&self, scope: usize) -> Vec<usize> {
        (0..self.scopes.len())
            .filter(|below| self.scopes[*below].parent == Some(scope))
            .collect()
    }

    /// The number of children that run in it or below.
    pub(super) fn busy(&self, scope: usize) -> usize {
        let below = self.below(scope);
        let below: usize = below.into_iter().map(|below| self.busy(below)).sum();
        self.scopes[scope].running + below
    }

    pub(super) fn tell(&mut self, scope: usize, why: Why, at: u64, hard: Option<u64>) {
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

    pub(super) fn tell_alone(&mut self, actor: usize, why: Why) {
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
    pub(super) fn apparent(&self, scope: usize) -> usize {
        match self.scopes[scope].parent {
            Some(parent) if self.scopes[scope].role == Role::Hidden => parent,
            _ => scope,
        }
    }

    /// The frame of `actor` that was at `depth` has failed.
    pub(super) fn fail(
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
    pub(super) fn keep(&mut self, scope: usize, failure: Failure) {
        if self.scopes[scope].stage == Stage::Ended {
            let path = self.path(scope);
            self.account.unclaimed.push((path, failure));
        } else {
            self.scopes[scope].failures.push(failure);
        }
    }

    pub(super) fn drop_handle(&mut self, task: usize) {
        let scope = self.apparent(self.actors[task].scope);
        let handle = std::mem::replace(&mut self.actors[task].handle, Handle::Dropped);
        if let Handle::Held(Some(failure)) = handle {
            self.keep(scope, failure);
        }
    }

    /// Those that a frame holds: first the one that it awaits.
    pub(super) fn drop_handles(&mut self, frame: &Frame) {
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

    pub(super) fn leave_body(&mut self, scope: usize, has_value: bool) {
        self.scopes[scope].stage = Stage::Joining(has_value);
        if self.scopes[scope].cancel_on_leave && self.busy(scope) > 0 {
            self.tell(scope, Why::BodyReturned, self.now, None);
        }
    }

    /// Ends a scope whose body is done, if nothing is left.
    pub(super) fn try_end(&mut self, scope: usize) -> Option<Outcome> {
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

    pub(super) fn end(&mut self, scope: usize) {
        self.scopes[scope].stage = Stage::Ended;
        if let Some(background) = self.scopes[scope].background {
            self.scopes[background].stage = Stage::Ended;
        }
    }

    /// Its future is dropped; the body still stands.
    pub(super) fn tell_dropped(&mut self, scope: usize, above: Option<Why>) {
        let here = self.scopes[scope].told.map(|(why, _)| why);
        let why = here.or(above).unwrap_or(Why::OwnerDropped);
        let parent = self.scopes[scope].parent;
        let hard = parent.and_then(|parent| self.scopes[parent].hard);
        self.tell(scope, why, self.now, hard);
    }

    /// Nothing holds any more what stands above.
    pub(super) fn close_shield(&mut self, shield: usize) {
        self.scopes[shield].stage = Stage::Orphan;
        if let Some(parent) = self.scopes[shield].parent
            && let Some((why, _)) = self.scopes[parent].told
        {
            self.tell(shield, why, self.now, self.scopes[parent].hard);
        }
        self.bury_orphans();
    }

    pub(super) fn bury_orphans(&mut self) {
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

    pub(super) fn path(&self, scope: usize) -> String {
        let this = &self.scopes[scope];
        let above = this.parent.map(|parent| self.path(parent));
        match above {
            Some(above) if this.role != Role::Scope => above,
            Some(above) => format!("{above}/{}", this.name),
            None => this.name.into(),
        }
    }
}
