//! When the permit of a request comes back: with the response, or with the end of its body.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tidegate::policy::{Attempt, Permit};

/// Until when a request counts as in flight. Implemented by [`UntilResponse`] and [`UntilBodyEnds`], and by nothing else.
pub trait Hold<Res>: sealed::Sealed {
    /// What the caller gets.
    type Response;

    #[doc(hidden)]
    fn permit(&self, response: &Res, attempt: &Attempt) -> Option<Permit>;

    #[doc(hidden)]
    fn wrap(&self, response: Res, permit: Option<Permit>) -> Self::Response;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::UntilResponse {}
    impl Sealed for super::UntilBodyEnds {}
}

/// A request is in flight until its response is there.
#[derive(Clone, Copy, Debug, Default)]
pub struct UntilResponse;

impl<Res> Hold<Res> for UntilResponse {
    type Response = Res;

    fn permit(&self, _: &Res, _: &Attempt) -> Option<Permit> {
        None
    }

    fn wrap(&self, response: Res, _: Option<Permit>) -> Res {
        response
    }
}

/// A request is in flight until the body of its response has ended or was dropped.
#[derive(Clone, Copy, Debug, Default)]
pub struct UntilBodyEnds;

impl<B: Body> Hold<Response<B>> for UntilBodyEnds {
    type Response = Response<HeldBody<B>>;

    fn permit(&self, response: &Response<B>, attempt: &Attempt) -> Option<Permit> {
        (!response.body().is_end_stream()).then(|| attempt.keep_permit())
    }

    fn wrap(&self, response: Response<B>, permit: Option<Permit>) -> Response<HeldBody<B>> {
        response.map(|body| HeldBody { body, permit })
    }
}

pin_project! {
    /// A body that keeps its request's permit until it has ended, failed, or is dropped.
    pub struct HeldBody<B> {
        #[pin]
        body: B,
        permit: Option<Permit>,
    }
}

impl<B: Body> Body for HeldBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.body.as_mut().poll_frame(cx));
        // Whoever sends the body on need not ask for a frame that is known to be missing.
        if !matches!(frame, Some(Ok(_))) || this.body.is_end_stream() {
            *this.permit = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An empty body that holds nothing.
impl<B: Default> Default for HeldBody<B> {
    fn default() -> Self {
        Self {
            body: B::default(),
            permit: None,
        }
    }
}

impl<B> fmt::Debug for HeldBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldBody")
            .field("holds", &self.permit.is_some())
            .finish_non_exhaustive()
    }
}
