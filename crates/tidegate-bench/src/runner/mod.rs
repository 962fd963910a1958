//! Figures of the runner: the program `tidegate`, as a process, against an API on this machine.

mod cpu;
mod flaky;
mod in_flight;
mod kill;
mod launch;
mod memory;
mod peers;
mod times;

use crate::suite::Bench;

/// The quick ones first.
pub(crate) const BENCHES: &[&[Bench]] = &[
    in_flight::BENCHES,
    times::BENCHES,
    cpu::BENCHES,
    memory::BENCHES,
    kill::BENCHES,
    flaky::BENCHES,
    peers::BENCHES,
];
