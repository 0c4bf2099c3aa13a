//! Issuer, audience and times of a JWT.

use serde_json::json;

use super::{jwt_claims::MAX_DATE, tests::*, *};
use crate::protocol::test_support::{CLIENT_ID, ISSUER, id_token, key_set};

// C-019: iss = issuer + "1"
// C-079: ID token without iss
#[test]
fn another_issuer_is_refused() {
    for iss in [
        json!("https://id.example1"),
        json!("https://id.example/"),
        json!("https://ID.example"),
        json!(""),
        json!(null),
        json!([ISSUER]),
        json!(1),
    ] {
        rejects(|claims| claims["iss"] = iss, ErrorKind::TokenIssuer);
    }
    rejects(|claims| drop(claims.as_object_mut().unwrap().remove("iss")), ErrorKind::TokenIssuer);
}

/// No setting makes up for a token without an issuer.
#[test]
fn a_token_without_an_issuer_is_a_fault_of_the_provider() {
    for token in [
        id_token(|claims| drop(claims.as_object_mut().unwrap().remove("iss"))),
        id_token(|claims| claims["iss"] = json!(1)),
    ] {
        let error = check(&token).err().unwrap().to_string();
        assert!(error.contains("change that at the provider"), "{error}");
        assert!(!error.contains("set the authority"), "{error}");
    }
}

// C-021: no aud
// C-083: aud = [client_id, client_id+"1"]
#[test]
fn a_token_for_another_client_is_refused() {
    for aud in [
        json!("client-2"),
        json!("CLIENT-1"),
        json!(""),
        json!([]),
        json!(null),
        json!(1),
        json!({}),
        json!(["client-2"]),
        json!([[CLIENT_ID]]),
    ] {
        rejects(|claims| claims["aud"] = aud, ErrorKind::TokenAudience);
    }
    for aud in [json!([CLIENT_ID, "client-11"]), json!([CLIENT_ID, 1]), json!([CLIENT_ID, null])] {
        rejects(|claims| claims["aud"] = aud.clone(), ErrorKind::TokenAudience);
        let with_azp =
            |claims: &mut Value| (claims["aud"], claims["azp"]) = (aud, json!(CLIENT_ID));
        rejects(with_azp, ErrorKind::TokenAudience);
    }
    rejects(|claims| drop(claims.as_object_mut().unwrap().remove("aud")), ErrorKind::TokenAudience);
    accepts(|claims| claims["aud"] = json!([CLIENT_ID]));
}

#[test]
fn azp_is_this_client_wherever_it_is_and_may_be_missing_where_each_audience_is_named() {
    for azp in [json!("client-2"), json!(""), json!([CLIENT_ID])] {
        rejects(|claims| claims["azp"] = azp, ErrorKind::TokenAudience);
    }
    for azp in [json!(CLIENT_ID), json!(null)] {
        accepts(|claims| claims["azp"] = azp);
    }
    accepts(|claims| claims["aud"] = json!([CLIENT_ID, CLIENT_ID]));
    accepts(|claims| {
        (claims["aud"], claims["azp"]) = (json!([CLIENT_ID, CLIENT_ID]), json!(CLIENT_ID))
    });
    let trusted: &'static [String] = vec!["api".to_owned()].leak();
    let outcome = |azp: Option<&str>| {
        let token = id_token(|claims| {
            claims["aud"] = json!(["api", CLIENT_ID]);
            if let Some(azp) = azp {
                claims["azp"] = json!(azp);
            }
        });
        check_with(&token, &key_set(), |rules| rules.trusted_audiences = trusted).is_ok()
    };
    assert!(outcome(Some(CLIENT_ID)));
    assert!(outcome(None), "the deployer has named the other audience");
    assert!(!outcome(Some("api")));
    let token = id_token(|claims| claims["aud"] = json!("api"));
    assert!(
        check_with(&token, &key_set(), |rules| rules.trusted_audiences = trusted).is_err(),
        "a trusted audience is not us"
    );
}

/// Zitadel's tokens are also for every other application of the project, those of tomorrow
/// included.
#[test]
fn every_other_audience_is_trusted_by_a_star_where_azp_is_this_client() {
    let trusted: &'static [String] = vec!["*".to_owned()].leak();
    let outcome = |aud: Value, azp: Value| {
        let token = id_token(|claims| (claims["aud"], claims["azp"]) = (aud, azp));
        check_with(&token, &key_set(), |rules| rules.trusted_audiences = trusted).is_ok()
    };
    assert!(outcome(json!([CLIENT_ID, "app-2", "project"]), json!(CLIENT_ID)));
    for azp in [json!(null), json!("app-2"), json!("*")] {
        assert!(!outcome(json!([CLIENT_ID, "app-2"]), azp.clone()));
        assert!(!outcome(json!([CLIENT_ID, "*"]), azp));
    }
    let error = |trusted: &[&str], aud: Value| {
        let trusted: Vec<String> = trusted.iter().map(|&name| name.to_owned()).collect();
        let trusted: &'static [String] = trusted.leak();
        let token = id_token(|claims| claims["aud"] = aud);
        check_with(&token, &key_set(), |rules| rules.trusted_audiences = trusted)
            .err()
            .map(|error| error.to_string())
    };
    assert_eq!(error(&["*", "app-2"], json!([CLIENT_ID, "app-2"])), None);
    let told = error(&["*", "app-2"], json!([CLIENT_ID, "app-2", "app-3"])).unwrap();
    assert!(told.contains("no `azp`") && told.contains("app-3") && told.contains("name"), "{told}");
    for aud in [
        json!(["app-2", "project"]),
        json!("app-2"),
        json!(["*"]),
        json!([]),
        json!([CLIENT_ID, 1]),
    ] {
        assert!(!outcome(aud, json!(CLIENT_ID)));
    }
}

