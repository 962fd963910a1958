//! Measuring: child processes, futures, and what repeated measurements amount to.

mod beside;
mod child;
mod quartiles;
mod stalls;
mod thread;

pub(crate) use beside::{difference, nanos_each, ratio};
pub(crate) use child::{Usage, run};
pub(crate) use quartiles::{Quartiles, in_turn};
pub(crate) use stalls::longest_stall;
pub(crate) use thread::{cpu_of, one_thread};
