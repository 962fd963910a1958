//! Work outside the async threads, owned by a scope.
//!
//! What blocks or computes must not do so on a thread that drives I/O: everything that this thread serves would wait.
//! All that is here runs on threads of the library's own, and is a child of a scope like any task.
//!
//! | the work | verb | threads |
//! |---|---|---|
//! | blocks, now and then: a file, a name look-up | [`Scope::spawn_blocking`](crate::Scope::spawn_blocking) | kept for 10 s, at most 512 |
//! | lives as long as its scope: a reader, a writer | [`Scope::spawn_thread`](crate::Scope::spawn_thread) | one for itself |
//! | computes | [`Pool`] | one a core, a bounded queue, backpressure |
//!
//! Code that runs cannot be ended from outside: it is given a [`StopFlag`] and has to look at it. Its scope waits for it.
//! A runtime does not: the end of a tokio runtime waits for ever for what `tokio::task::spawn_blocking` has started,
//! while these threads belong to no runtime. What has not returned when `main` does ends with the process.

mod blocking;
mod crew;
mod flag;
mod pool;
mod thread;
mod work;

pub use flag::StopFlag;
pub use pool::{Pool, PoolOpts};
