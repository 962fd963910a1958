//! An attempt as the scopes and calls inside it see it: what has been opened in it, and what that keeps of the policy.
//!
//! A scope that is opened while an attempt is polled belongs to it, and counts in it as long as anything runs in the scope.
//! An attempt that ends before keeps its pass for what it leaves behind, until the last of its scopes has fallen idle.
//!
//! While an attempt is polled its *badge* lies in a slot of the thread. Only when a scope is opened, or a call inside has
//! to decide about a repetition, is a *nest* made of the badge: an attempt that does neither allocates nothing.

use super::{
    gate::{Hold, Shared},
    nested::Ledger,
    state::{State, Trail},
};
use crate::cancel::{Giver, Tenure, ask, ignore_poison, tenure_above};
use pin_project_lite::pin_project;
use std::{
    any::Any,
    cell::{Cell, RefCell},
    mem::{self, ManuallyDrop},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock, atomic::AtomicU32},
    task::{Context, Poll},
};
use tokio::time::Instant;

thread_local! {
    /// The attempt that is being polled. Without a destructor, hence without a state to check at every access.
    static BADGE: Cell<ManuallyDrop<Option<Badge>>> = const { Cell::new(ManuallyDrop::new(None)) };
    /// Those that it is polled inside of, the outermost first.
    static AROUND: RefCell<Vec<Badge>> = const { RefCell::new(Vec::new()) };
}

/// What is needed to make an attempt's nest. Moved twice at every poll, so its size is speed; so is that no byte of it is
/// left over, which would be copied apart.
#[derive(Debug)]
struct Badge {
    shared: Arc<Shared>,
    /// The attempt's, or that of an earlier attempt of the call.
    nest: Option<Arc<Nest>>,
    /// Attempts that the call may make after this one.
    further: u32,
    marks: Marks,
    pass: u64,
}

/// What is true of an attempt, in as many bytes as [`Badge`] has left.
#[derive(Clone, Copy, Debug)]
struct Marks(u32);

impl Marks {
    /// Its own nest is made.
    const MADE: u32 = 1;
    const IDEMPOTENT: u32 = 2;
    const PROBE: u32 = 4;

    fn new(idempotent: bool, probe: bool) -> Self {
        Self(u32::from(idempotent) * Self::IDEMPOTENT + u32::from(probe) * Self::PROBE)
    }

    #[inline]
    fn has(self, mark: u32) -> bool {
        self.0 & mark != 0
    }
}

impl Hold<'_> {
    /// For the attempt that has just entered.
    #[inline]
    pub(super) fn home<'c>(&self, trail: &Trail, nesting: &'c Nesting) -> Home<'c> {
        let pass = self.held.pass.as_ref().expect("what has entered has one");
        let badge = Badge {
            shared: self.shared.clone(),
            nest: None,
            further: trail.further,
            marks: Marks::new(trail.op.idempotent && !trail.op.once, pass.probe),
            pass: pass.id,
        };
        Home {
            badge: Some(badge),
            nesting,
        }
    }
}

impl Badge {
    /// The nest, made when first asked for. `outer`: the attempt around the call.
    fn nest(&mut self, outer: impl FnOnce() -> Option<Arc<Nest>>) -> Arc<Nest> {
        if self.marks.has(Marks::MADE)
            && let Some(nest) = &self.nest
        {
            return nest.clone();
        }
        let outer = outer();
        let ledger = outer.as_ref().or(self.nest.as_ref()).map(Nest::ledger);
        self.marks.0 |= Marks::MADE;
        let nest = Nest {
            shared: self.shared.clone(),
            idempotent: self.marks.has(Marks::IDEMPOTENT),
            probe: self.marks.has(Marks::PROBE),
            pass: self.pass,
            outer,
            ledger,
            further: AtomicU32::new(self.further),
            left: Mutex::default(),
        };
        self.nest.insert(Arc::new(nest)).clone()
    }
}

/// The innermost attempt that the calling code is part of. Allocates where nobody has asked before.
pub(super) fn around() -> Option<Arc<Nest>> {
    let above = || {
        let tenure: Arc<dyn Any + Send + Sync> = tenure_above()?;
        tenure.downcast().ok()
    };
    let Some(mut innermost) = swap(None) else {
        return above();
    };
    let outer = AROUND.with_borrow_mut(|badges| {
        let mut outer = None;
        for badge in badges {
            outer = Some(badge.nest(|| outer.or_else(above)));
        }
        outer
    });
    let nest = innermost.nest(|| outer.or_else(above));
    swap(Some(innermost));
    Some(nest)
}

#[inline]
fn swap(badge: Option<Badge>) -> Option<Badge> {
    ManuallyDrop::into_inner(BADGE.replace(ManuallyDrop::new(badge)))
}

const GIVER: Giver = || around().map(|nest| nest as Arc<dyn Tenure>);

/// One attempt in which a scope was opened, or a call failed.
#[derive(Debug)]
pub(super) struct Nest {
    pub(super) shared: Arc<Shared>,
    idempotent: bool,
    probe: bool,
    pass: u64,
    outer: Option<Arc<Nest>>,
    /// `None`: it is this one, the first of an outermost call.
    ledger: Option<Ledger>,
    /// In the ledger: attempts that may still be made.
    pub(super) further: AtomicU32,
    left: Mutex<Left>,
}

#[derive(Debug, Default)]
struct Left {
    /// Scopes of the attempt that run something.
    running: usize,
    /// The attempt has ended before them, and they keep its pass.
    keeps: bool,
}

