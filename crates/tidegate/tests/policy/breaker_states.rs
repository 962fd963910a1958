//! Every state of a breaker with every event, and long histories beside a model that keeps all outcomes.

use std::{pin::Pin, time::Duration};

use futures_util::FutureExt;
use tidegate::policy::{
    Breaker, BreakerState, CallError, Class, Op, Policy, Retry, Sent, Slow, StopReason, Verdict,
};
use tokio::{
    sync::oneshot,
    task::coop::unconstrained,
    time::{Instant, advance, sleep_until},
};

use crate::support::{Answer, Failed, ms, policy, secs};

type Running = Pin<Box<dyn Future<Output = Result<u32, CallError<Failed>>>>>;

/// A call under way, which ends as it is told.
struct Call {
    running: Running,
    answer: oneshot::Sender<Answer>,
}

/// Begins a call. The error says that it was refused.
fn begin(policy: &Policy) -> Result<Call, StopReason> {
    let (answer, told) = oneshot::channel();
    let mut told = Some(told);
    let call = policy.call(Op::unsafe_to_repeat().timeout(secs(3_600)), move |_| {
        let told = told.take().expect("one attempt");
        async { told.await.expect("a call that goes on is told how to end") }
    });
    // One task makes all these calls, and never waits.
    let mut running: Running = Box::pin(unconstrained(call));
    match running.as_mut().now_or_never() {
        None => Ok(Call { running, answer }),
        Some(ended) => Err(ended.expect_err("nothing was answered").why),
    }
}

impl Call {
    fn end(self, answer: Answer) {
        self.answer.send(answer).expect("the call goes on");
        drop(self.running.now_or_never().expect("its attempt has ended"));
    }
}

fn once() -> Retry {
    Retry {
        max_attempts: 1,
        ..Retry::default()
    }
}

fn state(policy: &Policy) -> BreakerState {
    policy.snapshot().breaker.unwrap().state
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Succeeds,
    Fails,
    SaysNothing,
    IsDropped,
    OpenedByHand,
    ClosedByHand,
}

const EVENTS: [Event; 6] = [
    Event::Succeeds,
    Event::Fails,
    Event::SaysNothing,
    Event::IsDropped,
    Event::OpenedByHand,
    Event::ClosedByHand,
];

/// What a state is after an event.
#[derive(Clone, Copy, Debug, PartialEq)]
enum After {
    Closed,
    Open,
    HalfOpen {
        out: u32,
        succeeded: u32,
    },
    /// The call was refused, and nothing else has changed.
    Refused,
}

fn half(out: u32, succeeded: u32) -> After {
    After::HalfOpen { out, succeeded }
}

/// A breaker in the state of this name, and the probes that are out. It opens after three failures and has two probes.
fn put_into(name: &str) -> (Policy, Vec<Call>) {
    let rules = Breaker {
        consecutive: Some(3),
        probes: 2,
        ..Breaker::default()
    };
    let policy = policy().retry(once()).breaker(rules).build().unwrap();
    let fail = || {
        begin(&policy)
            .unwrap()
            .end(Err(Failed(Verdict::transient())))
    };
    let mut out = Vec::new();
    match name {
        "closed" => {}
        "closed, two failures" => (0..2).for_each(|_| fail()),
        "open" => (0..3).for_each(|_| fail()),
        _ => {
            policy.open_breaker(Some(Instant::now()));
            match name {
                "open, its time is over" => {}
                "half-open" => drop(begin(&policy)),
                "half-open, one out" => out.push(begin(&policy).unwrap()),
                "half-open, both out" => (0..2).for_each(|_| out.push(begin(&policy).unwrap())),
                "half-open, one succeeded" => begin(&policy).unwrap().end(Ok(1)),
                _ => unreachable!("{name}"),
            }
        }
    }
    (policy, out)
}

fn after(policy: &Policy, event: Event) -> After {
    let before = state(policy);
    let answer = match event {
        Event::OpenedByHand => {
            policy.open_breaker(None);
            return seen(policy);
        }
        Event::ClosedByHand => {
            policy.close_breaker();
            return seen(policy);
        }
        Event::IsDropped => None,
        Event::Succeeds => Some(Ok(1)),
        Event::Fails => Some(Err(Failed(Verdict::transient()))),
        Event::SaysNothing => Some(Err(Failed(Verdict::throttled()))),
    };
    let Ok(call) = begin(policy) else {
        assert_eq!(state(policy), before);
        return After::Refused;
    };
    match answer {
        Some(answer) => call.end(answer),
        None => drop(call),
    }
    seen(policy)
}

