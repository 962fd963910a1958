//! The run itself: reader → records in flight → settled → committed.
//!
//! One loop owns all state of a run: what is unsettled, in flight, held back, waiting for a commit. Records are children of
//! the run's scope; the reader and the writer are threads of the same scope. Nothing here is shared but the counters.

mod account;
mod early;
mod live;
mod positions;
mod run;
mod settle;
mod setup;
mod take;

pub use live::{Live, ServiceLive, ServiceStatus, Status};
pub use setup::{Options, Which, can_retry};

use crate::{plan::Plan, report::Report};
use std::sync::Arc;

/// Why a run could not begin, or ended without a report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// What the run writes to cannot be opened.
    #[error(transparent)]
    Open(#[from] crate::output::OpenError),
    /// The source cannot be opened.
    #[error(transparent)]
    Source(#[from] crate::record::SourceError),
    /// A service cannot be made ready.
    #[error(transparent)]
    Service(#[from] crate::call::BadService),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] crate::journal::JournalError),
    /// The database cannot be used.
    #[error(transparent)]
    Sql(#[from] tidegate_sql::SqlError),
    /// The input cannot be read on; what was settled before stands.
    #[error("reading the source has stopped: {message}")]
    Reading {
        /// Why.
        message: String,
        /// The input itself is at fault, not the machine.
        is_input: bool,
    },
    /// A dead letter cannot be put back into its place.
    #[error(
        "`order: input` keeps the order of a file, and a dead letter that is tried again would come at its end; \
         leave `order` out, or write to a table"
    )]
    OutOfOrder,
    /// More steps than a run can keep apart.
    #[error("a flow has at most {max} steps, this one has {0}", max = crate::plan::MAX_STEPS)]
    TooManySteps(usize),
    /// A thread could not be started, or code of this program panicked.
    #[error("{0}")]
    Internal(String),
}

impl RunError {
    /// The program's exit code: 2 for what the user can mend in the flow, its files or the command, 5 for what another
    /// program or a full disk causes, 1 for the rest.
    pub fn exit(&self) -> u8 {
        use crate::{journal::JournalError, output::OpenError};
        match self {
            RunError::Open(OpenError::Journal(JournalError::LeaseLost))
            | RunError::Journal(JournalError::LeaseLost) => 1,
            RunError::Open(OpenError::Sql(error)) | RunError::Sql(error)
                if error.is_full() || error.is_busy() =>
            {
                5
            }
            RunError::Open(OpenError::File(error)) if error.is_full() => 5,
            RunError::Reading {
                is_input: false, ..
            }
            | RunError::Internal(_) => 1,
            RunError::Open(_)
            | RunError::Source(_)
            | RunError::Service(_)
            | RunError::Journal(_)
            | RunError::Sql(_) => 2,
            RunError::Reading { .. } | RunError::TooManySteps(_) | RunError::OutOfOrder => 2,
        }
    }
}

/// Runs `plan` to its end, inside the caller's scope. `live` can be read meanwhile.
///
/// When the caller's scope is cancelled the run drains: nothing new is taken, records for which a request has left are
/// finished within nine tenths of `options.grace`, the rest is given up, what is finished is committed.
///
/// # Cancel safety
/// Dropping the future loses nothing that was committed; the next run goes on from there, as after `kill -9`.
///
/// # Errors
/// [`RunError`]. A run that stops early by a signal, a service or the sink is no error: the [`Report`] says so.
pub async fn run(plan: Arc<Plan>, options: Options, live: Arc<Live>) -> Result<Report, RunError> {
    setup::run(plan, options, live).await
}
