//! Every fault does what its name says.

use aws_lc_rs::hmac;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{
    jwt,
    test_browser::{part, text, with_ada},
    *,
};
use crate::secret::{base64url, from_base64url};

const NOW: i64 = 1_800_000_000;

pub(super) async fn at_noon() -> DevProvider {
    let clock = crate::ManualClock::at(crate::UnixTime::from_seconds(NOW));
    DevProvider::builder().with_clock(clock).start().await.unwrap()
}

pub(super) fn id_token(provider: &DevProvider) -> String {
    let tokens = provider.issue_tokens("ada", "quickstart", "openid", Some("a nonce")).unwrap();
    tokens.id_token.unwrap().expose().to_owned()
}

pub(super) fn well_signed(provider: &DevProvider, token: &str) -> bool {
    jwt::own_claims(&provider.server.state(), token).is_some()
}

/// The claim that a fault changes, with its value; `None` means that the claim is removed.
fn expected_claim(spoil: Spoil, honest: &Value) -> Option<(&'static str, Option<Value>)> {
    use Spoil as S;
    let some = |value: Value| Some(value);
    let half = |name: &str| json!(honest[name].as_i64().unwrap() as f64 + 0.5);
    Some(match spoil {
        S::IssuerOther => ("iss", some(json!("https://another-issuer.example"))),
        S::IssuerWithSlash => ("iss", some(json!(format!("{}/", text(honest, "iss"))))),
        S::IssuerMissing => ("iss", None),
        S::IssuerNumber => ("iss", some(json!(1))),
        S::AudienceOther => ("aud", some(json!("another-client"))),
        S::AudienceMissing => ("aud", None),
        S::AudienceEmpty => ("aud", some(json!([]))),
        S::AudienceNumber => ("aud", some(json!(1))),
        S::AudienceList => ("aud", some(json!(["quickstart"]))),
        S::AudienceExtra => ("azp", some(json!("quickstart"))),
        S::AudienceExtraWithoutAzp => ("aud", some(json!(["quickstart", "another-client"]))),
        S::AuthorizedPartyOther => ("azp", some(json!("another-client"))),
        S::SubjectOther => ("sub", some(json!("another-person"))),
        S::SubjectMissing => ("sub", None),
        S::SubjectEmpty => ("sub", some(json!(""))),
        S::SubjectNumber => ("sub", some(json!(1))),
        S::SubjectTooLong => ("sub", some(json!("s".repeat(256)))),
        S::ExpiryPast => ("exp", some(json!(NOW - 3600))),
        S::ExpiryMissing => ("exp", None),
        S::ExpiryString => ("exp", some(json!((NOW + 3600).to_string()))),
        S::ExpiryNull => ("exp", some(Value::Null)),
        S::ExpiryFraction => ("exp", some(half("exp"))),
        S::ExpiryHuge => ("exp", some(json!(1e300))),
        S::NotBeforeFuture => ("nbf", some(json!(NOW + 3600))),
        S::NotBeforeSoon => ("nbf", some(json!(NOW + 30))),
        S::NotBeforeString => ("nbf", some(json!((NOW - 3600).to_string()))),
        S::IssuedAtFuture => ("iat", some(json!(NOW + 3600))),
        S::IssuedAtMissing => ("iat", None),
        S::IssuedAtString => ("iat", some(json!(NOW.to_string()))),
        S::IssuedAtNull => ("iat", some(Value::Null)),
        S::IssuedAtOld => ("iat", some(json!(NOW - 604_800))),
        S::NonceOther => ("nonce", some(json!("another-nonce"))),
        S::NonceMissing => ("nonce", None),
        S::NonceEmpty => ("nonce", some(json!(""))),
        S::NonceNumber => ("nonce", some(json!(1))),
        S::AccessTokenHashNumber => ("at_hash", some(json!(1))),
        S::AccessTokenHashMissing => ("at_hash", None),
        S::AuthTimeOld => ("auth_time", some(json!(NOW - 604_800))),
        S::AuthTimeMissing => ("auth_time", None),
        S::AuthTimeZero => ("auth_time", some(json!(0))),
        S::AuthTimeString => ("auth_time", some(json!(NOW.to_string()))),
        S::AuthTimeNegative => ("auth_time", some(json!(-1))),
        S::AuthTimeFraction => ("auth_time", some(half("auth_time"))),
        S::AcrOther => ("acr", some(json!("another-acr"))),
        S::AcrMissing => ("acr", None),
        _ => return None,
    })
}

