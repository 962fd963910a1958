//! Sees every poll of one run, splits it, counts the points and says when the one to stop at has come.

use super::{
    super::{
        budget::spend,
        stack::{Stack, Waits},
        tasks::{Tasks, Who},
    },
    Mode,
    mode::Replay,
    run::Undisturbed,
};
use std::{
    cell::{Cell, RefCell},
    fmt,
    panic::resume_unwind,
    rc::Rc,
    task::{Context, Waker},
};
use tidegate::cancel::hook::{PollHook, Polled, Progress};

/// A program that suspends more often than this by itself will hardly end.
pub(super) const MAX_STEPS: usize = 200_000;

/// The polls of a run, in order.
#[derive(Debug, Default)]
pub(super) struct Trace(Vec<Step>);

#[derive(Clone, Debug)]
struct Step {
    who: Who,
    end: End,
    /// Of the places at which it waits; known where the stacks were taken.
    places: Option<Waits>,
}

/// How a poll ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Done,
    Waits,
}

/// The point at which a run was stopped.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    pub(super) who: Who,
    /// It had not suspended but ended.
    pub(super) ended: bool,
    pub(super) stacks: Vec<Stack>,
}

/// What a panic of the sweep carries.
pub(super) struct OnPurpose;

pub(super) struct Engine {
    pub(super) tasks: Tasks,
    /// The program itself; its end is no point, as nothing is left to be stopped.
    program: Who,
    /// Whether awaits that are ready suspend.
    splits: bool,
    stop: Option<Replay>,
    reference: Option<Rc<Undisturbed>>,
    trace: RefCell<Trace>,
    points: Cell<usize>,
    is_over: Cell<bool>,
    differs: RefCell<Option<String>>,
    hit: RefCell<Option<Hit>>,
    state: Cell<State>,
    main: RefCell<Option<Waker>>,
}

/// From the point on, polls are split but no longer counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Counts,
    /// The point has come; nobody has stopped anything yet.
    Due,
    Stopped,
}

impl Engine {
    pub(super) fn new(
        program: Who,
        splits: bool,
        stop: Option<Replay>,
        reference: Option<Rc<Undisturbed>>,
    ) -> Self {
        let at_once = stop.is_some_and(|stop| stop.point == 0);
        Engine {
            tasks: Tasks::default(),
            program,
            splits,
            stop,
            reference,
            trace: RefCell::default(),
            points: Cell::new(0),
            is_over: Cell::new(false),
            differs: RefCell::default(),
            hit: RefCell::default(),
            state: Cell::new(if at_once { State::Due } else { State::Counts }),
            main: RefCell::default(),
        }
    }

    /// Whom to wake when the point has come.
    pub(super) fn set_main(&self, waker: &Waker) {
        *self.main.borrow_mut() = Some(waker.clone());
    }

    pub(super) fn is_due(&self) -> bool {
        self.state.get() == State::Due
    }

    pub(super) fn has_come(&self) -> bool {
        self.state.get() != State::Counts
    }

    /// Whether the caller is to stop the program in this way, now; `true` once.
    pub(super) fn take_due(&self, mode: Mode) -> bool {
        let mine = self.is_due() && self.stop.is_some_and(|stop| stop.mode == mode);
        if mine {
            self.state.set(State::Stopped);
        }
        mine
    }

    pub(super) fn is_endless(&self) -> bool {
        self.trace.borrow().0.len() >= MAX_STEPS
    }

    pub(super) fn take_trace(&self) -> Trace {
        self.trace.take()
    }

    pub(super) fn take_hit(&self) -> Option<Hit> {
        self.hit.take()
    }

    /// The first way in which the run differed from the undisturbed one, before it was stopped.
    pub(super) fn difference(&self) -> Option<String> {
        if let Some(differs) = self.differs.borrow().as_ref() {
            return Some(differs.clone());
        }
        let stop = self.stop.filter(|_| !self.has_come())?;
        let points = self.points.get();
        Some(format!(
            "the program ended after {points} points, before point {}",
            stop.point
        ))
    }

