//! The body of a message: that of the inner service or of the client, or our own bytes.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Response, header::CONTENT_LENGTH};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of a response that went through [`IdentityLayer`](crate::IdentityLayer),
    /// [`ApiLayer`](crate::ApiLayer) or [`RequireForTools`](crate::api::RequireForTools): the inner
    /// service's own, or a page or problem document of ours.
    ///
    /// The inner body passes through untouched, its error type included.
    #[derive(Debug)]
    pub struct IdentityBody<B> {
        #[pin]
        content: Content<B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = ContentProjection]
    enum Content<B> {
        Inner { #[pin] body: B },
        /// The bytes that are left. Boxed, because most responses are the inner service's, and
        /// each of them is moved several times.
        Own { body: Box<Bytes> },
    }
}

impl<B> IdentityBody<B> {
    pub(crate) fn inner(body: B) -> Self {
        Self { content: Content::Inner { body } }
    }

    pub(crate) fn own(body: impl Into<Bytes>) -> Self {
        Self { content: Content::Own { body: Box::new(body.into()) } }
    }
}

/// A response to HEAD: that to GET, its length included, without the content (RFC 9110 sections
/// 8.6 and 9.3.2). Servers of HTTP/1 leave the content of such a response out by themselves; that
/// of hyper for HTTP/2 sends it, and clients refuse the response.
pub(crate) fn without_content<R>(
    mut response: Response<IdentityBody<R>>,
) -> Response<IdentityBody<R>> {
    if let Content::Own { body } = &response.body().content {
        let length = HeaderValue::from(body.len());
        response.headers_mut().insert(CONTENT_LENGTH, length);
        *response.body_mut() = IdentityBody::default();
    }
    response
}

/// The empty body: layers that answer by themselves, such as a time limit, ask for it.
impl<B> Default for IdentityBody<B> {
    fn default() -> Self {
        Self::own(Bytes::new())
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
        match self.project().content.project() {
            ContentProjection::Inner { body } => body.poll_frame(context),
            ContentProjection::Own { body } if body.is_empty() => Poll::Ready(None),
            ContentProjection::Own { body } => {
                Poll::Ready(Some(Ok(Frame::data(mem::take(&mut **body)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Inner { body } => body.is_end_stream(),
            Content::Own { body } => body.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Inner { body } => body.size_hint(),
            Content::Own { body } => SizeHint::with_exact(body.len() as u64),
        }
    }
}
