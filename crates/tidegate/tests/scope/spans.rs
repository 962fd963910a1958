//! Tracing: where children run, and what a slow end says.

use crate::support::{Fail, SEC};
use std::{
    fmt::{self, Write},
    sync::{Arc, Mutex},
};
use tidegate::{Reason, Scope, scope};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    info, info_span,
    span::{Attributes, Id, Record},
    subscriber::with_default,
};
use tracing_core::span::Current;

/// Writes down which span is entered, and every event.
#[derive(Clone, Default)]
struct Seen {
    lines: Arc<Mutex<Vec<String>>>,
    spans: Arc<Mutex<Vec<&'static Metadata<'static>>>>,
    stack: Arc<Mutex<Vec<u64>>>,
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Seen {
    fn enabled(&self, meta: &Metadata<'_>) -> bool {
        !meta.target().starts_with("tokio")
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut spans = self.spans.lock().unwrap();
        spans.push(span.metadata());
        Id::from_u64(spans.len() as u64)
    }
    fn current_span(&self) -> Current {
        let Some(id) = self.stack.lock().unwrap().last().copied() else {
            return Current::none();
        };
        Current::new(
            Id::from_u64(id),
            self.spans.lock().unwrap()[id as usize - 1],
        )
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut text = Text(format!("{:?}", self.stack.lock().unwrap()));
        event.record(&mut text);
        self.lines.lock().unwrap().push(text.0);
    }
    fn enter(&self, id: &Id) {
        self.stack.lock().unwrap().push(id.into_u64());
    }
    fn exit(&self, _: &Id) {
        self.stack.lock().unwrap().pop();
    }
}

/// Runs it on a paused clock and gives the events.
fn events(work: impl AsyncFnOnce()) -> Vec<String> {
    let seen = Seen::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    with_default(seen.clone(), || runtime.block_on(work()));
    let lines = seen.lines.lock().unwrap();
    lines.clone()
}

#[test]
fn a_child_runs_in_the_span_of_whoever_spawned_it() {
    let seen = events(async || {
        scope("s", async |s: &Scope<Fail>| {
            let span = info_span!("request");
            let work = async {
                info!("before");
                tokio::time::sleep(SEC).await;
                info!("after");
                Ok(())
            };
            let task = {
                let _inside = span.enter();
                s.try_spawn("child", work)?
            };
            task.await?;
            info!("body");
            Ok(())
        })
        .await
        .unwrap();
    });
    assert_eq!(
        seen,
        ["[1] message=before", "[1] message=after", "[] message=body"]
    );
}

#[test]
fn a_scope_that_is_slow_to_end_says_whom_it_waits_for() {
    let seen = events(async || {
        scope("slow", async |s: &Scope<Fail>| {
            drop(
                s.spawn_with_grace("lazy", 60 * SEC, async {
                    tokio::time::sleep(3 * SEC).await;
                    Ok(())
                })
                .await,
            );
            s.cancel(Reason::User("stop"), 60 * SEC);
            Ok(())
        })
        .await
        .unwrap();
    });
    let [line] = &seen[..] else {
        panic!("{seen:?}")
    };
    assert!(line.contains("slow/lazy"), "{line}");
    assert!(line.contains("reason=stop"), "{line}");
}
