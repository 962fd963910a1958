//! What can be seen of a run while it goes on.

use std::sync::{
    Mutex, OnceLock, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};
use tidegate::policy::{Policy, Snapshot};

/// Counters that the engine writes and anyone may read, from any thread.
#[derive(Debug, Default)]
pub struct Live {
    pub(super) done: AtomicU64,
    pub(super) dead: AtomicU64,
    pub(super) skipped: AtomicU64,
    pub(super) filtered: AtomicU64,
    pub(super) flying: AtomicU64,
    /// Bytes of the source up to the last record read.
    pub(super) read_bytes: AtomicU64,
    /// Records read in this run, passed over or not.
    pub(super) read: AtomicU64,
    pub(super) total_bytes: OnceLock<u64>,
    /// The mark when the run began, in bytes.
    pub(super) first_byte: AtomicU64,
    services: OnceLock<Vec<ServiceLive>>,
    notes: Mutex<Vec<String>>,
    pub(super) blocked: Mutex<Option<&'static str>>,
}

/// One service of a run.
#[derive(Debug)]
pub struct ServiceLive {
    /// Its name.
    pub name: String,
    /// Its rate as the flow file writes it.
    pub rate: Option<String>,
    /// Its bound on requests open at once.
    pub in_flight: usize,
    policy: Policy,
}

/// One look at a run.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Records done by this run.
    pub done: u64,
    /// Records that died in this run.
    pub dead: u64,
    /// Records settled by an earlier run, filtered ones included.
    pub skipped: u64,
    /// Records under way.
    pub flying: u64,
    /// Share of the input that is read, 0 to 1; none if its size is unknown.
    pub share: Option<f64>,
    /// Share of the input that was read when the run began.
    pub share_at_start: f64,
    /// About how many records the input holds.
    pub total: Option<u64>,
    /// Services in the order of the flow file.
    pub services: Vec<ServiceStatus>,
    /// What holds the run back.
    pub held_by: Option<String>,
}

/// One look at a service.
#[derive(Clone, Debug)]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// Its rate as the flow file writes it.
    pub rate: Option<String>,
    /// Its bound on requests open at once.
    pub in_flight: usize,
    /// Its counters and state.
    pub snapshot: Snapshot,
}

impl ServiceStatus {
    /// Attempts that were sent because another one had failed. A hedge is none: the one beside it had not ended.
    pub fn retries(&self) -> u64 {
        let hedges = self.snapshot.hedge.map_or(0, |hedge| hedge.sent);
        self.snapshot.retries.saturating_sub(hedges)
    }

    /// Whether its breaker keeps calls back, or lets only probes through.
    pub fn breaker_is_open(&self) -> bool {
        use tidegate::policy::BreakerState;
        let breaker = self.snapshot.breaker.as_ref();
        breaker.is_some_and(|breaker| breaker.state != BreakerState::Closed)
    }
}

impl Live {
    pub(super) fn set_services(&self, services: Vec<(String, Option<String>, usize, Policy)>) {
        let services = services
            .into_iter()
            .map(|(name, rate, in_flight, policy)| ServiceLive {
                name,
                rate,
                in_flight,
                policy,
            })
            .collect();
        // A second run with the same counters is a mistake of the caller that harms only what is shown.
        drop(self.services.set(services));
    }

    /// Something the user should know, as one line.
    pub(super) fn note(&self, line: String) {
        self.notes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
    }

    /// Takes the lines that have come since the last time.
    pub fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One look at the services.
    pub fn services(&self) -> Vec<ServiceStatus> {
        let services = self.services.get().map(Vec::as_slice).unwrap_or_default();
        services
            .iter()
            .map(|service| ServiceStatus {
                name: service.name.clone(),
                rate: service.rate.clone(),
                in_flight: service.in_flight,
                snapshot: service.policy.snapshot(),
            })
            .collect()
    }

    /// One look at the run.
    pub fn status(&self) -> Status {
        let services = self.services();
        let read_bytes = self.read_bytes.load(Relaxed);
        let read = self.read.load(Relaxed);
        let first = self.first_byte.load(Relaxed);
        let total_bytes = self.total_bytes.get().copied().filter(|total| *total > 0);
        let skipped = self.skipped.load(Relaxed);
        let total = total_bytes
            .filter(|_| read >= 20 && read_bytes > first)
            .map(|total| {
                let per_record = (read_bytes - first) as f64 / read as f64;
                ((total as f64 / per_record) as u64).max(read)
            });
        Status {
            done: self.done.load(Relaxed),
            dead: self.dead.load(Relaxed),
            skipped,
            flying: self.flying.load(Relaxed),
            share: total_bytes.map(|total| (read_bytes as f64 / total as f64).min(1.0)),
            share_at_start: total_bytes.map_or(0.0, |total| first as f64 / total as f64),
            total,
            held_by: self.held_by(&services),
            services,
        }
    }

    fn held_by(&self, services: &[ServiceStatus]) -> Option<String> {
        use tidegate::policy::Health;
        if let Some(down) = services
            .iter()
            .find(|service| matches!(service.snapshot.health, Health::Down { .. }))
        {
            return Some(format!("{} is down", down.name));
        }
        if let Some(open) = services.iter().find(|service| service.breaker_is_open()) {
            return Some(format!("the breaker of {} is open", open.name));
        }
        if let Some(blocked) = *self.blocked.lock().unwrap_or_else(PoisonError::into_inner) {
            return Some(blocked.to_owned());
        }
        let busiest = services
            .iter()
            .max_by_key(|service| service.snapshot.waiting + service.snapshot.in_flight)?;
        let Snapshot {
            waiting, in_flight, ..
        } = busiest.snapshot;
        Some(match (waiting, busiest.rate.is_some()) {
            (0, _) if in_flight == 0 => return None,
            (0, _) => format!("latency of {}", busiest.name),
            (_, _) if in_flight >= busiest.in_flight => format!("in_flight of {}", busiest.name),
            (_, true) => format!("the rate of {}", busiest.name),
            (_, false) => format!("in_flight of {}", busiest.name),
        })
    }
}
