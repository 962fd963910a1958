//! Composition and backpressure: batches, order per key, and a stop that lets started work finish.
//!
//! Bounded channels are tokio's, and concurrent work whose results come as they complete is
//! [`Gather`](crate::scope::Gather): its items are children of a scope, so that none of them is ever left unpolled while
//! the consumer waits for something else.

mod batch;
mod drain;
mod per_key;

pub use batch::{Batcher, Limits};
pub use drain::Drain;
pub use per_key::PerKey;
