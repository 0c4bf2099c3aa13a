//! Requests and responses as `middleware` and `api` share them: the head of a request, the body of
//! a response, and a failure on its way from a handler to the client.

mod body;
mod challenge;
mod challenge_header;
mod failure;
mod form;
mod initiator;
mod page;
mod request_head;

use std::{mem, pin::Pin, sync::LazyLock};

use http::{Extensions, Response, Uri};

pub use self::{body::IdentityBody, challenge::Challenge};
pub(crate) use self::{
    body::without_content,
    challenge::{ChallengeKind, RaisedError},
    challenge_header::ChallengeHeader,
    failure::{
        GrpcProtocol, NOT_STORED, caller_challenge, grpc, problem, problem_document,
        sign_in_challenge, status, wait_before_next,
    },
    form::{is_urlencoded, read_body, read_form},
    initiator::{follows_own_link, is_from_own_page, is_preflight, page_of_another_origin},
    page::page,
    request_head::{
        ClientKind, PageInView, RequestHead, RequestSummary, ShapeHeaders, is_prefetch,
        may_be_whole_page, path_at_origin,
    },
};

/// The error of a body, whatever type it has.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A response that has to be waited for.
pub(crate) type BoxedResponse<B, E> = Pin<Box<dyn Future<Output = Result<Response<B>, E>> + Send>>;

/// The URL as the client wrote it: axum's `nest` takes a prefix off the path and leaves the whole
/// URL in the extensions.
#[cfg(feature = "axum")]
pub(crate) fn original_uri<'a>(uri: &'a Uri, extensions: &'a Extensions) -> &'a Uri {
    extensions.get::<axum::extract::OriginalUri>().map_or(uri, |original| &original.0)
}

/// Without axum nothing rewrites it.
#[cfg(not(feature = "axum"))]
pub(crate) fn original_uri<'a>(uri: &'a Uri, _: &'a Extensions) -> &'a Uri {
    uri
}

/// The service on which `poll_ready` was called, to be called from a future; its clone takes its
/// place.
pub(crate) fn take_ready<S: Clone>(service: &mut S) -> S {
    let clone = service.clone();
    mem::replace(service, clone)
}

/// Puts a value into the extensions of a request.
///
/// `http` begins with room for three entries, and axum adds three of its own, so the map would be
/// moved to a larger one within each request. A copy of an empty map with more room costs less.
pub(crate) fn insert_extension<T: Clone + Send + Sync + 'static>(
    extensions: &mut Extensions,
    value: T,
) {
    static ROOMY: LazyLock<Extensions> = LazyLock::new(|| {
        let mut extensions = Extensions::new();
        extensions.insert(0_u8);
        extensions.insert(0_u16);
        extensions.insert(0_u32);
        extensions.insert(0_u64);
        extensions.clear();
        extensions
    });
    if extensions.is_empty() {
        extensions.clone_from(&ROOMY);
    }
    extensions.insert(value);
}
