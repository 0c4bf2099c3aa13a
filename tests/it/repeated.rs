//! A sign-in that the provider refuses and that is repeated asks for everything again that the
//! first request asked for, apart from what was refused.

use std::time::Duration;

use axum::{extract::Request, http::StatusCode, routing::get};
use tower_identity::{Challenge, Prompt, SignInOptions, dev::Endpoint};
use url::Url;

use crate::{
    app::App,
    raw::{NAVIGATION, Raw},
};

/// The refusals that lead to a second request, with the parameter that it leaves out.
const REFUSALS: [(&str, &str, &str); 3] = [
    ("temporarily_unavailable", "authentication_expired", ""),
    ("invalid_request", "unknown parameter ui_locales", "ui_locales"),
    ("invalid_scope", "", ""),
];

/// Every option of one sign-in.
fn all_options() -> SignInOptions {
    SignInOptions::new()
        .with_scopes(["notes.read"])
        .with_prompt(Prompt::Login)
        .with_login_hint("ada@example.com")
        .with_domain_hint("example.com")
        .with_max_age(Duration::from_secs(60))
        .with_acr_values(["c2", "c1"])
        .with_claims(r#"{"id_token":{"acrs":{"essential":true,"value":"c1"}}}"#)
        .with_ui_locales(["de"])
        .add_parameter("tenant_hint", "a b&c")
        .add_parameter("level", "")
}

/// An application with a page that asks for a sign-in with these options.
async fn asking(options: SignInOptions) -> App {
    let handler =
        move |request: Request| async move { Challenge::sign_in(&request).with_options(options) };
    let app =
        App::builder().router(|router| router.route("/public/asks", get(handler))).start().await;
    app.provider.sign_in_as("ada").unwrap();
    app
}

/// The parameters of an authorization request that do not differ each time. The scopes can be fewer
/// the second time, but not those that a setting or the page names.
fn parameters(url: &str) -> Vec<(String, String)> {
    let url = Url::parse(url).unwrap();
    let each_time = ["state", "nonce", "code_challenge"];
    let of_defaults = ["profile", "email"];
    let mut all: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| !each_time.contains(&name.as_ref()))
        .map(|(name, value)| match &*name {
            "scope" => {
                let mut words: Vec<&str> =
                    value.split(' ').filter(|scope| !of_defaults.contains(scope)).collect();
                words.sort_unstable();
                (name.to_string(), words.join(" "))
            }
            _ => (name.to_string(), value.to_string()),
        })
        .collect();
    all.sort();
    all
}

#[tokio::test]
async fn a_repeated_sign_in_asks_for_everything_that_the_page_asked_for() {
    for (error, description, left_out) in REFUSALS {
        let app = asking(all_options()).await;
        let raw = Raw::of(&app);
        app.provider.refuse_next_sign_in(error, description);
        let first = raw.begin("/public/asks", "").await;
        let callback = raw.answer(&first).await;
        let second = raw.open(&callback, &first.attempt).await;
        let mut expected = parameters(&first.provider);
        assert!(expected.len() > 12, "{expected:?}");
        expected.retain(|(name, _)| name != left_out);
        assert_eq!(parameters(second.location()), expected, "{error}");
        assert_eq!(app.provider.requests(Endpoint::Authorization), 1);
    }
}

/// `prompt=select_account`: single sign-on would sign in the account that was just turned away.
#[tokio::test]
async fn a_repeated_sign_in_with_another_account_lets_the_user_choose_again() {
    for (error, description, _) in REFUSALS {
        let app = App::start().await;
        let raw = Raw::of(&app);
        app.provider.sign_in_as("ada").unwrap();
        app.provider.refuse_next_sign_in(error, description);
        let headers = [NAVIGATION, &[("accept-language", "en")]].concat();
        let path = "/auth/login?return_to=%2Fme&account=other";
        let first = raw.send(axum::http::Method::GET, path, "", &headers, "").await;
        let begun = first.begun();
        let callback = raw.answer(&begun).await;
        let second = raw.open(&callback, &begun.attempt).await;
        let asks = |url: &str| url.contains("prompt=select_account");
        assert!(asks(&begun.provider) && asks(second.location()), "{error}: {}", second.location());
    }
}

/// A sign-in without pages that needs one is repeated with pages, and nothing else is left out.
#[tokio::test]
async fn a_silent_sign_in_that_needs_a_page_asks_for_the_rest_again() {
    let app = asking(all_options().with_prompt(Prompt::None)).await;
    let raw = Raw::of(&app);
    app.provider.refuse_next_sign_in("interaction_required", "");
    let first = raw.begin("/public/asks", "").await;
    let callback = raw.answer(&first).await;
    let second = raw.open(&callback, &first.attempt).await;
    let mut expected = parameters(&first.provider);
    expected.retain(|(name, _)| name != "prompt");
    assert_eq!(parameters(second.location()), expected);
    // It is not silent any more, also after a page for a new password or the like.
    app.provider.refuse_next_sign_in("temporarily_unavailable", "authentication_expired");
    let begun = second.begun();
    let callback = raw.answer(&begun).await;
    let third = raw.open(&callback, &begun.attempt).await;
    assert_eq!(parameters(third.location()), expected);
}

