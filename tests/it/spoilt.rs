//! Every spoilt response of the provider, through the public API: invalid responses sign nobody in,
//! unusual ones do.

use axum::http::StatusCode;
use tower_identity::{
    SignInOptions,
    config::{Algorithm, UserInfo},
    dev::{
        DevProvider, Endpoint, OldKeys, Spoil, SpoilCallback, SpoilDiscovery, SpoilKeys,
        SpoilTokenAnswer, SpoilUserInfo, Verdict,
    },
};

use crate::app::App;

/// Signs Ada in after `order` has changed the provider, and returns the outcome.
async fn outcome(app: &App, order: impl FnOnce(&DevProvider)) -> Result<(), String> {
    app.provider.sign_in_as("ada").unwrap();
    order(&app.provider);
    let mut tab = app.browser().tab();
    let page = tab.open(app.at("/me")).await;
    let (status, body) = (page.status, page.body.clone());
    let home = tab.open(app.at("/")).await.body.clone();
    match (status == StatusCode::OK, home.as_str()) {
        (true, "hello Ada Lovelace") => Ok(()),
        (false, "nobody") => Err(body),
        (_, home) => panic!("{status}, and the home page says {home:?}: {body}"),
    }
}

/// Collects all deviations from the verdicts, so that one run shows all of them.
#[derive(Default)]
struct Disagreements(Vec<String>);

impl Disagreements {
    fn judge(
        &mut self,
        name: &dyn std::fmt::Debug,
        refuse: Option<bool>,
        outcome: &Result<(), String>,
    ) {
        if let Some(refuse) = refuse
            && refuse != outcome.is_err()
        {
            self.0.push(format!(
                "{name:?} has to be {}: {outcome:?}",
                if refuse { "refused" } else { "accepted" }
            ));
        }
    }

    fn none(self) {
        assert!(self.0.is_empty(), "{}", self.0.join("\n"));
    }
}

fn always(verdict: Verdict) -> Option<bool> {
    match verdict {
        Verdict::Refuse => Some(true),
        Verdict::Accept => Some(false),
        _ => None,
    }
}

// C-011: RS256 token
// C-014: alg none token from the token endpoint
// C-019: iss = issuer + "1"
// C-021: no aud
// C-023: no sub
// C-025: nonce = sent + "1"
// C-079: ID token without iss
// C-080: nonce sent, none in the token
// C-081: alg none
// C-083: aud = [client_id, client_id+"1"]
// C-089: no at_hash, code flow
// C-149: id_token is not a JWT ("foo", "a.b", five random parts)
// C-159: alg differs from client setting or from metadata list
// C-162: header `crit` with unknown name
// C-164: unsigned token (empty third part) with alg RS256
// C-169: iat, exp or nbf is a string or null
// C-170: exp is a float (1.7e9, fractional)
// C-171: nbf in the future beyond skew
// C-172: iat in the future beyond skew
// C-181: token with typ at+jwt or logout+jwt presented as ID token
// C-183: at_hash of another access token in the code flow
// C-187: duplicate JSON members (two aud, two iss)
/// A refusal means no session, no UserInfo request, and a page that says so.
#[tokio::test]
async fn every_wrong_id_token_is_refused() {
    let app =
        App::builder().config(|config| config.with_user_info(UserInfo::AtSignIn)).start().await;
    let mut disagreements = Disagreements::default();
    for spoil in Spoil::ALL {
        let before = app.provider.requests(Endpoint::UserInfo);
        let outcome = outcome(&app, |provider| provider.spoil_next_id_token(*spoil)).await;
        // UserInfo knows the person.
        let refuse = if spoil.verdict() == Verdict::RefuseForKnownPerson {
            Some(true)
        } else {
            always(spoil.verdict())
        };
        disagreements.judge(spoil, refuse, &outcome);
        if spoil.verdict() == Verdict::Refuse && app.provider.requests(Endpoint::UserInfo) != before
        {
            disagreements.0.push(format!("{spoil:?} led to UserInfo"));
        }
    }
    disagreements.none();
}

/// Cases that the specifications leave open: a response that no honest provider sends is refused.
#[tokio::test]
async fn what_is_left_open_about_id_tokens_is_refused_here() {
    use Spoil as S;
    let app = App::start().await;
    let mut disagreements = Disagreements::default();
    for spoil in [
        S::AuthorizedPartyOther,
        S::SubjectEmpty,
        S::SubjectTooLong,
        S::SubjectTwice,
        S::IssuedAtFuture,
        S::AccessTokenHashOther,
        S::TypeLogoutToken,
        S::TypeAccessToken,
        S::Oversized,
    ] {
        assert_eq!(spoil.verdict(), Verdict::Either, "{spoil:?}");
        let outcome = outcome(&app, |provider| provider.spoil_next_id_token(spoil)).await;
        disagreements.judge(&spoil, Some(true), &outcome);
    }
    disagreements.none();
}

