//! Every way in which a provider's answer can be wrong, through the public door: what has to be
//! refused signs nobody in, what is merely odd does.

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

/// Signs Ada in after `order` was given, and says what came of it.
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

/// Collects what does not agree with the verdicts, so that one run shows all of it.
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

/// C-011, C-014, C-019, C-021, C-023, C-025, C-079, C-080, C-081, C-083, C-089, C-149, C-159,
/// C-162, C-164, C-169, C-170, C-171, C-172, C-181, C-183, C-187: refused means no session, no
/// UserInfo request, and a page that says so.
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

/// Where the specifications leave it open, nobody is signed in by what no honest provider sends.
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

/// C-176, C-177, MSAL-033
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

/// C-179
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

/// C-057: another person's token ends the session; one that proves nothing changes nothing.
#[tokio::test]
async fn a_renewal_with_a_wrong_id_token_never_changes_the_person() {
    for spoil in Spoil::ALL.iter().filter(|spoil| format!("{spoil:?}").starts_with("Subject")) {
        let app = App::start().await;
        let mut tab = app.signed_in().await;
        let before = tab.open(app.at("/me")).await.json();
        app.provider.spoil_next_id_token(*spoil);
        // Whoever has to sign in again sees the account picker.
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

/// C-002, C-073, C-074, C-106, C-107, C-110, C-111, C-116, C-134
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

/// C-086, C-140, C-143, C-145, C-147, C-156
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

/// C-034, C-210, C-211, C-212
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
        // What the document says about algorithms counts only once there is a token.
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

/// C-192, C-194, C-198
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

/// C-012: whatever the provider lists and can be verified with a public key, without a setting.
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

/// C-012, C-082: an algorithm works if it is configured, and only then.
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

/// C-052, C-053
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
