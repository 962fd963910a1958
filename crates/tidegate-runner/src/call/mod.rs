//! One record's calls: its steps in their inferred order, each through the policy of its service.

mod answer;
mod clock;
mod http;
mod idempotency;
mod outcome;
mod places;
mod record;
mod request;
mod service;

pub(crate) use outcome::{Death, End, Unfinished, Worked};
pub(crate) use record::{Bell, Work, work_on};
pub(crate) use request::preview;
pub use service::BadService;
pub(crate) use service::Service;