impl Nest {
    /// What all that is inside the outermost call may spend.
    pub(super) fn ledger(self: &Arc<Nest>) -> Ledger {
        let first = || Ledger(self.clone());
        self.ledger.clone().unwrap_or_else(first)
    }

    /// The attempt is about to give back its pass: if anything of it runs, the pass is kept.
    fn end(&self) {
        if self.left().running == 0 {
            return;
        }
        self.shared
            .with(|state, _| state.leave_behind(self.pass, self.probe));
        let is_over = {
            let mut left = self.left();
            left.keeps = left.running > 0;
            !left.keeps
        };
        if is_over {
            self.give_back();
        }
    }

    fn give_back(&self) {
        self.shared
            .with(|state, now| state.is_gone(self.pass, self.probe, now));
    }

    fn left(&self) -> MutexGuard<'_, Left> {
        ignore_poison(self.left.lock())
    }

    /// Whether a call around here, of this policy, will repeat what fails inside.
    pub(super) fn is_repeated_by(&self, policy: &Arc<Shared>) -> bool {
        let mine = self.idempotent && Arc::ptr_eq(&self.shared, policy);
        let outer = self.outer.as_ref();
        mine || outer.is_some_and(|outer| outer.is_repeated_by(policy))
    }
}

impl Tenure for Nest {
    fn enter(&self) {
        if let Some(outer) = &self.outer {
            outer.enter();
        }
        self.left().running += 1;
    }

    fn leave(&self) {
        let is_last = {
            let mut left = self.left();
            left.running -= 1;
            left.running == 0 && mem::take(&mut left.keeps)
        };
        if is_last {
            self.give_back();
        }
        if let Some(outer) = &self.outer {
            outer.leave();
        }
    }
}

impl State {
    /// The attempt with this pass is about to end, and has left something behind.
    fn leave_behind(&mut self, pass: u64, probe: bool) {
        self.keep(pass);
        self.probes_out += usize::from(probe);
    }

    fn is_gone(&mut self, pass: u64, probe: bool, now: Instant) {
        self.probes_out -= usize::from(probe);
        self.stop_keeping(pass, now);
        self.call_next(now);
    }
}

/// The first nest of one call. All further ones share its ledger.
#[derive(Debug, Default)]
pub(super) struct Nesting(OnceLock<Arc<Nest>>);

impl Nesting {
    /// What calls inside this one may spend, once there may have been any.
    pub(super) fn ledger(&self) -> Option<Ledger> {
        self.0.get().map(Nest::ledger)
    }
}

/// Where an attempt's badge is between polls.
#[derive(Debug)]
pub(super) struct Home<'c> {
    badge: Option<Badge>,
    nesting: &'c Nesting,
}

impl Home<'_> {
    /// Another attempt of the call may have made its nest first.
    #[cold]
    fn know(&mut self, first: Arc<Nest>) {
        if let Some(badge) = &mut self.badge {
            badge.nest.get_or_insert(first);
        }
    }

    #[cold]
    fn tell(&self) {
        if let Some(nest) = self.badge.as_ref().and_then(|badge| badge.nest.as_ref()) {
            self.nesting.0.get_or_init(|| nest.clone());
        }
    }

    #[cold]
    fn end(&self) {
        if let Some(nest) = self.badge.as_ref().and_then(|badge| badge.nest.as_ref()) {
            nest.end();
        }
    }
}

pin_project! {
    /// An attempt, known to the scopes and calls inside it.
    ///
    /// It must be gone before the attempt's pass is given back, so that the pass is kept for what it leaves behind.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the attempt; what this leaves behind is held as above.
    pub(super) struct Inside<'h, 'c, F> {
        #[pin]
        attempt: F,
        // After the attempt: its destructors tell the scopes, and only then is it known which of them run on.
        end: End<'h, 'c>,
    }
}

struct End<'h, 'c>(&'h mut Home<'c>);

impl Drop for End<'_, '_> {
    #[inline]
    fn drop(&mut self) {
        if self
            .0
            .badge
            .as_ref()
            .is_some_and(|badge| badge.marks.has(Marks::MADE))
        {
            self.0.end();
        }
    }
}

impl<'h, 'c, F> Inside<'h, 'c, F> {
    #[inline]
    pub(super) fn new(home: &'h mut Home<'c>, attempt: F) -> Self {
        Inside {
            attempt,
            end: End(home),
        }
    }
}

impl<F: Future> Future for Inside<'_, '_, F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _polled = Polled::begin(this.end.0);
        this.attempt.poll(cx)
    }
}

/// As long as it lives the badge is in the thread's slot; it comes back also when the poll panics.
struct Polled<'p, 'c> {
    home: &'p mut Home<'c>,
    before: Option<Giver>,
}

impl<'p, 'c> Polled<'p, 'c> {
    #[inline]
    fn begin(home: &'p mut Home<'c>) -> Self {
        if let Some(first) = home.nesting.0.get() {
            home.know(first.clone());
        }
        let before = ask(Some(GIVER));
        let outer = swap(home.badge.take());
        if let Some(outer) = outer {
            AROUND.with_borrow_mut(|badges| badges.push(outer));
        }
        Polled { home, before }
    }
}

impl Drop for Polled<'_, '_> {
    #[inline]
    fn drop(&mut self) {
        ask(self.before);
        // Who was to be asked before is another attempt, which this one is polled inside of.
        let outer = self.before.and_then(|_| AROUND.with_borrow_mut(Vec::pop));
        let badge = self
            .home
            .badge
            .insert(swap(outer).expect("it lies there during the poll"));
        if badge.marks.has(Marks::MADE) {
            self.home.tell();
        }
    }
}
