//! The crates that would be used otherwise for an API behind access tokens, each as its own
//! documentation shows it. Each verifies the token with every request.
//!
//! `jwt-authorizer` 0.15 is not among them: it answers with the responses of axum 0.7, so it does
//! not fit around the application, which is one of axum 0.8.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    http::{HeaderValue, header::AUTHORIZATION},
    routing::get,
};
use oauth_resource_server::{
    AuthorizedToken, KeyNaming, OAuthConfig, OAuthValidator, axum::AuthLayer, static_token_policy,
};
use serde::{Deserialize, Serialize};
use tower_oauth2_resource_server::{server::OAuth2ResourceServer, tenant::TenantConfiguration};

use crate::{
    app::{Fallible, PATH, Runner, Sent},
    person::NAME,
    provider::{API, API_SCOPE, Provider},
};

/// Both fetch the keys of the provider in the background.
const KEYS_ARE_THERE_AFTER: Duration = Duration::from_secs(1);

/// oauth-resource-server: issuer, audience and scope in the configuration.
pub async fn oauth_resource_server(provider: &Provider) -> Fallible<Runner> {
    let config = OAuthConfig {
        enabled: true,
        issuer: provider.issuer().to_owned(),
        audience: API.to_owned(),
        resource: API.to_owned(),
        required_scope: Some(API_SCOPE.to_owned()),
        ..OAuthConfig::default()
    };
    let config = config.resolve(KeyNaming::Dotted("oauth"))?.ok_or("it is enabled")?;
    let oauth = Arc::new(OAuthValidator::new(&config)?);
    oauth.spawn_background_refresh();
    let decision = static_token_policy(None, Some(&config), false)?;
    let layer = AuthLayer::from_decision(decision, Some(oauth))?;
    let answer = |Extension(token): Extension<AuthorizedToken>| async move {
        match token.scopes.iter().any(|scope| scope == API_SCOPE) {
            true => NAME.to_owned(),
            false => format!("{:?}", token.scopes),
        }
    };
    runner(provider, Router::new().route(PATH, get(answer)).layer(layer)).await
}

/// tower-oauth2-resource-server: issuer and audience in the configuration, the scope is compared
/// by the handler.
pub async fn tower_oauth2_resource_server(provider: &Provider) -> Fallible<Runner> {
    let tenant = TenantConfiguration::builder(provider.issuer()).audiences(&[API]).build().await?;
    let server = OAuth2ResourceServer::<Claims>::builder().add_tenant(tenant).build().await?;
    let answer = |Extension(claims): Extension<Claims>| async move {
        match claims.scope.split(' ').any(|scope| scope == API_SCOPE) {
            true => NAME.to_owned(),
            false => claims.scope,
        }
    };
    runner(provider, Router::new().route(PATH, get(answer)).layer(server.into_layer())).await
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Claims {
    scope: String,
}

async fn runner(provider: &Provider, application: Router) -> Fallible<Runner> {
    tokio::time::sleep(KEYS_ARE_THERE_AFTER).await;
    let headers = provider.tokens().iter().map(|token| format!("Bearer {token}").try_into());
    let headers: Vec<HeaderValue> = headers.collect::<Result<_, _>>()?;
    let runner = Runner::with_headers(application, AUTHORIZATION, headers, Sent::Shared);
    runner.batch(1).await;
    Ok(runner)
}
