//! Every order of the tree's atomics and locks, for the races that its invariants are about. Run by `scripts/loom`.

use super::{
    Entry, Kind, NoRoom, Node, NodeOpts, Opener, Reason, Role, Room,
    node::{CLOSED, MAX_CHILDREN},
};
use crate::sync::{
    AtomicU32,
    Ordering::{Acquire, SeqCst},
};
use ::loom::{model, thread};
use std::{
    fmt,
    panic::Location,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};
use tokio::task;

const ENOUGH: Reason = Reason::User("enough");

/// Counts its wakes.
struct Bell(AtomicU32);

impl Bell {
    fn new() -> (Arc<Bell>, Waker) {
        let bell = Arc::new(Bell(AtomicU32::new(0)));
        (bell.clone(), Waker::from(bell))
    }

    fn has_rung(&self) -> bool {
        self.0.load(SeqCst) > 0
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[derive(Debug)]
struct Fail;

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("on purpose")
    }
}

fn node(parent: Option<&Arc<Node>>, limit: u32) -> Arc<Node> {
    let opts = NodeOpts {
        name: "node",
        at: Location::caller(),
        deadline: None,
        grace: None,
        limit,
    };
    Node::new(parent.cloned(), Opener::default(), Role::Scope, opts)
}

fn entry(waker: Waker, task: Option<task::Id>) -> Entry {
    Entry {
        waker: Some(waker),
        name: "child",
        at: Location::caller(),
        kind: Kind::Child,
        task,
    }
}

/// The number of a task, which only a runtime gives out.
#[expect(clippy::disallowed_methods, reason = "it does nothing")]
fn some_task() -> task::Id {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime without drivers needs nothing");
    runtime.block_on(async { tokio::spawn(async {}).id() })
}

fn in_parallel(one: impl FnOnce() + 'static, other: impl FnOnce()) {
    let thread = thread::spawn(one);
    other();
    thread.join().expect("its asserts hold");
}

#[test]
fn nothing_enters_a_closed_node() {
    model(|| {
        let root = node(None, MAX_CHILDREN);
        let scope = node(Some(&root), MAX_CHILDREN);
        let theirs = scope.clone();
        in_parallel(
            move || {
                if theirs.enter().is_ok() {
                    assert_eq!(theirs.word.load(Acquire) & CLOSED, 0);
                    theirs.leave_child();
                }
            },
            || {
                if scope.try_close() {
                    assert!(scope.enter().is_err());
                }
            },
        );
        assert!(scope.is_idle() && root.is_idle());
    });
}

#[test]
fn a_parent_does_not_close_over_a_child_of_its_child() {
    model(|| {
        let root = node(None, MAX_CHILDREN);
        let scope = node(Some(&root), MAX_CHILDREN);
        let above = root.clone();
        in_parallel(
            move || {
                above.try_close();
            },
            || {
                if scope.enter().is_ok() {
                    assert_eq!(root.word.load(Acquire) & CLOSED, 0);
                    scope.leave_child();
                }
            },
        );
        assert!(scope.is_idle() && root.is_idle());
    });
}

#[test]
fn the_last_child_wakes_an_owner_that_waits_for_it() {
    model(|| {
        let scope = node(None, MAX_CHILDREN);
        scope.enter().expect("it is open");
        let (bell, waker) = Bell::new();
        let theirs = scope.clone();
        let mut waits = true;
        in_parallel(
            move || theirs.leave_child(),
            || {
                waits = !scope.park_owner(&waker, true);
            },
        );
        assert!(!waits || bell.has_rung());
        assert!(scope.try_close());
    });
}

#[test]
fn of_two_children_that_end_together_one_wakes_the_owner() {
    model(|| {
        let scope = node(None, MAX_CHILDREN);
        scope.enter().expect("it is open");
        scope.enter().expect("it is open");
        let (bell, waker) = Bell::new();
        let (one, other) = (scope.clone(), scope.clone());
        let leaving = thread::spawn(move || one.leave_child());
        let mut waits = true;
        in_parallel(
            move || other.leave_child(),
            || {
                waits = !scope.park_owner(&waker, true);
            },
        );
        leaving.join().expect("it has no asserts");
        assert!(!waits || bell.has_rung());
        assert!(scope.try_close());
    });
}

