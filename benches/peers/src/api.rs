//! Ours for an API: access tokens of the development provider, through `ApiLayer`.

use axum::{
    Extension, Router,
    http::{HeaderValue, header::AUTHORIZATION},
    routing::get,
};
use tower_identity::{ApiCaller, ApiConfig, ApiLayer, Authority, api::CallerKind};

use crate::{
    app::{Fallible, PATH, Runner},
    person::NAME,
    provider::{API, API_SCOPE, Provider},
};

/// Callers with so many tokens, each of which was verified before.
pub async fn remembered(provider: &Provider) -> Fallible<Runner> {
    verified_before(unknown(provider)?, provider).await
}

/// The same, with tokens that are copied as a server copies them.
pub async fn remembered_of_many(provider: &Provider) -> Fallible<Runner> {
    let application = application(ApiLayer::new(config(provider)?));
    let runner = Runner::with_copied_headers(application, AUTHORIZATION, headers(provider)?);
    verified_before(runner, provider).await
}

async fn verified_before(runner: Runner, provider: &Provider) -> Fallible<Runner> {
    // Each is verified once.
    runner.batch(provider.tokens().len() as u64).await;
    Ok(runner)
}

/// Callers with so many tokens, none of which was verified yet.
pub fn unknown(provider: &Provider) -> Fallible<Runner> {
    runner(provider, ApiLayer::new(config(provider)?))
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
    Ok(Runner::with_headers(application, AUTHORIZATION, headers(provider)?))
}

/// The provider's tokens as they are sent.
pub fn headers(provider: &Provider) -> Fallible<Vec<HeaderValue>> {
    let headers = provider.tokens().iter().map(|token| format!("Bearer {token}").try_into());
    Ok(headers.collect::<Result<_, _>>()?)
}