// C-176: max_age sent, auth_time missing
// C-177: max_age sent, auth_time too old
// MSAL-033: `max_age` requested; ID token has no `auth_time`, or it is older than max_age + 120 s
#[tokio::test]
async fn wrong_times_of_signing_in_are_refused_if_max_age_was_asked() {
    let options = SignInOptions::new().with_max_age(std::time::Duration::from_secs(600));
    let app = App::builder().config(|config| config.with_sign_in(options)).start().await;
    let mut disagreements = Disagreements::default();
    for spoil in Spoil::ALL.iter().filter(|spoil| format!("{spoil:?}").starts_with("AuthTime")) {
        let outcome = outcome(&app, |provider| provider.spoil_next_id_token(*spoil)).await;
        disagreements.judge(spoil, Some(spoil.verdict() != Verdict::Accept), &outcome);
    }
    disagreements.none();
}

// C-179: acr required, other or missing acr returned
#[tokio::test]
async fn a_wrong_acr_is_refused_if_one_is_required() {
    let options = SignInOptions::new().with_acr_values(["strong"]);
    let app = App::builder()
        .config(|config| config.with_required_acr(["strong"]).with_sign_in(options))
        .start()
        .await;
    let mut disagreements = Disagreements::default();
    disagreements.judge(&"honest", Some(false), &outcome(&app, |_| ()).await);
    for spoil in [Spoil::AcrOther, Spoil::AcrMissing] {
        disagreements.judge(
            &spoil,
            Some(true),
            &outcome(&app, |provider| provider.spoil_next_id_token(spoil)).await,
        );
    }
    disagreements.none();
}

// C-057: refresh answer's ID token has another sub
/// A valid ID token of another person ends the session. An invalid one does not change it.
#[tokio::test]
async fn a_renewal_with_a_wrong_id_token_never_changes_the_person() {
    for spoil in Spoil::ALL.iter().filter(|spoil| format!("{spoil:?}").starts_with("Subject")) {
        let app = App::start().await;
        let mut tab = app.signed_in().await;
        let before = tab.open(app.at("/me")).await.json();
        app.provider.spoil_next_id_token(*spoil);
        // A new sign-in shows the account picker.
        app.provider.sign_everybody_out();
        app.provider.show_pages();
        app.turn(3600 + 300);
        let after = tab.open(app.at("/me")).await;
        assert_eq!(app.provider.requests(Endpoint::Token), 2, "{spoil:?}");
        if spoil.verdict() == Verdict::RefuseForKnownPerson {
            assert!(after.body.contains("Choose an account"), "{spoil:?}: {}", after.body);
        } else if after.status == StatusCode::OK && after.body.starts_with('{') {
            assert_eq!(
                (&after.json()["sub"], &after.json()["name"]),
                (&before["sub"], &before["name"]),
                "{spoil:?}"
            );
        }
    }
}

// C-002: OP answers the named implicit or hybrid type
// C-073: state + "1" in the callback
// C-074: no state in the callback
// C-106: state, code, iss, error or another parameter given twice
// C-107: `response` parameter when JARM was not asked
// C-110: iss in an error response wrong or missing (advertised)
// C-111: iss compared
// C-116: neither code nor error
// C-134: error_description contains HTML
#[tokio::test]
async fn every_wrong_authorization_response_is_refused() {
    let app = App::start().await;
    let mut disagreements = Disagreements::default();
    for spoil in SpoilCallback::ALL {
        let before = app.provider.requests(Endpoint::Token);
        // Where the application starts again by itself, the second answer is as wrong as the first.
        let outcome = outcome(&app, |provider| {
            for _ in 0..4 {
                provider.spoil_next_callback(*spoil);
            }
        })
        .await;
        disagreements.judge(spoil, always(spoil.verdict()), &outcome);
        let redeemed = app.provider.requests(Endpoint::Token) - before;
        if spoil.verdict() == Verdict::Refuse && *spoil != SpoilCallback::CodeOther && redeemed > 0
        {
            disagreements
                .0
                .push(format!("{spoil:?} was refused only after {redeemed} token requests"));
        }
        if let Err(body) = &outcome {
            assert!(!body.contains("<script>alert"), "{spoil:?}: {body}");
        }
        app.provider.forget_orders();
    }
    disagreements.none();
}