    /// Polls one task.
    pub(super) fn observe(
        &self,
        who: Who,
        cx: &mut Context<'_>,
        poll: &mut dyn FnMut(&mut Context<'_>) -> Progress,
    ) -> Progress {
        self.tasks.enter(cx, poll, |cx, poll| {
            if self.splits && !self.tasks.is_asking() {
                spend(self.tasks.is_new(cx.waker()), cx);
            }
            if self.has_come() || self.is_over.get() || self.tasks.is_asking() {
                return self.tasks.poll(who, false, cx, poll).0;
            }
            let next = self.points.get() + 1;
            let see = match self.stop {
                None => true,
                Some(stop) => stop.point == next,
            };
            let (progress, stacks) = self.tasks.poll(who, see, cx, poll);
            let end = match progress {
                Progress::Ended => End::Done,
                Progress::Pending => End::Waits,
            };
            // A poll within may have been the point already: the body of a scope that panics.
            if !self.has_come() {
                self.count(who, end, see.then_some(stacks));
            }
            progress
        })
    }

    fn count(&self, who: Who, end: End, stacks: Option<Vec<Stack>>) {
        let step = Step {
            who,
            end,
            places: stacks.as_deref().map(Waits::new),
        };
        self.compare(&step);
        self.trace.borrow_mut().0.push(step);
        if end == End::Done && who == self.program {
            self.is_over.set(true);
            return;
        }
        self.points.set(self.points.get() + 1);
        if self
            .stop
            .is_some_and(|stop| stop.point == self.points.get())
        {
            let stacks = stacks.unwrap_or_default();
            *self.hit.borrow_mut() = Some(Hit {
                who,
                ended: end == End::Done,
                stacks,
            });
            self.state.set(State::Due);
            if let Some(main) = self.main.borrow().as_ref() {
                main.wake_by_ref();
            }
        }
    }

    fn compare(&self, step: &Step) {
        let Some(reference) = &self.reference else {
            return;
        };
        let mut differs = self.differs.borrow_mut();
        if differs.is_some() {
            return;
        }
        let number = self.trace.borrow().0.len();
        let known = reference.trace.0.get(number);
        if known.is_some_and(|known| known.matches(step)) {
            return;
        }
        let known = known.map_or_else(|| "nothing".into(), ToString::to_string);
        let mut text = format!("step {}: {step}, but undisturbed {known}", number + 1);
        if known == step.to_string() {
            text.push_str(", at another await");
        }
        *differs = Some(text);
    }
}

impl PollHook for Engine {
    fn poll(
        &self,
        task: &Polled,
        cx: &mut Context<'_>,
        poll: &mut dyn FnMut(&mut Context<'_>) -> Progress,
    ) {
        self.observe((task.name, task.at), cx, poll);
        // A child that has suspended panics here; what the runtime blocks on panics by itself, at its next poll.
        let of_child = self
            .hit
            .borrow()
            .as_ref()
            .is_some_and(|hit| hit.who == (task.name, task.at) && !hit.ended);
        if of_child && self.take_due(Mode::Panic) {
            resume_unwind(Box::new(OnPurpose));
        }
    }
}

impl Trace {
    /// All polls but the last one, at which the program has ended.
    pub(super) fn points(&self) -> usize {
        self.0.len().saturating_sub(1)
    }
}

impl Step {
    fn matches(&self, other: &Step) -> bool {
        let places = match (&self.places, &other.places) {
            (Some(mine), Some(theirs)) => mine.agrees(theirs),
            _ => true,
        };
        self.who == other.who && self.end == other.end && places
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, at) = self.who;
        let end = match self.end {
            End::Done => "ended",
            End::Waits => "was suspended",
        };
        write!(f, "`{name}` ({at}) {end}")
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("stop", &self.stop)
            .field("points", &self.points)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
