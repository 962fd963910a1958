//! Figures of policies.

mod allocations;
mod limiter;
mod rejection;
mod stages;
mod tower;

use crate::suite::Bench;

pub(crate) const BENCHES: &[Bench] = &[
    stages::BENCH,
    allocations::BENCH,
    tower::BENCH,
    rejection::BENCH,
    limiter::BENCH,
];
