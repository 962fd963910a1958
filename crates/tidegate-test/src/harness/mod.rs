//! Tests of async programs: time that stands still, deadlocks and left tasks by name, a stop at every await.
//!
//! | module | what |
//! |---|---|
//! | `waker`, `stack` | who waits where: a waker that sees itself registered, and the lines of what it saw |
//! | `tasks` | every task that is polled on this thread, and its answer when asked where it waits |
//! | `stuck`, `left`, `paused` | what a test must not end with |
//! | `budget`, `point` | how an await that is ready becomes one that can be stopped at |
//! | `sweep` | the runs, one for each point |

mod budget;
mod left;
mod panics;
mod paused;
mod point;
mod stack;
mod stuck;
mod sweep;
mod tasks;
mod waker;

pub use left::{Left, no_task_left};
pub use paused::{Trouble, paused, try_paused};
pub use point::cancel_point;
pub use stack::Place;
pub use stuck::{Stuck, Waiting};
pub use sweep::{Coverage, Mode, Sweep, Violation, Violations};
