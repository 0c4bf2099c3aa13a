//! `WebAuth`: sign-in with a value that the application stores, without Tower.

use std::time::Duration;

use reqwest::{Client, header::LOCATION, redirect::Policy};
use tower_identity::{
    ConfigError, ErrorKind, IdentityConfig, ManualClock, SignInOptions, WebAuth, WebSession,
    dev::{
        Consent, DevClient, DevPerson, DevProvider, DevProviderBuilder, Endpoint, Failure, Hold,
        RefreshTokens,
    },
};

pub const HOME: &str = "http://localhost:8080";

/// An application that stores sessions itself, and its provider.
pub struct Site {
    pub provider: DevProvider,
    pub clock: ManualClock,
    pub auth: WebAuth,
}

impl Site {
    pub async fn start() -> Self {
        Self::with(|provider| provider, |config| config).await
    }

    pub async fn with(
        provider: impl FnOnce(DevProviderBuilder) -> DevProviderBuilder,
        settings: impl FnOnce(IdentityConfig) -> IdentityConfig,
    ) -> Self {
        let clock = ManualClock::at_system_time();
        let provider =
            provider(DevProvider::builder().with_clock(clock.clone())).start().await.unwrap();
        let config = provider.config(HOME).unwrap().with_scopes(["offline_access"]);
        let auth = WebAuth::builder(settings(config).build().unwrap())
            .with_clock(clock.clone())
            .build()
            .unwrap();
        provider.sign_in_as("ada").unwrap();
        Self { provider, clock, auth }
    }

    /// Another process of the same application, or the same process after a restart.
    pub fn another_process(&self) -> WebAuth {
        let config = self.provider.config(HOME).unwrap().with_scopes(["offline_access"]);
        WebAuth::builder(config.build().unwrap()).with_clock(self.clock.clone()).build().unwrap()
    }

    /// The authorization response of the provider.
    pub async fn answer(&self, address: &str) -> String {
        let http = Client::builder().redirect(Policy::none()).build().unwrap();
        let answer = http.get(address).send().await.unwrap();
        let location = answer
            .headers()
            .get(LOCATION)
            .unwrap_or_else(|| panic!("{}", answer.status()))
            .to_str()
            .unwrap();
        assert!(location.starts_with("http://localhost:8080/auth/callback?"), "{location}");
        location.split_once('?').unwrap().1.to_owned()
    }

    pub async fn signed_in(&self) -> WebSession {
        let mut session = WebSession::new();
        let address = self
            .auth
            .sign_in(&mut session, "/orders?open=1", &SignInOptions::new())
            .await
            .unwrap()
            .url;
        let answer = self.answer(&address).await;
        let done =
            self.auth.complete_sign_in(&mut session, &answer).await.unwrap().signed_in().unwrap();
        assert_eq!(
            (done.user.subject(), done.next.as_str()),
            (self.provider.person("ada").unwrap().subject(), "/orders?open=1")
        );
        session
    }

    pub async fn who(&self, session: &mut WebSession) -> Option<String> {
        self.auth.user(session).await.unwrap().map(|user| user.display_name().to_owned())
    }

