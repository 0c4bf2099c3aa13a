//! Providers with peculiarities: an application with default settings signs in, gets and renews
//! tokens, and signs out at each of them.

use axum::http::StatusCode;
use serde_json::{Value, json};
use tower_identity::{
    config::{Algorithm, HmacAlgorithm, ResponseMode, SignInNonce},
    dev::{Endpoint, Failure, OldKeys, Quirk, Spoil},
};

use crate::{app::App, browser::html::Form, captured_log::Log};

/// The failure on a page of the layer, or the whole page.
fn words(body: &str) -> &str {
    let detail =
        body.split_once("<dt>Detail</dt><dd>").and_then(|(_, rest)| rest.split_once("</dd>"));
    detail.map_or(body, |(detail, _)| detail)
}

/// Signs Ada in, reads her claims, gets a token, renews it, signs her out, and returns the
/// failures.
async fn whole_story(quirk: Quirk) -> Result<(), String> {
    let app = App::builder()
        .provider(|provider| provider.with_quirks([quirk]))
        .config(|config| {
            let config = config.with_scopes(["email", "notes.read"]);
            match quirk {
                Quirk::NoNonce => config.with_nonce(SignInNonce::Omit),
                Quirk::SecretSignature => config.with_id_token_hmac(HmacAlgorithm::Hs256),
                Quirk::OtherAlgorithms => config.with_id_token_algorithms([Algorithm::Rs256]),
                _ => config,
            }
        })
        .start()
        .await;
    app.provider.sign_in_as("ada").unwrap();
    let mut tab = app.browser().tab();
    let page = tab.open(app.at("/me")).await;
    if page.status != StatusCode::OK || !page.body.contains("Ada Lovelace") {
        return Err(format!("sign-in: {} {} {}", page.status, page.url, words(&page.body)));
    }
    let page = tab.open(app.at("/token")).await;
    if page.status != StatusCode::OK || page.url.path() != "/token" {
        return Err(format!("token: {} {} {}", page.status, page.url, words(&page.body)));
    }
    let first: Value = page.json();
    let asked = app.provider.requests(Endpoint::Token);
    let page = tab.open(app.at("/token")).await;
    if page.status != StatusCode::OK || page.json()["token"] != first["token"] {
        return Err(format!("kept token: {} {}", page.status, words(&page.body)));
    }
    if app.provider.requests(Endpoint::Token) != asked {
        return Err("the token was fetched anew, although the first one is good".into());
    }
    // The ID token and the access token have ended.
    app.turn(3600 + 300);
    let page = tab.open(app.at("/me")).await;
    if page.status != StatusCode::OK || !page.body.contains("Ada Lovelace") {
        return Err(format!("renewal: {} {} {}", page.status, page.url, words(&page.body)));
    }
    let page = tab.open(app.at("/token")).await;
    let ends = ![Quirk::EmptyLife, Quirk::NoLife].contains(&quirk);
    // Without one only the person can bring a new token, which this page of the application does
    // not ask for.
    let lost = [Quirk::NoRefreshTokens, Quirk::OfflineAccessByConsent].contains(&quirk)
        && page.body == "no_refresh_token";
    if !lost
        && (page.status != StatusCode::OK
            || page.url.path() != "/token"
            || ends && page.json()["token"] == first["token"])
    {
        return Err(format!("renewed token: {} {} {}", page.status, page.url, words(&page.body)));
    }
    tab.open(app.at("/")).await;
    let page = tab.submit(Form::post("/auth/logout")).await;
    let stays_there = quirk == Quirk::LogoutUri;
    if (page.status != StatusCode::OK || !page.url.as_str().starts_with(&app.url)) && !stays_there {
        return Err(format!("sign-out: {} {} {}", page.status, page.url, words(&page.body)));
    }
    let page = tab.open(app.at("/")).await;
    if page.body == "nobody" { Ok(()) } else { Err(format!("still signed in: {}", page.body)) }
}

