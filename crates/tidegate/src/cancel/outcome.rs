//! What a child can end with that must not be lost: errors and panics.

use super::{Site, ignore_poison};
use std::{
    any::Any,
    fmt::{self, Debug, Display},
    sync::Mutex,
    time::Duration,
};

pub(crate) type Payload = Box<dyn Any + Send>;

/// What a scope accepts as its error type. Implemented for everything that fits; `anyhow::Error` does too, so
/// `std::error::Error` is not asked for.
pub trait Fault: Any + Debug + Display + Send + Sync {}

impl<E: Debug + Display + Send + Sync + 'static> Fault for E {}

/// One child, or one body, that did not end well.
#[derive(Debug)]
pub struct Failure<E> {
    /// The child's name; for a body, its scope's.
    pub task: &'static str,
    /// Where the child was spawned; for a body, where the scope was opened.
    pub at: Site,
    /// The scope had been told to stop before this happened, so the failure may be no more than its consequence.
    pub after_cancel: bool,
    /// The error or the panic.
    pub what: What<E>,
}

impl Failure<Box<dyn Fault>> {
    /// # Panics
    /// When the error is not an `E`: only `Scope<E>` reports to a node, so it is.
    pub(crate) fn typed<E: Fault>(self) -> Failure<E> {
        self.map(|error| {
            let error: Box<dyn Any> = error;
            *error
                .downcast()
                .expect("only handles of this type report to this scope")
        })
    }
}

impl<E: Fault> Failure<E> {
    pub(crate) fn boxed(self) -> Failure<Box<dyn Fault>> {
        self.map(|error| Box::new(error) as Box<dyn Fault>)
    }
}

impl<E> Failure<E> {
    fn map<F>(self, error: impl FnOnce(E) -> F) -> Failure<F> {
        let what = match self.what {
            What::Error(inner) => What::Error(error(inner)),
            What::Panic(panic) => What::Panic(panic),
            What::CutShort { within } => What::CutShort { within },
            What::NotRun => What::NotRun,
        };
        Failure {
            task: self.task,
            at: self.at,
            after_cancel: self.after_cancel,
            what,
        }
    }
}

impl<E: Display> Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { task, at, what, .. } = self;
        match what {
            // The alternate form is the one in which `anyhow` prints its causes.
            What::Error(error) => write!(f, "task `{task}` ({at}) failed: {error:#}"),
            What::Panic(panic) => write!(f, "task `{task}` ({at}) panicked: {panic}"),
            What::CutShort { within } => {
                write!(f, "task `{task}` ({at}) was cut short, it had {within:?}")
            }
            What::NotRun => write!(f, "clean-up `{task}` ({at}) was not run"),
        }
    }
}

/// How a child failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum What<E> {
    /// It returned this error.
    Error(E),
    /// It panicked.
    Panic(Panic),
    /// A clean-up or a critical section that was dropped half-way: its own time, or that of the scope, was over.
    CutShort {
        /// The time that it was given.
        within: Duration,
    },
    /// A deferred clean-up that never began: the scope's time was over before its turn, or its runtime was gone.
    NotRun,
}

/// A panic that was caught, with its payload.
pub struct Panic {
    message: Box<str>,
    // The mutex makes it `Sync`, without which `?` into a boxed error does not type-check.
    payload: Mutex<Payload>,
}

impl Panic {
    pub(crate) fn new(payload: Payload) -> Self {
        let text = payload.downcast_ref::<&'static str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Panic {
            message: text.unwrap_or("(a payload that is no text)").into(),
            payload: Mutex::new(payload),
        }
    }

    /// The text of the panic, if it had one.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The payload, as `std::panic::catch_unwind` gives it.
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        ignore_poison(self.payload.into_inner())
    }
}

impl Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Panic").field(&self.message).finish()
    }
}

/// A failure in a scope whose future was gone, so that nobody could be told but the root.
#[derive(Debug)]
pub struct Orphan {
    /// The names from below the root down to the scope, joined by `/`.
    pub scope: String,
    /// The failure; the error has the scope's own type behind the trait object (`Any` is a supertrait).
    pub failure: Failure<Box<dyn Fault>>,
}

impl Display for Orphan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.scope, self.failure)
    }
}
