//! Tokens of managed identities, from an endpoint in memory.

use std::time::Duration;

use serde_json::json;

use super::{
    super::{AppService, VirtualMachine},
    *,
};
use crate::{
    clock::ManualClock,
    protocol::test_support::{FakeHttp, NOW, answer, settle},
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
        .with_endpoint(VirtualMachine::new())
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

/// An identity whose endpoint numbers its tokens: `1`, `2` and so on.
fn numbered() -> (Arc<FakeHttp>, ManagedIdentity) {
    let issued = std::sync::atomic::AtomicUsize::new(1);
    let http = FakeHttp::new(move |_| {
        let number = issued.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string();
        Ok(answer(200, json!({"access_token": number, "expires_in": "86400"})))
    });
    let identity = ManagedIdentity::builder(ManagedIdentityId::SystemAssigned)
        .with_endpoint(VirtualMachine::new())
        .with_clock(ManualClock::at(NOW))
        .with_http_client(Arc::clone(&http))
        .build()
        .unwrap();
    (http, identity)
}

#[tokio::test]
async fn a_challenge_of_an_api_brings_a_new_token_although_one_is_cached() {
    let (_, identity) = numbered();
    let request = TokenRequest::new(["https://vault.azure.net/.default"]).unwrap();
    assert_eq!(identity.acquire(&request).await.unwrap().expose(), "1");
    let challenged = request.clone().with_challenge(r#"{"access_token":{"nbf":{"value":"1"}}}"#);
    let token = identity.acquire(&challenged).await.unwrap();
    assert_eq!((token.expose(), token.source()), ("2", TokenSource::Provider));
    assert_eq!(identity.acquire(&request.forced()).await.unwrap().expose(), "3");
}

#[tokio::test]
async fn the_new_token_replaces_the_cached_one() {
    let (http, identity) = numbered();
    let request = TokenRequest::new(["https://vault.azure.net"]).unwrap();
    identity.acquire(&request).await.unwrap();
    identity.acquire(&request.clone().with_challenge("{}")).await.unwrap();
    assert_eq!(identity.token("https://vault.azure.net").await.unwrap().expose(), "2");
    // A failure leaves the cached token for others; the request that must not have it gets none.
    http.answer_with(|_| Ok(answer(500, "")));
    assert!(identity.acquire(&request.clone().forced()).await.is_err());
    assert_eq!(identity.acquire(&request).await.unwrap().expose(), "2");
}

#[tokio::test]
async fn a_request_that_the_endpoint_has_no_parameters_for_is_refused_and_not_sent() {
    let (http, identity) = numbered();
    let vault = || TokenRequest::new(["https://vault.azure.net"]).unwrap();
    for request in [
        TokenRequest::new([""]).unwrap(),
        TokenRequest::new(["https://vault.azure.net", "https://graph.microsoft.com"]).unwrap(),
        vault().with_tenant("contoso.onmicrosoft.com"),
        vault().with_resource("https://graph.microsoft.com"),
        vault().with_client_claims("{}"),
        vault().with_fmi_path("/agents/7"),
    ] {
        let error = identity.acquire(&request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RequestInvalid, "{request:?}");
    }
    assert_eq!(http.count("/metadata/identity/oauth2/token"), 0);
}

#[tokio::test]
async fn requests_for_several_resources_do_not_wait_for_each_other() {
    let (http, identity) = numbered();
    http.hold();
    let resources = ["https://vault.azure.net", "https://graph.microsoft.com", "https://a.example"];
    let waiting: Vec<_> = resources
        .into_iter()
        .map(|resource| {
            let identity = identity.clone();
            tokio::spawn(async move { identity.token(resource).await.map(|_| ()) })
        })
        .collect();
    settle().await;
    assert_eq!(http.count("/metadata/identity/oauth2/token"), 3);
    http.release();
    for waiting in waiting {
        waiting.await.unwrap().unwrap();
    }
    for resource in resources {
        assert_eq!(identity.token(resource).await.unwrap().source(), TokenSource::Cache);
    }
}

/// The error of an endpoint that answers with this status and body.
async fn refused(endpoint: impl ManagedIdentityEndpoint, status: u16, body: &'static str) -> Error {
    let identity = ManagedIdentity::builder(ManagedIdentityId::SystemAssigned)
        .with_endpoint(endpoint)
        .with_http_client(FakeHttp::new(move |_| Ok(answer(status, body))))
        .build()
        .unwrap();
    identity.token("https://vault.azure.net").await.unwrap_err()
}

/// 404 and 410 are how the metadata service answers for about a minute while it is updated.
#[tokio::test]
async fn an_update_of_the_metadata_service_counts_as_an_outage_and_no_other_refusal() {
    let machine = VirtualMachine::new;
    for status in [404, 410, 429, 500] {
        let error = refused(machine(), status, "").await;
        assert_eq!(error.kind(), ErrorKind::ProviderUnreachable, "{status}");
        assert!(!error.to_string().contains("assigned"), "{error}");
    }
    let service = AppService::new("http://localhost:1/token", "h").unwrap();
    for error in [
        refused(machine(), 400, r#"{"error":"invalid_request"}"#).await,
        refused(service, 404, "").await,
    ] {
        assert_eq!(error.kind(), ErrorKind::ProviderError, "{error}");
    }
}

#[tokio::test]
async fn the_error_of_an_endpoint_says_what_to_check_on_the_machine() {
    for body in [
        // A virtual machine, and Azure's other services.
        r#"{"error":"invalid_request","error_description":"Identity not found"}"#,
        r#"{"error":{"code":"ManagedIdentityNotFound","message":"of ada"}}"#,
        "",
    ] {
        let error = refused(VirtualMachine::new(), 400, body).await;
        let text = error.to_string();
        assert!(text.contains("assigned to this machine or service"), "{text}");
        assert!(!text.contains("of ada"), "{text}");
    }
    let nested = r#"{"error":{"code":"ManagedIdentityNotFound"}}"#;
    let error = refused(VirtualMachine::new(), 400, nested).await;
    assert_eq!(error.provider().unwrap().error, "ManagedIdentityNotFound");
}

/// The form of MSAL Python, whose applications have it in a file or a variable.
#[test]
fn an_identity_is_read_from_the_json_of_msal() {
    for (kind, identity) in [
        ("ClientId", ManagedIdentityId::ClientId("x".into())),
        ("ObjectId", ManagedIdentityId::ObjectId("x".into())),
        ("ResourceId", ManagedIdentityId::ResourceId("x".into())),
    ] {
        let written = json!({"ManagedIdentityIdType": kind, "Id": "x"});
        assert_eq!(serde_json::to_value(&identity).unwrap(), written);
        assert_eq!(serde_json::from_value::<ManagedIdentityId>(written).unwrap(), identity);
    }
    for own in [
        json!({"ManagedIdentityIdType": "SystemAssigned", "Id": null}),
        json!({"Id": null, "ManagedIdentityIdType": "SystemAssigned"}),
        json!({"ManagedIdentityIdType": "SystemAssigned"}),
    ] {
        let read = serde_json::from_value::<ManagedIdentityId>(own).unwrap();
        assert_eq!(read, ManagedIdentityId::SystemAssigned);
    }
    for wrong in [json!({}), json!({"ManagedIdentityIdType": "ClientId", "Id": null}), json!("x")] {
        assert!(serde_json::from_value::<ManagedIdentityId>(wrong).is_err());
    }
}