#[tokio::test]
async fn each_switch_about_a_claim_changes_that_claim_and_nothing_else() {
    let provider = at_noon().await;
    let honest = part(&id_token(&provider), 1);
    for spoil in Spoil::ALL {
        let Some((name, expected)) = expected_claim(*spoil, &honest) else { continue };
        provider.spoil_next_id_token(*spoil);
        let token = id_token(&provider);
        assert!(well_signed(&provider, &token), "{spoil:?}");
        let mut claims = part(&token, 1);
        assert_eq!(claims.get(name), expected.as_ref(), "{spoil:?}");
        // Other claims may differ only if they differ in every token, or belong to the fault.
        for other in [name, "sid", "at_hash", "iat", "aud"] {
            claims.as_object_mut().unwrap().remove(other);
        }
        for (name, value) in claims.as_object().unwrap() {
            assert_eq!(honest.get(name), Some(value), "{spoil:?}");
        }
    }
    assert_eq!(part(&id_token(&provider), 1)["iss"], honest["iss"], "each order is used once");
}

#[tokio::test]
async fn the_other_switches_of_the_id_token_do_what_they_say() {
    use Spoil as S;
    let provider = at_noon().await;
    let honest = id_token(&provider);
    let (header, claims) = (part(&honest, 0), part(&honest, 1));
    assert!(well_signed(&provider, &honest));
    for spoil in S::ALL.iter().copied().filter(|spoil| expected_claim(*spoil, &claims).is_none()) {
        provider.spoil_next_id_token(spoil);
        let token = id_token(&provider);
        let signed = well_signed(&provider, &token);
        let parts: Vec<&str> = token.split('.').collect();
        let twice = |name: &str| {
            let payload = String::from_utf8(from_base64url(parts[1]).unwrap()).unwrap();
            payload.matches(&format!("\"{name}\":")).count() == 2 && signed
        };
        let is_hmac = |secret: &[u8]| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            let message = format!("{}.{}", parts[0], parts[1]);
            part(&token, 0)["alg"] == "HS256"
                && hmac::verify(&key, message.as_bytes(), &from_base64url(parts[2]).unwrap())
                    .is_ok()
        };
        let done = match spoil {
            S::IssuerTwice => twice("iss"),
            S::AudienceTwice => twice("aud"),
            S::SubjectTwice => twice("sub"),
            S::NonceTwice => twice("nonce"),
            S::SubjectOtherCase => {
                let (old, new) =
                    (text(&claims, "sub"), part(&token, 1)["sub"].as_str().unwrap().to_owned());
                signed && new != old && new.eq_ignore_ascii_case(old)
            }
            S::AccessTokenHashOther => {
                let other = base64url(
                    &aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"another access token")
                        .as_ref()[..16],
                );
                signed && part(&token, 1)["at_hash"] == other
            }
            S::AlgorithmNone => part(&token, 0)["alg"] == "none" && parts[2].is_empty(),
            S::AlgorithmNoneMixedCase => part(&token, 0)["alg"] == "nOnE" && parts[2].is_empty(),
            S::AlgorithmNoneSigned => part(&token, 0)["alg"] == "none" && parts[2].len() == 342,
            S::AlgorithmMissing => part(&token, 0).get("alg").is_none() && parts[2].len() == 342,
            S::AlgorithmOther => {
                part(&token, 0)["alg"] == "PS256" && parts[2].len() == 342 && !signed
            }
            S::AlgorithmHs256PublicKey => {
                part(&token, 0)["alg"] == "HS256"
                    && !is_hmac(provider.client_secret().expose().as_bytes())
            }
            S::AlgorithmHs256ClientSecret => is_hmac(provider.client_secret().expose().as_bytes()),
            S::SignatureWrong | S::KeyWrong => {
                part(&token, 0) == header && parts[2].len() == 342 && !signed
            }
            S::SignatureEmpty => part(&token, 0) == header && parts[2].is_empty(),
            S::SignatureMissing => part(&token, 0) == header && parts.len() == 2,
            S::PayloadChanged => {
                part(&token, 1)["sub"] == "another-person" && parts[2].len() == 342 && !signed
            }
            S::KeyUnknown => part(&token, 0)["kid"] == "unknown",
            S::KeyIdMissing => part(&token, 0).get("kid").is_none(),
            S::KeyEmbedded => part(&token, 0)["jwk"]["kty"] == "RSA" && !signed,
            S::KeyUrl => part(&token, 0)["jku"].is_string() && !signed,
            S::TypeLogoutToken => part(&token, 0)["typ"] == "logout+jwt" && signed,
            S::TypeAccessToken => part(&token, 0)["typ"] == "at+jwt" && signed,
            S::TypeMissing => part(&token, 0).get("typ").is_none() && signed,
            S::CriticalHeader => part(&token, 0)["crit"].is_array() && signed,
            S::NotAJwt => token == "token",
            S::Empty => token.is_empty(),
            S::FiveParts => parts.len() == 5,
            S::Padded => token.contains('='),
            S::HeaderNotJson => parts[0] == base64url(b"header"),
            S::PayloadNotJson => parts[1] == base64url(b"payload"),
            S::PayloadList => part(&token, 1).is_array(),
            S::Oversized => token.len() > 2 * 1024 * 1024 && signed,
            other => panic!("{other:?} has no test"),
        };
        assert!(done, "{spoil:?}: {}", token.chars().take(3000).collect::<String>());
    }
}

