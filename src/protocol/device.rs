//! The device authorization request and its response (RFC 8628 sections 3.1 and 3.2).
//!
//! The verification URI that the user opens comes from the provider. It must be `https`; `http` is
//! accepted on loopback, or at a provider for which it was explicitly allowed.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use url::Url;

use super::{
    client_auth::ClientAuth,
    error_answer,
    grant::TokenParams,
    json::{self, OptionalMembers},
    metadata::Metadata,
    token::{Form, form_request},
};
use crate::{
    authority::is_loopback,
    error::{Error, ErrorKind},
    secret::Secret,
};

/// The polling interval if the response has none (RFC 8628 section 3.2).
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);
/// The longest lifetime of a device code that is believed.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// The longest user code, in bytes. The user reads and types it.
const MAX_USER_CODE_BYTES: usize = 64;
/// The longest message for the user, in characters.
const MAX_MESSAGE_CHARS: usize = 1000;

/// A device authorization response: a code for the device and one for the user.
#[derive(Clone, Debug)]
pub(crate) struct DeviceAnswer {
    pub(crate) device_code: Secret,
    pub(crate) user_code: String,
    pub(crate) verification_uri: String,
    /// The verification URI with the user code in it.
    pub(crate) verification_uri_complete: Option<String>,
    /// Entra's instruction for the user, in one sentence.
    pub(crate) message: Option<String>,
    /// The lifetime of both codes from now on.
    pub(crate) expires_in: Duration,
    /// The least time between two token requests.
    pub(crate) interval: Duration,
    /// The scopes of the request, as it was sent.
    pub(crate) scopes: String,
}

/// The device authorization request of a client with these capabilities.
///
/// # Errors
///
/// - [`ErrorKind::ProviderMisconfigured`]: the provider has no device authorization endpoint.
/// - [`ErrorKind::RequestInvalid`]: the claims are not a JSON object.
/// - Those of [`ClientAuth::authenticate`].
pub(crate) fn device_request(
    metadata: &Metadata,
    client: ClientAuth<'_>,
    params: &TokenParams<'_>,
    capabilities: &[String],
) -> Result<Request<Bytes>, Error> {
    let endpoint = metadata.device_authorization_endpoint.as_ref().ok_or_else(|| {
        let missing = metadata.missing("device_authorization_endpoint");
        Error::new(
            ErrorKind::ProviderMisconfigured,
            format!("{missing}, so there is no device flow"),
        )
    })?;
    let extra = params.extra()?;
    // Also beside the `Authorization` header, which RFC 8628 section 3.1 leaves open:
    // django-allauth requires it, and no provider is known to refuse it here.
    let mut form: Form<'_> = vec![("client_id", client.id.into()), ("scope", params.scopes.into())];
    let claims = params.claims(capabilities)?;
    for (name, value) in [("resource", params.resource), ("claims", claims.as_deref())] {
        form.extend(value.map(|value| (name, value.into())));
    }
    form.extend(extra.iter().map(|(name, value)| (name.as_str(), value.clone())));
    form_request(endpoint, metadata, client, form)
}

/// Parses a device authorization response.
///
/// # Errors
///
/// [`ErrorKind::TokenResponseInvalid`]: the response claims success and is malformed; otherwise the
/// kind of the provider's error.
pub(crate) fn read_answer(
    answer: &Response<Bytes>,
    metadata: &Metadata,
) -> Result<DeviceAnswer, Error> {
    let invalid = |detail: &str| {
        Error::new(
            ErrorKind::TokenResponseInvalid,
            format!("the device authorization response: {detail}"),
        )
    };
    if answer.status() != StatusCode::OK {
        return Err(error_answer::http_error(answer));
    }
    let object = json::document(answer.body()).map_err(|refused| invalid(&refused.as_str()))?;
    let members = OptionalMembers::of(&object, "device answer");
    let text = |name: &str| members.text(name);
    let visible = |text: &&str| text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let device_code = text("device_code")
        .filter(visible)
        .ok_or_else(|| invalid("`device_code` is missing or not printable ASCII"))?;
    let user_code =
        text("user_code").filter(|code| code.len() <= MAX_USER_CODE_BYTES && visible(code));
    let token_endpoint = metadata.token_endpoint()?;
    let uri = |name: &'static str| match text(name).map(Url::parse) {
        None => Ok(None),
        Some(Ok(url)) if is_safe(&url, token_endpoint) => Ok(Some(url.to_string())),
        Some(_) => Err(invalid("the verification URI is not an https URL")),
    };
    let verification_uri = match uri("verification_uri")? {
        Some(uri) => uri,
        // The name in the drafts of RFC 8628, which Google still uses.
        None => uri("verification_url")?.ok_or_else(|| invalid("`verification_uri` is missing"))?,
    };
    // Required (RFC 8628 section 3.2): polling ends when it is over.
    let lifetime = members.seconds("expires_in").filter(|lifetime| !lifetime.is_zero());
    let lifetime = lifetime.ok_or_else(|| invalid("`expires_in` is not a number of seconds"))?;
    // Optional. A provider that wants a slower pace answers `slow_down` (section 3.5).
    let interval = members
        .read("interval", |value| json::seconds(value).filter(|interval| !interval.is_zero()))
        .unwrap_or(DEFAULT_INTERVAL);
    Ok(DeviceAnswer {
        device_code: device_code.into(),
        user_code: user_code
            .ok_or_else(|| invalid("`user_code` is missing, too long or not printable ASCII"))?
            .to_owned(),
        verification_uri,
        // Optional: without it the user types the code.
        verification_uri_complete: uri("verification_uri_complete").unwrap_or_default(),
        message: text("message").map(shown_in_a_terminal),
        expires_in: lifetime.min(MAX_LIFETIME),
        interval: interval.clamp(Duration::from_secs(1), MAX_LIFETIME),
        scopes: String::new(),
    })
}

