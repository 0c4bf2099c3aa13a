//! UserInfo requests and responses (OpenID Connect Core section 5.3, RFC 6750 sections 2.1 and 3).
//!
//! - The access token is sent in the `Authorization` header only (RFC 6750 section 2.1).
//! - Success is 200 with a JSON object, or with a signed one (`application/jwt`), which the
//!   verifier of [`jwt`](super::jwt) checks. Encrypted responses are refused.
//! - `sub` must equal that of the ID token; otherwise nothing of the response is used (OpenID
//!   Connect Core section 5.3.2).
//! - Claims about the authentication (`auth_time`, `acr`, `acrs`, `amr`) are not used.
//! - Aggregated and distributed claims (`_claim_names`, `_claim_sources`, section 5.6.2) are kept
//!   and not resolved: no request goes to a URL in them.

use bytes::Bytes;
use http::{Request, Response, StatusCode};

use super::{
    channel::bearer_request,
    error_answer,
    json::{self, Object},
    json_or_jwt::JsonOrJwt,
    metadata::Metadata,
};
use crate::{
    error::{Error, ErrorKind, ProviderError},
    secret::Secret,
    www_authenticate::challenges,
};

/// The request for the claims about the user of the access token.
///
/// # Errors
///
/// [`ErrorKind::UserInfoFailed`]: the provider has no UserInfo endpoint, or the access token has
/// characters that are not allowed in a header.
pub(crate) fn request(metadata: &Metadata, access_token: &Secret) -> Result<Request<Bytes>, Error> {
    let endpoint = metadata
        .userinfo_endpoint
        .as_ref()
        .ok_or_else(|| failed(metadata.missing("userinfo_endpoint")))?;
    bearer_request(endpoint, access_token, ErrorKind::UserInfoFailed)
}

/// Parses a UserInfo response, whose `sub` is checked later.
///
/// # Errors
///
/// [`ErrorKind::UserInfoFailed`], with [`Error::provider`] if the provider refused the access
/// token; [`ErrorKind::ProviderUnreachable`].
pub(crate) fn read_answer(answer: &Response<Bytes>) -> Result<JsonOrJwt, Error> {
    if answer.status() != StatusCode::OK {
        return Err(refusal(answer));
    }
    JsonOrJwt::read(answer, "application/jwt")
        .map_err(|problem| failed(format!("the response: {problem}")))
}

/// The claims, if they are about the user of the ID token.
///
/// Without this check the provider, or a token that was swapped, could add the claims of another
/// user (OpenID Connect Core section 5.3.2: "token substitution attacks").
///
/// # Errors
///
/// [`ErrorKind::UserInfoSubject`].
pub(crate) fn check_subject(claims: Object, expected: &str) -> Result<Object, Error> {
    if json::text(&claims, "sub").is_some_and(|sub| !sub.is_empty() && sub == expected) {
        return Ok(claims);
    }
    Err(Error::new(ErrorKind::UserInfoSubject, "`sub` is missing or not that of the ID token"))
}

/// The claims about an authentication (OpenID Connect Core section 2; `acrs` is Entra's).
const OF_AUTHENTICATION: [&str; 4] = ["auth_time", "acr", "acrs", "amr"];

/// Removes the claims about an authentication: only an ID token says how and when the user signed
/// in here. UserInfo answers about the user (OpenID Connect Core section 5.3), whose latest
/// authentication may be one in another browser.
pub(crate) fn remove_authentication(claims: &mut Object) {
    for name in OF_AUTHENTICATION {
        claims.remove(name);
    }
}

/// The error from the status and the `WWW-Authenticate` challenge (RFC 6750 section 3.1).
fn refusal(answer: &Response<Bytes>) -> Error {
    let status = answer.status();
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return error_answer::http_error(answer);
    }
    let challenges = challenges(answer.headers());
    let error = challenges.iter().find_map(|challenge| challenge.parameter("error"));
    let mut provider = ProviderError { status: Some(status.as_u16()), ..ProviderError::default() };
    provider.error = error_answer::code_in(answer, error.unwrap_or_default());
    error_answer::response_error(answer, ErrorKind::UserInfoFailed, provider)
}

fn failed(detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::UserInfoFailed, detail)
}

#[cfg(test)]
mod tests {
    use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::test_support::{SUBJECT, answer, metadata};

    fn read(
        status: u16,
        content_type: &str,
        body: impl std::fmt::Display,
    ) -> Result<JsonOrJwt, Error> {
        let mut answer = answer(status, body);
        answer.headers_mut().insert(CONTENT_TYPE, content_type.parse().unwrap());
        read_answer(&answer)
    }

    fn plain(body: &Value) -> Result<Object, Error> {
        match read(200, "application/json", body)? {
            JsonOrJwt::Json(claims) => check_subject(claims, SUBJECT),
            JsonOrJwt::Jwt(_) => panic!("plain JSON"),
        }
    }

    // C-032: userinfo wants the header
    // C-217: userinfo call
    #[test]
    fn the_access_token_is_in_the_header_and_nowhere_else() {
        let request = request(&metadata(|_| ()), &"at-1".into()).unwrap();
        assert_eq!(
            (request.method().as_str(), request.uri().to_string()),
            ("GET", "https://id.example/userinfo".to_owned())
        );
        assert_eq!(request.headers()["authorization"], "Bearer at-1");
        assert!(request.headers()["authorization"].is_sensitive() && request.body().is_empty());
        assert_eq!(request.headers().get_all("authorization").iter().count(), 1);
    }

