//! Figures of scopes, against tokio's own means. All on one thread, in CPU time.

use std::convert::Infallible;
use std::future::poll_fn;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Poll;
use std::time::{Duration, Instant};

use serde_json::json;
use tidegate::{Opts, Reason, Scope, ScopeError, cancelled, scope};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, yield_now};

use crate::Fallible;
use crate::figure::{Figure, Wanted};
use crate::measure::{Quartiles, difference, one_thread, ratio};
use crate::suite::{Bench, Setting};

const SPAWN_JOIN: Wanted = Wanted::at_most("scope/spawn_join", "ratio", 1.0);
const BOUNDED: Wanted = Wanted::at_most("scope/bounded", "ratio", 1.0);
const OPEN_CLOSE: Wanted = Wanted::at_most("scope/open_close_ns", "ns", 200.0);
const POLL: Wanted = Wanted::at_most("scope/poll_ns", "ns", 5.0);
const CANCEL: Wanted = Wanted::at_most("scope/cancel_100k_ms", "ms", 100.0);

pub(crate) const BENCHES: &[Bench] = &[
    Bench {
        figures: &[SPAWN_JOIN],
        peers: false,
        run: |setting| {
            let n = 1_000;
            ratio(
                setting,
                SPAWN_JOIN,
                n,
                || spawn_join(n),
                || spawn_join_tokio(n),
            )
        },
    },
    Bench {
        figures: &[BOUNDED],
        peers: false,
        run: |setting| {
            let n = 10_000;
            ratio(setting, BOUNDED, n, || bounded(n), || bounded_tokio(n))
        },
    },
    Bench {
        figures: &[OPEN_CLOSE],
        peers: false,
        run: |setting| {
            let n = 100_000;
            difference(setting, OPEN_CLOSE, n, || open_close(n), || call(n))
        },
    },
    Bench {
        figures: &[POLL],
        peers: false,
        run: |setting| {
            let n = 200_000;
            difference(setting, POLL, n, || polls(n), || polls_tokio(n))
        },
    },
    Bench {
        figures: &[CANCEL],
        peers: false,
        run: cancel,
    },
];

type Ended = Result<(), ScopeError<Infallible>>;

async fn spawn_join(n: usize) -> Ended {
    scope(
        Opts::named("all").max_children(n),
        async |s: &Scope<Infallible>| {
            let mut results = s.gather();
            for number in 0..n {
                results.spawn("one", async move { Ok(number) }).await;
            }
            while let Some(result) = results.next().await {
                black_box(result.ok());
            }
            Ok(())
        },
    )
    .await
}

async fn spawn_join_tokio(n: usize) {
    let mut tasks = JoinSet::new();
    for number in 0..n {
        tasks.spawn(async move { number });
    }
    while let Some(result) = tasks.join_next().await {
        black_box(result.ok());
    }
}

/// A child that is there for a while, so that the bound is reached.
async fn some_work() {
    yield_now().await;
}

async fn bounded(n: usize) -> Ended {
    scope(
        Opts::named("all").max_children(64),
        async |s: &Scope<Infallible>| {
            for _ in 0..n {
                let work = async {
                    some_work().await;
                    Ok(())
                };
                drop(s.spawn("one", work).await);
            }
            Ok(())
        },
    )
    .await
}

async fn bounded_tokio(n: usize) {
    let places = Arc::new(Semaphore::new(64));
    let mut tasks = JoinSet::new();
    for _ in 0..n {
        let place = Arc::clone(&places).acquire_owned().await;
        tasks.spawn(async move {
            some_work().await;
            drop(place);
        });
        // Results that nobody takes would pile up.
        while tasks.try_join_next().is_some() {}
    }
    while tasks.join_next().await.is_some() {}
}

async fn open_close(n: usize) -> Ended {
    for number in 0..n {
        scope("empty", async |_: &Scope<Infallible>| Ok(black_box(number))).await?;
    }
    Ok(())
}

async fn call(n: usize) -> Ended {
    async fn empty(number: usize) -> Result<usize, ScopeError<Infallible>> {
        Ok(black_box(number))
    }
    for number in 0..n {
        empty(number).await?;
    }
    Ok(())
}

/// A future that is polled once more for each of `n`, at once: tokio's `yield_now` would look for I/O in between.
async fn polled(mut n: usize) {
    poll_fn(|cx| {
        if n == 0 {
            return Poll::Ready(());
        }
        n -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

async fn polls(n: usize) -> Ended {
    scope("one", async |s: &Scope<Infallible>| {
        let work = async move {
            polled(n).await;
            Ok(())
        };
        drop(s.spawn("polled", work).await);
        Ok(())
    })
    .await
}

async fn polls_tokio(n: usize) {
    // It cannot fail but by a panic, and then the measurement is void anyway.
    drop(tokio::spawn(polled(n)).await);
}

/// From telling the scope to its end: by then every child was woken, knows the reason, and has ended.
fn cancel(setting: &Setting) -> Fallible<Vec<Figure>> {
    let n = setting.amount(100_000, 10_000);
    let runtime = one_thread()?;
    let mut millis = Vec::new();
    for _ in 0..setting.amount(11, 3) {
        let (began, told) = runtime.block_on(tell_all(n))?;
        millis.push(began.elapsed().as_secs_f64() * 1e3);
        if told != n {
            return Err(format!("{told} of {n} children were told").into());
        }
    }
    let millis = Quartiles::of(millis);
    let detail = json!({ "ms": millis, "children": n });
    Ok(vec![CANCEL.measured(millis.median, detail)])
}

/// When the scope was told, and how many of its `n` children heard of it.
async fn tell_all(n: usize) -> Result<(Instant, usize), ScopeError<Infallible>> {
    const GRACE: Duration = Duration::from_secs(60);
    let waiting = Arc::new(AtomicUsize::new(0));
    let told = Arc::new(AtomicUsize::new(0));
    let opts = Opts::named("all").max_children(n);
    let began = scope(opts, async |s: &Scope<Infallible>| {
        for _ in 0..n {
            let (waiting, told) = (Arc::clone(&waiting), Arc::clone(&told));
            let work = async move {
                waiting.fetch_add(1, Relaxed);
                black_box(cancelled().await);
                told.fetch_add(1, Relaxed);
                Ok(())
            };
            drop(s.spawn_with_grace("one", GRACE, work).await);
        }
        while waiting.load(Relaxed) < n {
            yield_now().await;
        }
        let began = Instant::now();
        s.cancel(Reason::User("measured"), GRACE);
        Ok(began)
    })
    .await?;
    Ok((began, told.load(Relaxed)))
}
