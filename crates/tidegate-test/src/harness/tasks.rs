//! Every task that is polled on this thread, and where it waits.
//!
//! A task waits at a stack that only a poll can show. So the tasks are asked: each is woken and answers at its next
//! poll, which is a spurious one and as legal as any other.

use super::{stack::Stack, waker::poll_seeing};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    future::poll_fn,
    panic::Location,
    task::{Context, Poll, Waker},
};
use tidegate::cancel::hook::{PollHook, Polled, Progress};

/// Name and spawn site.
pub(super) type Who = (&'static str, &'static Location<'static>);

#[derive(Debug, Default)]
pub(super) struct Tasks {
    /// By the address of the task's waker, which is held here and so cannot become another task's.
    known: RefCell<HashMap<usize, Known>>,
    asking: Cell<bool>,
    /// Within the poll of a task: what is polled in it (the body of a scope) is the same task.
    inside: Cell<bool>,
}

#[derive(Debug)]
struct Known {
    who: Who,
    waker: Waker,
    answer: Option<Vec<Stack>>,
}

/// Where a task waits.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) who: Who,
    pub(super) stacks: Vec<Stack>,
}

impl Tasks {
    /// Polls what is part of the task that is being polled, or else a task. `task` polls a task.
    pub(super) fn enter(
        &self,
        cx: &mut Context<'_>,
        poll: &mut dyn FnMut(&mut Context<'_>) -> Progress,
        task: impl FnOnce(&mut Context<'_>, &mut dyn FnMut(&mut Context<'_>) -> Progress) -> Progress,
    ) -> Progress {
        if self.inside.replace(true) {
            return poll(cx);
        }
        let _outside = Outside(&self.inside);
        task(cx, poll)
    }

    /// Polls the task `who` and remembers it until it has ended. With `see`, the stacks of its leaves come back.
    pub(super) fn poll(
        &self,
        who: Who,
        see: bool,
        cx: &mut Context<'_>,
        poll: &mut dyn FnMut(&mut Context<'_>) -> Progress,
    ) -> (Progress, Vec<Stack>) {
        let waker = cx.waker().clone();
        let (progress, stacks) = match see || self.is_asking() {
            true => poll_seeing(cx, poll),
            false => (poll(cx), Vec::new()),
        };
        let key = waker.data() as usize;
        let mut known = self.known.borrow_mut();
        match progress {
            Progress::Pending => {
                let task = known.entry(key).or_insert(Known {
                    who,
                    waker,
                    answer: None,
                });
                if self.is_asking() {
                    task.answer = Some(stacks.clone());
                }
            }
            Progress::Ended => drop(known.remove(&key)),
        }
        (progress, stacks)
    }

    /// Whether the task of this waker has not been polled before.
    pub(super) fn is_new(&self, waker: &Waker) -> bool {
        !self.known.borrow().contains_key(&(waker.data() as usize))
    }

    pub(super) fn is_asking(&self) -> bool {
        self.asking.get()
    }

    /// Asks every task where it waits. `main` polls what the runtime itself blocks on; its poll has to go through
    /// [`poll`](Tasks::poll) too.
    pub(super) async fn ask(&self, mut main: impl FnMut(&mut Context<'_>)) -> Vec<Answer> {
        self.asking.set(true);
        for task in self.known.borrow().values() {
            task.waker.wake_by_ref();
        }
        // Some never answer: they have been dropped without a last poll. The others are polled once in each round, or in
        // each of as many rounds as there are tasks, depending on the runtime's intervals.
        let rounds = 64 + 2 * self.known.borrow().len();
        for _ in 0..rounds {
            poll_fn(|cx| {
                main(cx);
                Poll::Ready(())
            })
            .await;
            tokio::task::yield_now().await;
        }
        self.asking.set(false);
        let mut answers: Vec<Answer> = self
            .known
            .borrow_mut()
            .drain()
            .filter_map(|(_, task)| {
                let (who, stacks) = (task.who, task.answer?);
                Some(Answer { who, stacks })
            })
            .collect();
        answers.sort_by_key(|answer| {
            let (name, at) = answer.who;
            (at.file(), at.line(), at.column(), name)
        });
        answers
    }
}

struct Outside<'a>(&'a Cell<bool>);

impl Drop for Outside<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// The hook when there is nothing to do but to know the tasks.
impl PollHook for Tasks {
    fn poll(
        &self,
        task: &Polled,
        cx: &mut Context<'_>,
        poll: &mut dyn FnMut(&mut Context<'_>) -> Progress,
    ) {
        self.enter(cx, poll, |cx, poll| {
            Tasks::poll(self, (task.name, task.at), false, cx, poll).0
        });
    }
}
