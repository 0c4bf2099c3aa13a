//! Groups from a Microsoft Graph in memory.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json, value::RawValue};

use super::{
    http::HttpError,
    provider::Provider,
    test_support::{CLIENT_ID, FakeHttp, NOW, answer},
    token::TokenAnswer,
};
use crate::{
    authority::Authority,
    config::{ClientCredential, GroupsFrom, IdentityConfig},
    error::ErrorKind,
};

const TENANT: &str = "f645ad92-e38d-4d1a-b510-d1b09a74a8ca";

/// Entra ID with the given pages of Graph. It records the URLs of the requests in order.
struct Entra {
    http: Arc<FakeHttp>,
    asked: Arc<Mutex<Vec<String>>>,
    /// Whether the claims are to be renewed soon.
    soon: Mutex<bool>,
}

impl Entra {
    fn new(graph: impl Fn(&Request<Bytes>, usize) -> Response<Bytes> + Send + 'static) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, mut pages) = (Arc::clone(&asked), 0);
        let http = FakeHttp::new(move |request| {
            let uri = request.uri().to_string();
            log.lock().unwrap().push(uri.clone());
            let host = request.uri().host().unwrap().replace("graph.", "login.");
            let base = format!("https://{}/{TENANT}", request.uri().host().unwrap());
            Ok::<_, HttpError>(match request.uri().path() {
                path if path.ends_with("/openid-configuration") => answer(
                    200,
                    json!({
                        "issuer": format!("{base}/v2.0"),
                        "authorization_endpoint": format!("{base}/authorize"),
                        "token_endpoint": format!("{base}/token"),
                        "jwks_uri": format!("{base}/keys"),
                        "msgraph_host": match host.ends_with(".us") {
                            true => "dod-graph.microsoft.us",
                            false => "evil.example",
                        },
                    }),
                ),
                path if path.ends_with("/token") => answer(
                    200,
                    json!({
                        "access_token": "for-graph", "token_type": "Bearer", "expires_in": 60,
                        "refresh_token": "next", "scope": "User.Read",
                    }),
                ),
                _ => {
                    pages += 1;
                    graph(request, pages)
                }
            })
        });
        Self { http, asked, soon: Mutex::default() }
    }

    fn provider(&self, host: &str, groups: GroupsFrom) -> Provider {
        let authority = Authority::entra_url(&format!("https://{host}/{TENANT}")).unwrap();
        let config = IdentityConfig::new(authority, CLIENT_ID)
            .with_credential(ClientCredential::secret("s"))
            .with_base_url("https://app.example")
            .unwrap()
            .with_groups(groups);
        self.http.provider(config).0
    }

    /// The claims after the groups were added.
    async fn claims(&self, groups: GroupsFrom, claims: &Value, tokens: &mut TokenAnswer) -> Value {
        let provider = self.provider("login.microsoftonline.com", groups);
        let claims = RawValue::from_string(claims.to_string()).unwrap();
        let found = provider.with_groups(claims, tokens, Some(&"before".into())).await;
        let soon =
            found.renew_at(NOW + Duration::from_secs(3600), NOW) < NOW + Duration::from_secs(600);
        *self.soon.lock().unwrap() = soon;
        serde_json::from_str(found.claims.get()).unwrap()
    }

    fn asked(&self) -> Vec<String> {
        self.asked
            .lock()
            .unwrap()
            .iter()
            .filter(|uri| !uri.contains("openid-configuration"))
            .cloned()
            .collect()
    }
}

fn overage() -> Value {
    json!({
        "sub": "s", "_claim_names": {"groups": "src1"},
        "_claim_sources": {"src1": {"endpoint": "https://evil.example/getMemberObjects"}},
    })
}

fn tokens(scope: &str) -> TokenAnswer {
    TokenAnswer {
        access_token: Some("at".into()),
        scope: Some(scope.into()),
        ..TokenAnswer::default()
    }
}

fn two_pages(request: &Request<Bytes>, page: usize) -> Response<Bytes> {
    let next = format!(
        "https://{}/v1.0/me/transitiveMemberOf?$skiptoken=2",
        request.uri().host().unwrap()
    );
    match page {
        1 => answer(200, json!({"value": [{"id": "g1"}], "@odata.nextLink": next})),
        _ => answer(200, json!({"value": [{"id": "g2"}]})),
    }
}

// C-396: _claim_names.groups present, no groups claim
// C-399: _claim_sources endpoint on a foreign host
/// From all pages of Graph, with a token for Graph; never from the URL in the token.
#[tokio::test]
async fn the_groups_are_read_with_a_token_for_graph() {
    let entra = Entra::new(two_pages);
    let mut tokens = tokens("api://other/read");
    let claims = entra.claims(GroupsFrom::Graph, &overage(), &mut tokens).await;
    assert_eq!(
        (&claims["groups"], &claims["sub"], &claims["_claim_names"]),
        (&json!(["g1", "g2"]), &json!("s"), &json!({}))
    );
    assert_eq!(
        entra.asked(),
        [
            format!("https://login.microsoftonline.com/{TENANT}/token"),
            "https://graph.microsoft.com/v1.0/me/transitiveMemberOf?$select=id&$top=999".into(),
            "https://graph.microsoft.com/v1.0/me/transitiveMemberOf?$skiptoken=2".into(),
        ]
    );
    assert_eq!(entra.http.last().headers()["authorization"], "Bearer for-graph");
    assert_eq!(tokens.refresh_token.unwrap().expose(), "next", "the one that was used is not kept");
}

