//! The parsing of token responses.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::protocol::test_support::answer;

fn good() -> Value {
    json!({
        "access_token": "at", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "rt",
        "scope": "openid a", "id_token": "a.b.c"
    })
}

fn read(body: &Value) -> Result<TokenAnswer, Error> {
    read_answer(&answer(200, body), AccessTokenRule::Required)
}

fn with(name: &str, value: Value) -> Value {
    let mut body = good();
    body[name] = value;
    body
}

fn rejects(body: &Value) {
    assert_eq!(
        read(body).err().map(|error| error.kind()),
        Some(ErrorKind::TokenResponseInvalid),
        "{body}"
    );
}

#[test]
fn a_good_answer_is_read() {
    let tokens = read(&good()).unwrap();
    assert_eq!(tokens.access_token.as_ref().unwrap().expose(), "at");
    assert_eq!(tokens.refresh_token.as_ref().unwrap().expose(), "rt");
    assert_eq!(tokens.id_token.as_ref().unwrap().expose(), "a.b.c");
    assert_eq!(
        (tokens.expires_in, tokens.scope.as_deref()),
        (Some(Duration::from_secs(3600)), Some("openid a"))
    );
}

/// A proxy that redirects from http to https, or to a path with a slash.
#[test]
fn the_error_of_a_redirected_token_request_names_the_target_without_query() {
    for (location, target) in [
        ("https://id.example/token/?code=secret#x", "https://id.example/token/"),
        ("/oauth2/token/?code=secret", "/oauth2/token/"),
    ] {
        let mut redirect = answer(307, "");
        redirect.headers_mut().insert(http::header::LOCATION, location.parse().unwrap());
        let error = read_answer(&redirect, AccessTokenRule::Required).err().unwrap().to_string();
        assert!(error.contains(&format!("to {target:?}")), "{error}");
        assert!(error.contains("307") && !error.contains("secret"), "{error}");
    }
}

// C-140: status 201/204/302 instead of 200
// C-152: token endpoint redirects (30x)
#[test]
fn only_200_is_a_success() {
    for status in [201, 202, 203, 204, 206, 299, 301, 302, 303, 304, 307, 308] {
        let outcome = read_answer(&answer(status, good()), AccessTokenRule::Required);
        assert_eq!(outcome.err().unwrap().kind(), ErrorKind::TokenResponseInvalid, "{status}");
    }
    for status in [400, 401, 403, 404, 500] {
        assert!(
            read_answer(&answer(status, good()), AccessTokenRule::Required).is_err(),
            "{status}"
        );
    }
}

#[test]
fn what_is_no_json_object_is_refused() {
    for body in [
        "",
        "null",
        "[]",
        "\"x\"",
        "access_token=at&token_type=bearer",
        "<html>",
        r#"{"access_token":"a","access_token":"b","token_type":"Bearer"}"#,
    ] {
        let outcome = read_answer(&answer(200, body), AccessTokenRule::Required);
        assert_eq!(outcome.err().unwrap().kind(), ErrorKind::TokenResponseInvalid, "{body}");
    }
}

// C-143: access_token missing or not a string
#[test]
fn the_access_token_is_a_text_that_is_not_empty() {
    for value in [
        json!(null),
        json!(""),
        json!(1),
        json!(["at"]),
        json!({}),
        json!(true),
        json!("a\r\nb"),
        json!("é"),
    ] {
        rejects(&with("access_token", value));
    }
    let mut body = good();
    body.as_object_mut().unwrap().remove("access_token");
    rejects(&body);
}

/// B2C gives an ID token alone if no API's scope was asked.
#[test]
fn an_id_token_alone_is_enough_where_the_provider_is_known_for_it() {
    let alone = json!({
        "id_token": "a.b.c", "token_type": "Bearer", "not_before": 1, "id_token_expires_in": "3600",
        "refresh_token": "rt"
    });
    let tokens = read_answer(&answer(200, &alone), AccessTokenRule::OrIdToken).unwrap();
    assert!(tokens.access_token.is_none() && tokens.id_token.is_some());
    rejects(&alone);
    assert!(
        read_answer(&answer(200, json!({"token_type": "Bearer"})), AccessTokenRule::OrIdToken)
            .is_err()
    );
}

