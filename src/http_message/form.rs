//! A form in the body of a request, read within limits.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header::CONTENT_TYPE};
use http_body::Body;
use http_body_util::{BodyExt, Limited};

use super::BoxError;
use crate::error::{Error, ErrorKind};

/// How long the client may take to send the form.
const TIME: Duration = Duration::from_secs(10);

/// Whether the body is a form in the format that browsers send by default (HTML section 4.10.22.6).
pub(crate) fn is_urlencoded(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The body of a request that is a form of at most `limit` bytes.
///
/// # Errors
///
/// [`ErrorKind::RequestInvalid`]: it is no form, is longer, breaks off, or did not arrive in time.
pub(crate) async fn read_form<B>(headers: &HeaderMap, body: B, limit: usize) -> Result<Bytes, Error>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let refused = |detail| Err(Error::new(ErrorKind::RequestInvalid, detail));
    if !is_urlencoded(headers) {
        return refused("the body of the request is not a form");
    }
    match tokio::time::timeout(TIME, Limited::new(body, limit).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(_)) => refused("the body of the request is broken or too large"),
        Err(_) => refused("the body of the request did not arrive in time"),
    }
}