/// A page that demands claims got 403 after the repetition, because the second request, which was
/// without them, counted as the step-up.
#[tokio::test]
async fn a_page_gets_the_claims_that_it_demands_also_from_a_repeated_sign_in() {
    let claims = r#"{"id_token":{"acr":{"value":"strong"}}}"#;
    let app = asking(SignInOptions::new().with_claims(claims)).await;
    app.provider.refuse_next_sign_in("temporarily_unavailable", "authentication_expired");
    let mut tab = app.browser().tab();
    let page = tab.open(app.at("/public/asks")).await;
    // The page of this test never has enough.
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.body);
    let asked = app.provider.last_request(Endpoint::Authorization).unwrap();
    assert_eq!(asked.parameter("claims"), Some(claims));
    assert_eq!(app.provider.requests(Endpoint::Authorization), 2);
}

/// A sign-in without pages may have to be repeated with pages, and what does not fit into the
/// cookie would be left out then: the page would get less than it demands, and 403 in place of
/// another try.
#[tokio::test]
async fn a_silent_sign_in_whose_options_do_not_fit_into_its_cookie_has_pages_at_once() {
    let claims = r#"{"id_token":{"acr":{"value":"strong"}}}"#;
    let options = SignInOptions::new().with_prompt(Prompt::None).with_claims(claims);
    let app = asking(options.add_parameter("long", "x".repeat(3_000))).await;
    let sent = parameters(&Raw::of(&app).begin("/public/asks", "").await.provider);
    assert!(sent.contains(&("claims".into(), claims.into())), "{sent:?}");
    assert!(sent.iter().any(|(name, _)| name == "long"), "{sent:?}");
    assert!(!sent.iter().any(|(name, _)| name == "prompt"), "{sent:?}");
}

/// Nothing is left out silently: the cookie of a sign-in has a limit.
#[tokio::test]
async fn a_sign_in_whose_options_do_not_fit_into_its_cookie_is_not_repeated() {
    let app = asking(SignInOptions::new().add_parameter("long", "x".repeat(3_000))).await;
    app.provider.sign_in_as("ada").unwrap();
    app.provider.refuse_next_sign_in("temporarily_unavailable", "authentication_expired");
    let other = app.browser();
    let mut tab = other.tab();
    let page = tab.open(app.at("/public/asks")).await;
    assert_ne!(page.status, StatusCode::OK, "{}", page.body);
    assert_eq!(app.provider.requests(Endpoint::Authorization), 1, "{}", page.body);
}

/// `prompt=none` of a page stands in the place of the configured prompts for the silent request
/// alone: where every sign-in has to ask for the password, the one with pages does.
#[tokio::test]
async fn a_silent_sign_in_that_needs_a_page_has_the_prompts_of_the_configuration() {
    let handler = |request: Request| async move {
        let options = SignInOptions::new().with_prompt(Prompt::None);
        Challenge::sign_in(&request).with_options(options)
    };
    let app = App::builder()
        .config(|config| config.with_sign_in(SignInOptions::new().with_prompt(Prompt::Login)))
        .router(|router| router.route("/public/asks", get(handler)))
        .start()
        .await;
    let raw = Raw::of(&app);
    app.provider.sign_in_as("ada").unwrap();
    let asked = |url: &str| -> Vec<String> {
        let all = parameters(url).into_iter();
        all.filter(|(name, _)| name == "prompt").map(|(_, value)| value).collect()
    };
    let mut begun = raw.begin("/public/asks", "").await;
    assert_eq!(asked(&begun.provider), ["none"]);
    for (error, description) in
        [("interaction_required", ""), ("temporarily_unavailable", "authentication_expired")]
    {
        app.provider.refuse_next_sign_in(error, description);
        let callback = raw.answer(&begun).await;
        let next = raw.open(&callback, &begun.attempt).await;
        begun = next.begun();
        assert_eq!(asked(&begun.provider), ["login"], "after {error}");
    }
}

/// A step-up that goes on after a refusal is still that of the person who began it: another one who
/// signs in instead is not sent to its page.
#[tokio::test]
async fn a_repeated_step_up_stays_that_of_its_person() {
    for is_refused in [false, true] {
        let app = asking(SignInOptions::new().with_max_age(Duration::ZERO)).await;
        let raw = Raw::of(&app);
        let ada = raw.sign_in().await;
        let begun = raw.begin("/public/asks", &ada).await;
        app.provider.sign_in_as("grace").unwrap();
        let other_tab = raw.begin("/auth/login", &ada).await;
        let callback = raw.answer(&other_tab).await;
        let grace = raw.open(&callback, &format!("{}; {ada}", other_tab.attempt)).await;
        let grace = grace.session().unwrap();
        if is_refused {
            app.provider.refuse_next_sign_in("temporarily_unavailable", "authentication_expired");
        }
        let callback = raw.answer(&begun).await;
        let mut answer = raw.open(&callback, &format!("{}; {grace}", begun.attempt)).await;
        if is_refused {
            let again = answer.begun();
            let callback = raw.answer(&again).await;
            answer = raw.open(&callback, &format!("{}; {grace}", again.attempt)).await;
        }
        assert_eq!(answer.location(), "/", "refused: {is_refused}");
        assert_eq!(raw.who(&answer.session().unwrap()).await, "hello Grace Hopper");
        assert_eq!(raw.who(&grace).await, "nobody", "a new session at each sign-in");
    }
}