#[tokio::test]
async fn a_token_that_is_for_graph_already_is_used() {
    let entra = Entra::new(two_pages);
    let claims =
        entra.claims(GroupsFrom::Graph, &overage(), &mut tokens("openid profile User.Read")).await;
    assert_eq!((&claims["groups"], entra.asked().len()), (&json!(["g1", "g2"]), 2));
    assert_eq!(entra.http.last().headers()["authorization"], "Bearer at");
}

#[tokio::test]
async fn graph_is_not_requested_unless_configured_and_needed() {
    let entra = Entra::new(two_pages);
    assert_eq!(
        entra.claims(GroupsFrom::Token, &overage(), &mut tokens("User.Read")).await,
        overage()
    );
    for complete in [
        json!({"groups": ["g"]}),
        json!({"groups": [], "_claim_names": {"address": "src1"}}),
        json!({}),
        json!({"hasgroups": false}),
    ] {
        assert_eq!(
            entra.claims(GroupsFrom::Graph, &complete, &mut tokens("User.Read")).await,
            complete
        );
    }
    assert!(entra.asked().is_empty());
}

/// The claims still announce that groups are missing, so that a guard refuses.
#[tokio::test]
async fn unreadable_groups_stay_announced_as_missing() {
    type Graph = fn(&Request<Bytes>, usize) -> Response<Bytes>;
    let faults: [Graph; 5] = [
        |_, _| answer(503, ""),
        |_, _| answer(403, json!({"error": {"code": "Authorization_RequestDenied"}})),
        |_, _| {
            answer(
                200,
                json!({"value": [{"id": "g1"}], "@odata.nextLink": "https://evil.example/"}),
            )
        },
        // An endless list of pages.
        |request, _| {
            answer(
                200,
                json!({"value": [{"id": "g"}], "@odata.nextLink": request.uri().to_string()}),
            )
        },
        // More groups than a session stores.
        |_, _| answer(200, json!({"value": vec![json!({"id": "g"}); 1_001]})),
    ];
    for (at, fault) in faults.into_iter().enumerate() {
        let entra = Entra::new(fault);
        assert_eq!(
            entra.claims(GroupsFrom::Graph, &overage(), &mut tokens("User.Read")).await,
            overage(),
            "{at}"
        );
        assert!(entra.asked().len() <= 20, "{at}");
        assert_eq!(*entra.soon.lock().unwrap(), at == 0, "only what passes is tried again soon");
        assert!(
            entra.asked().iter().all(|uri| uri.starts_with("https://graph.microsoft.com/")),
            "{at}"
        );
    }
}

/// The cloud determines the hosts; the metadata document may select one of them.
#[tokio::test]
async fn graph_is_requested_in_the_cloud_of_the_authority() {
    let entra = Entra::new(two_pages);
    let us = entra.provider("login.microsoftonline.us", GroupsFrom::Token);
    assert_eq!(us.groups_scope().await.unwrap(), "https://dod-graph.microsoft.us/User.Read");
    assert_eq!(us.groups(&"at".into()).await.unwrap(), ["g1", "g2"]);
    assert!(
        entra.asked().iter().all(|uri| uri.starts_with("https://dod-graph.microsoft.us/v1.0/me/"))
    );
}

#[tokio::test]
async fn other_providers_have_no_graph() {
    let http =
        FakeHttp::publishing(super::test_support::document(), super::test_support::key_set());
    let (provider, _) = http.provider(super::test_support::config());
    assert_eq!(provider.groups_scope().await.unwrap_err().kind(), ErrorKind::NotConfigured);
    let problem = super::test_support::config().with_groups(GroupsFrom::Graph).build().unwrap_err();
    assert_eq!(problem.setting(), "groups");
}

/// A provider that answers slowly leaves no permit for the token of Graph: that passes.
#[tokio::test(start_paused = true)]
async fn groups_that_could_not_be_requested_for_want_of_a_permit_are_requested_again_soon() {
    let entra = Entra::new(two_pages);
    let provider = entra.provider("login.microsoftonline.com", GroupsFrom::Graph);
    let mut held = Vec::new();
    while let Ok(permit) = provider.permit_for_known_token().await {
        held.push(permit);
    }
    let claims = RawValue::from_string(overage().to_string()).unwrap();
    let found = provider.with_groups(claims, &mut tokens("openid"), Some(&"before".into())).await;
    assert_eq!(found.claims.get(), overage().to_string());
    assert!(found.renew_at(NOW + Duration::from_secs(3600), NOW) < NOW + Duration::from_secs(600));
}
