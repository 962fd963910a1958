//! What policies do to a service in trouble, in virtual time: `policy/t1_recovery` and so on.
//!
//! Each figure is the worst of its parts: 1 is its target exactly, less is better. A part is the mean of the seeds, a
//! recovery the worst of them. The models are those of an independent simulation (Poisson arrivals, exponential times,
//! one queue), whose numbers the targets come from; the rivals are measured in the same runs.

mod hedging;
mod nested;
mod outage;
mod part;
mod partial;
mod rivals;
mod storm;

use crate::suite::Bench;

pub(crate) const BENCHES: &[Bench] = &[
    Bench {
        figures: storm::FIGURES,
        peers: false,
        run: storm::measure,
    },
    Bench {
        figures: &[partial::FAILED],
        peers: false,
        run: partial::measure,
    },
    Bench {
        figures: outage::FIGURES,
        peers: false,
        run: outage::measure,
    },
    Bench {
        figures: &[nested::NESTED],
        peers: false,
        run: nested::measure,
    },
    Bench {
        figures: hedging::FIGURES,
        peers: false,
        run: hedging::measure,
    },
];
