//! Checks over many random programs. The figures `policy/t13` to `policy/t20` run them too, so each says what it has found,
//! whoever asks; the tests beside each want nothing to be found.

pub(crate) mod aws_vectors;
pub(crate) mod consulted;
pub(crate) mod deadlines;
pub(crate) mod governor;
pub(crate) mod nests;
pub(crate) mod order;
pub(crate) mod probes;
pub(crate) mod ratio;
pub(crate) mod stops;

use tidegate::policy::{Classify, Verdict};

/// An error that is nothing but its verdict.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed(pub(crate) Verdict);

impl Classify for Failed {
    fn verdict(&self) -> Verdict {
        self.0
    }
}
