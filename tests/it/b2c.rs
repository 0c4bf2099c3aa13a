//! Azure AD B2C: one policy to sign in, others to edit the profile and to reset the password,
//! against the imitation in the development provider.

use axum::{
    Json,
    extract::Request,
    http::{Method, StatusCode},
    response::IntoResponse as _,
    routing::get,
};
use serde_json::{Value, json};
use tower_identity::{
    Challenge, IdentityConfig, Prompt, SignInOptions, User,
    config::{ProviderSession, ResponseMode},
    dev::{DevPerson, DevTenant, Endpoint},
};

use crate::{
    app::App,
    browser::{Tab, html},
    entra_app,
    user::told,
};

async fn paths(user: User) -> Json<Value> {
    Json(json!([user.edit_profile_path(), user.reset_password_path()]))
}

async fn app() -> App {
    app_with(|config| config).await
}

async fn app_with(settings: impl FnOnce(IdentityConfig) -> IdentityConfig) -> App {
    entra_app::builder(DevTenant::PROSEWARE.domain())
        .config(settings)
        .router(|router| {
            router
                .route("/told", get(told))
                .route("/paths", get(paths))
                .route("/profile", get(told))
        })
        .start()
        .await
}

/// A tab in which Rosalind is signed in and `/told` is open.
async fn signed_in(app: &App) -> Tab {
    app.provider.sign_in_as("rosalind").unwrap();
    let mut tab = app.browser().tab();
    let page = tab.open(app.at("/told")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    app.provider.show_pages();
    tab
}

/// Presses a button on the provider's page, in any of its forms.
async fn press(tab: &mut Tab, text: &str) {
    let forms = html::forms(&tab.page().body);
    let form = forms
        .into_iter()
        .find(|form| form.buttons.iter().any(|(_, value, own)| own == text || value == text));
    let form = form
        .unwrap_or_else(|| panic!("no button {text:?} in {}: {}", tab.page().url, tab.page().body));
    tab.submit(form.press(text)).await;
}

/// Writes another name into the page for editing the profile.
async fn edit(tab: &mut Tab, name: &str) {
    let form = tab.page().form().with("name", name);
    tab.submit(form).await;
}

/// The policies of the authorization requests, in order.
fn policies(tab: &Tab) -> Vec<String> {
    let is_start = |hop: &&crate::browser::Hop| hop.url.path().ends_with("/authorize");
    tab.hops
        .iter()
        .filter(is_start)
        .map(|hop| hop.url.path().split('/').nth(2).unwrap().to_ascii_lowercase())
        .collect()
}

fn session(tab: &Tab) -> String {
    let sent = tab.hops.last().unwrap().cookies.clone().unwrap();
    sent.split("; ").find(|pair| crate::raw::is_session(pair)).unwrap().to_owned()
}

/// The policy of the last token request.
fn token_policy(app: &App) -> String {
    let asked = app.provider.last_request(Endpoint::Token).unwrap();
    asked.path_and_query().split('/').nth(2).unwrap().to_ascii_lowercase()
}

// MSAL-024: B2C authority with `/tfp/` segment; token acquisition authority is built
// MSAL-042: Response with id_token and client_info; it is stored
/// A person is identified by tenant and object id. The home account id contains the policy, as in
/// MSAL.
#[tokio::test]
async fn a_person_of_b2c_is_known_by_tenant_and_object_id() {
    let app = app().await;
    let mut tab = signed_in(&app).await;
    let told = tab.page().json();
    let id = app.provider.object_id("rosalind", DevTenant::PROSEWARE).unwrap();
    assert_eq!(told["key"], format!("{} {id}", DevTenant::PROSEWARE.id()));
    assert_eq!(told["tenant_id"], DevTenant::PROSEWARE.id());
    assert_eq!(told["home_account_id"], format!("{id}-b2c_1_susi.{}", DevTenant::PROSEWARE.id()));
    assert_eq!(told["is_guest"], false);
    assert_eq!(
        app.provider.last_request(Endpoint::Token).unwrap().parameter("client_info"),
        Some("1")
    );
    assert_eq!(
        tab.open(app.at("/paths")).await.json(),
        json!(["/auth/edit-profile", "/auth/reset-password"])
    );
}

/// The tenant is in the key of the person: a `tid` that is not a text does not count as absent.
#[tokio::test]
async fn a_tenant_id_that_is_no_text_signs_nobody_in() {
    let app = app().await;
    app.provider.sign_in_as("rosalind").unwrap();
    app.provider.change_next_id_token(|claims| drop(claims.insert("tid".into(), json!(7))));
    let page = app.browser().tab().open(app.at("/me")).await.clone();
    assert!(page.body.contains("token_malformed"), "{}", page.body);
}

// C-400: error access_denied with AADB2C90118
// MSAL-102: `access_denied` with AADB2C90118; page handler raises it
/// The browser goes to the password policy, back to the sign-in policy, and then to the page.
#[tokio::test]
async fn a_forgotten_password_is_reset_and_the_sign_in_goes_on() {
    for mode in [ResponseMode::Query, ResponseMode::FormPost] {
        let app = app_with(|config| config.with_response_mode(mode)).await;
        let mut tab = app.browser().tab();
        tab.open(app.at("/told?q=1")).await;
        press(&mut tab, "forgot").await;
        assert!(tab.page().body.contains("Reset your password"), "{}", tab.page().body);
        assert_eq!(policies(&tab), ["b2c_1_reset"]);
        press(&mut tab, "rosalind").await;
        assert_eq!(policies(&tab).last().map(String::as_str), Some("b2c_1_susi"));
        if tab.page().url.path() != "/told" {
            press(&mut tab, "rosalind").await;
        }
        assert_eq!(
            (tab.page().status, tab.page().url.query()),
            (StatusCode::OK, Some("q=1")),
            "{}",
            tab.page().body
        );
        assert_eq!(token_policy(&app), "b2c_1_susi", "the grant is the sign-in's");
    }
}

/// The options of a page that do not fit into the cookie are lost on the way through the policy
/// for the password: the page asks again with all of them. It got 403 instead, because the sign-in
/// that was without them counted as the one that it had asked for.
#[tokio::test]
async fn a_forgotten_password_loses_no_option_of_the_page_that_asked() {
    for long in [10, 3_000] {
        let asked =
            SignInOptions::new().with_prompt(Prompt::Login).add_parameter("long", "x".repeat(long));
        let handler = move |user: Option<User>, request: Request| async move {
            match user {
                Some(_) => "for people who are signed in".into_response(),
                None => Challenge::sign_in(&request).with_options(asked).into_response(),
            }
        };
        let app = entra_app::builder(DevTenant::PROSEWARE.domain())
            .router(|router| router.route("/public/asks", get(handler)))
            .start()
            .await;
        let mut tab = app.browser().tab();
        tab.open(app.at("/public/asks")).await;
        press(&mut tab, "forgot").await;
        press(&mut tab, "rosalind").await;
        assert_eq!(policies(&tab).last().map(String::as_str), Some("b2c_1_susi"));
        let last = app.provider.last_request(Endpoint::Authorization).unwrap();
        assert_eq!(
            (last.parameter("prompt"), last.parameter("long").map(str::len)),
            (Some("login"), Some(long))
        );
        press(&mut tab, "rosalind").await;
        assert_eq!(tab.page().status, StatusCode::OK, "{}", tab.page().body);
        assert_eq!(tab.page().body, "for people who are signed in");
    }
}

/// A provider that asks for a password reset every time causes no redirect loop.
#[tokio::test]
async fn a_password_that_is_always_forgotten_ends_on_a_page() {
    let app = app().await;
    app.provider.sign_in_as("rosalind").unwrap();
    for _ in 0..9 {
        app.provider.change_next_callback(|parameters| {
            parameters.retain(|(name, _)| name != "code");
            parameters.push(("error".into(), "access_denied".into()));
            parameters.push((
                "error_description".into(),
                "AADB2C90118: The user has forgotten their password.".into(),
            ));
        });
        app.provider.change_next_callback(|_| ());
    }
    let mut tab = app.browser().tab();
    let page = tab.open(app.at("/told")).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.body);
    assert!(page.body.contains("access_denied"), "{}", page.body);
    let resets = policies(&tab).iter().filter(|policy| *policy == "b2c_1_reset").count();
    assert_eq!(resets, 3);
}

