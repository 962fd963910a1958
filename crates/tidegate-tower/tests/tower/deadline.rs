use std::{
    convert::Infallible,
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Request, Response};
use tidegate::{Opts, Reason, Scope, cancelled, remaining, scope};
use tidegate_tower::{DeadlineHeader, DeadlineLayer};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::{Body, answer, get};

/// How much time a handler behind `layer` sees.
async fn seen(layer: DeadlineLayer, headers: &[(&'static str, &'static str)]) -> Option<Duration> {
    let seen = Arc::new(Mutex::new(None));
    let here = seen.clone();
    let handler = service_fn(move |_: Request<Body>| {
        let here = here.clone();
        async move {
            *here.lock().unwrap() = remaining();
            Ok::<_, Infallible>(answer(200))
        }
    });
    let response = layer.layer(handler).oneshot(asking(headers)).await.unwrap();
    assert_eq!(response.status(), 200);
    *seen.lock().unwrap()
}

fn asking(headers: &[(&'static str, &'static str)]) -> Request<Body> {
    let mut request = get();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request
}

fn hanging()
-> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ 'static {
    service_fn(|_| pending())
}

#[tokio::test(start_paused = true)]
async fn the_handler_sees_the_time_that_its_caller_has() {
    let layer = DeadlineLayer::new();
    let envoy = ("x-envoy-expected-rq-timeout-ms", "1500");
    let grpc = ("grpc-timeout", "2S");
    let seconds = |s| Some(Duration::from_secs_f64(s));
    assert_eq!(seen(layer.clone(), &[envoy]).await, seconds(1.5));
    assert_eq!(seen(layer.clone(), &[grpc]).await, seconds(2.0));
    assert_eq!(seen(layer.clone(), &[envoy, grpc]).await, seconds(1.5));
    assert_eq!(seen(layer.clone(), &[("grpc-timeout", "soon")]).await, None);
    assert_eq!(seen(layer, &[]).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_its_own_shortens_and_never_lengthens() {
    let layer = DeadlineLayer::new().at_most(Duration::from_secs(5));
    assert_eq!(seen(layer.clone(), &[]).await, Some(Duration::from_secs(5)));
    let grpc = [("grpc-timeout", "1H")];
    assert_eq!(
        seen(layer.clone(), &grpc).await,
        Some(Duration::from_secs(5))
    );
    let grpc = [("grpc-timeout", "1S")];
    assert_eq!(seen(layer, &grpc).await, Some(Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn other_headers_can_be_believed_instead() {
    let name = http::HeaderName::from_static("x-left-ms");
    let layer = DeadlineLayer::new().headers([DeadlineHeader::millis(name)]);
    let both = [("x-left-ms", "30"), ("grpc-timeout", "1m")];
    assert_eq!(seen(layer, &both).await, Some(Duration::from_millis(30)));
    let layer = DeadlineLayer::new().headers([]);
    assert_eq!(seen(layer, &both).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_too_long_is_dropped_and_answered_for() {
    let service = DeadlineLayer::new().layer(hanging());
    let start = Instant::now();
    let request = asking(&[("grpc-timeout", "3S")]);
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 504);
    assert_eq!(start.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_request_without_time_does_not_reach_the_handler() {
    let handler = service_fn(
        async |_: Request<Body>| -> Result<Response<Body>, Infallible> {
            panic!("there is no time for this")
        },
    );
    let service = DeadlineLayer::new().layer(handler);
    let request = asking(&[("x-envoy-expected-rq-timeout-ms", "0")]);
    assert_eq!(service.oneshot(request).await.unwrap().status(), 504);
}

#[tokio::test(start_paused = true)]
async fn a_grpc_request_is_told_so_in_its_own_words() {
    let service = DeadlineLayer::new().layer(hanging());
    let request = asking(&[
        ("grpc-timeout", "3S"),
        ("content-type", "application/grpc+proto"),
    ]);
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["grpc-status"], "4");
    assert_eq!(response.headers()["content-type"], "application/grpc");
}

/// A handler with a child that notes why it was told to stop.
fn with_child(
    told: Arc<Mutex<Option<Reason>>>,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ 'static {
    service_fn(move |_| {
        let told = told.clone();
        async move {
            let body = async move |s: &Scope<Infallible>| {
                let child = async move {
                    *told.lock().unwrap() = Some(cancelled().await);
                    Ok(())
                };
                drop(
                    s.spawn_with_grace("child", Duration::from_secs(1), child)
                        .await,
                );
                pending::<Result<Response<Body>, Infallible>>().await
            };
            Ok(scope("handler", body).await.expect("it is dropped"))
        }
    })
}

#[tokio::test(start_paused = true)]
async fn what_the_handler_has_started_is_told_and_waited_for() {
    let told = Arc::default();
    let service = DeadlineLayer::new().layer(with_child(Arc::clone(&told)));
    let request = asking(&[("grpc-timeout", "3S")]);
    assert_eq!(service.oneshot(request).await.unwrap().status(), 504);
    let told = *told.lock().unwrap();
    assert!(matches!(told, Some(Reason::Deadline { .. })), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn when_the_caller_is_gone_what_the_handler_has_started_is_told() {
    let told = Arc::default();
    let service = DeadlineLayer::new().layer(with_child(Arc::clone(&told)));
    let around = scope("server", async |_: &Scope<Infallible>| {
        let call = service.oneshot(get());
        // The server notices that the connection is gone.
        assert!(
            tokio::time::timeout(Duration::from_secs(1), call)
                .await
                .is_err()
        );
        Ok(())
    });
    around.await.unwrap();
    let told = *told.lock().unwrap();
    assert_eq!(told, Some(Reason::OwnerDropped));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_leaves_the_handler_the_grace_of_its_surroundings_but_not_more_than_its_time() {
    for (grace, takes, expected) in [(9, 5, 200), (3, 5, 503), (9, 8, 504)] {
        let handler = service_fn(move |_: Request<Body>| async move {
            tokio::time::sleep(Duration::from_secs(takes)).await;
            Ok::<_, Infallible>(answer(200))
        });
        let service = DeadlineLayer::new().layer(handler);
        let request = asking(&[("grpc-timeout", "7S")]);
        let opts = Opts::named("connection").grace(Duration::from_secs(60));
        let response = scope(opts, async |s: &Scope<Infallible>| {
            s.cancel(Reason::User("shutdown"), Duration::from_secs(grace));
            Ok(service.oneshot(request).await.unwrap().status().as_u16())
        });
        match response.await {
            Ok(status) => assert_eq!(status, expected),
            // The connection itself was cut.
            Err(_) => assert_eq!(expected, 503),
        }
    }
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "in the handler")]
async fn a_panic_of_the_handler_passes_through() {
    let handler = service_fn(
        async |_: Request<Body>| -> Result<Response<Body>, Infallible> { panic!("in the handler") },
    );
    drop(DeadlineLayer::new().layer(handler).oneshot(get()).await);
}
