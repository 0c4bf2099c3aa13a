//! Ours for an API: access tokens of the development provider, through `ApiLayer`.

use axum::{
    Extension, Router,
    http::{HeaderValue, header::AUTHORIZATION},
    routing::get,
};
use tower_identity::{ApiCaller, ApiConfig, ApiLayer, Authority, api::CallerKind};

use crate::{
    app::{Fallible, PATH, Runner, Sent},
    person::NAME,
    provider::{API, API_SCOPE, Provider},
};

/// Callers with so many tokens, each of which was verified before.
pub async fn remembered(provider: &Provider, sent: Sent) -> Fallible<Runner> {
    let application = application(ApiLayer::new(config(provider)?));
    let runner = Runner::with_headers(application, AUTHORIZATION, headers(provider)?, sent);
    // Each is verified once.
    runner.batch(provider.tokens().len() as u64).await;
    Ok(runner)
}

/// A caller whose token is verified with every request, because none is remembered.
pub async fn new(provider: &Provider) -> Fallible<Runner> {
    let layer = ApiLayer::new(config(provider)?).with_remembered_bytes(1);
    let runner = runner(provider, layer)?;
    // The keys of the provider are there from now on.
    runner.batch(1).await;
    Ok(runner)
}

/// The provider's API.
pub fn config(provider: &Provider) -> Fallible<tower_identity::config::ValidApiConfig> {
    let authority = Authority::oidc(provider.issuer())?;
    Ok(ApiConfig::new(authority, "bench-api").add_audience(API).build()?)
}

fn runner(provider: &Provider, layer: ApiLayer) -> Fallible<Runner> {
    runner_of(application(layer), provider)
}

/// The application under the layer.
pub fn application(layer: ApiLayer) -> Router {
    let answer = |Extension(caller): Extension<ApiCaller>| async move {
        match caller.kind() {
            CallerKind::Person if caller.has_scope(API_SCOPE) => NAME.to_owned(),
            other => format!("{other} without the scope"),
        }
    };
    Router::new().route(PATH, get(answer)).layer(layer)
}

/// Sends the provider's tokens in turn.
pub fn runner_of(application: Router, provider: &Provider) -> Fallible<Runner> {
    Ok(Runner::with_headers(application, AUTHORIZATION, headers(provider)?, Sent::Shared))
}

/// The provider's tokens as they are sent.
pub fn headers(provider: &Provider) -> Fallible<Vec<HeaderValue>> {
    let headers = provider.tokens().iter().map(|token| format!("Bearer {token}").try_into());
    Ok(headers.collect::<Result<_, _>>()?)
}