// C-401: AADB2C90091 (cancelled)
#[tokio::test]
async fn cancelling_goes_home_without_an_error() {
    let app = app().await;
    let mut tab = app.browser().tab();
    tab.open(app.at("/told")).await;
    press(&mut tab, "decline").await;
    assert_eq!((tab.page().url.path(), tab.page().body.as_str()), ("/", "nobody"));
    // From the page for a new password, too.
    tab.open(app.at("/told")).await;
    press(&mut tab, "forgot").await;
    press(&mut tab, "decline").await;
    assert_eq!((tab.page().url.path(), tab.page().body.as_str()), ("/", "nobody"));
}

/// After a cancelled sign-in the browser is not sent to a protected home page, which would start
/// the next sign-in at once: a redirect loop.
#[tokio::test]
async fn cancelling_where_home_is_protected_goes_to_the_page_that_is_not() {
    let first = |provider: &tower_identity::dev::DevProvider, url: &str| {
        provider.entra_config(DevTenant::PROSEWARE.domain(), url).unwrap()
    };
    let app = App::builder()
        .authority(first)
        .provider(tower_identity::dev::DevProviderBuilder::entra)
        .start()
        .await;
    let mut tab = app.browser().tab();
    tab.open(app.at("/me")).await;
    press(&mut tab, "decline").await;
    assert_eq!((tab.page().status, tab.page().url.path()), (StatusCode::OK, "/auth/signed-out"));
}

