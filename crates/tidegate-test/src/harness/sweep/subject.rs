//! The program under test, which can be taken away from where it runs.

use super::{
    Mode,
    engine::{Engine, OnPurpose},
};
use std::{
    future::Future,
    panic::resume_unwind,
    pin::Pin,
    task::{Context, Poll},
};

#[derive(Debug)]
pub(super) struct Subject<'a, F> {
    pub(super) work: Option<Pin<Box<F>>>,
    pub(super) engine: &'a Engine,
}

impl<F: Future> Future for Subject<'_, F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.engine.take_due(Mode::Drop) {
            this.work = None;
        }
        if this.engine.take_due(Mode::Panic) {
            resume_unwind(Box::new(OnPurpose));
        }
        match &mut this.work {
            Some(work) => work.as_mut().poll(cx).map(drop),
            None => Poll::Ready(()),
        }
    }
}
