//! The crate `openidconnect` as a client of the development provider: everything that it can ask of
//! a provider is answered as it expects.

use std::{sync::LazyLock, time::Duration};

use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, CsrfToken, DeviceAuthorizationUrl,
    HttpRequest, HttpResponse, IssuerUrl, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge,
    PkceCodeVerifier, ProviderMetadataWithLogout, RedirectUrl, Scope, TokenResponse as _,
    core::{
        CoreAuthenticationFlow, CoreClient, CoreDeviceAuthorizationResponse, CoreIdTokenClaims,
        CoreProviderMetadata, CoreTokenResponse, CoreUserInfoClaims,
    },
};
use serde_json::Value;
use tower_identity::{
    config::Algorithm,
    dev::{DevClient, DevProvider, RefreshRotation},
};
use url::Url;

pub const REDIRECT: &str = "http://localhost:3000/auth/callback";
pub const SCOPES: [&str; 3] = ["profile", "email", "offline_access"];

static HTTP: LazyLock<reqwest::Client> = LazyLock::new(|| {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap()
});

/// How the judge sends its requests.
pub async fn send(request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let answer = HTTP.execute(request.try_into()?).await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response = HttpResponse::new(answer.bytes().await?.to_vec());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// A browser whose person has been chosen: where the provider sends it.
pub async fn answer(address: &str) -> Url {
    let page = HTTP.get(address).send().await.unwrap();
    let location = page.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
    let status = page.status();
    Url::parse(&location.unwrap_or_else(|| panic!("the provider shows a page: {status}"))).unwrap()
}

pub fn parameter(url: &Url, name: &str) -> String {
    let value = url.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned());
    value.unwrap_or_else(|| panic!("no {name} in {url}"))
}

/// The outcome of a sign-in of the judge.
pub struct SignedIn {
    pub tokens: CoreTokenResponse,
    pub claims: CoreIdTokenClaims,
}

/// A sign-in as the documentation of `openidconnect` has it, with every check that it names.
pub async fn sign_in(
    provider: &DevProvider,
    id: &str,
    secret: Option<&str>,
) -> Result<SignedIn, String> {
    let issuer = IssuerUrl::new(provider.issuer().to_owned()).unwrap();
    let metadata = CoreProviderMetadata::discover_async(issuer, &send).await.map_err(debug)?;
    let secret = secret.map(|secret| ClientSecret::new(secret.to_owned()));
    let client = CoreClient::from_provider_metadata(metadata, ClientId::new(id.to_owned()), secret)
        .set_redirect_uri(RedirectUrl::new(REDIRECT.to_owned()).unwrap());
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (address, state, nonce) = client
        .authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            CsrfToken::new_random,
            Nonce::new_random,
        )
        .add_scopes(SCOPES.map(|scope| Scope::new(scope.to_owned())))
        .set_pkce_challenge(challenge)
        .url();
    let back = answer(address.as_str()).await;
    assert_eq!(&parameter(&back, "state"), state.secret());
    let code = AuthorizationCode::new(parameter(&back, "code"));
    let verifier = PkceCodeVerifier::new(verifier.into_secret());
    let redeeming = client.exchange_code(code).map_err(debug)?.set_pkce_verifier(verifier);
    let tokens = redeeming.request_async(&send).await.map_err(debug)?;

    let id_token = tokens.id_token().ok_or("no ID token")?;
    let checks = client.id_token_verifier();
    let claims = id_token.claims(&checks, &nonce).map_err(debug)?.clone();
    if let Some(expected) = claims.access_token_hash() {
        let algorithm = id_token.signing_alg().map_err(debug)?;
        let key = id_token.signing_key(&checks).map_err(debug)?;
        let actual =
            AccessTokenHash::from_token(tokens.access_token(), algorithm, key).map_err(debug)?;
        if actual != *expected {
            return Err("at_hash is that of another access token".to_owned());
        }
    }
    Ok(SignedIn { tokens, claims })
}

