//! Work outside the async threads, owned by a scope.

mod thread;

pub use thread::StopFlag;