// C-169: iat, exp or nbf is a string or null
#[test]
fn times_are_numbers() {
    for name in ["exp", "iat", "nbf"] {
        for value in [json!(""), json!("1800000000"), json!(true), json!([now(0)]), json!({})] {
            rejects(|claims| claims[name] = value, ErrorKind::TokenMalformed);
        }
    }
    for name in ["exp", "iat"] {
        rejects(|claims| claims[name] = json!(null), ErrorKind::TokenMalformed);
    }
    accepts(|claims| claims["nbf"] = json!(null));
    for name in ["exp", "iat"] {
        rejects(
            |claims| drop(claims.as_object_mut().unwrap().remove(name)),
            ErrorKind::TokenMalformed,
        );
    }
}

// C-170: exp is a float (1.7e9, fractional)
#[test]
fn times_may_be_floats_and_huge_ones_do_not_overflow() {
    accepts(|claims| {
        (claims["exp"], claims["iat"], claims["nbf"]) =
            (json!(1.8e9 + 30.5), json!(1.8e9 - 0.5), json!(0.0))
    });
    accepts(|claims| claims["exp"] = json!(1e300));
    accepts(|claims| claims["exp"] = json!(u64::MAX));
    for exp in [json!(-1e300), json!(-2), json!(i64::MIN), json!(0), json!(1.7e9)] {
        rejects(|claims| claims["exp"] = exp, ErrorKind::TokenExpired);
    }
    for name in ["iat", "nbf"] {
        rejects(|claims| claims[name] = json!(1e300), ErrorKind::TokenNotYetValid);
    }
    let token = id_token(|claims| claims["exp"] = json!(1e300));
    assert_eq!(
        check(&token).unwrap().exp,
        Some(UnixTime::from_seconds(MAX_DATE)),
        "a moment that every calendar knows"
    );
}

/// RFC 7519 section 2. As seconds such a time lies behind the year 9999: the token would not end.
#[test]
fn a_time_in_milliseconds_is_refused_by_its_name() {
    for name in ["exp", "iat", "nbf"] {
        for time in [MAX_DATE + 1, 1_800_000_060_000, MAX_DATE * 1000] {
            let token = id_token(|claims| claims[name] = json!(time));
            let error = check(&token).err().unwrap();
            let text = error.to_string();
            assert_eq!(error.kind(), ErrorKind::TokenMalformed, "{name} {time}");
            assert!(
                text.contains(&format!("`{name}` is {time}, which are milliseconds")),
                "{text}"
            );
        }
    }
    rejects(|claims| claims["exp"] = json!(1_800_000_060_000.5), ErrorKind::TokenMalformed);
    accepts(|claims| claims["exp"] = json!(MAX_DATE));
}

// MSAL-036: ID token with exp in the past; code is redeemed
#[test]
fn an_expired_token_is_refused_beyond_the_leeway() {
    accepts(|claims| claims["exp"] = now(-59));
    rejects(|claims| claims["exp"] = now(-60), ErrorKind::TokenExpired);
}

// C-171: nbf in the future beyond skew
#[test]
fn a_token_that_is_not_valid_yet_is_refused_beyond_the_leeway() {
    accepts(|claims| claims["nbf"] = now(60));
    rejects(|claims| claims["nbf"] = now(61), ErrorKind::TokenNotYetValid);
}

// C-172: iat in the future beyond skew
#[test]
fn a_token_issued_in_the_future_is_refused_beyond_the_leeway() {
    accepts(|claims| claims["iat"] = now(60));
    rejects(|claims| claims["iat"] = now(61), ErrorKind::TokenNotYetValid);
}

// C-088: iat one week old
// C-173: iat older than configured maximum age
#[test]
fn an_old_token_is_refused_only_if_a_greatest_age_is_configured() {
    let week = id_token(|claims| claims["iat"] = now(-7 * 24 * 3600));
    assert!(check(&week).is_ok());
    let outcome =
        check_with(&week, &key_set(), |rules| rules.max_age = Some(Duration::from_secs(3600)));
    assert_eq!(outcome.err().unwrap().kind(), ErrorKind::TokenTooOld);
    assert!(
        check_with(&id_token(|_| ()), &key_set(), |rules| rules.max_age = Some(Duration::ZERO))
            .is_ok()
    );
}