#[tokio::test]
async fn cancelling_goes_to_the_applications_page_after_sign_out() {
    let app = app_with(|config| config.with_page_after_sign_out("/public/page")).await;
    let mut tab = app.browser().tab();
    tab.open(app.at("/told")).await;
    press(&mut tab, "decline").await;
    assert_eq!((tab.page().url.path(), tab.page().body.as_str()), ("/public/page", "nobody"));
}

#[tokio::test]
async fn an_edited_profile_is_seen_at_once_and_by_the_same_person() {
    for mode in [ResponseMode::Query, ResponseMode::FormPost] {
        let app = app_with(|config| config.with_response_mode(mode)).await;
        let mut tab = signed_in(&app).await;
        let before = tab.page().json();
        tab.open(app.at("/auth/edit-profile?return_to=%2Fprofile%3Fq%3D1")).await;
        assert!(tab.page().body.contains("Edit your profile"), "{}", tab.page().body);
        edit(&mut tab, "Rosalind Elsie Franklin").await;
        assert_eq!(
            (tab.page().url.path(), tab.page().url.query()),
            ("/profile", Some("q=1")),
            "{}",
            tab.page().body
        );
        let after = tab.page().json();
        assert_eq!(
            (&after["key"], &after["home_account_id"]),
            (&before["key"], &before["home_account_id"])
        );
        assert_eq!(tab.open(app.at("/me")).await.json()["name"], "Rosalind Elsie Franklin");
        assert_eq!(token_policy(&app), "b2c_1_susi");
    }
}

