//! What a cancellable section may have beyond its node: open shields, and a word for it alone.

use super::reason::Told;
use crate::sync::{
    AtomicU32,
    Ordering::{AcqRel, Acquire},
};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

#[derive(Debug, Default)]
pub(crate) struct Section {
    shields: AtomicU32,
    told: OnceLock<Told>,
}

impl Section {
    pub(super) fn is_shielded(&self) -> bool {
        self.shields.load(Acquire) != 0
    }

    pub(super) fn told(&self) -> Option<Told> {
        self.told.get().copied()
    }

    /// The first word stays.
    pub(super) fn tell(&self, told: Told) {
        self.told.get_or_init(|| told);
    }
}

/// An open shield, seen from the section that it keeps. The section looks at it after every poll.
#[derive(Debug)]
pub(crate) struct Hold(Arc<Section>);

impl Hold {
    pub(super) fn new(section: &Arc<Section>) -> Hold {
        section.shields.fetch_add(1, AcqRel);
        Hold(section.clone())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.shields.fetch_sub(1, AcqRel);
    }
}

/// An `Option<Duration>` in 8 bytes: the context is moved twice at every poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grace(u64);

impl Grace {
    pub(crate) const NONE: Grace = Grace(u64::MAX);

    pub(crate) fn is_none(self) -> bool {
        self == Grace::NONE
    }

    pub(crate) fn get(self) -> Option<Duration> {
        (!self.is_none()).then(|| Duration::from_nanos(self.0))
    }
}

impl Default for Grace {
    fn default() -> Grace {
        Grace::NONE
    }
}

impl From<Option<Duration>> for Grace {
    /// More than 584 years are 584 years.
    fn from(grace: Option<Duration>) -> Grace {
        grace.map_or(Grace::NONE, |grace| {
            Grace(u64::try_from(grace.as_nanos()).map_or(u64::MAX - 1, |ns| ns.min(u64::MAX - 1)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Grace};

    #[test]
    fn a_grace_keeps_its_nanoseconds_and_has_an_end() {
        let held = |grace| Grace::from(grace).get();
        assert_eq!(held(None), None);
        assert_eq!(held(Some(Duration::ZERO)), Some(Duration::ZERO));
        let odd = Duration::new(3, 7);
        assert_eq!(held(Some(odd)), Some(odd));
        let most = held(Some(Duration::MAX)).expect("it is still a grace");
        assert!(most > Duration::from_secs(500 * 365 * 24 * 3600));
    }
}
