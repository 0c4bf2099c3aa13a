//! The body of a request, read within limits; a form in it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header::CONTENT_TYPE};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::BoxError;
use crate::{
    error::{Error, ErrorKind},
    media_type,
};

/// How long the client may take to send the form.
const TIME: Duration = Duration::from_secs(10);

/// Whether the body is a form in the format that browsers send by default (HTML section 4.10.22.6).
pub(crate) fn is_urlencoded(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    content_type.is_some_and(|kind| media_type::is(kind, "application/x-www-form-urlencoded"))
}

/// The body of a request that is a form of at most `limit` bytes.
///
/// # Errors
///
/// Those of [`read_body`]; [`ErrorKind::RequestInvalid`] also if it is no form, or did not arrive
/// in time.
pub(crate) async fn read_form<B>(headers: &HeaderMap, body: B, limit: usize) -> Result<Bytes, Error>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let refused = |detail| Err(Error::new(ErrorKind::RequestInvalid, detail));
    if !is_urlencoded(headers) {
        return refused("the body of the request is not a form");
    }
    match tokio::time::timeout(TIME, read_body(body, limit)).await {
        Ok(body) => body,
        Err(_) => refused("the body of the request did not arrive in time"),
    }
}

/// The body of a request, of at most `limit` bytes.
///
/// # Errors
///
/// [`ErrorKind::RequestTooLarge`]: it is longer, or longer than a limit that the application has
/// set. [`ErrorKind::RequestInvalid`]: it breaks off.
pub(crate) async fn read_body<B>(body: B, limit: usize) -> Result<Bytes, Error>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let too_large = |limit: &str| {
        let detail = format!("the body of the request is longer than {limit}");
        Err(Error::new(ErrorKind::RequestTooLarge, detail))
    };
    let own_limit = format!("{limit} bytes");
    // `Content-Length` says so, and nothing of it is read.
    if body.size_hint().lower() > limit as u64 {
        return too_large(&own_limit);
    }
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => too_large(&own_limit),
        Err(error) if is_over_other_limit(&*error) => too_large("a limit of the application"),
        Err(_) => Err(Error::new(
            ErrorKind::RequestInvalid,
            "the body of the request was not sent completely",
        )),
    }
}

/// Whether a body failed because a layer outside limits its length, such as tower-http's
/// `RequestBodyLimit`.
fn is_over_other_limit(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source())
        .any(|error| error.is::<LengthLimitError>())
}
