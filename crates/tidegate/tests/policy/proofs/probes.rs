//! A half-open breaker lets exactly as many through as it has probes, whoever comes at once, and never gets stuck.

use std::{sync::Arc, time::Duration};

use tidegate::policy::{
    Breaker, BreakerState, Op, Outage, Policy, PolicyBuilder, StopReason, Verdict,
};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::Failed;

/// How many come at once.
pub(crate) const CALLERS: usize = 64;

const SECOND: Duration = Duration::from_secs(1);

/// What callers have seen so far.
#[derive(Clone, Copy, Default)]
struct Seen {
    entered: usize,
    refused: usize,
}

/// Many callers at a half-open breaker; those who were let through wait until they are told how to go on.
struct Crowd {
    policy: Policy,
    seen: watch::Sender<Seen>,
    go_on: Semaphore,
}

fn policy(probes: u32) -> PolicyBuilder {
    Policy::named("crowd")
        .seed(1)
        .in_flight(CALLERS)
        .breaker(Breaker {
            probes,
            ..Breaker::default()
        })
}

impl Crowd {
    /// With the breaker half-open, since it was opened until now.
    fn new(policy: PolicyBuilder) -> Arc<Self> {
        let policy = policy.build().expect("every number of probes is allowed");
        policy.open_breaker(Some(Instant::now()));
        Arc::new(Self {
            policy,
            seen: watch::Sender::default(),
            go_on: Semaphore::new(0),
        })
    }

    fn come(self: &Arc<Self>) -> JoinSet<()> {
        let mut calls = JoinSet::new();
        for _ in 0..CALLERS {
            let this = Arc::clone(self);
            calls.spawn(async move { this.call().await });
        }
        calls
    }

    async fn call(&self) {
        let attempt = async |_| {
            self.seen.send_modify(|seen| seen.entered += 1);
            drop(self.go_on.acquire().await);
            Ok::<_, Failed>(())
        };
        let ended = self.policy.call(Op::idempotent(), attempt).await;
        if let Err(StopReason::BreakerOpen { .. }) = ended.map_err(|error| error.why) {
            self.seen.send_modify(|seen| seen.refused += 1);
        }
    }

    /// How many were let through, once each of them was or was refused.
    async fn entered(&self) -> usize {
        let mut seen = self.seen.subscribe();
        let all = seen.wait_for(|seen| seen.entered + seen.refused == CALLERS);
        all.await.map_or(CALLERS, |seen| seen.entered)
    }
}

/// By how many more or fewer than its probes a half-open breaker lets through, when all come at once; and again when the
/// first probes are dropped. On the runtime that this is called from.
pub(crate) async fn excess(probes: u32) -> usize {
    let crowd = Crowd::new(policy(probes));
    let mut differing = 0;
    for _ in 0..2 {
        crowd.seen.send_replace(Seen::default());
        let mut calls = crowd.come();
        differing += crowd.entered().await.abs_diff(probes as usize);
        // Dropped probes say nothing: the next ones may try.
        calls.shutdown().await;
    }
    crowd.seen.send_replace(Seen::default());
    let calls = crowd.come();
    differing += crowd.entered().await.abs_diff(probes as usize);
    crowd.go_on.close();
    calls.join_all().await;
    differing + usize::from(!is_closed(&crowd.policy))
}

/// The same where callers wait: the service is watched, so nobody is refused. In virtual time.
pub(crate) async fn excess_of_waiting(probes: u32) -> usize {
    let crowd = Crowd::new(policy(probes).outage(Outage::default()));
    let calls = crowd.come();
    sleep(SECOND).await;
    let differing = crowd.seen.borrow().entered.abs_diff(probes as usize);
    crowd.go_on.close();
    let all = timeout(SECOND, calls.join_all()).await;
    differing + usize::from(all.is_err()) + usize::from(!is_closed(&crowd.policy))
}

fn is_closed(policy: &Policy) -> bool {
    breaker(policy) == BreakerState::Closed
}

fn breaker(policy: &Policy) -> BreakerState {
    policy.snapshot().breaker.expect("there is a breaker").state
}

/// How a probe ends.
#[derive(Clone, Copy, Debug)]
enum Probe {
    Succeeds,
    Ends(Verdict),
    IsSlow,
    IsDropped,
    Panics,
}

