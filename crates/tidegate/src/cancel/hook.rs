//! A look at every poll of every child on a thread, for test harnesses and watchers.

use super::{ScopeId, Site};
use std::{cell::RefCell, fmt, marker::PhantomData, rc::Rc, task::Context};

/// Sees the polls of the children of all scopes on the thread where it is [installed](install).
pub trait PollHook {
    /// Called in place of a child's poll. It calls `poll` to let the child run, with `cx` or with a context of its own
    /// whose waker passes wakes on to that of `cx`; once it has said [`Progress::Ended`] no more.
    ///
    /// Without a call the child stays pending; then the hook has to have woken `cx` itself. A panic of the hook is one of
    /// the child, unless the child has ended.
    fn poll(
        &self,
        child: &Polled,
        cx: &mut Context<'_>,
        poll: &mut dyn FnMut(&mut Context<'_>) -> Progress,
    );
}

/// How far a child is after a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It waits.
    Pending,
    /// It has returned or panicked.
    Ended,
}

/// Which child is polled.
#[derive(Clone, Copy, Debug)]
pub struct Polled {
    /// Its name.
    pub name: &'static str,
    /// Where it was spawned.
    pub at: Site,
    /// The scope that it belongs to.
    pub scope: ScopeId,
}

thread_local! {
    static HOOK: RefCell<Option<Rc<dyn PollHook>>> = const { RefCell::new(None) };
}

/// Has `hook` called for every poll of a child on this thread, until the guard is dropped.
///
/// # Panics
///
/// When one is installed already.
pub fn install(hook: Rc<dyn PollHook>) -> Installed {
    HOOK.with_borrow_mut(|slot| {
        assert!(slot.is_none(), "a poll hook is installed on this thread");
        *slot = Some(hook);
    });
    Installed(PhantomData)
}

/// Keeps a hook installed.
#[must_use = "dropping it takes the hook away"]
pub struct Installed(PhantomData<*const ()>);

impl Drop for Installed {
    fn drop(&mut self) {
        let hook = HOOK.with_borrow_mut(Option::take);
        drop(hook);
    }
}

impl fmt::Debug for Installed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Installed")
    }
}

pub(crate) fn installed() -> Option<Rc<dyn PollHook>> {
    HOOK.with_borrow(Option::clone)
}
