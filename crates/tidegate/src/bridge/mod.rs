//! From code that calls back to code that awaits.
//!
//! | there | here |
//! |---|---|
//! | somebody will have the value later | [`oneshot`]: a [`Resolver`] to give away, a [`Promise`] to await |
//! | a function that takes a callback, once | [`from_callback`]: registers at the first poll, unregisters when dropped |
//! | a call that blocks | [`Scope::spawn_blocking`](crate::Scope::spawn_blocking) |
//!
//! Both stand on `tokio::sync::oneshot`; take that between two tasks of your own, where neither an error with a name nor
//! a registration to undo is needed.

mod callback;
mod promise;

pub use callback::{FromCallback, OnDrop, from_callback, on_drop};
pub use promise::{Promise, Resolver, Unresolved, oneshot};
