use std::time::Duration;

use serde_json::json;

use super::{super::VirtualMachine, *};
use crate::{
    clock::ManualClock,
    protocol::test_support::{FakeHttp, NOW, answer},
    tokens::TokenSource,
};

#[tokio::test]
async fn a_token_is_kept_renewed_half_way_and_outlives_an_outage() {
    let http = FakeHttp::new(|_| {
        Ok(answer(
            200,
            json!({"access_token": "first", "expires_in": "86400", "token_type": "Bearer"}),
        ))
    });
    let clock = ManualClock::at(NOW);
    let identity = ManagedIdentity::builder(ManagedIdentityId::ClientId("c".into()))
        .with_endpoint(VirtualMachine::new().unwrap())
        .with_clock(clock.clone())
        .with_http_client(Arc::clone(&http))
        .build()
        .unwrap();
    let first = identity.token("https://vault.azure.net/.default").await.unwrap();
    assert_eq!((first.expose(), first.source()), ("first", TokenSource::Provider));
    assert_eq!(
        identity.token("https://vault.azure.net").await.unwrap().source(),
        TokenSource::Cache
    );
    assert_eq!(http.count("/metadata/identity/oauth2/token"), 1);
    http.answer_with(|_| Ok(answer(500, "")));
    clock.advance(Duration::from_secs(86_400 - 200));
    assert_eq!(
        identity.token("https://vault.azure.net").await.unwrap().expose(),
        "first",
        "still valid"
    );
    clock.advance(Duration::from_secs(200));
    assert_eq!(
        identity.token("https://vault.azure.net").await.unwrap_err().kind(),
        ErrorKind::ProviderUnreachable
    );
    assert_eq!(identity.token("").await.unwrap_err().kind(), ErrorKind::RequestInvalid);
}