fn debug(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

async fn provider() -> DevProvider {
    let provider = DevProvider::builder()
        .with_client(
            DevClient::confidential("web", "a-secret of+the/web:application")
                .with_redirect_uri(REDIRECT),
        )
        .with_client(DevClient::public("cli").with_redirect_uri(REDIRECT))
        .start()
        .await
        .unwrap();
    provider.sign_in_as("ada").unwrap();
    provider
}

#[tokio::test]
async fn it_signs_in_with_a_secret_and_without_one() {
    let provider = provider().await;
    let secret = provider.client_secret();
    let clients = [
        (provider.client_id(), Some(secret.expose())),
        ("web", Some("a-secret of+the/web:application")),
        ("cli", None),
    ];
    for (id, secret) in clients {
        let signed_in =
            sign_in(&provider, id, secret).await.unwrap_or_else(|error| panic!("{id}: {error}"));
        let name =
            signed_in.claims.name().and_then(|name| name.get(None)).map(|name| name.as_str());
        assert_eq!(name, Some("Ada Lovelace"), "{id}");
        assert_eq!(
            signed_in.claims.email().map(|email| email.as_str()),
            Some("ada@example.com"),
            "{id}"
        );
        assert!(
            signed_in.tokens.refresh_token().is_some()
                && signed_in.tokens.expires_in() > Some(Duration::ZERO),
            "{id}"
        );
    }
    let refused = sign_in(&provider, "web", Some("another secret")).await.err().unwrap();
    assert!(refused.contains("invalid_client"), "{refused}");
}

/// Those that `openidconnect` 4 can verify.
#[tokio::test]
async fn it_verifies_every_algorithm() {
    use Algorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
    for algorithm in [Rs256, Rs384, Rs512, Ps256, Ps384, Ps512, Es256, Es384, EdDsa] {
        let provider = DevProvider::builder().with_algorithm(algorithm).start().await.unwrap();
        provider.sign_in_as("ada").unwrap();
        let secret = provider.client_secret();
        let signed_in = sign_in(&provider, provider.client_id(), Some(secret.expose())).await;
        assert!(signed_in.is_ok(), "{algorithm:?}: {}", signed_in.err().unwrap());
    }
}

#[tokio::test]
async fn it_reads_user_info_refreshes_and_signs_out() {
    for rotation in [RefreshRotation::Rotate, RefreshRotation::Keep] {
        let provider =
            DevProvider::builder().with_refresh_rotation(rotation).start().await.unwrap();
        provider.sign_in_as("ada").unwrap();
        let (id, secret) = (provider.client_id().to_owned(), provider.client_secret());
        let SignedIn { tokens, claims } =
            sign_in(&provider, &id, Some(secret.expose())).await.unwrap();

        let issuer = IssuerUrl::new(provider.issuer().to_owned()).unwrap();
        let metadata = ProviderMetadataWithLogout::discover_async(issuer, &send).await.unwrap();
        let end_session = metadata.additional_metadata().end_session_endpoint.clone().unwrap();
        let secret = Some(ClientSecret::new(secret.expose().to_owned()));
        let client =
            CoreClient::from_provider_metadata(metadata, ClientId::new(id.clone()), secret);

        let subject = claims.subject().clone();
        let asking =
            client.user_info(tokens.access_token().clone(), Some(subject.clone())).unwrap();
        let about: CoreUserInfoClaims = asking.request_async(&send).await.unwrap();
        assert_eq!(about.email().map(|email| email.as_str()), Some("ada@example.com"));

        let mut refresh_token = tokens.refresh_token().unwrap().clone();
        for _ in 0..3 {
            let renewed = client
                .exchange_refresh_token(&refresh_token)
                .unwrap()
                .request_async(&send)
                .await
                .unwrap();
            let id_token = renewed.id_token().unwrap();
            // A refreshed ID token need not have a nonce (Core section 12.2).
            let again =
                id_token.claims(&client.id_token_verifier(), |_: Option<&Nonce>| Ok(())).unwrap();
            assert_eq!(again.subject(), &subject);
            refresh_token = renewed.refresh_token().cloned().unwrap_or(refresh_token);
        }
        // It revokes over https only; the provider does it here.
        provider.revoke_refresh_tokens("ada");
        assert!(
            client
                .exchange_refresh_token(&refresh_token)
                .unwrap()
                .request_async(&send)
                .await
                .is_err()
        );

        let signing_out = openidconnect::LogoutRequest::from(end_session)
            .set_id_token_hint(tokens.id_token().unwrap())
            .set_client_id(ClientId::new(id));
        let page = HTTP.get(signing_out.http_get_url()).send().await.unwrap();
        assert!(page.status().is_success() || page.status().is_redirection(), "{}", page.status());
    }
}

#[tokio::test]
async fn it_gets_tokens_for_itself_and_for_a_device() {
    let provider = provider().await;
    let secret = provider.client_secret();
    let issuer = IssuerUrl::new(provider.issuer().to_owned()).unwrap();
    let metadata = CoreProviderMetadata::discover_async(issuer, &send).await.unwrap();
    let devices =
        document(&provider).await["device_authorization_endpoint"].as_str().unwrap().to_owned();
    let id = ClientId::new(provider.client_id().to_owned());
    let client = CoreClient::from_provider_metadata(
        metadata,
        id,
        Some(ClientSecret::new(secret.expose().to_owned())),
    )
    .set_device_authorization_url(DeviceAuthorizationUrl::new(devices).unwrap());

    let asking = client
        .exchange_client_credentials()
        .unwrap()
        .add_scope(Scope::new("notes.read".to_owned()));
    let token = asking.request_async(&send).await.unwrap();
    assert!(token.refresh_token().is_none() && !token.access_token().secret().is_empty());

    let device: CoreDeviceAuthorizationResponse = client
        .exchange_device_code()
        .add_scope(Scope::new("email".to_owned()))
        .request_async(&send)
        .await
        .unwrap();
    provider.answer_device(device.user_code().secret(), Some("ada")).unwrap();
    let polling = client.exchange_device_access_token(&device).unwrap();
    let sleep = |_| async {};
    let tokens: CoreTokenResponse =
        polling.request_async(&send, sleep, Some(Duration::from_secs(5))).await.unwrap();
    let checks = client.id_token_verifier();
    let claims = tokens.id_token().unwrap().claims(&checks, |_: Option<&Nonce>| Ok(())).unwrap();
    assert_eq!(claims.email().map(|email| email.as_str()), Some("ada@example.com"));
}

async fn document(provider: &DevProvider) -> Value {
    let address =
        format!("{}/.well-known/openid-configuration", provider.issuer().trim_end_matches('/'));
    serde_json::from_str(&HTTP.get(address).send().await.unwrap().text().await.unwrap()).unwrap()
}