#[test]
fn a_child_below_that_is_the_last_wakes_the_owner_too() {
    model(|| {
        let root = node(None, MAX_CHILDREN);
        let scope = node(Some(&root), MAX_CHILDREN);
        scope.enter().expect("it is open");
        let (bell, waker) = Bell::new();
        let theirs = scope.clone();
        let mut waits = true;
        in_parallel(
            move || theirs.leave_child(),
            || {
                waits = !root.park_owner(&waker, true);
            },
        );
        assert!(!waits || bell.has_rung());
        assert!(root.try_close());
    });
}

#[test]
fn a_child_that_parks_while_the_scope_is_told_is_woken_or_refused() {
    model(|| {
        let scope = node(None, MAX_CHILDREN);
        let (bell, waker) = Bell::new();
        let theirs = scope.clone();
        let mut parked = None;
        in_parallel(
            move || theirs.cancel(ENOUGH, None),
            || {
                parked = scope.park(entry(waker, None));
            },
        );
        assert!(parked.is_none() || bell.has_rung());
        assert!(scope.is_told() && scope.reason() == Some(ENOUGH));
    });
}

#[test]
fn an_owner_that_parks_while_the_scope_is_told_is_woken_or_sees_it() {
    model(|| {
        let scope = node(None, MAX_CHILDREN);
        let (bell, waker) = Bell::new();
        let theirs = scope.clone();
        let mut sees = false;
        in_parallel(
            move || theirs.cancel(ENOUGH, None),
            || {
                sees = scope.park_owner(&waker, false);
            },
        );
        assert!(sees || bell.has_rung());
    });
}

#[test]
fn a_scope_that_is_linked_while_its_parent_is_told_is_told() {
    model(|| {
        let root = node(None, MAX_CHILDREN);
        let scope = node(Some(&root), MAX_CHILDREN);
        let (bell, waker) = Bell::new();
        let above = root.clone();
        let mut sees = false;
        in_parallel(
            move || above.cancel(ENOUGH, None),
            || {
                // As an owner that waits for the first time.
                scope.link();
                sees = scope.park_owner(&waker, false);
            },
        );
        assert!(sees || bell.has_rung());
        assert!(scope.is_told() && scope.reason() == Some(ENOUGH));
    });
}

#[test]
fn of_two_reasons_one_stays_all_the_way_down() {
    model(|| {
        let root = node(None, MAX_CHILDREN);
        let scope = node(Some(&root), MAX_CHILDREN);
        scope.link();
        let above = root.clone();
        in_parallel(
            move || above.cancel(ENOUGH, None),
            || {
                scope.cancel(Reason::User("other"), None);
            },
        );
        assert_eq!(root.reason(), Some(ENOUGH));
        let first = scope.reason();
        assert!(first == Some(ENOUGH) || first == Some(Reason::User("other")));
        scope.cancel(Reason::User("late"), None);
        assert_eq!(scope.reason(), first);
    });
}

#[test]
fn an_orphan_is_buried_once_by_its_owner_or_its_last_child() {
    model(|| {
        let root = node(None, MAX_CHILDREN);
        let scope = node(Some(&root), MAX_CHILDREN);
        scope.enter().expect("it is open");
        scope.failed("child", Location::caller(), Fail);
        let theirs = scope.clone();
        in_parallel(
            move || theirs.leave_child(),
            || {
                scope.cancel_dropped();
                scope.orphan();
            },
        );
        assert!(root.is_idle());
        assert_eq!(root.take_unclaimed().0.len(), 1);
        // Nor does the parent hold it.
        assert_eq!(Arc::strong_count(&scope), 1);
    });
}

