//! Sees every poll of a run, splits it, counts it, and stops the run at the one that was asked for.

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    fmt,
    str::FromStr,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tidegate::{
    Reason, Scope,
    cancel::hook::{PollHook, Polled, Progress},
};
use tidegate_runner::engine::RunError;
use tokio::task::{
    Id,
    coop::{has_budget_remaining, poll_proceed},
    try_id,
};

/// More than started work can need here.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// How a run is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Told, with a grace that is long enough: as by a signal.
    Stop,
    /// Told, without a grace.
    Cut,
    /// Its future is dropped.
    Drop,
}

impl Mode {
    pub(crate) const ALL: [Mode; 3] = [Mode::Stop, Mode::Cut, Mode::Drop];
}

/// Where and how a run is stopped. Point 0 is before its first poll.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop {
    pub(crate) mode: Mode,
    pub(crate) point: usize,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match self.mode {
            Mode::Stop => "stop",
            Mode::Cut => "cut",
            Mode::Drop => "drop",
        };
        write!(f, "{mode}:{}", self.point)
    }
}

impl FromStr for Stop {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not as `drop:17`");
        let (mode, point) = text.split_once(':').ok_or_else(wrong)?;
        let mode = match mode {
            "stop" => Mode::Stop,
            "cut" => Mode::Cut,
            "drop" => Mode::Drop,
            _ => return Err(wrong()),
        };
        let point = point.parse().map_err(|_| wrong())?;
        Ok(Stop { mode, point })
    }
}

/// The polls of one run.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    stop: Option<Stop>,
    points: Cell<usize>,
    /// The child whose poll the point was, or the body of the run.
    hit: RefCell<Option<String>>,
    scope: RefCell<Option<Scope<RunError>>>,
    /// Tasks that have been polled; none is the run itself.
    known: RefCell<HashSet<Option<Id>>>,
    main: RefCell<Option<Waker>>,
}

impl Watch {
    pub(crate) fn new(stop: Option<Stop>) -> Watch {
        Watch {
            stop,
            ..Watch::default()
        }
    }

    /// Polls so far.
    pub(crate) fn points(&self) -> usize {
        self.points.get()
    }

    /// Whose poll it was at which the run was stopped; none if it ended before.
    pub(crate) fn hit(&self) -> Option<String> {
        self.hit.borrow().clone()
    }

    /// The scope to tell. Called when its body begins.
    pub(crate) fn enter(&self, scope: &Scope<RunError>) {
        *self.scope.borrow_mut() = Some(scope.clone());
        if self.points() == 0 && self.is_due() {
            self.strike("the run, before it began");
        }
    }

    /// Polls the run itself. Gives none when it is to be dropped.
    pub(crate) fn poll_main<T>(
        &self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Option<Poll<T>> {
        *self.main.borrow_mut() = Some(cx.waker().clone());
        if self.is_to_be_dropped() {
            return None;
        }
        self.split(cx);
        let polled = poll(cx);
        // At its end nothing is left to be stopped.
        if polled.is_pending() {
            self.pass("the run");
        }
        (polled.is_ready() || !self.is_to_be_dropped()).then_some(polled)
    }

    fn is_to_be_dropped(&self) -> bool {
        self.stop.is_some_and(|stop| stop.mode == Mode::Drop) && self.points() >= self.point()
    }

    fn point(&self) -> usize {
        self.stop.map_or(usize::MAX, |stop| stop.point)
    }

    fn is_due(&self) -> bool {
        self.points() == self.point()
    }

    fn pass(&self, name: &str) {
        self.points.set(self.points() + 1);
        if self.is_due() {
            self.strike(name);
        }
    }

    fn strike(&self, name: &str) {
        *self.hit.borrow_mut() = Some(name.to_owned());
        let tell = |grace| {
            if let Some(scope) = self.scope.borrow().as_ref() {
                scope.cancel(Reason::User("stopped by a test"), grace);
            }
        };
        match self.stop.map(|stop| stop.mode) {
            Some(Mode::Stop) => tell(GRACE),
            Some(Mode::Cut) => tell(Duration::ZERO),
            Some(Mode::Drop) => {
                if let Some(main) = self.main.borrow().as_ref() {
                    main.wake_by_ref();
                }
            }
            None => {}
        }
    }

    /// Leaves this poll one unit of tokio's budget, and a task's first none: then no two awaits of leaves that take part in
    /// it are passed in one poll, although both are ready.
    fn split(&self, cx: &mut Context<'_>) {
        let is_first = self.known.borrow_mut().insert(try_id());
        while has_budget_remaining() {
            let Poll::Ready(unit) = poll_proceed(cx) else {
                return;
            };
            // Dropped without progress the last unit comes back.
            if !has_budget_remaining() && !is_first {
                return;
            }
            unit.made_progress();
        }
    }
}

impl PollHook for Watch {
    fn poll(
        &self,
        child: &Polled,
        cx: &mut Context<'_>,
        poll: &mut dyn FnMut(&mut Context<'_>) -> Progress,
    ) {
        self.split(cx);
        poll(cx);
        self.pass(child.name);
    }
}
