//! Around a handler: the caller's deadline, and how many are let in.

mod admission;
mod deadline;
mod door;
mod drain;
mod refusal;

pub use admission::{Admission, AdmissionLayer};
pub use deadline::{Deadline, DeadlineLayer};
pub use drain::Drain;
