//! Access tokens of an Azure managed identity, from the endpoint that only the machine or service
//! itself can reach.
//!
//! The response resembles a token response, with these differences: times are strings, `expires_on`
//! is a point in Unix time, and errors have other members.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::Value;
use tracing::{field::Empty, info_span};

use super::{
    channel::{Channel, observed},
    error_answer,
    http::HttpClient,
    json::{self, Object, OptionalMembers},
    token::TokenAnswer,
};
use crate::{
    clock::{Clock, UnixTime},
    error::{Error, ErrorKind, ProviderError},
};

/// The second request, with the proof that a challenge demands; `None` if the response is final.
type NextRequest = Result<Option<Request<Bytes>>, &'static str>;

/// The name of the endpoint in errors.
const ENDPOINT: &str = "the managed identity endpoint";

/// What to check where the endpoint refuses: no setting of the application is at fault.
const REFUSED: &str = "check that the identity is assigned to this machine or service, the \
     identifier that selects it (`ManagedIdentityId`), and the resource";

/// What to check where a challenge of the endpoint cannot be answered.
const NOT_PROVEN: &str = "run the program as a user who may prove to be on this machine: on Azure \
     Arc a member of the group `himds`, elsewhere as the documentation of the endpoint's type says";

/// Sends a token request and parses the response.
///
/// Azure Arc answers the first request with a challenge. `proven` makes the second request from it,
/// or returns `None` if the response is no challenge. `confirms` says whether the members of the
/// response show that the token is for the requested identity.
///
/// # Errors
///
/// [`ErrorKind::ProviderUnreachable`]; [`ErrorKind::CredentialUnavailable`] if the challenge cannot
/// be answered or the identity is not confirmed; those of [`read_answer`].
pub(crate) async fn token(
    http: Arc<dyn HttpClient>,
    request: Request<Bytes>,
    clock: &dyn Clock,
    proven: impl Fn(Request<Bytes>, &Response<Bytes>) -> NextRequest,
    confirms: impl Fn(&Object) -> bool,
) -> Result<TokenAnswer, Error> {
    let exchange = async {
        let channel = Channel::new(http);
        let first = channel.send(ENDPOINT, request.clone()).await?;
        let again = proven(request, &first).map_err(|problem| {
            Error::new(ErrorKind::CredentialUnavailable, format!("{ENDPOINT}: {problem}"))
                .with_remedy(NOT_PROVEN)
        })?;
        let answer = match again {
            Some(request) => channel.send(ENDPOINT, request).await?,
            None => first,
        };
        let (tokens, members) = read_answer(&answer, clock.now())?;
        // Fails closed: an endpoint that does not know user-assigned identities answers with the
        // token of another one.
        if !confirms(&members) {
            return Err(Error::new(
                ErrorKind::CredentialUnavailable,
                format!(
                    "{ENDPOINT} does not confirm that its token is for the requested identity; an \
                     endpoint that is too old for user-assigned identities answers for the one of \
                     the machine"
                ),
            )
            .with_remedy(REFUSED));
        }
        Ok(tokens)
    };
    observed(info_span!("identity.managed_identity", outcome = Empty, reason = Empty), exchange)
        .await
}

/// Parses the response of the endpoint: the token, and all members.
///
/// # Errors
///
/// [`ErrorKind::TokenResponseInvalid`]: the response claims success and is malformed; otherwise the
/// kind of the error in it.
pub(super) fn read_answer(
    answer: &Response<Bytes>,
    now: UnixTime,
) -> Result<(TokenAnswer, Object), Error> {
    let invalid = |detail: &str| {
        Error::new(ErrorKind::TokenResponseInvalid, format!("the response of {ENDPOINT}: {detail}"))
    };
    if answer.status() != StatusCode::OK {
        return Err(refusal(answer));
    }
    let object = json::document(answer.body()).map_err(|refused| invalid(&refused.as_str()))?;
    let token = json::text(&object, "access_token")
        .filter(|token| !token.is_empty() && token.bytes().all(|byte| matches!(byte, b' '..=b'~')))
        .ok_or_else(|| invalid("`access_token` is missing or not printable ASCII"))?;
    if json::text(&object, "token_type").is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(invalid("`token_type` is not Bearer"));
    }
    let members = OptionalMembers::of(&object, "managed identity's answer");
    let expires_on = members.seconds("expires_on").map(|since| UnixTime::from_seconds(0) + since);
    let lifetime =
        members.seconds("expires_in").or_else(|| expires_on.map(|moment| moment.since(now)));
    let lifetime =
        lifetime.ok_or_else(|| invalid("neither `expires_in` nor `expires_on` is a time"))?;
    let refresh_in = members.seconds("refresh_in").or_else(|| half_of_long_lifetime(lifetime));
    let tokens = TokenAnswer {
        access_token: Some(token.into()),
        expires_in: Some(lifetime),
        refresh_in,
        ..TokenAnswer::default()
    };
    Ok((tokens, object))
}