fn seen(policy: &Policy) -> After {
    match state(policy) {
        BreakerState::Closed => After::Closed,
        BreakerState::Open { .. } => After::Open,
        BreakerState::HalfOpen { out, succeeded } => half(out, succeeded),
        other => unreachable!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn every_state_does_with_every_event_what_the_table_says() {
    use After::{Closed, Open, Refused};
    // In the order of EVENTS.
    let table = [
        ("closed", [Closed, Closed, Closed, Closed, Open, Closed]),
        (
            "closed, two failures",
            [Closed, Open, Closed, Closed, Open, Closed],
        ),
        ("open", [Refused, Refused, Refused, Refused, Open, Closed]),
        (
            "open, its time is over",
            [half(0, 1), Open, half(0, 0), half(0, 0), Open, Closed],
        ),
        (
            "half-open",
            [half(0, 1), Open, half(0, 0), half(0, 0), Open, Closed],
        ),
        (
            "half-open, one out",
            [half(1, 1), Open, half(1, 0), half(1, 0), Open, Closed],
        ),
        (
            "half-open, both out",
            [Refused, Refused, Refused, Refused, Open, Closed],
        ),
        (
            "half-open, one succeeded",
            [Closed, Open, half(0, 1), half(0, 1), Open, Closed],
        ),
    ];
    for (name, expected) in table {
        for (event, expected) in EVENTS.into_iter().zip(expected) {
            let (policy, out) = put_into(name);
            assert_eq!(after(&policy, event), expected, "{name}, {event:?}");
            // What is still out belongs to an earlier state unless it is half-open as before.
            if matches!(expected, After::Closed | After::Open) {
                let before = state(&policy);
                out.into_iter()
                    .for_each(|probe| probe.end(Err(Failed(Verdict::transient()))));
                assert_eq!(
                    state(&policy),
                    before,
                    "{name}, {event:?}, and its probes end"
                );
            }
        }
    }
}

/// Keeps every outcome, and looks through all of them each time.
struct Model {
    rules: Breaker,
    outcomes: Vec<Outcome>,
    /// Which of them belong to the present state.
    from: usize,
    first: Option<Instant>,
    state: BreakerState,
    /// Of attempts: what began in an earlier one says nothing.
    generation: u32,
    rounds: u32,
}

#[derive(Clone, Copy)]
struct Outcome {
    at: Instant,
    failed: bool,
    slow: bool,
}

impl Model {
    fn new(rules: Breaker) -> Self {
        Self {
            rules,
            outcomes: Vec::new(),
            from: 0,
            first: None,
            state: BreakerState::Closed,
            generation: 0,
            rounds: 0,
        }
    }

    fn becomes(&mut self, state: BreakerState) {
        self.state = state;
        self.generation += 1;
        self.from = self.outcomes.len();
    }

    /// The generation of the attempt, if one may begin.
    fn begin(&mut self, now: Instant) -> Option<u32> {
        if let BreakerState::Open { until: Some(until) } = self.state
            && until <= now
        {
            self.becomes(BreakerState::HalfOpen {
                out: 0,
                succeeded: 0,
            });
        }
        match &mut self.state {
            BreakerState::Closed => Some(self.generation),
            BreakerState::HalfOpen { out, succeeded } if *out + *succeeded < self.rules.probes => {
                *out += 1;
                Some(self.generation)
            }
            _ => None,
        }
    }

    /// An attempt ended; `failed` is `None` if that says nothing. Whether the breaker opens.
    fn end(&mut self, generation: u32, failed: Option<bool>, took: Duration, now: Instant) -> bool {
        if generation != self.generation {
            return false;
        }
        let slow = self.rules.slow.is_some_and(|slow| took > slow.after);
        let probes = self.rules.probes;
        match (&mut self.state, failed) {
            (BreakerState::HalfOpen { out, .. }, None) => *out -= 1,
            (BreakerState::HalfOpen { .. }, Some(failed)) if failed || slow => return true,
            (BreakerState::HalfOpen { out, succeeded }, Some(_)) => {
                *out -= 1;
                *succeeded += 1;
                if *succeeded == probes {
                    self.rounds = 0;
                    self.becomes(BreakerState::Closed);
                }
            }
            (BreakerState::Closed, Some(failed)) => {
                self.first.get_or_insert(now);
                self.outcomes.push(Outcome {
                    at: now,
                    failed,
                    slow,
                });
                return self.trips(now);
            }
            _ => {}
        }
        false
    }

    fn trips(&self, now: Instant) -> bool {
        let all = &self.outcomes[self.from..];
        let row = all
            .iter()
            .rev()
            .take_while(|outcome| outcome.failed)
            .count();
        if self
            .rules
            .consecutive
            .is_some_and(|most| row >= most as usize)
        {
            return true;
        }
        let recent = self.recent(now);
        let count = |what: fn(&Outcome) -> bool| recent.iter().filter(|it| what(it)).count() as f64;
        let calls = recent.len() as f64;
        let enough = calls >= f64::from(self.rules.min_calls);
        let failed = count(|it| it.failed) >= self.rules.failure_ratio * calls;
        let slow = |slow: Slow| count(|it| it.slow) >= slow.ratio * calls;
        enough && (failed || self.rules.slow.is_some_and(slow))
    }

    /// What the window still holds, which forgets a tenth of itself at a time.
    fn recent(&self, now: Instant) -> Vec<Outcome> {
        let slice = |at: Instant| {
            let since = at - self.first.unwrap_or(at);
            since.as_nanos() / (self.rules.window / 10).as_nanos()
        };
        let mut recent = self.outcomes[self.from..].to_vec();
        recent.retain(|outcome| slice(outcome.at) + 10 > slice(now));
        recent
    }

    fn failure_ratio(&self, now: Instant) -> f64 {
        let recent = self.recent(now);
        let failed = recent.iter().filter(|outcome| outcome.failed).count();
        failed as f64 / recent.len().max(1) as f64
    }

    /// It opens until an instant that only has bounds.
    fn open(&mut self, until: Instant, now: Instant) {
        let doubled = self.rules.open_for.saturating_mul(1 << self.rounds.min(20));
        let most = doubled.min(self.rules.open_cap);
        let open_for = until - now;
        assert!(
            open_for <= most && open_for >= most / 2,
            "{open_for:?} of {most:?}"
        );
        self.rounds += 1;
        self.becomes(BreakerState::Open { until: Some(until) });
    }
}

fn rules(rng: &mut fastrand::Rng) -> Breaker {
    Breaker {
        window: ms(rng.u64(100..20_000)),
        min_calls: rng.u32(1..30),
        failure_ratio: f64::from(rng.u32(1..=100)) / 100.0,
        slow: rng.bool().then(|| Slow {
            after: ms(rng.u64(1..2_000)),
            ratio: f64::from(rng.u32(1..=100)) / 100.0,
        }),
        consecutive: rng.bool().then(|| rng.u32(1..12)),
        open_for: ms(rng.u64(1..10_000)),
        open_cap: secs(30),
        probes: rng.u32(1..4),
    }
}

fn answer(rng: &mut fastrand::Rng, health: u32) -> (Answer, Option<bool>) {
    if rng.u32(0..100) < health {
        return (Ok(1), Some(false));
    }
    let verdict = match rng.u8(0..8) {
        // Not a throttled answer: many of them are a pause.
        0 => Verdict::rejected(),
        1 => Verdict::cancelled(),
        2 => Verdict::fatal(),
        3 => Verdict::new(Class::Fatal, Sent::No),
        4 => Verdict::overload(),
        5 => Verdict::never_sent(),
        _ => Verdict::transient(),
    };
    let failed = match verdict.class {
        Class::Fatal if verdict.sent == Sent::Answered => Some(false),
        Class::Transient | Class::Overload | Class::NeverSent => Some(true),
        _ => None,
    };
    (Err(Failed(verdict)), failed)
}

/// A random history, step by step beside the model.
async fn compare(rng: &mut fastrand::Rng) {
    let rules = rules(rng);
    let builder = policy()
        .seed(rng.u64(..))
        .retry(once())
        .breaker(rules.clone());
    let policy = builder.build().unwrap();
    let mut model = Model::new(rules.clone());
    let mut out: Vec<(Call, u32, Instant)> = Vec::new();
    let mut health = 50;
    for step in 0..400 {
        match rng.u8(0..10) {
            0 => health = rng.u32(0..=100),
            1 => match state(&policy) {
                BreakerState::Open { until: Some(until) } if rng.bool() => sleep_until(until).await,
                _ => advance(rules.window / 10 * rng.u32(1..30)).await,
            },
            2..=4 => advance(rules.window / 100).await,
            _ => {}
        }
        let now = Instant::now();
        if out.len() < 5 && rng.bool() {
            let (call, expected) = (begin(&policy), model.begin(now));
            assert_eq!(call.is_ok(), expected.is_some(), "step {step}: {rules:?}");
            out.extend(
                call.ok()
                    .zip(expected)
                    .map(|(call, generation)| (call, generation, now)),
            );
        } else if !out.is_empty() {
            let (call, generation, began) = out.swap_remove(rng.usize(..out.len()));
            let (answer, failed) = answer(rng, health);
            let is_dropped = rng.u8(0..8) == 0;
            let failed = failed.filter(|_| !is_dropped);
            if is_dropped {
                drop(call)
            } else {
                call.end(answer)
            }
            if model.end(generation, failed, now - began, now) {
                match state(&policy) {
                    BreakerState::Open { until: Some(until) } => model.open(until, now),
                    other => panic!("step {step}: {other:?}, not open: {rules:?}"),
                }
            }
        }
        let seen = policy.snapshot().breaker.unwrap();
        assert_eq!(seen.state, model.state, "step {step}: {rules:?}");
        if seen.state == BreakerState::Closed {
            let expected = model.failure_ratio(now);
            assert_eq!(seen.failure_ratio, expected, "step {step}: {rules:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_breaker_does_what_a_model_with_all_outcomes_does() {
    let mut rng = fastrand::Rng::with_seed(27);
    for _ in 0..80 {
        compare(&mut rng).await;
    }
}
