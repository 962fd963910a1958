//! A program, run by the library.

use crate::{
    program::{Block, End, Grace, Kind, Knobs, Program, Step, Ticks},
    seen::{Account, Ambient, Because, Event, Failure, Outcome, Shielded, Stopped, What, Why},
};
use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};
use tidegate::{
    Child, ChildError, Leave, Opts, Reason, Refused, RefusedBecause, Scope, ScopeError, Supervised,
    Supervisor, Task, root, scope, shield, supervise,
};
use tokio::time::{Instant, sleep, timeout};

/// The error of every block.
#[derive(Debug)]
struct Fail;

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("on purpose")
    }
}

/// Runs the program on a clock of its own and says what was seen.
pub(crate) fn run(program: &Program) -> Account {
    // What a run leaves behind stands in one list for the whole process.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let log = runtime.block_on(async {
        let log = Arc::new(Log {
            start: Instant::now(),
            events: Mutex::default(),
        });
        let result = scope(program.top.name, async |_: &Scope<Fail>| {
            Actor {
                log: log.clone(),
                scopes: Vec::new(),
                block: program.top.clone(),
            }
            .run()
            .await
        });
        let outcome = shown(result.await, |()| Outcome::Value);
        log.note(program.top.name, What::Scope(outcome));
        log
    });
    let unclaimed = root::unclaimed().into_iter().map(|orphan| {
        let failure = failure(&orphan.failure);
        (orphan.scope, failure)
    });
    Account {
        events: std::mem::take(&mut log.events.lock().unwrap()),
        unclaimed: unclaimed.collect(),
    }
}

struct Log {
    start: Instant,
    events: Mutex<Vec<Event>>,
}

impl Log {
    fn note(&self, block: &'static str, what: What) {
        let ambient = Some(Ambient {
            reason: tidegate::reason().map(why),
            grace_left: tidegate::grace_left().map(ticks),
            remaining: tidegate::remaining().map(ticks),
        });
        self.push(block, what, ambient);
    }

    fn push(&self, block: &'static str, what: What, ambient: Option<Ambient>) {
        self.events.lock().unwrap().push(Event {
            block,
            at: ticks(self.start.elapsed()),
            what,
            ambient,
        });
    }
}

/// Notes that a block was dropped.
struct Guard {
    log: Arc<Log>,
    block: &'static str,
    started: bool,
    ended: bool,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.ended {
            let started = self.started;
            self.log.push(self.block, What::Dropped { started }, None);
        }
    }
}

/// A block, with the scopes that it is written in.
#[derive(Clone)]
struct Actor {
    log: Arc<Log>,
    scopes: Vec<Handle>,
    block: Arc<Block>,
}

#[derive(Clone)]
enum Handle {
    Scope(Scope<Fail>),
    Supervisor(Supervisor<Fail>),
}

enum Held {
    Task(Task<()>),
    Child(Child<(), Fail>),
}

impl Actor {
    fn run(self) -> Pin<Box<dyn Future<Output = Result<(), Fail>> + Send>> {
        let guard = Guard {
            log: self.log.clone(),
            block: self.block.name,
            started: false,
            ended: false,
        };
        Box::pin(async move {
            // Whole, so that it is dropped with the future also when that was never polled.
            let mut guard = guard;
            guard.started = true;
            self.note(What::Started);
            let mut tasks = Vec::new();
            for step in &self.block.steps {
                self.step(step, &mut tasks).await;
            }
            self.note(What::Ends(self.block.end));
            guard.ended = true;
            match self.block.end {
                End::Value => Ok(()),
                End::Error => Err(Fail),
                // Past the panic hook, which would print it.
                End::Panic => std::panic::resume_unwind(Box::new("on purpose")),
            }
        })
    }

