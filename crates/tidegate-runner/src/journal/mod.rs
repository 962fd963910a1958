//! What is durably known of a flow's runs.
//!
//! One row of `tidegate_flow` holds the mark and the ranges of settled positions above it, the counts, the lengths of the
//! outputs and the source's fingerprint; `tidegate_finished` the identities of settled records in blocks of 16 bytes each;
//! `tidegate_dead` the dead letters, with the whole record. The tables live in the sink's SQLite file, so that a commit
//! holds the rows and the progress in one transaction, or in a file of their own under `.tidegate/`.
//!
//! Invariants
//! 1. A position is in the ranges exactly if its outcome is in the same commit or an earlier one.
//! 2. A record that settles adds its identity once; so the number of equal hashes is how often its key is finished.
//! 3. Only the holder of the lease writes: an operating system lock keeps a second runner out, and every commit names the
//!    epoch, so that a runner that lost its lock all the same fails instead of overwriting.

mod dead;
mod lease;
mod ranges;
mod state;
mod store;

pub use dead::{DeadLetter, DeadState, NewDead};
pub use lease::{Lease, LeaseError};
pub use ranges::{Corrupt, Settled};
pub use state::{
    Begin, FlowState, JournalError, Mark, OutputMark, Phase, Progress, SourceMark, StoredDead,
};
pub use store::{Finished, Journal};
pub(crate) use store::{now, run_name};

/// The identity of a record: a hash of its key, or of its bytes where there is no key.
pub type Identity = [u8; 16];

/// Hashes identities, which are hashes already: eight of their bytes will do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ByIdentity(u64);

impl std::hash::Hasher for ByIdentity {
    fn write(&mut self, bytes: &[u8]) {
        let mut first = [0; 8];
        let length = bytes.len().min(8);
        first[..length].copy_from_slice(&bytes[..length]);
        self.0 ^= u64::from_le_bytes(first);
    }

    // A slice hashes its length as well, which is the same for all.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
