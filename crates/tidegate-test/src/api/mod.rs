//! A local API that misbehaves: slow, unavailable, throttling, hanging, down.
//!
//! `faults` decides, without time or state, what happens to a request. `counters` holds everything that changes, behind
//! one lock that is never held across an await. `answers` is what the API says; `server` is connections and tasks.

mod answers;
mod builder;
mod counters;
mod faults;
mod server;
mod stats;

pub use answers::orders;
pub use builder::Builder;
pub use counters::Down;
pub use server::Api;
pub use stats::Stats;