    async fn step(&self, step: &Step, tasks: &mut Vec<Option<Held>>) {
        match step {
            Step::Sleep(span) => {
                sleep(span.into()).await;
                self.note(What::Slept);
            }
            Step::Spawn {
                into,
                kind,
                work,
                holds,
            } => {
                let task = self.spawn(*into, *kind, work);
                if !matches!(kind, Kind::Background) {
                    tasks.push(task.filter(|_| *holds));
                }
            }
            Step::Cancel { whom, grace, why } => {
                let grace = grace.as_ref().map_or(Duration::ZERO, Duration::from);
                match &self.scopes[*whom] {
                    Handle::Scope(s) => s.cancel(Reason::User(why), grace),
                    Handle::Supervisor(s) => s.cancel(Reason::User(why), grace),
                }
            }
            Step::Open {
                knobs,
                drop_after,
                body,
                pause,
            } => {
                let opening = self.open(knobs, body);
                let seen = match drop_after {
                    Some(after) => timeout(after.into(), opening)
                        .await
                        .map_or(What::GaveUp, What::Scope),
                    None => What::Scope(opening.await),
                };
                self.note(seen);
                sleep(pause.into()).await;
                self.note(What::Slept);
            }
            Step::Shield {
                within,
                drop_after,
                work,
                pause,
            } => {
                let shield = shield(within.into(), self.inside(work).run());
                let result = match drop_after {
                    Some(after) => timeout(after.into(), shield).await.ok(),
                    None => Some(shield.await),
                };
                self.note(match result {
                    None => What::GaveUp,
                    Some(Ok(Ok(()))) => What::Shield(Shielded::Value),
                    Some(Ok(Err(Fail))) => What::Shield(Shielded::Error),
                    Some(Err(_)) => What::Shield(Shielded::Overdue),
                });
                sleep(pause.into()).await;
                self.note(What::Slept);
            }
            Step::AwaitTold { pause } => {
                let reason = tidegate::cancelled().await;
                self.note(What::Told(why(reason)));
                sleep(pause.into()).await;
                self.note(What::Slept);
            }
            Step::Stop { task, why, pause } => {
                match &tasks[*task] {
                    Some(Held::Task(task)) => task.cancel(Reason::User(why)),
                    Some(Held::Child(child)) => child.cancel(Reason::User(why)),
                    None => {}
                }
                sleep(pause.into()).await;
                self.note(What::Slept);
            }
            Step::AwaitTask { task, pause } => {
                let Some(task) = tasks[*task].take() else {
                    return;
                };
                let seen = match task {
                    Held::Task(task) => task.await.map_err(stopped),
                    Held::Child(child) => child.await.map_err(child_error),
                };
                self.note(What::Task(seen));
                sleep(pause.into()).await;
                self.note(What::Slept);
            }
            Step::Forget { task } => {
                tasks[*task] = None;
                self.note(What::Forgot);
            }
        }
    }

    async fn open(&self, knobs: &Knobs, body: &Arc<Block>) -> Outcome {
        let (opts, mut inside) = (opts(body.name, knobs), self.inside(body));
        if knobs.supervised {
            let opening = supervise(opts, async |s: &Supervisor<Fail>| {
                inside.scopes.push(Handle::Supervisor(s.clone()));
                inside.run().await
            });
            shown(opening.await, |done: Supervised<(), Fail>| {
                Outcome::Supervised(done.failures.iter().map(failure).collect())
            })
        } else {
            let opening = scope(opts, async |s: &Scope<Fail>| {
                inside.scopes.push(Handle::Scope(s.clone()));
                inside.run().await
            });
            shown(opening.await, |()| Outcome::Value)
        }
    }

    fn spawn(&self, into: usize, kind: Kind, work: &Arc<Block>) -> Option<Held> {
        let (name, future) = (work.name, self.inside(work).run());
        let result = match (&self.scopes[into], kind) {
            (Handle::Scope(s), Kind::Plain) => held(s.try_spawn(name, future), Held::Task),
            (Handle::Scope(s), Kind::Grace(grace)) => held(
                s.try_spawn_with_grace(name, (&grace).into(), future),
                Held::Task,
            ),
            (Handle::Scope(s), Kind::Background) => s
                .spawn_background(name, future)
                .map(|()| None)
                .map_err(|refused| refused.because),
            (Handle::Supervisor(s), Kind::Plain) => held(s.try_spawn(name, future), Held::Child),
            (Handle::Supervisor(s), Kind::Grace(grace)) => held(
                s.try_spawn_with_grace(name, (&grace).into(), future),
                Held::Child,
            ),
            (Handle::Supervisor(s), Kind::Background) => s
                .spawn_background(name, future)
                .map(|()| None)
                .map_err(|refused| refused.because),
        };
        let (task, what) = match result {
            Ok(task) => (task, What::Spawned),
            Err(why) => (None, What::Refused(because(why))),
        };
        self.note(what);
        task
    }