#[test]
fn the_token_type_is_bearer_in_any_case() {
    for token_type in ["bearer", "BEARER", "bEaReR"] {
        assert!(read(&with("token_type", json!(token_type))).is_ok());
    }
    for token_type in ["mac", "DPoP", "N_A", "Bearer "] {
        rejects(&with("token_type", json!(token_type)));
    }
}

#[test]
fn a_missing_token_type_is_bearer() {
    for token_type in [json!(null), json!(""), json!(1)] {
        assert!(read(&with("token_type", token_type.clone())).is_ok(), "{token_type}");
    }
    let mut body = good();
    body.as_object_mut().unwrap().remove("token_type");
    assert!(read(&body).is_ok());
}

// C-145: expires_in is a string, negative or a bool
// C-086: no expires_in
/// An `expires_in` without a usable value counts as absent, and the token is used.
#[test]
fn a_lifetime_of_no_use_does_not_void_the_answer() {
    assert_eq!(
        read(&with("expires_in", json!("3600"))).unwrap().expires_in,
        Some(Duration::from_secs(3600))
    );
    for value in
        [json!(-1), json!(true), json!(""), json!("1h"), json!([60]), json!({}), json!(null)]
    {
        let tokens = read(&with("expires_in", value.clone())).unwrap();
        assert_eq!((tokens.expires_in, tokens.access_token.is_some()), (None, true), "{value}");
    }
    let mut body = good();
    body.as_object_mut().unwrap().remove("expires_in");
    assert_eq!(read(&body).unwrap().expires_in, None);
}

#[test]
fn a_strange_hint_when_to_renew_is_ignored() {
    assert_eq!(
        read(&with("refresh_in", json!("1800"))).unwrap().refresh_in,
        Some(Duration::from_secs(1800))
    );
    for value in [json!(-1), json!(null), json!("x"), json!([])] {
        assert_eq!(read(&with("refresh_in", value)).unwrap().refresh_in, None);
    }
}

// C-146: scope, refresh_token or id_token is null
/// Decided once, for every optional member.
#[test]
fn an_optional_member_of_no_use_is_absent_and_the_access_token_counts() {
    for value in
        [json!(null), json!(""), json!(1), json!({}), json!(false), json!([]), json!("a\nb")]
    {
        for name in ["refresh_token", "id_token"] {
            let tokens = read(&with(name, value.clone())).unwrap();
            let (found, other) = match name {
                "id_token" => (tokens.id_token, tokens.refresh_token),
                _ => (tokens.refresh_token, tokens.id_token),
            };
            assert!(
                found.is_none() && other.is_some() && tokens.access_token.is_some(),
                "{name} {value}"
            );
        }
    }
    for name in ["client_info", "refresh_in", "error", "error_description", "not_known"] {
        for value in [json!(null), json!(""), json!(1), json!([]), json!({})] {
            assert!(read(&with(name, value.clone())).is_ok(), "{name} {value}");
        }
    }
}

#[test]
fn scopes_may_be_a_list_or_have_commas_between_them() {
    for (scope, wanted) in [
        (json!(["openid", "a"]), Some("openid a")),
        (json!(["user:read:email"]), Some("user:read:email")),
        (json!("openid,a"), Some("openid a")),
        (json!("openid, a  b"), Some("openid a b")),
        (json!([]), Some("")),
        (json!(7), None),
        (json!([7]), None),
        (json!({}), None),
    ] {
        assert_eq!(
            read(&with("scope", scope.clone())).unwrap().scope.as_deref(),
            wanted,
            "{scope}"
        );
    }
}

