//! Composition and backpressure: concurrent work with a bound and an order, channels, batches, order per key, and a stop
//! that lets started work finish.
//!
//! | for | take |
//! |---|---|
//! | the same work for many items, with results | [`map_concurrent`], [`map_per_key`] |
//! | the same, without results | [`for_each_concurrent`], [`for_each_per_key`] |
//! | different work, its results as they come | [`Gather`](crate::scope::Gather) |
//! | values from task to task, or from and to threads | [`channel`](channel()) |
//! | many small items, handled together | [`batches`](batches()); [`Batcher`] in a loop of your own |
//! | the order per key in a loop of your own | [`PerKey`] |
//! | a stop that gives up what has not begun | [`Drain`] |
//!
//! Items are always children of a scope, so that none of them is ever left unpolled while the consumer waits for
//! something else, and every buffer has a bound: a slow consumer slows its source down.

mod batch;
mod batches;
mod channel;
mod concurrent;
mod drain;
mod for_each;
mod intake;
mod interop;
mod map;
mod per_key;
mod shared;
mod source;
mod window;

pub use batch::{Batcher, Limits};
pub use batches::{Batches, batches};
pub use channel::{Closed, NotReceived, NotSent, Permit, Receiver, Sender, channel};
pub use concurrent::{Concurrent, Order};
pub use drain::Drain;
pub use for_each::{for_each_concurrent, for_each_per_key};
pub use interop::{FromStream, from_stream};
pub use map::{Mapped, map_concurrent, map_per_key};
pub use per_key::PerKey;
pub use source::{Pull, Source, pull};
