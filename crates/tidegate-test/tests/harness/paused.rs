//! The runtime of a test: time, deadlocks, what is left.

use crate::support::line_of;
use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};
use tidegate::{Scope, scope};
use tidegate_test::{Trouble, no_task_left, paused, try_paused};
use tokio::{
    sync::Mutex,
    task::yield_now,
    time::{Instant, sleep},
};

const HERE: &str = include_str!("paused.rs");
const SEC: Duration = Duration::from_secs(1);

#[test]
fn a_value_comes_back_and_months_pass_at_once() {
    let real = std::time::Instant::now();
    let (value, time) = paused(async || {
        let began = Instant::now();
        sleep(300 * 24 * 3600 * SEC).await;
        (7, began.elapsed())
    });
    assert_eq!(value, 7);
    assert_eq!(time, 300 * 24 * 3600 * SEC);
    assert!(real.elapsed() < 60 * SEC);
}

/// Locks one, then the other.
async fn lock_both(first: Arc<Mutex<()>>, second: Arc<Mutex<()>>) -> Result<(), String> {
    let _first = first.lock().await;
    yield_now().await;
    let _second = second.lock().await;
    Ok(())
}

#[test]
fn a_deadlock_is_found_with_every_task_and_its_line() {
    let stuck = try_paused(async || {
        let (a, b) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
        let result = scope("locks", async |s: &Scope<String>| {
            let ab = s.spawn("ab", lock_both(a.clone(), b.clone())).await;
            let ba = s.spawn("ba", lock_both(b, a)).await;
            let _never = (ab.await, ba.await);
            Ok(())
        });
        result.await.is_ok()
    });
    let Err(Trouble::Stuck(stuck)) = stuck else {
        panic!("not found: {stuck:?}");
    };
    assert_eq!(stuck.foreign, 0, "{stuck}");
    let waits = line_of(HERE, "let _second = second.lock()");
    for (path, spawned) in [("test/locks/ab", "let ab ="), ("test/locks/ba", "let ba =")] {
        let task = stuck.tasks.iter().find(|task| task.path == path);
        let task = task.unwrap_or_else(|| panic!("{path} is not among them: {stuck}"));
        assert_eq!(task.at.line(), line_of(HERE, spawned), "{stuck}");
        assert_eq!(task.awaits.len(), 1, "{stuck}");
        assert_eq!(task.awaits[0].line, waits, "{stuck}");
    }
    // And what waits for them.
    let test = stuck.tasks.iter().find(|task| task.path == "test");
    let line = line_of(HERE, "let _never =");
    assert!(test.is_some_and(|t| t.awaits[0].line == line), "{stuck}");
}

#[test]
fn a_test_that_waits_for_a_task_of_tokio_is_stuck_too() {
    let stuck = try_paused(async || tokio::spawn(pending::<()>()).await.is_ok());
    let Err(Trouble::Stuck(stuck)) = stuck else {
        panic!("not found: {stuck:?}");
    };
    assert_eq!(stuck.foreign, 1, "{stuck}");
}

#[test]
fn what_a_dropped_scope_leaves_is_waited_for() {
    let told = paused(async || {
        let began = Instant::now();
        let work = scope("work", async |s: &Scope<String>| {
            let clean = async {
                tidegate::cancelled().await;
                sleep(SEC).await;
                Ok(())
            };
            drop(s.spawn_with_grace("clean", 5 * SEC, clean).await);
            pending().await
        });
        drop::<Result<Result<(), _>, _>>(tokio::time::timeout(SEC, work).await);
        began.elapsed()
    });
    assert_eq!(told, SEC);
}

#[test]
fn a_task_left_in_the_runtime_is_an_error() {
    let left = try_paused(async || drop(tokio::spawn(pending::<()>())));
    let Err(Trouble::Left(left)) = left else {
        panic!("not found: {left:?}");
    };
    assert_eq!((left.count, left.known.len()), (1, 0));
}

#[test]
fn a_task_left_in_another_tree_has_its_name_and_line() {
    let left = try_paused(async || {
        let root =
            tidegate::root::Root::attach(tidegate::root::Shutdown::new().signals(false)).unwrap();
        let mut work = Box::pin(root.scope("other", async |s: &Scope<String>| {
            drop(s.spawn("forgotten", pending::<Result<(), _>>()).await);
            pending::<Result<(), _>>().await
        }));
        // Forgotten, not dropped: its children are not told.
        let first = polled(work.as_mut()).await;
        std::mem::forget(work);
        std::mem::forget(root);
        yield_now().await;
        first
    });
    let Err(Trouble::Left(left)) = left else {
        panic!("not found: {left:?}");
    };
    assert_eq!(left.count, 1, "{left}");
    assert!(left.known[0].starts_with("forgotten"), "{left}");
    let line = line_of(HERE, "drop(s.spawn(\"forgotten\"");
    assert!(
        left.known[0].contains(&format!("paused.rs:{line}:")),
        "{left}"
    );
}

/// Polls once.
async fn polled<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx).is_ready())).await
}

#[test]
fn a_panic_of_the_test_is_its_own() {
    let caught = catch_unwind(|| paused(async || panic!("on purpose")));
    let payload = caught.unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"on purpose"));
}

#[tokio::test(start_paused = true)]
async fn a_test_of_tokio_can_ask_whether_a_task_is_left() {
    no_task_left().await;
    let short = tokio::spawn(yield_now());
    no_task_left().await;
    assert!(short.is_finished());
}

#[test]
fn a_task_left_is_told_with_the_line_that_asked() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let ask = || {
        runtime.block_on(async {
            drop(tokio::spawn(pending::<()>()));
            no_task_left().await; // asks
        })
    };
    let payload = catch_unwind(AssertUnwindSafe(ask)).unwrap_err();
    let line = line_of(HERE, "no_task_left().await; // asks");
    let text: &String = payload.downcast_ref().expect("a panic with a text");
    assert!(text.contains(&format!("paused.rs:{line}:")), "{text}");
    assert!(text.contains("a task was left running"), "{text}");
}