/// Editing the profile does not sign anybody in.
#[tokio::test]
async fn a_sign_out_while_the_profile_is_open_is_final() {
    let app = app_with(|config| config.with_provider_session(ProviderSession::Keep)).await;
    let mut tab = signed_in(&app).await;
    let mut other = tab.again();
    // Return to a public page: a protected one would start a sign-in.
    tab.open(app.at("/auth/edit-profile?return_to=/")).await;
    other.open(app.at("/auth/logout")).await;
    let form = other.page().form();
    other.submit(form).await;
    edit(&mut tab, "Rosalind Elsie Franklin").await;
    let answer = other.fetch(Method::GET, &app.at("/told")).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.body);
}

/// If the claims cannot be read again without a page, the session keeps its present claims.
#[tokio::test]
async fn a_profile_that_cannot_be_read_again_changes_nothing() {
    let app = app().await;
    let mut tab = signed_in(&app).await;
    let before = session(&tab);
    tab.open(app.at("/auth/edit-profile?return_to=/told")).await;
    app.provider.change_next_callback(|_| ());
    app.provider.change_next_callback(|parameters| {
        parameters.retain(|(name, _)| name != "code");
        parameters.push(("error".into(), "interaction_required".into()));
        parameters.push((
            "error_description".into(),
            "AADB2C90077: User does not have an existing session.".into(),
        ));
    });
    edit(&mut tab, "R. E. Franklin").await;
    assert_eq!(
        (tab.page().status, tab.page().url.path()),
        (StatusCode::OK, "/told"),
        "{}",
        tab.page().body
    );
    assert_eq!(session(&tab), before);
    assert_eq!(tab.open(app.at("/me")).await.json()["name"], "Rosalind Franklin");
}

/// D18: if another person completes the profile or password policy, the session does not change.
#[tokio::test]
async fn a_policy_that_another_person_completes_changes_nothing() {
    let app = app().await;
    app.provider
        .add_person(DevPerson::new("lise", "Lise Meitner").with_tenant(DevTenant::PROSEWARE));
    let mut tab = signed_in(&app).await;
    let before = session(&tab);
    for path in ["/auth/edit-profile", "/auth/reset-password"] {
        app.provider.sign_in_as("lise").unwrap();
        let page = tab.open(app.at(path)).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.body);
        assert!(page.body.contains("person_changed"), "{}", page.body);
        // A policy has no choice of accounts, so the link would change nothing.
        assert!(page.body.contains("Try again"), "{}", page.body);
        assert!(!page.body.contains("Use another account"), "{}", page.body);
        tab.open(app.at("/me")).await;
        assert_eq!(
            (session(&tab), &tab.page().json()["name"]),
            (before.clone(), &json!("Rosalind Franklin"))
        );
    }
}