#[test]
fn a_scope_entered_by_two_is_counted_once_and_given_back() {
    model(|| {
        let root = node(None, MAX_CHILDREN);
        let scope = node(Some(&root), MAX_CHILDREN);
        let theirs = scope.clone();
        let enter_and_leave = |scope: &Arc<Node>| {
            scope.enter().expect("it is open");
            scope.leave_child();
        };
        in_parallel(move || enter_and_leave(&theirs), || enter_and_leave(&scope));
        assert!(scope.is_idle() && root.is_idle());
        assert!(root.try_close());
    });
}

#[test]
fn a_child_told_alone_while_it_parks_is_woken_or_finds_its_mark() {
    let id = some_task();
    model(move || {
        let scope = node(None, MAX_CHILDREN);
        let (bell, waker) = Bell::new();
        let theirs = scope.clone();
        let mut finds = false;
        in_parallel(
            move || theirs.cancel_task(id, ENOUGH),
            || {
                // Parks first, then looks.
                let key = scope.park(entry(waker, Some(id)));
                assert!(key.is_some(), "the scope was not told");
                finds = scope.singled(id).is_some();
            },
        );
        assert!(finds || bell.has_rung());
        assert!(scope.singled(id).is_some() && !scope.is_told());
    });
}

#[test]
fn a_scope_opened_by_a_child_that_is_told_alone_is_told() {
    let id = some_task();
    model(move || {
        let root = node(None, MAX_CHILDREN);
        let opener = Opener {
            is_child: true,
            task: Some(id),
        };
        let opts = NodeOpts {
            name: "opened",
            at: Location::caller(),
            deadline: None,
            grace: None,
            limit: MAX_CHILDREN,
        };
        let scope = Node::new(Some(root.clone()), opener, Role::Scope, opts);
        let above = root.clone();
        in_parallel(move || above.cancel_task(id, ENOUGH), || scope.link());
        assert!(scope.is_told() && !root.is_told());
    });
}

#[test]
fn whoever_queues_while_a_place_is_given_up_is_called_or_gets_it() {
    model(|| {
        let scope = node(None, 1);
        scope.enter().expect("it is open");
        let (bell, waker) = Bell::new();
        let theirs = scope.clone();
        let mut room = Room::new(&scope);
        let mut got = false;
        in_parallel(
            move || theirs.leave_child(),
            || {
                got = poll(&mut room, &waker).is_ready();
            },
        );
        assert!(got || bell.has_rung());
        assert!(got || poll(&mut room, &waker) == Poll::Ready(Ok(())));
    });
}

#[test]
fn a_call_to_a_waiter_that_is_dropped_goes_to_the_next() {
    model(|| {
        let scope = node(None, 1);
        scope.enter().expect("it is open");
        let (_, impatient) = Bell::new();
        let (bell, patient) = Bell::new();
        let mut first = Room::new(&scope);
        assert!(poll(&mut first, &impatient).is_pending());
        let mut second = Room::new(&scope);
        assert!(poll(&mut second, &patient).is_pending());
        let theirs = scope.clone();
        in_parallel(move || theirs.leave_child(), || drop(first));
        assert!(bell.has_rung());
        assert_eq!(poll(&mut second, &patient), Poll::Ready(Ok(())));
    });
}

#[test]
fn who_waits_for_room_is_called_when_the_scope_is_told() {
    model(|| {
        let scope = node(None, 1);
        scope.enter().expect("it is open");
        let (bell, waker) = Bell::new();
        let theirs = scope.clone();
        let mut room = Room::new(&scope);
        let mut got = false;
        in_parallel(
            move || theirs.cancel(ENOUGH, None),
            || {
                got = poll(&mut room, &waker).is_ready();
            },
        );
        assert!(got || bell.has_rung());
        let refused = Poll::Ready(Err(NoRoom::Told(ENOUGH)));
        assert!(got || poll(&mut room, &waker) == refused);
    });
}

fn poll(room: &mut Room<'_>, waker: &Waker) -> Poll<Result<(), NoRoom>> {
    room.poll(&mut Context::from_waker(waker))
}
