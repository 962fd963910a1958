//! Tests of async programs: time that stands still, deadlocks and left tasks by name.
//!
//! | module | what |
//! |---|---|
//! | `waker`, `stack` | who waits where: a waker that sees itself registered, and the lines of what it saw |
//! | `tasks` | every task that is polled on this thread, and its answer when asked where it waits |
//! | `stuck`, `left`, `paused` | what a test must not end with |

mod left;
mod paused;
mod stack;
mod stuck;
mod tasks;
mod waker;

pub use left::{Left, no_task_left};
pub use paused::{Trouble, paused, try_paused};
pub use stack::Place;
pub use stuck::{Stuck, Waiting};
