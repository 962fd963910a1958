//! What the intake, the items and the consumer of a concurrent map share.

use super::{Concurrent, window::Window};
use crate::{
    Stopped,
    cancel::{ignore_poison, is_doomed},
    scope::Deliver,
};
use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker, ready},
};

pub(super) type Outcome<T> = Result<T, Stopped>;

/// No user code (wakers, destructors of results) runs while the lock is held.
pub(super) struct Shared<T> {
    state: Mutex<State<T>>,
    /// Somebody asks which items have ended.
    keyed: bool,
}

struct State<T> {
    window: Window<Outcome<T>>,
    /// Whoever takes items from the source, and waits for room.
    intake: Option<Waker>,
    consumer: Option<Waker>,
    /// Numbers of items that have ended since the intake has looked.
    ended: Vec<u64>,
    /// How the source has ended.
    source: Option<Outcome<()>>,
    abandoned: bool,
}

/// What the intake may do now.
pub(super) struct Turn {
    pub(super) ended: Vec<u64>,
    pub(super) may_start: bool,
    pub(super) has_room: bool,
}

impl<T> Shared<T> {
    pub(super) fn new(opts: &Concurrent, keyed: bool) -> Arc<Self> {
        let state = State {
            window: Window::new(opts),
            intake: None,
            consumer: None,
            ended: Vec::new(),
            source: None,
            abandoned: false,
        };
        Arc::new(Shared {
            state: Mutex::new(state),
            keyed,
        })
    }

    /// Looks what the intake may do; it is woken when that has become more.
    pub(super) fn turn(&self, cx: &Context<'_>) -> Turn {
        let waker = cx.waker().clone();
        let mut state = self.lock();
        let old = state.intake.replace(waker);
        let turn = Turn {
            ended: mem::take(&mut state.ended),
            may_start: state.window.may_start(),
            has_room: state.window.has_room(),
        };
        drop(state);
        drop(old);
        turn
    }

    /// An item has come from the source.
    pub(super) fn admit(&self) -> u64 {
        self.lock().window.admit()
    }

    /// An item runs from now on.
    pub(super) fn start(self: &Arc<Self>, number: u64) -> Ticket<T> {
        self.lock().window.start();
        Ticket {
            shared: self.clone(),
            number: Some(number),
        }
    }

    /// No item comes any more.
    pub(super) fn end_source(&self, how: Outcome<()>) {
        let consumer = {
            let mut state = self.lock();
            state.source = Some(how);
            if how.is_err() {
                state.window.give_up_waiting();
            }
            state.consumer.take()
        };
        wake(consumer);
    }

    fn end_item(&self, number: u64, result: Outcome<T>) {
        let mut unwanted = Some(result);
        let (consumer, intake) = {
            let mut state = self.lock();
            if !state.abandoned
                && let Some(result) = unwanted.take()
            {
                state.window.end(number, result);
            }
            if self.keyed {
                state.ended.push(number);
            }
            if matches!(state.source, Some(Err(_))) {
                state.window.give_up_waiting();
            }
            let news = state.window.front().is_some() || state.window.is_empty();
            let consumer = if news { state.consumer.take() } else { None };
            let goes_on = self.keyed || state.window.has_room();
            let intake = if goes_on { state.intake.take() } else { None };
            (consumer, intake)
        };
        wake(consumer);
        wake(intake);
    }

    /// The next result. `None`: all have been taken, and the source has ended. Of a source that was cut short the last
    /// result says why.
    pub(super) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Outcome<T>>> {
        let budget = ready!(tokio::task::coop::poll_proceed(cx));
        let waker = cx.waker().clone();
        let mut state = self.lock();
        let cut_short = match state.source {
            Some(Err(stopped)) if state.window.is_empty() => Some(stopped),
            _ => None,
        };
        let is_bad = cut_short.is_some() || matches!(state.window.front(), Some(Err(_)));
        if is_bad && is_doomed() {
            // As in `Task::poll`: code that is to be dropped at this await does not hear the news.
            return Poll::Pending;
        }
        let result = match (state.window.take(), cut_short) {
            (Some(result), _) => Some(result),
            (None, Some(stopped)) => {
                state.source = Some(Ok(()));
                Some(Err(stopped))
            }
            (None, None) if state.window.is_empty() && state.source.is_some() => None,
            (None, None) => {
                let old = state.consumer.replace(waker);
                drop(state);
                drop(old);
                return Poll::Pending;
            }
        };
        let goes_on = state.window.may_start();
        let intake = if goes_on { state.intake.take() } else { None };
        drop(state);
        wake(intake);
        budget.made_progress();
        Poll::Ready(result)
    }

    /// Numbers of what runs and of what is held, for a look from outside.
    pub(super) fn counts(&self) -> (usize, usize) {
        self.lock().window.counts()
    }

    /// Nobody will take a result any more. Gives those that are there, to be dropped when all else is done.
    pub(super) fn abandon(&self) -> impl Sized {
        let mut state = self.lock();
        state.abandoned = true;
        state.window.clear()
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        ignore_poison(self.state.lock())
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The promise of one item's result.
pub(super) struct Ticket<T> {
    shared: Arc<Shared<T>>,
    /// Gone once kept.
    number: Option<u64>,
}

impl<T> Deliver<T> for Ticket<T> {
    fn deliver(&mut self, result: Outcome<T>) {
        if let Some(number) = self.number.take() {
            self.shared.end_item(number, result);
        }
    }
}

impl<T> Drop for Ticket<T> {
    fn drop(&mut self) {
        self.deliver(Err(Stopped::RuntimeGone));
    }
}

/// The promise to say when the source has ended.
pub(super) struct SourceEnd<T>(Option<Arc<Shared<T>>>);

impl<T> SourceEnd<T> {
    pub(super) fn of(shared: &Arc<Shared<T>>) -> Self {
        SourceEnd(Some(shared.clone()))
    }
}

impl<T> Deliver<()> for SourceEnd<T> {
    fn deliver(&mut self, how: Outcome<()>) {
        if let Some(shared) = self.0.take() {
            shared.end_source(how);
        }
    }
}

impl<T> Drop for SourceEnd<T> {
    fn drop(&mut self) {
        self.deliver(Err(Stopped::RuntimeGone));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Weak, mpsc};

    #[test]
    fn a_result_that_nobody_wants_is_dropped_outside_the_lock() {
        struct Looks(Weak<Shared<Looks>>, mpsc::SyncSender<bool>);
        impl Drop for Looks {
            fn drop(&mut self) {
                let shared = self.0.upgrade().expect("the test has it");
                let free = shared.state.try_lock().is_ok();
                self.1.send(free).expect("the test waits");
            }
        }
        let shared = Shared::new(&Concurrent::default(), false);
        let (sender, free) = mpsc::sync_channel(1);
        let result = Looks(Arc::downgrade(&shared), sender);
        let number = shared.admit();
        let mut ticket = shared.start(number);
        drop(shared.abandon());
        ticket.deliver(Ok(result));
        assert_eq!(free.recv(), Ok(true));
    }
}