    fn inside(&self, block: &Arc<Block>) -> Actor {
        Actor {
            block: block.clone(),
            ..self.clone()
        }
    }

    fn note(&self, what: What) {
        self.log.note(self.block.name, what);
    }
}

fn held<T, F>(
    spawned: Result<T, Refused<F>>,
    hold: impl FnOnce(T) -> Held,
) -> Result<Option<Held>, RefusedBecause> {
    match spawned {
        Ok(task) => Ok(Some(hold(task))),
        Err(refused) => Err(refused.because),
    }
}

fn opts(name: &'static str, knobs: &Knobs) -> Opts {
    let mut opts = Opts::named(name);
    if let Some(timeout) = &knobs.timeout {
        opts = opts.timeout(timeout.into());
    }
    match &knobs.grace {
        Grace::Default => {}
        Grace::Zero => opts = opts.grace(Duration::ZERO),
        Grace::Some(grace) => opts = opts.grace(grace.into()),
    }
    if knobs.cancel_on_leave {
        opts = opts.on_leave(Leave::Cancel);
    }
    if let Some(n) = knobs.at_most {
        opts = opts.max_children(n);
    }
    opts
}

impl From<&Ticks> for Duration {
    fn from(ticks: &Ticks) -> Self {
        Duration::from_millis(ticks.0)
    }
}

fn ticks(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap()
}

fn shown<T>(result: Result<T, ScopeError<Fail>>, value: impl FnOnce(T) -> Outcome) -> Outcome {
    match result {
        Ok(done) => value(done),
        Err(ScopeError::Failed(failures)) => {
            Outcome::Failed(failures.iter().map(failure).collect())
        }
        Err(ScopeError::Cancelled(reason)) => Outcome::Cancelled(why(reason)),
    }
}

fn failure<E>(failure: &tidegate::Failure<E>) -> Failure {
    Failure {
        block: failure.task,
        after_cancel: failure.after_cancel,
        is_panic: matches!(failure.what, tidegate::What::Panic(_)),
    }
}

fn why(reason: Reason) -> Why {
    match reason {
        Reason::Deadline { declared_by } => Why::Deadline(declared_by.name()),
        Reason::ChildFailed { task, .. } => Why::Failed(task),
        Reason::ChildPanicked { task, .. } => Why::Panicked(task),
        Reason::OwnerDropped => Why::OwnerDropped,
        Reason::BodyReturned => Why::BodyReturned,
        Reason::User(why) => Why::User(why),
        _ => Why::Other,
    }
}

fn because(because: RefusedBecause) -> Because {
    match because {
        RefusedBecause::Full { limit } => Because::Full(limit),
        RefusedBecause::Cancelling(reason) => Because::Told(why(reason)),
        _ => Because::Ended,
    }
}

fn stopped(stopped: tidegate::Stopped) -> Stopped {
    match stopped {
        tidegate::Stopped::Failed => Stopped::Failed,
        tidegate::Stopped::Panicked => Stopped::Panicked,
        tidegate::Stopped::Cancelled(reason) => Stopped::Cancelled(why(reason)),
        tidegate::Stopped::NotStarted(reason) => Stopped::NotStarted(because(reason)),
        _ => Stopped::Other,
    }
}

fn child_error(error: ChildError<Fail>) -> Stopped {
    match error {
        ChildError::Error(Fail) => Stopped::Own { is_panic: false },
        ChildError::Panic(_) => Stopped::Own { is_panic: true },
        ChildError::Stopped(why) => stopped(why),
        _ => Stopped::Other,
    }
}