#[tokio::test]
async fn with_every_quirk_of_a_provider_a_whole_sign_in_works_by_default() {
    let mut wrong = Vec::new();
    for quirk in Quirk::ALL {
        if let Err(problem) = whole_story(*quirk).await {
            wrong.push(format!("{quirk}: {problem}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Doorkeeper's own consent page does not pass the nonce on.
#[tokio::test]
async fn a_lost_nonce_is_refused_unless_the_application_omits_it_and_the_provider_has_pkce() {
    for (quirks, nonce, status) in [
        (&[Quirk::NoNonce][..], SignInNonce::Send, StatusCode::BAD_REQUEST),
        (&[Quirk::NoNonce], SignInNonce::Omit, StatusCode::OK),
        (&[Quirk::NoNonce, Quirk::NoPkce], SignInNonce::Omit, StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        for mode in [ResponseMode::Query, ResponseMode::FormPost] {
            let app = App::builder()
                .provider(|provider| provider.with_quirks(quirks.iter().copied()))
                .config(|config| config.with_nonce(nonce).with_response_mode(mode))
                .start()
                .await;
            let page = app.sign_in().await;
            assert_eq!(page.status, status, "{quirks:?} {nonce:?} {mode}: {}", page.body);
        }
    }
}

/// A key that replaces another one with the same `kid` is fetched once, and no sign-in fails.
#[tokio::test]
async fn a_new_key_under_an_old_identifier_is_fetched() {
    let app = App::start().await;
    app.signed_in().await;
    app.provider.rotate_keys(OldKeys::Replaced).unwrap();
    app.turn(600);
    let page = app.sign_in().await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert_eq!(app.provider.requests(Endpoint::Keys), 2);
}

#[tokio::test]
async fn that_the_client_has_to_be_named_in_the_body_is_learned_by_one_request() {
    let app = App::builder()
        .provider(|provider| provider.with_quirks([Quirk::ClientIdRequired]))
        .start()
        .await;
    app.signed_in().await;
    assert_eq!(app.provider.requests(Endpoint::Token), 2);
    app.signed_in().await;
    assert_eq!(app.provider.requests(Endpoint::Token), 3, "it is remembered");
}

/// The message for an operator where the settings of a deployment have to say how ID tokens are
/// signed.
#[tokio::test]
async fn tokens_that_are_signed_otherwise_than_expected_are_refused_with_the_setting_that_helps() {
    for (quirk, setting) in [
        (Quirk::SecretSignature, "IDENTITY_ID_TOKEN_ALGORITHMS=HS256"),
        (Quirk::OtherAlgorithms, "IDENTITY_ID_TOKEN_ALGORITHMS"),
    ] {
        let (log, _listening) = Log::listen();
        let app = App::builder()
            .provider(|provider| provider.with_quirks([quirk]))
            .authority(|provider, url| provider.config(url).unwrap())
            .start()
            .await;
        let page = app.sign_in().await;
        assert_ne!(page.status, StatusCode::OK, "{quirk}");
        assert!(log.text().contains(setting), "{quirk}: {}", log.text());
    }
}

/// A password that was typed in vain helps nobody: the document says before that no ID token could
/// be verified.
#[tokio::test]
async fn where_no_id_token_could_be_verified_the_user_is_not_sent_to_the_provider() {
    for (list, setting) in [
        (json!(["HS256"]), "IDENTITY_ID_TOKEN_ALGORITHMS=HS256"),
        (json!(["none"]), "IDENTITY_ID_TOKEN_ALGORITHMS"),
    ] {
        let (log, _listening) = Log::listen();
        let app = App::start().await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let address = format!("{}/.well-known/openid-configuration", app.provider.issuer());
        let mut document: Value = http.get(address).send().await.unwrap().json().await.unwrap();
        document["id_token_signing_alg_values_supported"] = list.clone();
        let listing = Failure::json(200, document.to_string());
        app.provider.fail_next(Endpoint::Discovery, 2, listing);
        app.provider.sign_in_as("ada").unwrap();
        let page = app.browser().tab().open(app.at("/me")).await.clone();
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{list}: {}", page.body);
        assert_eq!(app.provider.requests(Endpoint::Authorization), 0, "{list}");
        assert!(log.text().contains(setting), "{list}: {}", log.text());
        // The document is looked at again within a minute: it may have been corrected.
        app.turn(60);
        assert_eq!(app.sign_in().await.status, StatusCode::OK, "{list}");
    }
}

/// With the client secret as the key, neither a public key nor a private key takes its place.
#[tokio::test]
async fn where_the_client_secret_signs_no_other_signature_is_accepted() {
    for spoil in [Spoil::AlgorithmHs256PublicKey, Spoil::SignatureWrong, Spoil::AlgorithmNone] {
        let app = App::builder()
            .provider(|provider| provider.with_quirks([Quirk::SecretSignature]))
            .config(|config| config.with_id_token_hmac(HmacAlgorithm::Hs256))
            .start()
            .await;
        app.provider.spoil_next_id_token(spoil);
        let page = app.sign_in().await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{spoil:?}: {}", page.body);
        assert_eq!(app.sign_in().await.status, StatusCode::OK, "{spoil:?}");
    }
}

/// A hash of SHA-256 beside a signature of another algorithm ties the ID token to its access token
/// all the same.
#[tokio::test]
async fn a_token_hash_by_sha_256_is_read_beside_every_signature() {
    for algorithm in [Algorithm::Rs512, Algorithm::Es384, Algorithm::Es512, Algorithm::EdDsa] {
        let app = App::builder()
            .provider(|provider| {
                provider.with_algorithm(algorithm).with_quirks([Quirk::Sha256TokenHash])
            })
            .start()
            .await;
        let page = app.sign_in().await;
        assert_eq!(page.status, StatusCode::OK, "{algorithm}: {}", page.body);
        app.provider.spoil_next_id_token(Spoil::AccessTokenHashOther);
        let page = app.sign_in().await;
        assert!(page.body.contains("token_at_hash"), "{algorithm}: {}", page.body);
    }
}

/// The refresh token says from when on it may be used, and the access token has not ended then.
#[tokio::test]
async fn a_refresh_token_is_not_sent_before_the_time_that_it_names() {
    let app = App::builder()
        .provider(|provider| provider.with_quirks([Quirk::RefreshTokenNotBefore]))
        .start()
        .await;
    let mut tab = app.signed_in().await;
    let first = tab.open(app.at("/token")).await.json();
    app.turn(3600 - 200);
    let page = tab.open(app.at("/token")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert_eq!(page.json()["token"], first["token"]);
    assert_eq!(app.provider.requests(Endpoint::Token), 1);
    app.turn(160);
    let page = tab.open(app.at("/token")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert_ne!(page.json()["token"], first["token"]);
    assert_eq!(app.provider.requests(Endpoint::Token), 2);
}
