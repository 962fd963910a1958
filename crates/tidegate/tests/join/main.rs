//! Joins, from their public face.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod dropped;
mod forms;
mod futurelock;
mod here;
mod losers;
mod stopped;
#[path = "../scope/support.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests of scopes, which use all of it"
)]
mod support;
mod told;

use tidegate::{What, join::Joined};

/// `finished` as `place=value`, `place-error` or `place!panic`, in its order; then the places of the unfinished arms.
fn shown<T: std::fmt::Display>(joined: &Joined<T, support::Fail>) -> (Vec<String>, Vec<usize>) {
    let finished = joined.finished.iter().map(|(index, result)| match result {
        Ok(value) => format!("{index}={value}"),
        Err(What::Error(error)) => format!("{index}-{error}"),
        Err(What::Panic(panic)) => format!("{index}!{panic}"),
        Err(other) => panic!("an arm does not end so: {other:?}"),
    });
    let unfinished = joined.unfinished.iter().map(|(index, _)| *index);
    (finished.collect(), unfinished.collect())
}

/// An arm that after `secs` of the paused clock ends with `text`: as an error with a `-` in front, as a panic with a `!`.
async fn arm(secs: u32, text: &'static str) -> Result<&'static str, support::Fail> {
    tokio::time::sleep(secs * support::SEC).await;
    if let Some(error) = text.strip_prefix('-') {
        return support::fail(error);
    }
    match text.strip_prefix('!') {
        Some(panic) => panic!("{panic}"),
        None => Ok(text),
    }
}