#[tokio::test]
async fn claims_can_be_changed_freely_and_any_jwt_signed() {
    let provider = at_noon().await;
    provider.change_next_id_token(|claims| drop(claims.insert("shoe_size".into(), 44.into())));
    let token = id_token(&provider);
    assert!(well_signed(&provider, &token));
    assert_eq!(part(&token, 1)["shoe_size"], 44);
    let logout = provider.sign("logout+jwt", json!({ "sid": "1" }).as_object().unwrap()).unwrap();
    assert_eq!(
        (&part(logout.expose(), 0)["typ"], &part(logout.expose(), 1)["sid"]),
        (&json!("logout+jwt"), &json!("1"))
    );
    for (person, client) in [("nobody", "quickstart"), ("ada", "nobody")] {
        assert!(provider.issue_tokens(person, client, "openid", None).is_err());
    }
}

#[tokio::test]
async fn each_spoilt_authorization_response_is_what_its_name_says() {
    use SpoilCallback as S;
    let (provider, mut browser) = with_ada().await;
    for spoil in S::ALL.iter().copied() {
        provider.spoil_next_callback(spoil);
        let seen = browser.authorize(&[]).await;
        if spoil == S::OtherResponseMode {
            assert!(seen.status == StatusCode::OK && !seen.field("code").is_empty());
            continue;
        }
        let url = url::Url::parse(seen.header("location")).unwrap();
        let all = |name: &str| {
            let values = url
                .query_pairs()
                .filter(|(known, _)| known == name)
                .map(|(_, value)| value.into_owned());
            values.collect::<Vec<_>>()
        };
        let (code, state, iss, error) = (all("code"), all("state"), all("iss"), all("error"));
        let good = [
            code.len() == 1 && code[0].len() == 43,
            state == ["a state"],
            iss == [provider.issuer()],
            error.is_empty(),
        ];
        let is_error =
            |name: &str| good == [false, true, true, false] && error == [name] && code.is_empty();
        let done = match spoil {
            S::StateOther => good == [true, false, true, true] && state == ["another-state"],
            S::StateMissing => good == [true, false, true, true] && state.is_empty(),
            S::StateTwice => state.len() == 2,
            S::IssuerOther => {
                good == [true, true, false, true] && iss == ["https://another-issuer.example"]
            }
            S::IssuerWithSlash => {
                good == [true, true, false, true] && iss == [format!("{}/", provider.issuer())]
            }
            S::IssuerMissing => good == [true, true, false, true] && iss.is_empty(),
            S::IssuerTwice => iss.len() == 2,
            S::CodeMissing => good == [false, true, true, true] && code.is_empty(),
            S::CodeEmpty => good == [false, true, true, true] && code == [""],
            S::CodeTwice => code.len() == 2,
            S::CodeOther => code == ["another-code"],
            S::CodeAndError => good == [true, true, true, false],
            S::AccessDenied => is_error("access_denied"),
            S::LoginRequired => is_error("login_required"),
            S::ConsentRequired => is_error("consent_required"),
            S::InteractionRequired => is_error("interaction_required"),
            S::TemporarilyUnavailable => is_error("temporarily_unavailable"),
            S::AuthenticationExpired => {
                is_error("temporarily_unavailable")
                    && all("error_description") == ["authentication_expired"]
            }
            S::UserCancelledAuthorize => is_error("user_cancelled_authorize"),
            S::UserCancelledLogin => is_error("user_cancelled_login"),
            S::ErrorWithMarkup => {
                is_error("server_error") && all("error_description")[0].contains("<script>")
            }
            S::ErrorOfOtherIssuer => {
                error == ["access_denied"] && iss == ["https://another-issuer.example"]
            }
            S::ResponseParameter => all("response") == ["a.b.c"],
            S::TokensAdded => all("id_token") == ["a.b.c"] && good == [true; 4],
            S::UnknownParameters => all("session_state").len() == 1 && good == [true; 4],
            S::OtherResponseMode => false,
        };
        assert!(done, "{spoil:?}: {url}");
    }
    provider.refuse_next_sign_in("invalid_resource", "AADSTS500011");
    let refused = browser.authorize(&[]).await;
    assert_eq!(refused.sent_back("error_description").as_deref(), Some("AADSTS500011"));
    assert_eq!(
        (refused.sent_back("code"), refused.sent_back("state").as_deref()),
        (None, Some("a state"))
    );
}