/// A token of another policy than the requested one is refused, at the sign-in policy and the
/// others.
#[tokio::test]
async fn a_token_of_another_policy_is_refused() {
    let app = app().await;
    app.provider.sign_in_as("rosalind").unwrap();
    app.provider
        .change_next_id_token(|claims| drop(claims.insert("tfp".into(), "B2C_1_reset".into())));
    let page = app.browser().tab().open(app.at("/told")).await.clone();
    assert!(!page.status.is_success() && page.body.contains("token_mismatch"), "{}", page.body);
    let mut tab = signed_in(&app).await;
    app.provider.sign_in_as("rosalind").unwrap();
    app.provider
        .change_next_id_token(|claims| drop(claims.insert("tfp".into(), "B2C_1_susi".into())));
    let page = tab.open(app.at("/auth/reset-password")).await;
    assert!(!page.status.is_success() && page.body.contains("token_mismatch"), "{}", page.body);
    assert_eq!(tab.open(app.at("/told")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_signed_in_user_resets_a_password_and_stays_signed_in() {
    let app = app().await;
    let mut tab = signed_in(&app).await;
    let before = session(&tab);
    tab.open(app.at("/auth/reset-password?return_to=/profile")).await;
    if tab.page().url.path() != "/profile" {
        press(&mut tab, "rosalind").await;
    }
    assert_eq!(
        (tab.page().status, tab.page().url.path()),
        (StatusCode::OK, "/profile"),
        "{}",
        tab.page().body
    );
    assert_eq!(session(&tab), before);
}

#[tokio::test]
async fn cancelling_a_policy_leads_back_to_the_page_of_the_link() {
    let app = app().await;
    let mut tab = signed_in(&app).await;
    tab.open(app.at("/auth/edit-profile?return_to=/profile")).await;
    press(&mut tab, "decline").await;
    assert_eq!((tab.page().status, tab.page().url.path()), (StatusCode::OK, "/profile"));
}

/// The profile page needs a session, frames and scripts cannot start it, and it returns to a page
/// of this application.
#[tokio::test]
async fn policies_are_started_by_signed_in_users_only() {
    let app = app().await;
    let mut tab = app.browser().tab();
    tab.open(app.at("/auth/edit-profile?return_to=/told")).await;
    assert_eq!(policies(&tab), ["b2c_1_susi"]);
    press(&mut tab, "rosalind").await;
    assert_eq!(tab.page().url.path(), "/told");
    let asked = app.provider.requests(Endpoint::Authorization);
    for path in ["/auth/edit-profile", "/auth/reset-password"] {
        assert_eq!(tab.fetch(Method::GET, path).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(tab.frame(path).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(tab.fetch(Method::POST, path).await.status, StatusCode::METHOD_NOT_ALLOWED);
    }
    assert_eq!(app.provider.requests(Endpoint::Authorization), asked);
    app.provider.sign_in_as("rosalind").unwrap();
    for elsewhere in ["https://evil.example/", "//evil.example", "/auth/edit-profile"] {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("return_to", elsewhere)
            .finish();
        tab.open(app.at(&format!("/auth/reset-password?{query}"))).await;
        assert_eq!(tab.page().url.as_str(), app.at("/"), "{elsewhere}");
    }
}

/// Sign-out uses the sign-in policy, even if another policy was used since.
#[tokio::test]
async fn renewal_and_sign_out_are_at_the_sign_in_policy() {
    let app = app().await;
    let mut tab = signed_in(&app).await;
    tab.open(app.at("/auth/edit-profile?return_to=/told")).await;
    edit(&mut tab, "Rosalind F.").await;
    app.turn(3600 + 300);
    assert_eq!(tab.open(app.at("/told")).await.status, StatusCode::OK);
    let refresh = app.provider.last_request(Endpoint::Token).unwrap();
    assert_eq!(
        (token_policy(&app).as_str(), refresh.parameter("grant_type")),
        ("b2c_1_susi", Some("refresh_token"))
    );
    tab.submit(html::Form::post("/auth/logout")).await;
    let end = app.provider.last_request(Endpoint::EndSession).unwrap();
    assert!(
        end.path_and_query().to_ascii_lowercase().contains("/b2c_1_susi/"),
        "{}",
        end.path_and_query()
    );
    assert_eq!(tab.open(app.at("/")).await.body, "nobody");
}

// C-404: more than 100 different policies asked
/// A request cannot name a policy, so that discovery documents are kept for the configured policies
/// only.
#[tokio::test]
async fn a_policy_is_never_chosen_by_a_request() {
    let app = app().await;
    let mut tab = app.browser().tab();
    for number in 0..101 {
        tab.open(app.at(&format!("/auth/reset-password?p=b2c_1_{number}&policy=b2c_1_{number}")))
            .await;
        assert_eq!(policies(&tab), ["b2c_1_reset"]);
    }
    assert_eq!(app.provider.requests(Endpoint::Discovery), 1);
}

/// Without a policy the paths belong to the application.
#[tokio::test]
async fn without_policies_their_paths_belong_to_the_application() {
    let app = App::start().await;
    let mut tab = app.signed_in().await;
    assert_eq!(tab.open(app.at("/auth/edit-profile")).await.status, StatusCode::NOT_FOUND);
}
