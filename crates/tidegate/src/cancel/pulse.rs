//! What every thread polls right now, for reports: written at each poll without a clock or a lock, read by whoever makes
//! a report. Two looks at the same poll tell how long it has lasted.

use super::{Key, Site, ignore_poison};
use crossbeam_utils::{CachePadded, atomic::AtomicCell};
use std::{
    cell::Cell,
    sync::{
        Mutex,
        atomic::{
            AtomicU32, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
            fence,
        },
    },
    time::Duration,
};
use tokio::time::Instant;

/// One thread's poll. `turn` is odd while there is one; a reader that finds the same odd turn before and after it has read
/// the rest has read what belongs together.
#[derive(Debug, Default)]
struct Slot {
    turn: AtomicU64,
    scope: AtomicU64,
    key: AtomicU32,
    at: AtomicCell<Option<Site>>,
}

/// Slots live as long as the process. Threads that end give theirs back.
static SLOTS: Mutex<Slots> = Mutex::new(Slots {
    all: Vec::new(),
    free: Vec::new(),
});

type SlotRef = &'static CachePadded<Slot>;

struct Slots {
    all: Vec<SlotRef>,
    free: Vec<SlotRef>,
}

thread_local! {
    /// Without a destructor, so that a poll finds it without asking for its state.
    static SLOT: Cell<Option<SlotRef>> = const { Cell::new(None) };
    static GIVE_BACK: GiveBack = const { GiveBack };
}

struct GiveBack;

impl Drop for GiveBack {
    fn drop(&mut self) {
        if let Some(slot) = SLOT.take() {
            ignore_poison(SLOTS.lock()).free.push(slot);
        }
    }
}

#[cold]
fn new_slot() -> SlotRef {
    let slot = {
        let mut slots = ignore_poison(SLOTS.lock());
        slots.free.pop().unwrap_or_else(|| {
            let slot: SlotRef = Box::leak(Box::default());
            slots.all.push(slot);
            slot
        })
    };
    SLOT.set(Some(slot));
    // Outside the lock. A thread that is ending keeps its slot for good.
    GIVE_BACK.try_with(|_| ()).ok();
    slot
}

/// A poll under way on this thread.
pub(crate) struct Pulse {
    slot: SlotRef,
    /// The poll around this one, if some code blocks on a runtime within a poll.
    outer: Option<(u64, Key, Option<Site>)>,
}

impl Pulse {
    /// The child with `key` in the scope with that serial number is being polled.
    #[inline]
    pub(crate) fn begin(scope: u64, key: Key, at: Site) -> Pulse {
        let slot = SLOT.get().unwrap_or_else(new_slot);
        let turn = slot.turn.load(Relaxed);
        let outer = (turn & 1 == 1).then(|| {
            (
                slot.scope.load(Relaxed),
                Key::from(slot.key.load(Relaxed)),
                slot.at.load(),
            )
        });
        slot.write(turn, scope, key, Some(at));
        Pulse { slot, outer }
    }

    #[inline]
    pub(crate) fn end(self) {
        let turn = self.slot.turn.load(Relaxed);
        match self.outer {
            None => self.slot.turn.store(turn + 1, Release),
            Some((scope, key, at)) => self.slot.write(turn, scope, key, at),
        }
    }
}

impl Slot {
    /// A new odd turn.
    #[inline]
    fn write(&self, turn: u64, scope: u64, key: Key, at: Option<Site>) {
        let even = (turn + 1) & !1;
        if even != turn {
            // One poll gives way to another: even in between, so that a reader sees the change.
            self.turn.store(even, Relaxed);
        }
        fence(Release);
        self.scope.store(scope, Relaxed);
        self.key.store(key.raw(), Relaxed);
        self.at.store(at);
        self.turn.store(even + 1, Release);
    }

    fn read(&self) -> Option<Polling> {
        let turn = self.turn.load(Acquire);
        let polling = Polling {
            turn,
            scope: self.scope.load(Relaxed),
            key: Key::from(self.key.load(Relaxed)).get(),
            at: self.at.load(),
            lasted: Duration::ZERO,
        };
        fence(Acquire);
        (turn & 1 == 1 && self.turn.load(Relaxed) == turn).then_some(polling)
    }
}

/// A poll that was under way when somebody looked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Polling {
    turn: u64,
    /// The serial number of the child's scope.
    pub(crate) scope: u64,
    /// `None`: the child has never waited.
    pub(crate) key: Option<u32>,
    pub(crate) at: Option<Site>,
    /// For so long at least.
    pub(crate) lasted: Duration,
}

/// A look at all threads.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    when: Instant,
    polls: Vec<Option<Polling>>,
}

impl Look {
    pub(crate) fn now() -> Look {
        let slots = ignore_poison(SLOTS.lock());
        Look {
            when: Instant::now(),
            polls: slots.all.iter().map(|slot| slot.read()).collect(),
        }
    }

    /// What is polled now, each with the time since `self` if it was being polled then already.
    pub(crate) fn again(&self) -> Vec<Polling> {
        let now = Look::now();
        let since = now.when.saturating_duration_since(self.when);
        let before = self.polls.iter().chain(std::iter::repeat(&None));
        let both = now.polls.iter().zip(before);
        both.filter_map(|(now, before)| {
            let now = (*now)?;
            let same = before.is_some_and(|before| before.turn == now.turn);
            let lasted = if same { since } else { Duration::ZERO };
            Some(Polling { lasted, ..now })
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, Look, Pulse};
    use std::panic::Location;

    fn keys(polls: &[super::Polling], scope: u64) -> Vec<Option<u32>> {
        let of_scope = polls.iter().filter(|poll| poll.scope == scope);
        of_scope.map(|poll| poll.key).collect()
    }

    #[test]
    fn a_poll_shows_while_it_lasts_and_the_outer_one_comes_back() {
        const SCOPE: u64 = u64::MAX - 7;
        let seen = || keys(&Look::now().again(), SCOPE);
        let outer = Pulse::begin(SCOPE, Key::NONE, Location::caller());
        assert_eq!(seen(), [None]);
        let inner = Pulse::begin(SCOPE, Key::from(3), Location::caller());
        assert_eq!(seen(), [Some(3)]);
        inner.end();
        assert_eq!(seen(), [None]);
        outer.end();
        assert_eq!(seen(), []);
    }

    #[test]
    fn a_poll_that_was_there_before_is_known_to_last() {
        const SCOPE: u64 = u64::MAX - 8;
        let pulse = Pulse::begin(SCOPE, Key::from(1), Location::caller());
        let look = Look::now();
        std::thread::yield_now();
        let again = look.again();
        let poll = again.iter().find(|poll| poll.scope == SCOPE);
        assert!(!poll.expect("it goes on").lasted.is_zero());
        pulse.end();
        let pulse = Pulse::begin(SCOPE, Key::from(1), Location::caller());
        let again = look.again();
        let poll = again.iter().find(|poll| poll.scope == SCOPE);
        assert!(poll.expect("another one").lasted.is_zero());
        pulse.end();
    }
}
