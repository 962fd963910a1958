//! Several futures at once, until a condition holds: which arms have finished and, of each that has not, why.
//!
//! | form | ends when |
//! |---|---|
//! | [`all`] | every arm has ended; a failure stops nobody |
//! | [`first_ok`] | one arm has succeeded |
//! | [`race`] | one arm has ended, however |
//! | [`quorum`] | so many arms have succeeded, or cannot any more |
//! | [`until`] | an instant has come |
//! | [`hedged`] | as `first_ok`, its arms started one after the other |
//! | [`join`] | as an [`Until`] says |
//!
//! Each also ends when all its arms have. The arms are children of a scope of the join's own, which hangs below the
//! caller's: they run in parallel, a panic is a result like any other, and at most 1,024 of them run at once; further
//! ones start as others end. Arms that are left when the condition holds have lost: they are told so
//! ([`Reason::LostJoin`](crate::Reason::LostJoin)) and dropped or drained, as [`Losers`] says. A join returns only when
//! each of them is gone, its destructors included, whatever ends the join.
//!
//! [`here`] has the same forms, but for `hedged`, for arms that borrow or are not `Send`.
//!
//! # What else there is
//!
//! - [`scope`](crate::scope()), when one failure is to stop the others and there is nothing to select.
//! - `tokio::join!` and `tokio::try_join!`, for two or three futures of different types that may borrow, where a panic
//!   may take the task along.
//! - `tokio::select!`, for a loop that waits for several kinds of news. Give it only arms that may be dropped
//!   half-way, by value. An arm that is a `&mut future` is no longer polled once another one has won, and if the future
//!   holds a lock, or is next in line for one, that the code after it waits for, the task waits for itself for ever: a
//!   *futurelock*. No form here can do that: arms are owned, always polled, and gone before a result is handed out.

mod arms;
mod forms;
pub mod here;
mod joined;
mod rule;
mod run;

pub use forms::{all, first_ok, hedged, quorum, race, until};
pub use joined::Joined;
pub use rule::{Losers, Until};
pub use run::join;
