//! One run of a program, undisturbed or stopped at one point.

use super::{
    super::{
        budget::calibrate,
        left::{alive, settle},
        panics::{Panicked, Recorder},
        paused::{YEAR, ended_before, left, paused_runtime, stuck},
        point::Sweeping,
    },
    Mode, Sweep,
    engine::{Engine, Hit, MAX_STEPS, OnPurpose, Trace},
    mode::Replay,
    subject::Subject,
};
use std::{
    cell::RefCell,
    convert::Infallible,
    future::Future,
    panic::{AssertUnwindSafe, Location, catch_unwind},
    pin::pin,
    rc::Rc,
    task::{Context, Poll},
};
use tidegate::{
    Opts, Reason, Scope, ScopeError, What,
    cancel::hook::{self, Progress},
    scope,
};
use tokio::{
    task::coop::unconstrained,
    time::{Instant, sleep, sleep_until},
};

pub(super) struct Run<'a> {
    pub(super) sweep: &'a Sweep,
    pub(super) at: &'static Location<'static>,
    pub(super) reference: Option<Rc<Undisturbed>>,
    pub(super) stop: Option<Replay>,
    /// Whether awaits that are ready suspend.
    pub(super) splits: bool,
}

/// What other runs have to be like.
#[derive(Debug, Default)]
pub(super) struct Undisturbed {
    pub(super) trace: Trace,
    /// Where it has panicked.
    panics: Vec<String>,
}

/// How a run ended.
pub(super) struct Ended {
    /// What it is for later runs if it was not stopped.
    pub(super) undisturbed: Undisturbed,
    pub(super) hit: Option<Hit>,
    pub(super) violation: Option<String>,
    /// The run was another one than the undisturbed.
    pub(super) differs: bool,
}

impl Run<'_> {
    pub(super) fn run<S, F: Future>(
        &self,
        make: &impl Fn() -> (S, F),
        check: &impl Fn(&S) -> Result<(), String>,
    ) -> Ended {
        let engine = Rc::new(Engine::new(
            (self.sweep.name, self.at),
            self.splits,
            self.stop,
            self.reference.clone(),
        ));
        let runtime = paused_runtime();
        // For itself, as it spends the budget of a poll.
        runtime.block_on(calibrate());
        let hooked = hook::install(engine.clone());
        let sweeping = self.splits.then(Sweeping::start);
        let (found, panics) = runtime.block_on(async {
            let (state, work) = make();
            let known = self.reference.as_ref().map(|run| run.panics.clone());
            let recorder = Recorder::start(known.unwrap_or_default());
            let ended = self.drive(&engine, work).await;
            let panics = recorder.take();
            let found = self.no_new(&panics).and(ended);
            if !self.sweep.rest.is_zero() {
                sleep(self.sweep.rest).await;
            }
            let found = match found {
                // A check may poll what it looks at, and the last poll of the run has spent its budget.
                Ok(()) => unconstrained(async { caught(&recorder, || check(&state)) }).await,
                Err(what) => Err(what),
            };
            (found, panics)
        });
        // While the hook is there, as what is left is dropped.
        runtime.shutdown_background();
        drop((sweeping, hooked));
        let difference = engine.difference().filter(|_| self.stop.is_some());
        let differs = difference.is_some();
        let nondeterministic = difference.map(|difference| {
            format!("nondeterministic, as by a `select!` that is not `biased`, at {difference}")
        });
        Ended {
            undisturbed: Undisturbed {
                trace: engine.take_trace(),
                panics: panics.into_iter().map(|panicked| panicked.at).collect(),
            },
            hit: engine.take_hit(),
            violation: nondeterministic.or(found.err()),
            differs,
        }
    }

    /// Runs the program until it and all it has spawned have ended.
    async fn drive<F: Future>(&self, engine: &Engine, work: F) -> Result<(), String> {
        let sweep = self.sweep;
        let given = alive();
        let handle = RefCell::new(None);
        let mut whole = pin!(scope(
            Opts::named(sweep.name).grace(sweep.grace),
            async |s: &Scope<Infallible>| {
                self.cancel_if_due(engine, s);
                *handle.borrow_mut() = Some(s.clone());
                let work = Some(Box::pin(work));
                Subject { work, engine }.await;
                Ok(())
            }
        ));
        let mut result = None;
        let mut main = |cx: &mut Context<'_>| {
            if result.is_some() {
                return Progress::Ended;
            }
            engine.observe(
                (sweep.name, self.at),
                cx,
                &mut |cx| match whole.as_mut().poll(cx) {
                    Poll::Ready(ended) => {
                        result = Some(ended);
                        Progress::Ended
                    }
                    Poll::Pending => Progress::Pending,
                },
            )
        };
        let undisturbed = |cx: &mut Context<'_>| {
            engine.set_main(cx.waker());
            let over = || engine.has_come() || engine.is_endless();
            match over() || main(cx) == Progress::Ended || over() {
                true => Progress::Ended,
                false => Progress::Pending,
            }
        };
        let mut limit = pin!(sleep(YEAR));
        let in_time = ended_before(limit.as_mut(), undisturbed).await;
        if engine.is_endless() {
            return Err(format!("it does not end within {MAX_STEPS} polls"));
        }
        if !in_time {
            let stuck = stuck(&engine.tasks, sweep.name, main).await;
            return Err(format!("stuck: all tasks wait for each other{stuck}"));
        }
        if let Some(s) = handle.borrow().as_ref() {
            self.cancel_if_due(engine, s);
        }
        let until = Instant::now() + sweep.within;
        let mut limit = pin!(sleep_until(until));
        if !ended_before(limit.as_mut(), &mut main).await {
            let stuck = stuck(&engine.tasks, sweep.name, main).await;
            return Err(format!("not ended {:?} later{stuck}", sweep.within));
        }
        expected(result.expect("it has ended"))?;
        self.nothing_left(engine, given, until).await
    }

    fn cancel_if_due(&self, engine: &Engine, s: &Scope<Infallible>) {
        if engine.take_due(Mode::Cancel) {
            s.cancel(Reason::User("sweep"), self.sweep.grace);
        }
    }

    /// Tasks beyond those that were `given` have until `until` to end.
    async fn nothing_left(
        &self,
        engine: &Engine,
        given: usize,
        until: Instant,
    ) -> Result<(), String> {
        if settle(given).await > 0 {
            sleep_until(until).await;
        }
        match settle(given).await {
            0 => Ok(()),
            count => Err(left(&engine.tasks, count).await.to_string()),
        }
    }

    /// Panics that the undisturbed run has not had are not the program's own.
    fn no_new(&self, panics: &[Panicked]) -> Result<(), String> {
        let Some(reference) = &self.reference else {
            return Ok(());
        };
        let new = |panicked: &&Panicked| !reference.panics.contains(&panicked.at);
        match panics.iter().find(new) {
            Some(panicked) => Err(panicked.to_string()),
            None => Ok(()),
        }
    }
}

/// A check that asserts is one that fails.
fn caught(recorder: &Recorder, check: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(check))
        .unwrap_or_else(|_| Err(recorder.take().iter().map(Panicked::to_string).collect()))
}

/// The scope around the program fails only by a panic, and of those only the sweep's own is meant.
fn expected(result: Result<(), ScopeError<Infallible>>) -> Result<(), String> {
    let Err(ScopeError::Failed(failures)) = result else {
        return Ok(());
    };
    for failure in failures {
        let text = failure.to_string();
        let meant = match failure.what {
            What::Panic(panic) => panic.into_payload().is::<OnPurpose>(),
            _ => false,
        };
        if !meant {
            return Err(text);
        }
    }
    Ok(())
}
