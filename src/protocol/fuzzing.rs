//! Fuzz targets: the parsers of data from providers and browsers, each with the properties that
//! must hold for any input.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a fuzz target reports a failure by a panic"
)]

use bytes::Bytes;
use http::{HeaderValue, Response, header};

use super::{
    callback::CallbackParameters,
    claims,
    client_info::ClientInfo,
    device, error_answer, graph, id_token, json,
    json_or_jwt::JsonOrJwt,
    jwks::JwkSet,
    jwt::{SignatureRule, TokenKind, TokenRules, UnverifiedJwt},
    managed_identity,
    metadata::Metadata,
    token::{self, AccessTokenRule},
    user_info,
};
use crate::{
    authority::{Authority, Tenants},
    clock::UnixTime,
    config::Algorithm,
    fuzzing::Parser,
};

pub(crate) const PARSERS: &[Parser] = &[
    ("callback", callback),
    ("device", device_answer),
    ("graph", graph_page),
    ("json", json_value),
    ("jwks", |bytes| drop(JwkSet::parse(bytes))),
    ("jwt", jwt),
    ("metadata", |bytes| drop(metadata(bytes))),
    ("token_answer", token_answer),
    ("user_info", user_info_answer),
];

fn authority() -> Authority {
    Authority::oidc("https://op.example.com").unwrap()
}

fn metadata(bytes: &[u8]) -> Option<Metadata> {
    Metadata::parse(bytes, &authority()).ok()
}

const DOCUMENT: &[u8] =
    br#"{"issuer":"https://op.example.com","authorization_endpoint":"https://op.example.com/a",
    "token_endpoint":"https://op.example.com/t","jwks_uri":"https://op.example.com/k"}"#;

/// Only a response with the expected `state` yields a code.
fn callback(bytes: &[u8]) {
    let Ok(parameters) = CallbackParameters::parse(bytes) else { return };
    let state = parameters.state().map(str::to_owned).ok();
    if parameters.check("expected", &metadata(DOCUMENT).unwrap(), &authority()).is_ok() {
        assert_eq!(state.as_deref(), Some("expected"));
    }
}

/// A verification URI is https; merged claims are one JSON object; the response of a managed
/// identity does not panic.
fn device_answer(bytes: &[u8]) {
    if let Some(text) = std::str::from_utf8(bytes).ok()
        && let Ok(Some(merged)) = claims::merged(&["cp1".to_owned()], None, Some(text))
    {
        assert!(json::object(merged.as_bytes()).is_ok());
    }
    let Some(answer) = answer(bytes) else { return };
    if let Ok(codes) = device::read_answer(&answer, &metadata(DOCUMENT).unwrap()) {
        assert!(codes.verification_uri.starts_with("https://") && !codes.user_code.is_empty());
    }
    let _ = managed_identity::read_answer(&answer, UnixTime::from_seconds(1_700_000_000));
}

/// The next page has the origin of the page.
fn graph_page(bytes: &[u8]) {
    let page = graph::first_page("https://graph.example.com").unwrap();
    let answer = Response::new(Bytes::copy_from_slice(bytes));
    if let Ok(Some(next)) = graph::read_page(&answer, &page, &mut Vec::new()) {
        assert_eq!(next.origin(), page.origin());
    }
    if let Some(info) = std::str::from_utf8(bytes).ok().and_then(ClientInfo::parse) {
        assert!(info.home_account_id().is_none_or(|id| id.contains('.') && !id.contains(' ')));
    }
}

/// A document that the strict parser accepts means the same to other parsers.
fn json_value(bytes: &[u8]) {
    if let Ok(value) = json::value(bytes) {
        assert_eq!(serde_json::from_slice::<serde_json::Value>(bytes).unwrap(), value);
    }
}

/// No token is verified without a key.
fn jwt(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(token) = UnverifiedJwt::parse(text) else { return };
    let rules = TokenRules {
        kind: TokenKind::IdToken,
        signature: SignatureRule::Keys(&[Algorithm::Rs256, Algorithm::Es256]),
        authority: &authority(),
        tenants: &Tenants::any(),
        metadata_issuer: "https://op.example.com",
        audience: "client",
        trusted_audiences: &[],
        now: UnixTime::from_seconds(1_700_000_000),
        leeway: std::time::Duration::from_secs(60),
        max_age: None,
    };
    assert!(token.verify(&rules, &JwkSet::default()).is_err());
}

/// An HTTP response from bytes, of which the first chooses status and headers.
fn answer(bytes: &[u8]) -> Option<Response<Bytes>> {
    let (choice, body) = bytes.split_first()?;
    let mut answer = Response::new(Bytes::copy_from_slice(body));
    *answer.status_mut() =
        [200, 201, 400, 401, 403, 429, 503][usize::from(choice % 7)].try_into().unwrap();
    if choice & 0x40 != 0 {
        answer
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jwt"));
    }
    if choice & 0x80 != 0 {
        let header = HeaderValue::from_bytes(body.get(..body.len().min(64))?).ok()?;
        for name in [header::RETRY_AFTER, header::DATE, header::WWW_AUTHENTICATE] {
            answer.headers_mut().insert(name, header.clone());
        }
    }
    Some(answer)
}

fn token_answer(bytes: &[u8]) {
    let Some(answer) = answer(bytes) else { return };
    let _ = error_answer::retry_after(&answer);
    for rule in [AccessTokenRule::Required, AccessTokenRule::OrIdToken] {
        if let Ok(tokens) = token::read_answer(&answer, rule) {
            assert!(
                answer.status() == 200
                    && (tokens.access_token.is_some() || rule == AccessTokenRule::OrIdToken)
            );
            let _ = id_token::half_hash(
                &aws_lc_rs::digest::SHA256,
                tokens.access_token.as_ref().map_or("", |token| token.expose()),
            );
        }
    }
}

fn user_info_answer(bytes: &[u8]) {
    let Some(answer) = answer(bytes) else { return };
    if let Ok(JsonOrJwt::Json(claims)) = user_info::read_answer(&answer) {
        let sub = claims.get("sub").cloned();
        assert_eq!(user_info::check_subject(claims, "ada").is_ok(), sub == Some("ada".into()));
    }
}