#[tokio::test]
async fn each_spoilt_token_answer_is_what_its_name_says() {
    use SpoilTokenAnswer as S;
    let (provider, mut browser) = with_ada().await;
    for spoil in S::ALL.iter().copied() {
        let code = browser.code().await;
        provider.spoil_next_token_answer(spoil);
        let seen = browser.token(&[("code", &code)]).await;
        let body = serde_json::from_str::<Value>(&seen.body).unwrap_or_default();
        let ok = seen.status == StatusCode::OK;
        let is = |name: &str, value: Value| ok && body[name] == value;
        let missing = |name: &str| ok && body.is_object() && body.get(name).is_none();
        let done = match spoil {
            S::AccessTokenMissing => missing("access_token"),
            S::AccessTokenNumber => is("access_token", json!(1)),
            S::AccessTokenTwice => ok && seen.body.matches("\"access_token\":").count() == 2,
            S::TokenTypeMissing => missing("token_type"),
            S::TokenTypeOther => is("token_type", json!("mac")),
            S::TokenTypeLowerCase => is("token_type", json!("bearer")),
            S::ExpiresInMissing => missing("expires_in"),
            S::ExpiresInString => is("expires_in", json!("3600")),
            S::ExpiresInWord => is("expires_in", json!("soon")),
            S::ExpiresInNegative => is("expires_in", json!(-1)),
            S::ExpiresInTrue => is("expires_in", json!(true)),
            S::ScopeMissing => missing("scope"),
            S::ScopeEmpty => is("scope", json!("")),
            S::ScopeNarrower => is("scope", json!("openid")),
            S::ScopeNull => ok && body.get("scope") == Some(&Value::Null),
            S::IdTokenMissing => missing("id_token"),
            S::RefreshTokenMissing => missing("refresh_token"),
            S::UnknownMembers => ok && body["unknown"].is_object() && body["id_token"].is_string(),
            S::ErrorWithStatus200 => is("error", json!("invalid_grant")),
            S::Status201 => seen.status == StatusCode::CREATED && body["id_token"].is_string(),
            S::Status204 => seen.status == StatusCode::NO_CONTENT && seen.body.is_empty(),
            S::Status403 => seen.status == StatusCode::FORBIDDEN && seen.body.is_empty(),
            S::Html => ok && seen.header("content-type") == "text/html",
            S::CutOff => ok && seen.body.starts_with('{') && !seen.body.ends_with('}'),
            S::List => ok && body.is_array(),
        };
        assert!(done, "{spoil:?}: {}", seen.body);
    }
    provider.change_next_token_answer(|members| {
        drop(members.insert("client_info".into(), "abc".into()))
    });
    let code = browser.code().await;
    assert_eq!(browser.token(&[("code", &code)]).await.json()["client_info"], "abc");
}

