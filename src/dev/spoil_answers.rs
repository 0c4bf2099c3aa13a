//! The faults of token and UserInfo responses.

use axum::response::Response;
use http::{StatusCode, header};
use serde_json::{Map, Value, json};

use super::{
    reply,
    spoil::{FaultOrder, spoils},
};

spoils! {
    /// A fault or oddity of the next successful token response, for
    /// [`DevProvider::spoil_next_token_answer`](super::DevProvider::spoil_next_token_answer).
    pub enum SpoilTokenAnswer {
        /// No `access_token`. (Azure AD B2C does this at sign-in.)
        AccessTokenMissing = Either,
        /// `access_token` is a number.
        AccessTokenNumber = Refuse,
        /// `access_token` occurs twice, the second time with another value.
        AccessTokenTwice = Refuse,
        /// No `token_type`, which RFC 6749 section 5.1 requires. This crate reads it as `Bearer`.
        TokenTypeMissing = Either,
        /// `token_type` is not `Bearer`.
        TokenTypeOther = Refuse,
        /// `token_type` in lower case.
        TokenTypeLowerCase = Accept,
        /// No `expires_in`.
        ExpiresInMissing = Accept,
        /// `expires_in` is a string of digits.
        ExpiresInString = Accept,
        /// `expires_in` is a word.
        ExpiresInWord = Either,
        /// `expires_in` is negative.
        ExpiresInNegative = Either,
        /// `expires_in` is true.
        ExpiresInTrue = Either,
        /// No `scope`, which means the requested scopes (RFC 6749 section 5.1).
        ScopeMissing = Accept,
        /// `scope` is the empty string.
        ScopeEmpty = Accept,
        /// `scope` is `openid` alone.
        ScopeNarrower = Accept,
        /// `scope` is null.
        ScopeNull = Either,
        /// No `id_token`: must be refused at sign-in, is allowed at renewals.
        IdTokenMissing = Either,
        /// No `refresh_token`.
        RefreshTokenMissing = Accept,
        /// Unknown members.
        UnknownMembers = Accept,
        /// An error response with status 200.
        ErrorWithStatus200 = Refuse,
        /// Status 201.
        Status201 = Refuse,
        /// Status 204 and no body.
        Status204 = Refuse,
        /// Status 403 and no body.
        Status403 = Refuse,
        /// An HTML page.
        Html = Refuse,
        /// The body is truncated.
        CutOff = Refuse,
        /// A list that contains the response.
        List = Refuse,
    }
}

spoils! {
    /// A fault or oddity of the next UserInfo response, for
    /// [`DevProvider::spoil_next_user_info`](super::DevProvider::spoil_next_user_info).
    pub enum SpoilUserInfo {
        /// `sub` is another person's.
        SubjectOther = Refuse,
        /// `sub` is the person's, but in capital letters.
        SubjectOtherCase = Refuse,
        /// No `sub`.
        SubjectMissing = Refuse,
        /// `sub` occurs twice, the second time with another person's value.
        SubjectTwice = Refuse,
        /// A list that contains the response.
        List = Refuse,
        /// `null`.
        Null = Refuse,
        /// Plain text.
        Text = Refuse,
        /// An HTML page.
        Html = Refuse,
        /// The media type of a signed response, which was not requested.
        SignedType = Refuse,
        /// 401 with `WWW-Authenticate`.
        Unauthorized = Refuse,
        /// Claims that refer to other providers (OpenID Connect Core section 5.6.2).
        DistributedClaims = Accept,
    }
}

/// A fault of a JSON response: it changes the members, or replaces the response.
pub(super) trait SpoilJson: Sized {
    fn spoil(self, body: &mut Map<String, Value>) -> Option<Response>;
}

/// Applies an order, and sends the response with `send`.
pub(super) fn answer<S: SpoilJson>(
    order: Option<FaultOrder<S, Map<String, Value>>>,
    mut body: Map<String, Value>,
    send: impl FnOnce(&Value) -> Response,
) -> Response {
    let instead = match order {
        None => None,
        Some(FaultOrder::Spoil(spoil)) => spoil.spoil(&mut body),
        Some(FaultOrder::Change(change)) => {
            change(&mut body);
            None
        }
    };
    instead.unwrap_or_else(|| send(&Value::Object(body)))
}

pub(super) fn json(status: StatusCode, body: String) -> Option<Response> {
    Some(reply::text(status, "application/json", body))
}