    pub fn turn(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

/// Runs futures concurrently, and returns their results.
pub async fn join_all<T: Send + 'static>(
    work: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let running: Vec<_> = work.into_iter().map(tokio::spawn).collect();
    let mut done = Vec::new();
    for task in running {
        done.push(task.await.unwrap());
    }
    done
}

/// The value after a round trip through a database.
pub fn stored(session: &WebSession) -> WebSession {
    serde_json::from_str(&serde_json::to_string(session).unwrap()).unwrap()
}

#[tokio::test]
async fn a_person_signs_in_gets_a_token_and_signs_out() {
    let site = Site::start().await;
    let mut session = WebSession::new();
    assert_eq!(site.who(&mut session).await, None);
    assert!(session.is_empty(), "nobody costs nothing");
    let mut session = stored(&site.signed_in().await);
    assert!(site.who(&mut session).await.is_some());
    let token = site.auth.for_user(&mut session, ["openid"]).await.unwrap();
    assert!(
        !token.expose().is_empty()
            && !format!("{session:?}{}", session.as_str()).contains(token.expose())
    );

    let address = site.auth.sign_out(&mut session).url().await;
    assert!(
        address.starts_with(site.provider.issuer()) && address.contains("id_token_hint="),
        "{address}"
    );
    assert!(session.is_empty());
    let error = site.auth.for_user(&mut session, ["openid"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SignInRequired);
    assert_eq!(
        site.auth.sign_out(&mut session).url().await,
        "http://localhost:8080/auth/signed-out"
    );
}

/// The stored value is sufficient: no other state is needed.
#[tokio::test]
async fn a_session_outlives_the_process() {
    let site = Site::start().await;
    let mut session = stored(&site.signed_in().await);
    let after = site.another_process();
    assert!(after.user(&mut session).await.unwrap().is_some());
    let (first, mut second) = (stored(&session), WebSession::new());
    let begun = site.auth.sign_in(&mut second, "/", &SignInOptions::new()).await.unwrap();
    let answer = site.answer(&begun.url).await;
    assert!(
        after.complete_sign_in(&mut second, &answer).await.is_ok(),
        "begun here, completed there"
    );
    site.turn(4000);
    let mut session = first;
    assert!(
        after.user(&mut session).await.unwrap().is_some(),
        "renewed by the refresh token in the value"
    );
    assert!(after.for_user(&mut session, ["openid"]).await.is_ok());
}

#[tokio::test]
async fn a_renewed_name_is_shown() {
    let site = Site::start().await;
    let mut session = site.signed_in().await;
    let name = async |session: &mut WebSession| {
        let user = site.auth.user(session).await.unwrap().unwrap();
        (user.name().unwrap().to_owned(), user.claim("name").unwrap().to_string())
    };
    assert_eq!(name(&mut session).await.0, "Ada Lovelace");
    site.provider.add_person(DevPerson::new("ada", "Ada King"));
    site.turn(4000);
    for _ in 0..2 {
        assert_eq!(name(&mut session).await, ("Ada King".into(), "\"Ada King\"".into()));
        session = stored(&session);
    }
}

/// A value that does not open means signed out (security rule 15).
#[tokio::test]
async fn a_changed_or_foreign_value_is_signed_out() {
    let site = Site::start().await;
    let session = site.signed_in().await;
    let whole = session.as_str().to_owned();
    let mut broken: Vec<String> = (0..whole.len())
        .step_by(97)
        .map(|place| {
            let mut text = whole.clone().into_bytes();
            text[place] = if text[place] == b'A' { b'B' } else { b'A' };
            String::from_utf8(text).unwrap()
        })
        .collect();
    broken.extend([
        whole[..whole.len() - 1].to_owned(),
        format!("{whole}A"),
        "{}".into(),
        "é".into(),
        "A".repeat(2 << 20),
    ]);
    for text in broken {
        assert_eq!(site.who(&mut WebSession::from(text)).await, None);
    }
    let other = Site::with(
        |provider| provider,
        |config| config.with_cookie_secrets(["another secret of thirty-two characters"]),
    )
    .await;
    assert_eq!(other.who(&mut session.clone()).await, None);
}

/// D5: copies of one value share one refresh, and its successor.
#[tokio::test]
async fn copies_of_a_value_refresh_once() {
    let site = Site::start().await;
    let session = site.signed_in().await;
    site.turn(4000);
    let before = site.provider.requests(Endpoint::Token);
    let copies = join_all((0..50).map(|number| {
        let (auth, mut session) = (site.auth.clone(), session.clone());
        async move {
            match number % 2 {
                0 => assert!(auth.user(&mut session).await.unwrap().is_some()),
                _ => assert!(auth.for_user(&mut session, [""; 0]).await.is_ok()),
            }
            session
        }
    }))
    .await;
    assert_eq!(site.provider.requests(Endpoint::Token), before + 1);
    // The copy that was stored first, from before the refresh, goes on with what this
    // process knows; so do all others.
    site.turn(4000);
    for mut copy in [session].into_iter().chain(copies) {
        assert!(site.auth.for_user(&mut copy, [""; 0]).await.is_ok());
    }
    assert_eq!(site.provider.requests(Endpoint::Token), before + 2);
}

/// D3: no late write brings a session back.
#[tokio::test]
async fn a_sign_out_is_final() {
    let site = Site::start().await;
    let mut session = site.signed_in().await;
    let mut copy = session.clone();
    site.turn(4000);
    let mut held: Hold = site.provider.hold_next(Endpoint::Token);
    let refreshing = tokio::spawn({
        let (auth, mut session) = (site.auth.clone(), session.clone());
        async move { (auth.user(&mut session).await, session) }
    });
    held.arrived().await;
    let _ = site.auth.sign_out(&mut session);
    held.release();
    let (user, mut late) = refreshing.await.unwrap();
    assert!(!matches!(user, Ok(Some(_))), "{user:?}");
    for value in [&mut late, &mut copy] {
        let was = value.clone();
        assert_eq!(site.who(value).await, None);
        assert_eq!(*value, was, "what another request has stored must not be replaced");
        assert!(site.auth.for_user(value, ["openid"]).await.is_err());
    }
}

/// The sign-in that restores lost tokens is not silent: if a silent one failed, it could not be
/// repeated with a page.
#[tokio::test]
async fn tokens_that_are_gone_come_back_by_a_sign_in_with_pages() {
    let site = Site::start().await;
    let client = DevClient::confidential(site.provider.client_id(), site.provider.client_secret());
    let client = client
        .with_any_loopback_redirect()
        .with_consent(Consent::Given)
        .with_refresh_tokens(RefreshTokens::Never);
    site.provider.add_client(client);
    let mut session = site.signed_in().await;
    site.turn(4000);
    let error = site.auth.for_user(&mut session, [""; 0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoRefreshToken);
    let begun = site.auth.sign_in_for(&mut session, "/orders", &error).await.unwrap().unwrap();
    assert!(!begun.url.contains("prompt=none"), "{}", begun.url);
}

/// D6: in the first minutes after the end of the ID token.
#[tokio::test]
async fn what_is_refreshed_is_in_the_value() {
    let site = Site::start().await;
    let mut session = site.signed_in().await;
    site.turn(3610);
    assert!(site.who(&mut session).await.is_some());
    site.turn(4000);
    assert!(
        site.another_process().user(&mut session).await.unwrap().is_some(),
        "the refresh token in it is the last one"
    );
}

#[tokio::test]
async fn another_user_gets_a_session_of_their_own() {
    let site = Site::start().await;
    let mut session = site.signed_in().await;
    let mut copy = session.clone();
    site.provider.sign_in_as("alan").unwrap();
    let more = SignInOptions::new().with_scopes(["mail.read"]);
    let asked = site.auth.sign_in(&mut session, "/orders", &more).await.unwrap();
    let answer = site.answer(&asked.url).await;
    let done =
        site.auth.complete_sign_in(&mut session, &answer).await.unwrap().signed_in().unwrap();
    assert_eq!(
        (done.user.subject(), done.next.as_str()),
        (site.provider.person("alan").unwrap().subject(), "/")
    );
    assert_eq!(site.who(&mut copy).await, None, "the session before is over");
}

/// D8: a token that needs consent leads to one sign-in per cause.
#[tokio::test]
async fn what_a_token_lacks_is_asked_for_and_comes_back_to_the_page() {
    let site = Site::start().await;
    let mut session = site.signed_in().await;
    let error = site.auth.for_user(&mut session, ["mail.read"]).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.scopes()),
        (ErrorKind::InteractionRequired, &["mail.read".to_owned()][..])
    );
    let begun =
        site.auth.sign_in_for(&mut session, "/mail?folder=1", &error).await.unwrap().unwrap();
    let answer = site.answer(&begun.url).await;
    let done =
        site.auth.complete_sign_in(&mut session, &answer).await.unwrap().signed_in().unwrap();
    assert_eq!(done.next.as_str(), "/mail?folder=1");
    let token = site.auth.for_user(&mut session, ["mail.read"]).await.unwrap();
    assert!(token.scopes().any(|scope| scope == "mail.read"));

    // The consent was given a moment ago: asking again would be a redirect loop.
    let again = site.auth.sign_in_for(&mut session, "/mail?folder=1", &error).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::ScopeNotGranted);
    // Nothing that a sign-in resolves.
    site.provider.fail_next(Endpoint::Token, 9, Failure::Status(503));
    let error = site.auth.for_user(&mut session, ["calendar.read"]).await.unwrap_err();
    assert!(site.auth.sign_in_for(&mut session, "/", &error).await.unwrap().is_none(), "{error}");
    site.provider.stop_failing(Endpoint::Token);
    // There is no session any more: the new sign-in requests the scope at once.
    let _ = site.auth.sign_out(&mut session);
    let error = site.auth.for_user(&mut session, ["mail.read"]).await.unwrap_err();
    let begun = site.auth.sign_in_for(&mut session, "/mail", &error).await.unwrap().unwrap();
    assert!(
        begun.url.contains("mail.read") && !format!("{begun:?}").contains("state"),
        "{}",
        &begun.url
    );
}