impl Probe {
    const ALL: [Self; 11] = [
        Self::Succeeds,
        Self::Ends(Verdict::fatal()),
        Self::Ends(Verdict::transient()),
        Self::Ends(Verdict::overload()),
        Self::Ends(Verdict::never_sent()),
        Self::Ends(Verdict::throttled()),
        Self::Ends(Verdict::rejected()),
        Self::Ends(Verdict::cancelled()),
        Self::IsSlow,
        Self::IsDropped,
        Self::Panics,
    ];

    async fn go(self, policy: Policy) {
        let attempt = async |_| {
            sleep(SECOND / 10).await;
            match self {
                Self::Succeeds => Ok(()),
                Self::Ends(verdict) => Err(Failed(verdict)),
                Self::IsSlow | Self::IsDropped => std::future::pending().await,
                Self::Panics => std::panic::resume_unwind(Box::new("on purpose")),
            }
        };
        let call = policy.call(Op::unsafe_to_repeat().timeout(SECOND), attempt);
        match self {
            Self::IsDropped => drop(timeout(SECOND / 2, call).await),
            _ => drop(call.await),
        }
    }
}

/// Whether a service that answers again stays shut out, however its probes ended. In virtual time.
pub(crate) async fn is_stuck(probes: u32, rng: &mut fastrand::Rng) -> bool {
    let policy = policy(probes)
        .build()
        .expect("every number of probes is allowed");
    policy.open_breaker(Some(Instant::now()));
    for _ in 0..rng.u32(1..6) {
        let mut calls = JoinSet::new();
        for _ in 0..rng.u32(1..6) {
            calls.spawn(Probe::ALL[rng.usize(..Probe::ALL.len())].go(policy.clone()));
        }
        while calls.join_next().await.is_some() {}
        if let BreakerState::HalfOpen { out: 1.., .. } = breaker(&policy) {
            return true;
        }
        if rng.bool() {
            sleep(SECOND * rng.u32(0..90)).await;
        }
    }
    // Longer than it ever stays open.
    sleep(61 * SECOND).await;
    for _ in 0..probes {
        let answers = async |_| Ok::<_, Failed>(());
        if policy.call(Op::idempotent(), answers).await.is_err() {
            return true;
        }
    }
    !is_closed(&policy)
}

#[tokio::test(start_paused = true)]
async fn exactly_the_probes_are_let_through() {
    for probes in [1, 2, 5, 63, 64] {
        assert_eq!(excess(probes).await, 0, "{probes}");
        assert_eq!(excess_of_waiting(probes).await, 0, "{probes}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_the_probes_are_let_through_on_many_threads() {
    for round in 0..20 {
        for probes in [1, 2, 5] {
            assert_eq!(excess(probes).await, 0, "{probes}, round {round}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_half_open_breaker_does_not_get_stuck() {
    let mut rng = fastrand::Rng::with_seed(15);
    for round in 0..300 {
        let probes = rng.u32(1..4);
        assert!(!is_stuck(probes, &mut rng).await, "round {round}");
    }
}

/// Each way for a probe to end, alone.
#[tokio::test(start_paused = true)]
async fn every_end_of_a_probe_closes_opens_or_gives_it_back() {
    for end in Probe::ALL {
        let policy = policy(1).build().unwrap();
        policy.open_breaker(Some(Instant::now()));
        let call = tokio::spawn(end.go(policy.clone()));
        drop(call.await);
        let state = breaker(&policy);
        let is_right = match end {
            Probe::Succeeds => state == BreakerState::Closed,
            Probe::Ends(verdict) if verdict == Verdict::fatal() => state == BreakerState::Closed,
            Probe::Ends(verdict)
                if [
                    Verdict::transient(),
                    Verdict::overload(),
                    Verdict::never_sent(),
                ]
                .contains(&verdict) =>
            {
                matches!(state, BreakerState::Open { until: Some(_) })
            }
            Probe::IsSlow => matches!(state, BreakerState::Open { until: Some(_) }),
            _ => {
                state
                    == BreakerState::HalfOpen {
                        out: 0,
                        succeeded: 0,
                    }
            }
        };
        assert!(is_right, "{end:?}: {state:?}");
    }
}
