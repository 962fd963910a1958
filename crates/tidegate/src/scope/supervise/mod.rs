//! Scopes in which a failure stays with the child that failed.

mod child;
mod nursery;
mod run;
mod supervisor;

pub use child::{Child, ChildError};
pub use nursery::Nursery;
pub use run::{Supervised, supervise};
pub use supervisor::Supervisor;