// C-086: no expires_in
// C-140: status 201/204/302 instead of 200
// C-143: access_token missing or not a string
// C-145: expires_in is a string, negative or a bool
// C-147: scope is the empty string
// C-156: unknown members
#[tokio::test]
async fn every_wrong_token_answer_is_refused() {
    let app = App::start().await;
    let mut disagreements = Disagreements::default();
    for spoil in SpoilTokenAnswer::ALL {
        let outcome = outcome(&app, |provider| provider.spoil_next_token_answer(*spoil)).await;
        let refuse = if *spoil == SpoilTokenAnswer::IdTokenMissing {
            Some(true)
        } else {
            always(spoil.verdict())
        };
        disagreements.judge(spoil, refuse, &outcome);
    }
    disagreements.none();
}

// C-034: userinfo sub = ID token sub + "invalid"
// C-210: sub differs only in letter case
// C-211: body null, [], text, invalid JSON
// C-212: userinfo is a JSON array
#[tokio::test]
async fn every_wrong_user_info_is_refused() {
    let app =
        App::builder().config(|config| config.with_user_info(UserInfo::AtSignIn)).start().await;
    let mut disagreements = Disagreements::default();
    for spoil in SpoilUserInfo::ALL {
        let outcome = outcome(&app, |provider| provider.spoil_next_user_info(*spoil)).await;
        disagreements.judge(spoil, always(spoil.verdict()), &outcome);
    }
    disagreements.none();
}

#[tokio::test]
async fn every_wrong_discovery_document_is_refused_and_read_again() {
    let mut disagreements = Disagreements::default();
    for spoil in SpoilDiscovery::ALL {
        let app = App::start().await;
        let outcome = outcome(&app, |provider| {
            for _ in 0..4 {
                provider.spoil_next_discovery(*spoil);
            }
        })
        .await;
        disagreements.judge(spoil, always(spoil.verdict()), &outcome);
        // The algorithms in the discovery document are checked only when there is a token.
        let late = *spoil == SpoilDiscovery::AlgorithmNone;
        if spoil.verdict() == Verdict::Refuse
            && !late
            && app.provider.requests(Endpoint::Authorization) > 0
        {
            disagreements.0.push(format!("{spoil:?} was followed"));
        }
    }
    disagreements.none();
}

// C-192: JWKS has unknown kty, oct, or malformed entries beside good ones
// C-194: matching kid but use=enc
// C-198: key's alg member differs from token alg
#[tokio::test]
async fn every_wrong_key_set_is_refused() {
    let mut disagreements = Disagreements::default();
    for spoil in SpoilKeys::ALL {
        let app = App::start().await;
        let outcome = outcome(&app, |provider| {
            for _ in 0..4 {
                provider.spoil_next_keys(*spoil);
            }
        })
        .await;
        disagreements.judge(spoil, always(spoil.verdict()), &outcome);
    }
    disagreements.none();
}

// C-012: ES256 token, client registered for ES256
/// Every algorithm with a public key that the provider lists works without a setting.
#[tokio::test]
async fn every_algorithm_that_the_provider_lists_signs_in_by_default() {
    for algorithm in Algorithm::ALL {
        let app =
            App::builder().provider(|provider| provider.with_algorithm(*algorithm)).start().await;
        assert_eq!(outcome(&app, |_| ()).await, Ok(()), "{algorithm}");
        app.turn(3600 + 300);
        assert_eq!(outcome(&app, |_| ()).await, Ok(()), "{algorithm}");
    }
}

// C-012: ES256 token, client registered for ES256
// C-082: RS256 token when PS256/ES256 was registered
/// Other algorithms work only if they are configured.
#[tokio::test]
async fn only_configured_algorithms_are_accepted() {
    let mut disagreements = Disagreements::default();
    for algorithm in Algorithm::ALL {
        for configured in [true, false] {
            let allowed =
                Algorithm::ALL.iter().copied().filter(|other| (other == algorithm) == configured);
            let app = App::builder()
                .provider(|provider| provider.with_algorithm(*algorithm))
                .config(|config| config.with_id_token_algorithms(allowed))
                .start()
                .await;
            let outcome = outcome(&app, |_| ()).await;
            disagreements.judge(&(algorithm, configured), Some(!configured), &outcome);
        }
    }
    disagreements.none();
}

// C-052: keys rotated between two logins
// C-053: keys rotated after the RP cached them, before the token is signed
#[tokio::test]
async fn new_keys_are_fetched_once_when_they_are_met() {
    let app = App::start().await;
    assert_eq!(outcome(&app, |_| ()).await, Ok(()));
    app.turn(120);
    assert_eq!(
        outcome(&app, |provider| provider.rotate_keys(OldKeys::Dropped).unwrap()).await,
        Ok(())
    );
    assert_eq!(app.provider.requests(Endpoint::Keys), 2);
    assert_eq!(outcome(&app, |_| ()).await, Ok(()));
    assert_eq!(app.provider.requests(Endpoint::Keys), 2);
}
