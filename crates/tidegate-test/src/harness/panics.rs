//! Panics that somebody catches before a test could see them, such as one of a destructor.

use std::{
    cell::RefCell,
    fmt, mem,
    panic::{self, PanicHookInfo},
    sync::Once,
};

thread_local! {
    static SEEN: RefCell<Option<Seen>> = const { RefCell::new(None) };
}

#[derive(Debug, Default)]
struct Seen {
    /// Where the program panics by itself: there it need not be printed every time.
    known: Vec<String>,
    panics: Vec<Panicked>,
}

/// One panic: the same when it comes from the same line.
#[derive(Clone, Debug)]
pub(super) struct Panicked {
    pub(super) at: String,
    pub(super) message: String,
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked at {}: {}", self.at, self.message)
    }
}

/// Takes down this thread's panics until it is dropped.
#[derive(Debug)]
pub(super) struct Recorder(());

impl Recorder {
    pub(super) fn start(known: Vec<String>) -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if !note(info) {
                    before(info);
                }
            }));
        });
        let panics = Vec::new();
        SEEN.set(Some(Seen { known, panics }));
        Recorder(())
    }

    pub(super) fn take(&self) -> Vec<Panicked> {
        let mut seen = SEEN.take().unwrap_or_default();
        let panics = mem::take(&mut seen.panics);
        SEEN.set(Some(seen));
        panics
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        SEEN.set(None);
    }
}

/// Takes the panic down if the thread records. Says whether it is one that is known.
fn note(info: &PanicHookInfo<'_>) -> bool {
    let at = info.location().map(ToString::to_string).unwrap_or_default();
    let message = info.payload_as_str().unwrap_or("a payload that is no text");
    let known = SEEN.try_with(|seen| {
        let mut seen = seen.borrow_mut();
        let Some(seen) = seen.as_mut() else {
            return false;
        };
        let known = seen.known.contains(&at);
        let message = message.into();
        seen.panics.push(Panicked { at, message });
        known
    });
    known.unwrap_or(false)
}
