//! Measuring: child processes, and what repeated measurements amount to.

mod child;
mod quartiles;

pub(crate) use child::{Usage, run};
pub(crate) use quartiles::{Quartiles, in_turn};
