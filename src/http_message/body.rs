//! The body of a message: that of the inner service or of the client, or our own bytes.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of a response that went through [`IdentityLayer`](crate::IdentityLayer): the inner
    /// service's own, or a page or problem document of ours.
    ///
    /// The inner body passes through untouched, its error type included.
    #[derive(Debug)]
    pub struct IdentityBody<B> {
        #[pin]
        inner: Option<B>,
        own: Option<Bytes>,
    }
}

impl<B> IdentityBody<B> {
    pub(crate) fn inner(body: B) -> Self {
        Self { inner: Some(body), own: None }
    }

    pub(crate) fn own(body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self { inner: None, own: (!body.is_empty()).then_some(body) }
    }
}

/// The empty body: layers that answer by themselves, such as a time limit, ask for it.
impl<B> Default for IdentityBody<B> {
    fn default() -> Self {
        Self { inner: None, own: None }
    }
}

impl<B> Body for IdentityBody<B>
where
    B: Body<Data = Bytes>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        match this.inner.as_pin_mut() {
            Some(inner) => inner.poll_frame(context),
            None => Poll::Ready(this.own.take().map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Some(inner) => inner.is_end_stream(),
            None => self.own.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Some(inner) => inner.size_hint(),
            None => SizeHint::with_exact(self.own.as_ref().map_or(0, |bytes| bytes.len() as u64)),
        }
    }
}
