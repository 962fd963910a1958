use std::{convert::Infallible, time::Duration};

use http::HeaderMap;
use tidegate::{Opts, Scope, scope};
use tidegate_tower::{DeadlineHeader, DeadlineLayer, HttpJudge, PolicyLayer};
use tower::{Layer, ServiceExt};

use crate::support::{Ready, Strict, answer, get, policy};

fn left(headers: &HeaderMap) -> Duration {
    DeadlineHeader::grpc()
        .read(headers)
        .expect("it says how much time is left")
}

#[tokio::test(start_paused = true)]
async fn each_attempt_says_how_much_time_it_has() {
    let inner = Strict::new(Ready::AtOnce, async |number, request| {
        let expected = if number == 1 { 10 } else { 5 };
        assert_eq!(left(request.headers()), Duration::from_secs(expected));
        tokio::time::sleep(Duration::from_secs(15)).await;
        Ok(answer(200))
    });
    let judge = HttpJudge::new().deadline_header(DeadlineHeader::grpc());
    let service = PolicyLayer::new(policy().build().unwrap(), judge).layer(inner.clone());
    let opts = Opts::named("caller").timeout(Duration::from_secs(15));
    let call = scope(opts, async |_: &Scope<Infallible>| {
        Ok(service.oneshot(get()).await.is_err())
    });
    drop(call.await);
    assert_eq!(inner.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_goes_through_two_services_and_shrinks_on_its_way() {
    let far = Strict::new(Ready::AtOnce, async |_, request| {
        assert_eq!(left(request.headers()), Duration::from_secs(3));
        Ok(answer(200))
    });
    let judge = HttpJudge::new().deadline_header(DeadlineHeader::grpc());
    let client = PolicyLayer::new(policy().build().unwrap(), judge).layer(far.clone());
    let near = Strict::new(Ready::AtOnce, move |_, _| {
        let client = client.clone();
        async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(client.oneshot(get()).await.unwrap())
        }
    });
    let mut request = get();
    DeadlineHeader::grpc().write(request.headers_mut(), Duration::from_secs(4));
    let response = DeadlineLayer::new()
        .layer(near)
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!((response.status().as_u16(), far.calls()), (200, 1));
}