#[tokio::test]
async fn each_spoilt_user_info_is_what_its_name_says() {
    use SpoilUserInfo as S;
    let (provider, mut browser) = with_ada().await;
    let tokens = provider.issue_tokens("ada", "quickstart", "openid profile", None).unwrap();
    let token = tokens.access_token.expose();
    let sub = browser.user_info(token).await.json()["sub"].as_str().unwrap().to_owned();
    for spoil in S::ALL.iter().copied() {
        provider.spoil_next_user_info(spoil);
        let seen = browser.user_info(token).await;
        let body = serde_json::from_str::<Value>(&seen.body);
        let of = |name: &str| body.as_ref().unwrap().get(name).cloned();
        let done = match spoil {
            S::SubjectOther => of("sub") == Some(json!("another-person")),
            S::SubjectOtherCase => of("sub") == Some(json!(sub.to_uppercase())),
            S::SubjectMissing => of("sub").is_none() && of("name").is_some(),
            S::SubjectTwice => seen.body.matches("\"sub\":").count() == 2,
            S::List => body.is_ok_and(|body| body.is_array()),
            S::Null => seen.body == "null",
            S::Text => body.is_err(),
            S::Html => seen.header("content-type") == "text/html",
            S::SignedType => seen.header("content-type") == "application/jwt",
            S::Unauthorized => {
                seen.status == StatusCode::UNAUTHORIZED
                    && seen.header("www-authenticate").contains("invalid_token")
            }
            S::DistributedClaims => of("_claim_sources").is_some() && of("sub") == Some(json!(sub)),
        };
        assert!(done, "{spoil:?}: {}", seen.body);
    }
}

#[tokio::test]
async fn each_spoilt_document_differs_from_the_good_one_and_the_next_is_good_again() {
    let (provider, mut browser) = with_ada().await;
    let path = "/.well-known/openid-configuration";
    let (good, good_keys) = (browser.get(path).await.body, browser.get("/keys").await.body);
    for spoil in SpoilDiscovery::ALL {
        provider.spoil_next_discovery(*spoil);
        let spoilt = browser.get(path).await;
        assert!(spoilt.status == StatusCode::OK && spoilt.body != good, "{spoil:?}");
        let name = format!("{spoil:?}");
        if name.ends_with("Missing") {
            let (before, after) = (serde_json::from_str::<Value>(&good).unwrap(), spoilt.json());
            assert_eq!(
                before.as_object().unwrap().len() - 1,
                after.as_object().unwrap().len(),
                "{name}"
            );
        }
        assert_eq!(browser.get(path).await.body, good);
    }
    for spoil in SpoilKeys::ALL {
        provider.spoil_next_keys(*spoil);
        let spoilt = browser.get("/keys").await;
        assert!(spoilt.status == StatusCode::OK && spoilt.body != good_keys, "{spoil:?}");
        assert_eq!(browser.get("/keys").await.body, good_keys);
    }
    provider.change_next_discovery(|document| drop(document.remove("token_endpoint")));
    provider.change_next_keys(|set| drop(set.insert("more".into(), 1.into())));
    assert_eq!(browser.get(path).await.json().get("token_endpoint"), None);
    assert_eq!(browser.get("/keys").await.json()["more"], 1);
}