#[test]
fn a_byte_order_mark_in_front_of_the_answer_is_left_out() {
    let body = format!("\u{feff}{}", good());
    assert!(read_answer(&answer(200, body), AccessTokenRule::Required).is_ok());
}

// C-147: scope is the empty string
#[test]
fn an_empty_scope_is_nothing_and_none_is_as_asked() {
    assert_eq!(read(&with("scope", json!(""))).unwrap().scope.as_deref(), Some(""));
    assert_eq!(read(&with("scope", json!(null))).unwrap().scope, None);
}

// C-156: unknown members
#[test]
fn unknown_members_are_ignored() {
    let mut body = good();
    for (name, value) in [
        ("foo", json!({"a": [1]})),
        ("ext_expires_in", json!("x")),
        ("error_uri", json!(null)),
        ("error", json!(null)),
    ] {
        body[name] = value;
    }
    assert!(read(&body).is_ok());
}

#[test]
fn an_error_under_200_is_an_error() {
    let error =
        read(&json!({"error": "invalid_grant", "access_token": "at", "token_type": "Bearer"}))
            .err()
            .unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidGrant);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        status in 100_u16..600,
        body in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut answer = Response::new(Bytes::from(body));
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        let _ = read_answer(&answer, AccessTokenRule::OrIdToken);
    }

    #[test]
    fn arbitrary_members_never_panic(
        name in "access_token|token_type|expires_in|scope|id_token|refresh_in|error",
        text in any::<String>(),
        number in any::<f64>(),
        kind in 0..4,
    ) {
        let value = match kind {
            0 => json!(text),
            1 => json!(number),
            2 => json!([text]),
            _ => json!(null),
        };
        let _ = read(&with(&name, value));
    }
}

/// Some providers issue an access token only for a scope or an audience of an API.
#[test]
fn a_missing_access_token_is_told_with_what_came_instead_and_what_can_be_requested() {
    let text = |body: &Value| read(body).map(|_| ()).unwrap_err().to_string();
    let error = text(&json!({"id_token": "a.s3cr3t.c", "token_type": "Bearer"}));
    for words in ["`id_token`, `token_type`", "IDENTITY_SCOPE", "IDENTITY_SIGN_IN_PARAMETERS"] {
        assert!(error.contains(words), "{words}: {error}");
    }
    assert!(
        error.contains("`TokenRequest::add_parameter`") && !error.contains("s3cr3t"),
        "{error}"
    );
    // Slack's endpoint before OpenID Connect.
    let error = text(&json!({"ok": true, "authed_user": {"access_token": "s3cr3t"}}));
    assert!(error.contains("`authed_user`, `ok`") && !error.contains("s3cr3t"), "{error}");
    let error = text(&json!({}));
    assert!(error.contains("has no members"), "{error}");
    let many: serde_json::Map<String, Value> = (0..50)
        .map(|number| (format!("member-{number:02}\n{}", "x".repeat(300)), json!(1)))
        .collect();
    let error = text(&Value::Object(many));
    assert!(error.len() < 3_000 && !error.contains('\n') && error.contains('…'), "{error}");
}

#[test]
fn a_token_that_is_bound_to_a_key_is_told_with_the_setting_of_the_provider() {
    for token_type in ["DPoP", "N_A", "mac"] {
        let error = read(&with("token_type", json!(token_type))).map(|_| ()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(token_type) && text.contains("bearer tokens"), "{text}");
        assert_eq!(text.contains("DPoP"), token_type == "DPoP" || text.contains("such as DPoP"));
    }
}

/// GitHub and others sign in without OpenID Connect.
#[test]
fn a_missing_id_token_is_told_with_what_to_switch_on() {
    let mut body = good();
    body.as_object_mut().unwrap().remove("id_token");
    for scope in [json!("openid a"), json!("a"), Value::Null] {
        body["scope"] = scope;
        let text = read(&body).unwrap().required_id_token().unwrap_err().to_string();
        assert!(text.contains("switch OpenID Connect on"), "{text}");
    }
}