/// Whether a verification URI may be shown. The user opens it and signs in there, so it is held to
/// the rules of an endpoint.
fn is_safe(url: &Url, token_endpoint: &Url) -> bool {
    url.scheme() == "https"
        || (url.scheme() == "http" && is_loopback(url) && is_loopback(token_endpoint))
        // The token endpoint is http only if that was configured (`danger_allow_http`).
        || (token_endpoint.scheme() == "http" && url.origin() == token_endpoint.origin())
}

/// The provider's message without control characters, which could rewrite the screen of a terminal.
fn shown_in_a_terminal(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(MAX_MESSAGE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::{
        client_auth::Proof,
        test_support::{answer, metadata},
    };

    fn good() -> Value {
        json!({
            "device_code": "d3v1c3", "user_code": "WDJB-MJHT",
            "verification_uri": "https://id.example/device", "expires_in": 900
        })
    }

    fn read(body: &Value) -> Result<DeviceAnswer, Error> {
        read_answer(&answer(200, body), &metadata(|_| ()))
    }

    #[test]
    fn codes_and_times_are_read_with_the_specifications_defaults() {
        let codes = read(&good()).unwrap();
        assert_eq!(
            (codes.user_code.as_str(), codes.verification_uri.as_str()),
            ("WDJB-MJHT", "https://id.example/device")
        );
        assert_eq!((codes.expires_in.as_secs(), codes.interval.as_secs()), (900, 5));
        let mut body = good();
        body["interval"] = json!(7);
        body["expires_in"] = json!("60");
        body["verification_uri_complete"] = json!("https://id.example/device?user_code=WDJB-MJHT");
        body["message"] = json!("Open\u{7} the page");
        let codes = read(&body).unwrap();
        assert_eq!(
            (codes.expires_in.as_secs(), codes.interval.as_secs(), codes.message.as_deref()),
            (60, 7, Some("Open the page"))
        );
        assert!(codes.verification_uri_complete.is_some());
    }

    #[test]
    fn an_unusable_device_code_is_refused() {
        for (name, value) in [
            ("device_code", json!(null)),
            ("device_code", json!("a\nb")),
            ("user_code", json!("")),
            ("user_code", json!("x".repeat(65))),
            ("verification_uri", json!("http://id.example/device")),
            ("verification_uri", json!("javascript:alert(1)")),
            ("verification_uri", json!(null)),
            ("expires_in", json!(null)),
            ("expires_in", json!(-1)),
            ("expires_in", json!(0)),
            ("expires_in", json!("soon")),
        ] {
            let mut body = good();
            body[name] = value.clone();
            assert_eq!(
                read(&body).err().map(|error| error.kind()),
                Some(ErrorKind::TokenResponseInvalid),
                "{name} {value}"
            );
        }
    }

    #[test]
    fn an_address_with_the_code_that_cannot_be_opened_is_left_out() {
        for address in [
            json!("http://127.0.0.1/device"),
            json!("javascript:alert(1)"),
            json!("/device"),
            json!(null),
            json!(7),
        ] {
            let mut body = good();
            body["verification_uri_complete"] = address.clone();
            assert_eq!(read(&body).unwrap().verification_uri_complete, None, "{address}");
        }
    }

    // C-351: interval null or string
    /// Decided as for every optional member. The pace is never faster than the specification's.
    #[test]
    fn an_interval_of_no_use_is_the_specifications() {
        let with = |interval: Value| {
            let mut body = good();
            body["interval"] = interval;
            read(&body).map(|codes| codes.interval.as_secs())
        };
        for odd in [
            json!(null),
            json!(""),
            json!(0),
            json!(0.5),
            json!(-1),
            json!(true),
            json!([5]),
            json!({}),
            json!("soon"),
        ] {
            assert_eq!(with(odd.clone()).unwrap(), 5, "{odd}");
        }
        assert_eq!(
            (with(json!(1)).unwrap(), with(json!(2.5)).unwrap(), with(json!("7")).unwrap()),
            (1, 2, 7)
        );
        assert_eq!(
            with(json!(u64::MAX)).unwrap(),
            MAX_LIFETIME.as_secs(),
            "and nobody waits for longer than a code can live"
        );
    }

    // MSAL-020: Discovery document with no `device_authorization_endpoint`; the client starts
    #[test]
    fn without_an_endpoint_only_the_device_flow_is_missing() {
        let client = ClientAuth { id: "id", proof: &Proof::Nothing };
        let error = device_request(
            &metadata(|_| ()),
            client,
            &TokenParams { scopes: "openid", ..TokenParams::default() },
            &[],
        )
        .unwrap_err();
        assert!(
            error.kind() == ErrorKind::ProviderMisconfigured
                && error.to_string().contains("device_authorization_endpoint")
        );
        let metadata = metadata(|document| {
            document["device_authorization_endpoint"] =
                json!("https://id.example/device_authorization")
        });
        let params =
            TokenParams { scopes: "openid a", challenge: Some("{}"), ..TokenParams::default() };
        let request = device_request(&metadata, client, &params, &[]).unwrap();
        assert_eq!(request.uri().path(), "/device_authorization");
        assert_eq!(request.body().as_ref(), b"client_id=id&scope=openid+a&claims=%7B%7D");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_answer(&Response::new(Bytes::from(body)), &metadata(|_| ()));
        }
    }
}
