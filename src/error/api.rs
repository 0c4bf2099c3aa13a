//! [`ApiRefusal`]: the response with which an API refused a request.

use std::fmt;

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;

use super::shown;

/// The response with which an API refused a request: any status that is not a success.
///
/// `Display` is the form for logs, with status and [`reason`](Self::reason). The body is in neither
/// `Display` nor `Debug`, since an API may repeat personal data in it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiRefusal {
    status: StatusCode,
    reason: Option<String>,
    body: Bytes,
}

/// The error code of a body: `error` of OAuth and of OData, where it is an object with a `code`;
/// `code` of many others; in a problem document (RFC 9457) `type`, or `reason` as this crate has it
/// where the type is the default one, which says nothing (section 4.2.1).
#[derive(Deserialize)]
struct Body {
    error: Option<CodeOrObject>,
    code: Option<serde_json::Value>,
    #[serde(rename = "type")]
    kind: Option<serde_json::Value>,
    reason: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum CodeOrObject {
    Code(String),
    Object { code: String },
    Other(serde::de::IgnoredAny),
}

impl ApiRefusal {
    /// The most bytes of a body that are kept.
    pub const MAX_BODY_BYTES: usize = 16 * 1024;
    /// The most characters of a reason that are kept: the URLs of problem documents are the
    /// longest.
    const MAX_REASON: usize = 200;

    pub(crate) fn new(status: StatusCode, body: &Bytes) -> Self {
        let reason = serde_json::from_slice::<Body>(body).ok().and_then(|body| {
            let code = match body.error {
                Some(CodeOrObject::Code(code) | CodeOrObject::Object { code }) => Some(code),
                _ => None,
            };
            let text = |value: serde_json::Value| value.as_str().map(str::to_owned);
            let kind = body.kind.and_then(text).filter(|kind| kind != "about:blank");
            code.or_else(|| body.code.and_then(text))
                .or(kind)
                .or_else(|| body.reason.and_then(text))
        });
        let reason = reason.map(|reason| reason.chars().take(Self::MAX_REASON).collect());
        // A slice would keep the whole response in memory.
        let kept = body.get(..Self::MAX_BODY_BYTES).unwrap_or(body);
        Self { status, reason, body: Bytes::copy_from_slice(kept) }
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The API's own code for the failure, if its body is JSON and has one, such as Graph's
    /// `Request_ResourceNotFound`, at most its first 200 characters. It is the API's text: escape
    /// it in pages.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The body, at most its first [`MAX_BODY_BYTES`](Self::MAX_BODY_BYTES).
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

impl fmt::Display for ApiRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an API answered {}", self.status.as_u16())?;
        match &self.reason {
            Some(reason) => write!(f, " with the reason {}", shown(reason)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for ApiRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiRefusal")
            .field("status", &self.status)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_code_of_the_body_in_every_common_form() {
        let reason = |body: &str| {
            let refusal = ApiRefusal::new(StatusCode::NOT_FOUND, &Bytes::from(body.to_owned()));
            refusal.reason().map(str::to_owned)
        };
        for (body, expected) in [
            (r#"{"error":{"code":"itemNotFound","message":"secret"}}"#, Some("itemNotFound")),
            (r#"{"error":"invalid_token","error_description":"x"}"#, Some("invalid_token")),
            (r#"{"code":"E7","error":[1]}"#, Some("E7")),
            (
                r#"{"type":"https://api.example/gone","title":"Gone"}"#,
                Some("https://api.example/gone"),
            ),
            (
                r#"{"type":"about:blank","title":"Unauthorized","reason":"token_audience"}"#,
                Some("token_audience"),
            ),
            (r#"{"type":"about:blank","title":"Unauthorized"}"#, None),
            (r#"{"error":{"message":"no code"}}"#, None),
            (r#"{"code":7}"#, None),
            ("[]", None),
            ("<html>", None),
            ("", None),
        ] {
            assert_eq!(reason(body).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn an_error_keeps_little_of_a_large_response() {
        let body = format!(r#"{{"code":"{}"}}"#, "ü".repeat(400_000));
        let body = Bytes::from(body);
        let refusal = ApiRefusal::new(StatusCode::BAD_REQUEST, &body);
        assert!(refusal.body.is_unique(), "it keeps the whole response");
        assert_eq!(refusal.reason().unwrap().chars().count(), 200);
    }

    #[test]
    fn the_body_is_bounded_and_in_no_log() {
        let body = Bytes::from(format!("secret{}", "x".repeat(100_000)));
        let refusal = ApiRefusal::new(StatusCode::BAD_REQUEST, &body);
        assert_eq!(refusal.body().len(), ApiRefusal::MAX_BODY_BYTES);
        assert_eq!(refusal.to_string(), "an API answered 400");
        assert!(
            !format!("{refusal:?} {:?}", super::super::Error::from_api(refusal.clone()))
                .contains("secret")
        );
    }
}
