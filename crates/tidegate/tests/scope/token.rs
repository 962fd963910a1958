//! Cancellation to and from tokio-util's tokens.

use crate::support::{Fail, SEC, cancelled_by, forever};
use tidegate::{Reason, Scope, scope};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

const STOP: Reason = Reason::User("enough");

#[tokio::test(start_paused = true)]
async fn a_token_is_cancelled_with_its_scope() {
    let mut tokens = Vec::new();
    let ended = scope("s", async |s: &Scope<Fail>| {
        let early = s.token();
        assert!(!early.is_cancelled());
        s.cancel(STOP, SEC);
        tokens.extend([early, s.token()]);
        forever::<()>().await
    });
    assert_eq!(ended.await.unwrap_err().reason(), Some(STOP));
    assert!(tokens.iter().all(CancellationToken::is_cancelled));
}

#[tokio::test(start_paused = true)]
async fn a_token_hears_of_what_an_ancestor_was_told_and_tells_nobody() {
    scope("outer", async |outer: &Scope<Fail>| {
        let token = scope("inner", async |s: &Scope<Fail>| Ok(s.token())).await?;
        assert!(!token.is_cancelled());
        let outer = outer.clone();
        let inner = scope("inner", async |s: &Scope<Fail>| {
            let token = s.token();
            s.token().cancel();
            assert!(!s.is_cancelled());
            outer.cancel(STOP, SEC);
            assert!(token.is_cancelled());
            Ok(())
        });
        inner.await?;
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_scope_follows_a_token() {
    let (start, token) = (Instant::now(), CancellationToken::new());
    let theirs = token.clone();
    tokio::spawn(async move {
        sleep(SEC).await;
        theirs.cancel();
    });
    let ended = scope("s", async |s: &Scope<Fail>| {
        s.follow(token, STOP)?;
        let child = s.spawn("child", forever::<()>()).await;
        assert_eq!(cancelled_by(child.await), STOP);
        Ok(())
    });
    assert_eq!(ended.await.unwrap_err().reason(), Some(STOP));
    assert_eq!(start.elapsed(), SEC);
}

#[tokio::test(start_paused = true)]
async fn following_keeps_no_scope_open() {
    let token = CancellationToken::new();
    scope("s", async |s: &Scope<Fail>| {
        s.follow(token.clone(), STOP)?;
        Ok(())
    })
    .await
    .unwrap();
    assert!(!token.is_cancelled());
}
