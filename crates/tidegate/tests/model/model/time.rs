//! Time: what happens next, and who may stay how long.

use super::*;

impl Model {
    pub(super) fn next_instant(&self) -> Option<u64> {
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
    pub(super) fn own_deadline(&self, scope: usize) -> Option<u64> {
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

    pub(super) fn deadlines(&mut self) {
        for scope in 0..self.scopes.len() {
            if self.own_deadline(scope).is_some_and(|at| at <= self.now) {
                let why = Why::Deadline(self.scopes[scope].name);
                self.tell(scope, why, self.now, None);
            }
        }
    }

    /// What the code of a frame was told, and when.
    pub(super) fn told(&self, actor: usize, depth: usize) -> Option<(Why, u64)> {
        let alone = self.actors[actor].alone.filter(|_| depth == 0);
        alone.or(self.scopes[self.actors[actor].frames[depth].scope].told)
    }

    pub(super) fn forced_at(&self, actor: usize, depth: usize) -> Option<u64> {
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
    pub(super) fn is_over(&self, actor: usize, depth: usize) -> bool {
        let forced_at = self.forced_at(actor, depth);
        let is_due = match self.is_shielded(actor, depth) {
            true => forced_at.is_some_and(|at| at <= self.now),
            false => forced_at.is_none_or(|at| at <= self.now),
        };
        self.told(actor, depth).is_some() && is_due
    }

    pub(super) fn is_shielded(&self, actor: usize, depth: usize) -> bool {
        let inside = &self.actors[actor].frames[depth + 1..];
        inside
            .iter()
            .any(|frame| self.scopes[frame.scope].role == Role::Shield)
    }

    pub(super) fn until_quiet(&mut self) {
        while self.pass() {}
    }

    /// Lets every task do what it can. `false`: there was nothing to do.
    pub(super) fn pass(&mut self) -> bool {
        let mut moved = false;
        for actor in 0..self.actors.len() {
            moved |= self.poll(actor);
        }
        moved
    }
}
