//! Callbacks as futures.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};
use tidegate::bridge::{Resolver, Unresolved, from_callback, on_drop};
use tokio::time::timeout;

/// Something that calls back when told to.
#[derive(Default)]
struct Bell {
    registered: RefCell<Option<Resolver<u32>>>,
    unregistered: Cell<u32>,
}

impl Bell {
    async fn rung(&self) -> Result<u32, Unresolved> {
        from_callback(|resolver| {
            *self.registered.borrow_mut() = Some(resolver);
            on_drop(|| self.unregistered.set(self.unregistered.get() + 1))
        })
        .await
    }

    fn take(&self) -> Resolver<u32> {
        self.registered.take().unwrap()
    }
}

#[tokio::test]
async fn the_value_of_the_callback_is_the_future_s_and_it_is_unregistered() {
    let bell = Bell::default();
    let (rung, ()) = tokio::join!(bell.rung(), async {
        assert_eq!(bell.unregistered.get(), 0);
        bell.take().resolve(7).unwrap();
    });
    assert_eq!(rung, Ok(7));
    assert_eq!(bell.unregistered.get(), 1);
}

#[tokio::test]
async fn a_callback_may_come_while_it_is_registered() {
    let value = from_callback(|resolver| resolver.resolve(7)).await;
    assert_eq!(value, Ok(7));
}

#[tokio::test]
async fn a_callback_that_is_dropped_is_an_error_and_unregistered() {
    let bell = Bell::default();
    let (rung, ()) = tokio::join!(bell.rung(), async { drop(bell.take()) });
    assert_eq!(rung, Err(Unresolved));
    assert_eq!(bell.unregistered.get(), 1);
}

#[tokio::test]
async fn nothing_is_registered_before_the_first_poll() {
    let bell = Bell::default();
    drop(bell.rung());
    drop(from_callback(|_: Resolver<u32>| panic!("registered")));
    assert!(bell.registered.take().is_none());
    assert_eq!(bell.unregistered.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn dropping_it_unregisters_and_a_late_callback_is_not_wanted() {
    let bell = Bell::default();
    assert!(timeout(Duration::from_secs(1), bell.rung()).await.is_err());
    assert_eq!(bell.unregistered.get(), 1);
    let late = bell.take();
    assert!(!late.is_wanted());
    assert_eq!(late.resolve(7), Err(7));
}

#[tokio::test]
async fn whoever_is_unregistered_has_not_heard_before_that_nobody_waits() {
    let wanted = Cell::new(None);
    let resolver = RefCell::new(None);
    let waits = from_callback(|given: Resolver<u32>| {
        *resolver.borrow_mut() = Some(given);
        on_drop(|| wanted.set(resolver.borrow().as_ref().map(Resolver::is_wanted)))
    });
    assert!(timeout(Duration::ZERO, waits).await.is_err());
    assert_eq!(wanted.get(), Some(true));
}

#[tokio::test]
async fn a_registration_that_panics_is_the_caller_s_panic() {
    let task = tokio::spawn(from_callback(|_: Resolver<u32>| -> () { panic!("y") }));
    assert!(task.await.unwrap_err().is_panic());
}