    #[test]
    fn without_an_endpoint_there_is_no_request() {
        let metadata = metadata(|document| document["userinfo_endpoint"] = json!(null));
        assert_eq!(request(&metadata, &"at".into()).unwrap_err().kind(), ErrorKind::UserInfoFailed);
    }

    // C-034: userinfo sub = ID token sub + "invalid"
    // C-210: sub differs only in letter case
    #[test]
    fn the_subject_is_exactly_the_expected_one() {
        assert!(plain(&json!({"sub": SUBJECT, "email": "a@b"})).is_ok());
        for sub in [
            json!(format!("{SUBJECT}invalid")),
            json!("SUBJECT-1"),
            json!(" subject-1"),
            json!(""),
            json!(null),
            json!(1),
            json!([SUBJECT]),
        ] {
            assert_eq!(
                plain(&json!({"sub": sub})).unwrap_err().kind(),
                ErrorKind::UserInfoSubject,
                "{sub}"
            );
        }
        assert_eq!(plain(&json!({})).unwrap_err().kind(), ErrorKind::UserInfoSubject);
        assert!(check_subject(Object::new(), "").is_err());
    }

    // C-211: body null, [], text, invalid JSON
    // C-212: userinfo is a JSON array
    #[test]
    fn what_is_no_json_object_is_refused() {
        for body in [
            "",
            "null",
            "[]",
            r#"[{"sub":"subject-1"}]"#,
            "\"text\"",
            "text",
            "{",
            r#"{"sub":"a","sub":"subject-1"}"#,
            "<html>",
        ] {
            for content_type in ["application/json", "text/html", "application/json; charset=utf-8"]
            {
                assert_eq!(
                    read(200, content_type, body).err().map(|error| error.kind()),
                    Some(ErrorKind::UserInfoFailed),
                    "{body}"
                );
            }
        }
    }

    #[test]
    fn a_signed_answer_is_recognised_by_its_media_type() {
        for content_type in ["application/jwt", "application/JWT; charset=utf-8"] {
            let read = read(200, content_type, "a.b.c\n");
            assert!(matches!(read, Ok(JsonOrJwt::Jwt(token)) if token == "a.b.c"));
        }
        assert!(read(200, "application/json", "a.b.c").is_err());
    }

    // C-040: userinfo has _claim_names/_claim_sources with a JWT
    // C-041: userinfo has _claim_sources with endpoint
    #[test]
    fn claims_of_others_stay_as_they_are() {
        let claims = plain(&json!({
            "sub": SUBJECT, "_claim_names": {"shoe_size": "a", "age": 42, "x": "missing"},
            "_claim_sources": {
                "a": {"JWT": "not.a.jwt"},
                "b": {"endpoint": "https://evil.example", "access_token": "t"}
            },
        }));
        assert!(claims.unwrap().contains_key("_claim_sources"));
    }

    // C-216: 401 with WWW-Authenticate
    #[test]
    fn a_refused_access_token_is_an_error_of_its_own() {
        let refused = |challenge: &str| {
            let mut answer = answer(401, "");
            answer.headers_mut().insert(WWW_AUTHENTICATE, challenge.parse().unwrap());
            read_answer(&answer).err().unwrap()
        };
        for challenge in [
            r#"Bearer error="invalid_token""#,
            "Bearer realm=\"a, error=\\\"b\", error=\"invalid_token\", \
             error_description=\"expired, or so\"",
            "Bearer error=invalid_token",
            r#"Bearer Error = "invalid_token""#,
            r#"Negotiate YII==, Bearer  error="invalid_token""#,
            r#"Bearer realm="x",error="invalid_token""#,
        ] {
            let error = refused(challenge);
            let provider = error.provider().unwrap();
            assert_eq!(
                (error.kind(), provider.status, provider.error.as_str()),
                (ErrorKind::UserInfoFailed, Some(401), "invalid_token")
            );
        }
        assert_eq!(refused("Bearer").provider().unwrap().error, "");
        assert_eq!(refused(r#"Bearer error_description="x""#).provider().unwrap().error, "");
        for (status, kind) in [
            (403, ErrorKind::UserInfoFailed),
            (204, ErrorKind::UserInfoFailed),
            (302, ErrorKind::UserInfoFailed),
            (404, ErrorKind::UserInfoFailed),
            (503, ErrorKind::ProviderUnreachable),
            (429, ErrorKind::ProviderUnreachable),
        ] {
            assert_eq!(
                read(status, "application/json", json!({"sub": SUBJECT})).err().unwrap().kind(),
                kind,
                "{status}"
            );
        }
    }

    proptest! {
        #[test]
        fn arbitrary_answers_never_panic(
            body in prop::collection::vec(any::<u8>(), 0..200),
            challenge in "[ -~]{0,60}",
            status in 100_u16..600,
        ) {
            let mut answer = Response::new(Bytes::from(body));
            *answer.status_mut() = StatusCode::from_u16(status).unwrap();
            answer.headers_mut().insert(WWW_AUTHENTICATE, challenge.parse().unwrap());
            answer.headers_mut().insert(CONTENT_TYPE, challenge.parse().unwrap());
            let _ = read_answer(&answer);
        }
    }
}