#[tokio::test]
async fn the_application_has_tokens_of_its_own() {
    let site = Site::start().await;
    let first = site.auth.for_app(["api://tasks/.default"]).await.unwrap();
    let second = site.auth.for_app(["api://tasks/.default"]).await.unwrap();
    assert_eq!(first.expose(), second.expose());
    assert_eq!(site.provider.requests(Endpoint::Token), 1);
}

#[tokio::test]
async fn a_secret_that_dies_with_the_process_is_a_set_up_mistake() {
    let provider = DevProvider::start().await.unwrap();
    provider.add_client(
        DevClient::public("short").with_any_loopback_redirect().with_consent(Consent::Given),
    );
    let authority = tower_identity::Authority::oidc(provider.issuer()).unwrap();
    let config = IdentityConfig::new(authority, "short")
        .with_credential(tower_identity::ClientCredential::none());
    let built = WebAuth::new(config.with_base_url(HOME).unwrap().build().unwrap());
    let error: ConfigError = built.map(drop).unwrap_err();
    assert!(error.to_string().contains("with_cookie_secrets"), "{error}");
}

#[tokio::test]
async fn a_session_that_the_present_settings_would_refuse_is_signed_out() {
    let site = Site::start().await;
    let mut session = site.signed_in().await;
    let with = |base: &str, settings: fn(IdentityConfig) -> IdentityConfig| {
        let config = settings(site.provider.config(base).unwrap().with_scopes(["offline_access"]));
        WebAuth::builder(config.build().unwrap()).with_clock(site.clock.clone()).build().unwrap()
    };
    let copy = stored(&session);
    assert!(
        with(HOME, |config| config.with_required_acr(["gold"]))
            .user(&mut stored(&copy))
            .await
            .unwrap()
            .is_none()
    );
    // The cookie secret of these is derived from the client secret, which is the same.
    assert!(
        with("http://localhost:8081", |config| config)
            .user(&mut stored(&copy))
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(site.who(&mut session).await.as_deref(), Some("Ada Lovelace"));
}
