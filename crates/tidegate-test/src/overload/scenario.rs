//! A run: calls begin, each in a task of its own, and what became of them is written down.

use super::{
    Client, Load, Outcome, Service, Trouble,
    client::Link,
    outcome::{Call, Log},
    station::Station,
    trouble::Troubles,
};
use fastrand::Rng;
use std::{
    convert::Infallible,
    future::Future,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tidegate::{Reason, Scope, scope};
use tokio::{
    runtime::Builder,
    sync::Notify,
    time::{Instant, advance, sleep_until, timeout},
};

/// A service, the load on it, and what goes wrong meanwhile.
///
/// With the same seed two runs of the same calls are the same, as long as the calls are: give a
/// [`Policy`](tidegate::policy::Policy) a seed too. The load of a seed is the same whatever the calls do.
#[derive(Clone, Debug)]
#[must_use = "nothing happens until it is run"]
pub struct Scenario {
    service: Service,
    load: Load,
    troubles: Vec<(Range<Duration>, Trouble)>,
    drain: Duration,
    seed: u64,
}

impl Scenario {
    /// The load on a healthy service.
    pub fn new(service: Service, load: Load) -> Self {
        Self {
            service,
            load,
            troubles: Vec::new(),
            drain: Duration::from_secs(60),
            seed: 0,
        }
    }

    /// Something is wrong for a while; the span counts from the first call. Several add up.
    ///
    /// # Panics
    ///
    /// If the span is empty.
    #[track_caller]
    pub fn trouble(mut self, span: Range<Duration>, what: Trouble) -> Self {
        assert!(
            !span.is_empty(),
            "the trouble {what:?} ends before it begins"
        );
        self.troubles.push((span, what));
        self
    }

    /// How long calls may go on when no more begin; then they are dropped, and count as unfinished. Default 60 s.
    pub fn drain(self, limit: Duration) -> Self {
        Self {
            drain: limit,
            ..self
        }
    }

    /// Another seed is another instance of the same scenario. Default 0.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Runs it in a new paused runtime, with a `call` for every arrival.
    ///
    /// # Panics
    ///
    /// With the first panic of a call. When called within a runtime: there, [`drive`](Self::drive).
    pub fn run<C, Fut, T, E>(self, call: C) -> Outcome
    where
        C: Fn(Client) -> Fut,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("the system gives what a runtime needs")
            .block_on(self.drive(call))
    }

    /// Runs it in the present runtime, whose clock must be paused: for a test that looks at its policy afterwards, whose
    /// instants mean nothing outside.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the calls and what is known of them. Nothing runs on.
    ///
    /// # Panics
    ///
    /// With the first panic of a call. When the clock runs; when the surrounding scope is told to stop.
    pub async fn drive<C, Fut, T, E>(self, call: C) -> Outcome
    where
        C: Fn(Client) -> Fut,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        // It panics when the clock runs, in which case the run would take as long as it says.
        advance(Duration::ZERO).await;
        let began = Instant::now();
        let mut rng = Rng::with_seed(self.seed);
        let arrivals = self.load.arrivals(rng.fork());
        let troubles = Troubles::new(began, self.troubles.clone());
        let link = Arc::new(Link::new(Station::new(self.service.clone(), troubles, rng)));
        let calls = Arc::new(Calls::default());

        let ended = scope("load", async |s: &Scope<Infallible>| {
            let serving = Arc::clone(&link);
            s.spawn_background("service", async move {
                serving.serve().await;
                Ok(())
            })
            .expect("the scope has just been opened");
            for at in arrivals.map(|at| began + at) {
                if at > Instant::now() {
                    sleep_until(at).await;
                }
                let entry = Calls::begin(&calls);
                let answer = call(Client {
                    link: Arc::clone(&link),
                    call: entry.number,
                });
                let work = async move {
                    let good = answer.await.is_ok();
                    entry.end(good);
                    Ok(())
                };
                drop(s.spawn("call", work).await);
            }
            sleep_until(began + self.load.lasts).await;
            if timeout(self.drain, calls.all_ended()).await.is_err() {
                s.cancel(Reason::User("the scenario is over"), Duration::ZERO);
            }
            Ok(())
        })
        .await;
        if let Err(error) = ended {
            panic!("the scenario was stopped: {}", error.or_resume_panic());
        }
        let spans = self.troubles.into_iter().map(|(span, _)| span).collect();
        Outcome::new(self.load, spans, began, link.take_figures(), calls.take())
    }
}

/// What is known of the calls, by number.
#[derive(Debug, Default)]
struct Calls {
    log: Mutex<Log>,
    /// None is under way.
    idle: Notify,
}

impl Calls {
    fn begin(this: &Arc<Self>) -> Entry {
        let number = this.with(|log| {
            log.calls.push(Call {
                began: Instant::now(),
                ended: None,
            });
            log.under_way += 1;
            log.calls.len() - 1
        });
        Entry {
            calls: Arc::clone(this),
            number,
        }
    }

    async fn all_ended(&self) {
        while self.with(|log| log.under_way > 0) {
            self.idle.notified().await;
        }
    }

    fn take(&self) -> Vec<Call> {
        self.with(|log| std::mem::take(&mut log.calls))
    }

    fn with<R>(&self, look: impl FnOnce(&mut Log) -> R) -> R {
        look(&mut self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One call under way, until it is dropped.
struct Entry {
    calls: Arc<Calls>,
    number: usize,
}

impl Entry {
    fn end(self, good: bool) {
        let now = Instant::now();
        self.calls
            .with(|log| log.calls[self.number].ended = Some((now, good)));
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let left = self.calls.with(|log| {
            log.under_way -= 1;
            log.under_way
        });
        if left == 0 {
            self.calls.idle.notify_one();
        }
    }
}
