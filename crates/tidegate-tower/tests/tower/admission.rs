use std::{convert::Infallible, time::Duration};

use http::{Request, Response, Version};
use tidegate::{
    Opts, Reason, Scope, is_cancelled,
    policy::{Policy, Queue, Retry},
    scope,
};
use tidegate_tower::{Admission, AdmissionLayer, DeadlineLayer, Drain, PolicyLayer};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt};

use crate::support::{Body, Ready, Strict, answer, get};

type House = Admission<Strict>;

fn policy(in_flight: usize, waiting: usize) -> Policy {
    let policy = Policy::named("house").in_flight(in_flight);
    policy.queue(Queue::bounded(waiting)).build().unwrap()
}

/// Room for one, a door for one; a request takes `secs` seconds.
fn house(secs: u64, drain: &Drain) -> House {
    let layer = AdmissionLayer::new(policy(1, 1)).drain(drain.clone());
    layer.layer(Strict::taking(Duration::from_secs(secs)))
}

async fn ask(house: &House) -> Response<Body> {
    house.clone().oneshot(get()).await.unwrap()
}

fn retry_after(response: &Response<Body>) -> u64 {
    let value = response.headers()["retry-after"].to_str().unwrap();
    value.parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_has_no_room_inside_or_at_the_door_is_refused_at_once() {
    let house = house(10, &Drain::new());
    let third = async {
        tokio::task::yield_now().await;
        let start = Instant::now();
        (ask(&house).await, start.elapsed())
    };
    let (first, second, (third, took)) = tokio::join!(ask(&house), ask(&house), third);
    assert_eq!(
        (first.status(), second.status()),
        (200.try_into().unwrap(), 200.try_into().unwrap())
    );
    assert_eq!((third.status().as_u16(), took), (503, Duration::ZERO));
    assert!((1..=2).contains(&retry_after(&third)));
    assert!(!third.headers().contains_key("connection"));
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_about_how_long_the_queue_takes() {
    let house = house(10, &Drain::new());
    // Now it is known how long a request takes.
    ask(&house).await;
    let refused = async {
        tokio::task::yield_now().await;
        let mut seconds = Vec::new();
        for _ in 0..64 {
            seconds.push(retry_after(&ask(&house).await));
        }
        seconds
    };
    let (_, _, seconds) = tokio::join!(ask(&house), ask(&house), refused);
    // Two are ahead, and up to half of that and a second come by chance.
    assert!(seconds.iter().all(|s| (19..=33).contains(s)), "{seconds:?}");
    assert!(seconds.iter().any(|s| *s != seconds[0]));
}

#[tokio::test(start_paused = true)]
async fn a_handler_s_answers_are_all_good_ones() {
    let inner = Strict::saying(&[503]);
    let house = AdmissionLayer::new(policy(1, 1)).layer(inner.clone());
    let response = ask(&house).await;
    assert_eq!((response.status().as_u16(), inner.calls()), (503, 1));
    assert!(!response.headers().contains_key("retry-after"));
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_calls_is_repeated_as_its_own_policy_says() {
    let retry = |max_attempts| Retry {
        max_attempts,
        ..Retry::default()
    };
    let backend = Policy::named("backend").retry(retry(5)).build().unwrap();
    let broken = Strict::saying(&[500]);
    let client = PolicyLayer::http(backend).layer(broken.clone());
    let handler = Strict::new(Ready::AtOnce, move |_, request| {
        let client = client.clone();
        async move { Ok(client.oneshot(request).await.expect("it answers")) }
    });
    let door = Policy::named("house").retry(retry(1)).build().unwrap();
    let house = AdmissionLayer::new(door.clone()).layer(handler);
    assert_eq!(ask(&house).await.status(), 500);
    assert_eq!(broken.calls(), 5);
    assert_eq!(door.snapshot().budget, 500);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_handler_passes_through_unchanged() {
    let inner = Strict::new(Ready::Fails, async |_, _| Ok(answer(200)));
    let house = AdmissionLayer::new(policy(1, 1)).layer(inner.clone());
    assert!(house.oneshot(get()).await.is_err());
    assert_eq!(inner.polled(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_handler_has_the_attempt_timeout_of_the_policy() {
    let policy = Policy::named("house").attempt_timeout(Duration::from_secs(2));
    let inner = Strict::taking(Duration::from_secs(3));
    let house = AdmissionLayer::new(policy.build().unwrap()).layer(inner.clone());
    let start = Instant::now();
    assert_eq!(ask(&house).await.status(), 504);
    assert_eq!(
        (start.elapsed(), inner.reserved()),
        (Duration::from_secs(2), 0)
    );
}

#[tokio::test(start_paused = true)]
async fn the_time_at_the_door_counts() {
    let house = DeadlineLayer::new().layer(house(10, &Drain::new()));
    let mut hasty = get();
    hasty
        .headers_mut()
        .insert("grpc-timeout", "3S".parse().unwrap());
    let start = Instant::now();
    let second = async {
        let response = house.clone().oneshot(hasty).await.unwrap();
        (response.status().as_u16(), start.elapsed())
    };
    let (first, second) = tokio::join!(house.clone().oneshot(get()), second);
    assert_eq!(first.unwrap().status(), 200);
    assert_eq!(second, (504, Duration::from_secs(3)));
}

#[tokio::test(start_paused = true)]
async fn the_handler_sees_its_caller_s_deadline_through_the_door() {
    let inner = Strict::new(Ready::AtOnce, async |_, _| {
        assert_eq!(tidegate::remaining(), Some(Duration::from_secs(3)));
        Ok(answer(200))
    });
    let house = DeadlineLayer::new().layer(AdmissionLayer::new(policy(1, 1)).layer(inner));
    let mut request = get();
    request
        .headers_mut()
        .insert("grpc-timeout", "3S".parse().unwrap());
    assert_eq!(house.oneshot(request).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn closed_doors_let_those_inside_finish_and_refuse_the_others() {
    let drain = Drain::new();
    let house = house(10, &drain);
    let close = async {
        sleep(Duration::from_secs(1)).await;
        drain.close();
        drain.wait_closed().await;
        (ask(&house).await, Instant::now())
    };
    let at_the_door = async { (ask(&house).await, Instant::now()) };
    let (inside, (at_the_door, left), (new, closed)) =
        tokio::join!(ask(&house), at_the_door, close);
    assert_eq!(inside.status(), 200);
    assert_eq!(left, closed);
    for refused in [&at_the_door, &new] {
        assert_eq!(refused.status(), 503);
        assert_eq!(retry_after(refused), 0);
    }
    for response in [inside, at_the_door, new] {
        assert_eq!(response.headers()["connection"], "close");
    }
}

#[tokio::test(start_paused = true)]
async fn the_surrounding_scope_closes_the_doors_and_its_grace_is_for_those_inside() {
    let inner = Strict::new(Ready::AtOnce, async |_, _| {
        sleep(Duration::from_secs(5)).await;
        // What it starts now is not told either.
        assert!(!is_cancelled());
        let saved = scope("save", async |s: &Scope<Infallible>| {
            let save = s.spawn("save", async {
                sleep(Duration::from_secs(1)).await;
                Ok(())
            });
            Ok(save.await.await.is_ok())
        });
        assert!(saved.await.unwrap());
        Ok(answer(200))
    });
    let house = AdmissionLayer::new(policy(1, 1)).layer(inner);
    let house = DeadlineLayer::new().layer(house);
    let opts = Opts::named("connection").grace(Duration::from_secs(60));
    let statuses = scope(opts, async |s: &Scope<Infallible>| {
        let shutdown = async {
            sleep(Duration::from_secs(1)).await;
            s.cancel(Reason::User("shutdown"), Duration::from_secs(30));
            house.clone().oneshot(get()).await.unwrap()
        };
        let (inside, at_the_door, new) = tokio::join!(
            house.clone().oneshot(get()),
            house.clone().oneshot(get()),
            shutdown
        );
        Ok([inside.unwrap(), at_the_door.unwrap(), new].map(|r| r.status().as_u16()))
    });
    assert_eq!(statuses.await.unwrap(), [200, 503, 503]);
}

#[tokio::test(start_paused = true)]
async fn only_a_connection_of_its_own_is_closed() {
    let drain = Drain::new();
    drain.close();
    let mut request = get();
    *request.version_mut() = Version::HTTP_2;
    let response = house(1, &drain).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(!response.headers().contains_key("connection"));
}

#[tokio::test(start_paused = true)]
async fn a_grpc_request_is_refused_in_its_own_words() {
    let policy = policy(1, 0);
    let house = AdmissionLayer::new(policy).layer(Strict::taking(Duration::from_secs(1)));
    let mut grpc = get();
    grpc.headers_mut()
        .insert("content-type", "application/grpc".parse().unwrap());
    let (_, refused) = tokio::join!(ask(&house), house.clone().oneshot(grpc));
    let refused = refused.unwrap();
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["grpc-status"]),
        (200, &"14".parse().unwrap())
    );
    let pushback: u64 = refused.headers()["grpc-retry-pushback-ms"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1_000..=2_000).contains(&pushback));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_request_makes_room() {
    let house = house(10, &Drain::new());
    assert!(
        tokio::time::timeout(Duration::from_secs(1), ask(&house))
            .await
            .is_err()
    );
    let start = Instant::now();
    assert_eq!(ask(&house).await.status(), 200);
    assert_eq!(start.elapsed(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_request_may_count_as_inside_until_its_answer_is_read() {
    let policy = policy(1, 0);
    let inner = Strict::new(Ready::AtOnce, async |_, _| {
        Ok(answer(200).map(|_| Body::from("long")))
    });
    let house = AdmissionLayer::new(policy.clone())
        .hold_until_body_ends()
        .layer(inner);
    let unread = house.clone().oneshot(get()).await.unwrap();
    assert_eq!(house.clone().oneshot(get()).await.unwrap().status(), 503);
    drop(unread);
    assert_eq!(house.oneshot(get()).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn the_handler_is_made_ready_inside_and_not_at_the_door() {
    let inner = Strict::taking(Duration::from_secs(1));
    let mut house = AdmissionLayer::new(policy(1, 1)).layer(inner.clone());
    let ready: &mut House = house.ready().await.unwrap();
    drop(Service::<Request<Body>>::call(ready, get()));
    assert_eq!((inner.polled(), inner.reserved()), (0, 0));
}
