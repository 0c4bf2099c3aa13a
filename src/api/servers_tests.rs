//! Authorization servers that are no OpenID providers, or publish less than one does.

use serde_json::{Value, json};

use super::test_api::{TestApi, changed, claims};
use crate::{
    clock::ManualClock,
    config::{Algorithm, ApiConfig, Finding},
    protocol::test_support::{FakeHttp, NOW, Signer, answer, document},
};

async fn problems(config: ApiConfig, document: Value, keys: Value) -> Vec<&'static str> {
    let http = FakeHttp::new(move |request| {
        Ok(match request.uri().path() {
            "/keys" => answer(200, &keys),
            "/.well-known/openid-configuration" => answer(200, &document),
            _ => answer(404, ""),
        })
    });
    let report = config.build().unwrap().check_with(http, ManualClock::at(NOW)).await;
    report.problems().map(Finding::code).collect()
}

/// The algorithms of the document are those of ID tokens; an access token may have another.
#[tokio::test]
async fn the_check_of_an_api_finds_what_the_api_would() {
    let signer = Signer::new(Algorithm::Es256);
    let keys = json!({"keys": [signer.jwk("k1")]});
    let token = signer.sign(&json!({"alg": "ES256", "kid": "k1", "typ": "at+jwt"}), &claims());
    for listed in [Value::Null, json!(["RS256"]), json!(["HS256"])] {
        let document = changed(document(), |document| {
            document["id_token_signing_alg_values_supported"] = listed.clone();
        });
        let api = TestApi::at(TestApi::plain_config(), document.clone(), keys.clone());
        assert!(api.takes(&token).await.starts_with("person"), "{listed}");
        let found = problems(TestApi::plain_config(), document, keys.clone()).await;
        assert!(found.is_empty(), "{listed}: {found:?}");
    }
    let named = TestApi::plain_config().with_algorithms([Algorithm::Rs256]);
    assert_eq!(problems(named, document(), keys).await, ["keys_unusable"]);
}