/// The error of an unsuccessful response.
fn refusal(answer: &Response<Bytes>) -> Error {
    let mut error = error_answer::http_error(answer);
    // Azure's services have the code inside of `error`: `{"error":{"code":"…","message":"…"}}`.
    if let Some(said) = error.provider().filter(|said| said.error.is_empty())
        && let Ok(body) = json::document(answer.body())
        && let Some(Value::Object(inner)) = body.get("error")
        && let Some(code) = json::text(inner, "code")
    {
        let said = ProviderError { error: error_answer::code_in(answer, code), ..said.clone() };
        error = error_answer::response_error(answer, error.kind(), said);
    }
    if error.kind() == ErrorKind::ProviderUnreachable { error } else { error.with_remedy(REFUSED) }
}

/// When to refresh a token that is valid for two hours or more: after half of its lifetime.
///
/// Tokens of managed identities are usually valid for a day, so an outage of the endpoint of
/// several hours goes unnoticed.
fn half_of_long_lifetime(lifetime: Duration) -> Option<Duration> {
    (lifetime >= Duration::from_secs(2 * 3600)).then_some(lifetime / 2)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::test_support::{NOW, answer};

    fn read(body: &Value) -> Result<TokenAnswer, Error> {
        read_answer(&answer(200, body), NOW).map(|(tokens, _)| tokens)
    }

    #[test]
    fn times_are_strings_or_numbers_durations_or_dates() {
        let moment = (NOW + Duration::from_secs(3599)).as_seconds();
        for (name, value) in [
            ("expires_in", json!("3599")),
            ("expires_in", json!(3599)),
            ("expires_on", json!(moment.to_string())),
            ("expires_on", json!(moment)),
        ] {
            let tokens =
                read(&json!({"access_token": "a", "token_type": "Bearer", name: value})).unwrap();
            assert_eq!((tokens.expires_in.unwrap().as_secs(), tokens.refresh_in), (3599, None));
        }
        let tokens = read(&json!({"access_token": "a", "expires_in": "86400"})).unwrap();
        assert_eq!(tokens.refresh_in, Some(Duration::from_secs(43_200)));
    }

    #[test]
    fn a_malformed_response_is_refused() {
        for body in [
            json!({}),
            json!({"access_token": "", "expires_in": 1}),
            json!({"access_token": "a\nb", "expires_in": 1}),
            json!({"access_token": "a"}),
            json!({"access_token": "a", "expires_on": "06/20/2019 02:57:58 +00:00"}),
            json!({"access_token": "a", "expires_in": 1, "token_type": "pop"}),
        ] {
            assert_eq!(
                read(&body).err().unwrap().kind(),
                ErrorKind::TokenResponseInvalid,
                "{body}"
            );
        }
        let error = read_answer(
            &answer(400, r#"{"error":"invalid_request","error_description":"Identity not found"}"#),
            NOW,
        )
        .err()
        .unwrap();
        assert_eq!(error.provider().unwrap().error, "invalid_request");
        assert_eq!(
            read_answer(&answer(500, r#"{"statusCode":500,"message":"x"}"#), NOW)
                .err()
                .unwrap()
                .kind(),
            ErrorKind::ProviderUnreachable
        );
    }
}
