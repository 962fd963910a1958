use std::{future::Future, pin::Pin, time::Duration};
use tidegate::policy::{Op, Policy, PolicyBuilder};
use tidegate_test::overload::{Client, Load, Scenario, Service, ServiceError, ServiceTime};
use tokio::time::timeout;

pub(crate) const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(crate) const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[track_caller]
pub(crate) fn about(value: f64, expected: f64, within: f64) {
    assert!(
        (value / expected - 1.0).abs() < within,
        "{value}, expected {expected}"
    );
}

/// A call that waits as long as it takes.
pub(crate) async fn patient(client: Client) -> Result<(), ServiceError> {
    client.request().await
}

/// A call of one request that gives up after half a second.
pub(crate) async fn impatient(client: Client) -> Result<(), ServiceError> {
    let answer = timeout(ms(500), client.request()).await;
    answer.unwrap_or(Err(ServiceError::Failed))
}

/// Half of what ten workers can do, for ten seconds.
pub(crate) fn half_loaded() -> Scenario {
    let service = Service::workers(10, ServiceTime::exponential(ms(100)));
    Scenario::new(service, Load::poisson(50.0, secs(10)))
}

/// Attempts end after half a second; nothing else limits how many there are.
pub(crate) fn policy() -> PolicyBuilder {
    Policy::named("service")
        .in_flight(100_000)
        .attempt_timeout(ms(500))
        .seed(1)
}

/// One call through `policy` for each client.
pub(crate) fn through(
    policy: PolicyBuilder,
) -> impl Fn(Client) -> Pin<Box<dyn Future<Output = Result<(), ()>> + Send>> {
    let policy = policy.build().unwrap();
    move |client| {
        let policy = policy.clone();
        Box::pin(async move {
            let answer = policy.call(Op::idempotent(), |attempt| client.request_by(attempt.ends));
            answer.await.map_err(drop)
        })
    }
}