pub(super) fn html() -> Option<Response> {
    Some(reply::text(
        StatusCode::OK,
        "text/html",
        "<!DOCTYPE html><title>A page</title>".to_owned(),
    ))
}

/// A response in which one member occurs a second time.
pub(super) fn twice(body: &Map<String, Value>, name: &str, value: &str) -> Option<Response> {
    let mut text = Value::Object(body.clone()).to_string();
    text.pop();
    text.push_str(&format!(",{}:{}}}", json!(name), json!(value)));
    json(StatusCode::OK, text)
}

pub(super) fn set(
    body: &mut Map<String, Value>,
    name: &str,
    value: impl Into<Value>,
) -> Option<Response> {
    body.insert(name.to_owned(), value.into());
    None
}

pub(super) fn remove(body: &mut Map<String, Value>, name: &str) -> Option<Response> {
    body.remove(name);
    None
}

impl SpoilJson for SpoilTokenAnswer {
    fn spoil(self, body: &mut Map<String, Value>) -> Option<Response> {
        let text = Value::Object(body.clone()).to_string();
        match self {
            Self::AccessTokenMissing => remove(body, "access_token"),
            Self::AccessTokenNumber => set(body, "access_token", 1),
            Self::AccessTokenTwice => twice(body, "access_token", "another-token"),
            Self::TokenTypeMissing => remove(body, "token_type"),
            Self::TokenTypeOther => set(body, "token_type", "mac"),
            Self::TokenTypeLowerCase => set(body, "token_type", "bearer"),
            Self::ExpiresInMissing => remove(body, "expires_in"),
            Self::ExpiresInString => {
                let digits = body.get("expires_in").map(ToString::to_string);
                set(body, "expires_in", digits.unwrap_or_default())
            }
            Self::ExpiresInWord => set(body, "expires_in", "soon"),
            Self::ExpiresInNegative => set(body, "expires_in", -1),
            Self::ExpiresInTrue => set(body, "expires_in", true),
            Self::ScopeMissing => remove(body, "scope"),
            Self::ScopeEmpty => set(body, "scope", ""),
            Self::ScopeNarrower => set(body, "scope", "openid"),
            Self::ScopeNull => set(body, "scope", Value::Null),
            Self::IdTokenMissing => remove(body, "id_token"),
            Self::RefreshTokenMissing => remove(body, "refresh_token"),
            Self::UnknownMembers => set(body, "unknown", json!({ "deeper": [1, null, "x"] })),
            Self::ErrorWithStatus200 => {
                json(StatusCode::OK, json!({ "error": "invalid_grant" }).to_string())
            }
            Self::Status201 => json(StatusCode::CREATED, text),
            Self::Status204 => Some(reply::empty(StatusCode::NO_CONTENT)),
            Self::Status403 => Some(reply::empty(StatusCode::FORBIDDEN)),
            Self::Html => html(),
            Self::CutOff => json(StatusCode::OK, text.chars().take(text.len() / 2).collect()),
            Self::List => json(StatusCode::OK, format!("[{text}]")),
        }
    }
}

impl SpoilJson for SpoilUserInfo {
    fn spoil(self, body: &mut Map<String, Value>) -> Option<Response> {
        let text = Value::Object(body.clone()).to_string();
        match self {
            Self::SubjectOther => set(body, "sub", "another-person"),
            Self::SubjectOtherCase => {
                let subject =
                    body.get("sub").and_then(Value::as_str).unwrap_or_default().to_uppercase();
                set(body, "sub", subject)
            }
            Self::SubjectMissing => remove(body, "sub"),
            Self::SubjectTwice => twice(body, "sub", "another-person"),
            Self::List => json(StatusCode::OK, format!("[{text}]")),
            Self::Null => json(StatusCode::OK, "null".to_owned()),
            Self::Text => json(StatusCode::OK, "somebody".to_owned()),
            Self::Html => html(),
            Self::SignedType => Some(reply::text(StatusCode::OK, "application/jwt", text)),
            Self::Unauthorized => {
                let mut response = reply::empty(StatusCode::UNAUTHORIZED);
                reply::set(
                    &mut response,
                    header::WWW_AUTHENTICATE,
                    "Bearer error=\"invalid_token\"",
                );
                Some(response)
            }
            Self::DistributedClaims => {
                set(body, "_claim_names", json!({ "payment_info": "src1" }));
                set(
                    body,
                    "_claim_sources",
                    json!({ "src1": { "endpoint": "https://another-issuer.example/claims" } }),
                )
            }
        }
    }
}
