//! Credentials that the provider refuses: which other one is sent, and when.

use std::{collections::HashMap, sync::atomic::Ordering::SeqCst};

use serde_json::{Value, json};

use super::{tests::*, *};
use crate::{
    config::{ClientAuthMethod, ClientCredential},
    protocol::{
        CallbackParameters, Grant, TokenParams,
        test_support::{answer, authority, document, key_set, metadata, published},
    },
};

#[tokio::test]
async fn a_refused_credential_is_loaded_anew_and_the_request_sent_once_more() {
    for code in OUTDATED {
        let calls = Arc::new(AtomicUsize::new(0));
        let rotating = ClientCredential::assertion_from(move |_| {
            let call = calls.fetch_add(1, Ordering::SeqCst);
            async move { Ok(format!("assertion-{call}").into()) }
        });
        let setup = CredentialSetup::entra(rotating.clone(), vec![refusal(code)]);
        setup.ask().await.unwrap();
        assert_eq!(setup.assertions(), ["assertion-0", "assertion-1"], "{code}");
        let setup =
            CredentialSetup::entra(rotating, vec![refusal(code), refusal(code), refusal(code)]);
        assert_eq!(setup.ask().await.unwrap_err().kind(), ErrorKind::ClientRefused);
        assert_eq!(setup.assertions().len(), 2, "once");
    }
}

#[tokio::test]
async fn the_same_credential_is_not_sent_twice_but_the_next_of_the_list_is() {
    let setup = CredentialSetup::entra(certificate(), vec![refusal(700_027)]);
    assert!(setup.ask().await.is_err());
    assert_eq!(setup.assertions().len(), 1);

    let list = ClientCredential::first_of([certificate(), ClientCredential::assertion("a.b.c")]);
    let setup = CredentialSetup::entra(list, vec![refusal(700_027)]);
    setup.ask().await.unwrap();
    setup.ask().await.unwrap();
    let assertions = setup.assertions();
    assert_eq!(
        (assertions.len(), &assertions[1..]),
        (3, &["a.b.c".to_owned(), "a.b.c".to_owned()][..]),
        "the refused one is not tried first again"
    );
}

// MSAL-121: IdP answers invalid_client with AADSTS7000215, 700016, 7000222, 50011, 50012; or
//   unauthorized_client; or empty body; token request
#[tokio::test]
async fn what_another_credential_cannot_mend_is_not_tried_again() {
    let unauthorized = (400, json!({"error": "unauthorized_client", "error_codes": [700_027]}));
    let nothing = (401, json!({}));
    let unavailable = (503, json!({"error": "invalid_client", "error_codes": [700_027]}));
    let bare = (401, json!({"error": "invalid_client"}));
    let refusals = [7_000_215, 700_016, 7_000_222, 50_011, 50_012].map(refusal);
    for refusal in refusals.into_iter().chain([unauthorized, nothing, unavailable, bare]) {
        let (rotating, calls) = {
            let calls = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&calls);
            let credential = ClientCredential::assertion_from(move |_| {
                let call = counter.fetch_add(1, Ordering::SeqCst);
                async move { Ok(format!("assertion-{call}").into()) }
            });
            (credential, calls)
        };
        let setup = CredentialSetup::entra(rotating, vec![refusal.clone()]);
        assert!(setup.ask().await.is_err());
        assert_eq!((setup.forms().len(), calls.load(Ordering::SeqCst)), (1, 1), "{refusal:?}");
    }
}

#[tokio::test]
async fn a_secret_is_never_another_one() {
    let setup = CredentialSetup::entra(ClientCredential::secret("s"), vec![refusal(700_027)]);
    assert!(setup.ask().await.is_err());
    assert_eq!(setup.forms().len(), 1);
}

#[tokio::test]
async fn a_generic_provider_needs_no_codes_to_be_understood() {
    let file = File::with("a.b.c");
    let path = file.0.clone();
    let setup = CredentialSetup::with(
        ClientCredential::federated_token_file(&file.0),
        |_| (),
        vec![(401, json!({"error": "invalid_client"}))],
    );
    assert!(setup.ask().await.is_err(), "the file has not changed");
    let mut first = true;
    let forms = Arc::clone(&setup.forms);
    setup.http.answer_with(move |request| {
        if !request.uri().path().contains("token") {
            return Ok(published(request, &document(), &key_set()));
        }
        forms
            .lock()
            .unwrap()
            .push(url::form_urlencoded::parse(request.body()).into_owned().collect());
        if std::mem::take(&mut first) {
            std::fs::write(&path, "d.e.f").unwrap();
            return Ok(answer(401, json!({"error": "invalid_client"})));
        }
        Ok(answer(200, json!({"access_token": "a", "token_type": "Bearer"})))
    });
    setup.ask().await.unwrap();
    assert_eq!(setup.assertions(), ["a.b.c", "a.b.c", "d.e.f"]);
}

/// A document lists what the provider can do, and this client is registered for one of them.
#[tokio::test]
async fn a_secret_refused_by_one_method_is_sent_once_by_the_other_which_is_then_used() {
    let refused = || (401, json!({"error": "invalid_client"}));
    let methods = |methods: Value| {
        move |document: &mut Value| document["token_endpoint_auth_methods_supported"] = methods
    };
    let by_post = |setup: &CredentialSetup| -> Vec<bool> {
        setup.forms().iter().map(|form| form.contains_key("client_secret")).collect()
    };
    let both = || json!(["client_secret_basic", "client_secret_post"]);
    for list in [both(), Value::Null] {
        let setup =
            CredentialSetup::with(ClientCredential::secret("s"), methods(list), vec![refused()]);
        setup.ask().await.unwrap();
        setup.ask().await.unwrap();
        assert_eq!(by_post(&setup), [false, true, true]);
    }
    // A refusal after that is not about the credential. The session of a refused refresh token
    // has ended, whatever the reason.
    let setup = CredentialSetup::with(
        ClientCredential::secret("s"),
        methods(both()),
        vec![(401, json!({})), (400, json!({"error": "invalid_grant"}))],
    );
    assert_eq!(setup.ask().await.unwrap_err().kind(), ErrorKind::InvalidGrant);
    setup.ask().await.unwrap();
    assert_eq!(by_post(&setup), [false, true, true]);
    // `+` has two encodings in a header, so that the form comes first.
    let setup =
        CredentialSetup::with(ClientCredential::secret("a+b"), methods(both()), vec![refused()]);
    setup.ask().await.unwrap();
    assert_eq!(by_post(&setup), [true, false]);
}

#[tokio::test]
async fn no_other_method_is_tried_where_one_is_named_or_listed_or_both_were_refused_just_now() {
    let refused = || (401, json!({"error": "invalid_client"}));
    let basic = ClientCredential::secret("s").with_method(ClientAuthMethod::Basic);
    let setup = CredentialSetup::with(basic, |_| (), vec![refused()]);
    assert_eq!(setup.ask().await.unwrap_err().kind(), ErrorKind::ClientRefused);
    assert_eq!(setup.forms().len(), 1);
    let only = |document: &mut Value| {
        document["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"])
    };
    let setup = CredentialSetup::with(ClientCredential::secret("s"), only, vec![refused()]);
    assert!(setup.ask().await.is_err());
    assert_eq!(setup.forms().len(), 1);
    let both = |document: &mut Value| {
        document["token_endpoint_auth_methods_supported"] =
            json!(["client_secret_basic", "client_secret_post"]);
    };
    let setup = CredentialSetup::with(
        ClientCredential::secret("wrong"),
        both,
        (0..9).map(|_| refused()).collect(),
    );
    for _ in 0..3 {
        assert!(setup.ask().await.is_err());
    }
    assert_eq!(setup.forms().len(), 4, "two, and one for each that follows");
    setup.clock.advance(std::time::Duration::from_secs(61));
    assert!(setup.ask().await.is_err());
    assert_eq!(setup.forms().len(), 6);
}

/// The second request may lack what the provider looks for in the first: then it says nothing about
/// the cause (django-allauth, where device codes are for public clients alone).
#[tokio::test]
async fn a_client_that_was_refused_is_told_and_not_the_malformed_second_request() {
    let setup = CredentialSetup::with(
        ClientCredential::secret("a+b"),
        |_| (),
        vec![(401, json!({"error": "invalid_client"})), (400, json!({"error": "invalid_request"}))],
    );
    let code = "device code".into();
    let params = TokenParams::default();
    let asked = setup.provider.tokens(Grant::DeviceCode(&code), &params);
    let error = asked.await.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ClientRefused, "{error}");
    assert_eq!(setup.forms().len(), 2);
}

/// Some providers spend the code with the first request, and others look at it before the client.
#[tokio::test]
async fn a_code_that_is_refused_after_its_client_was_is_the_refusal_of_the_client() {
    for first in [json!({}), json!({"error": "invalid_client"})] {
        let setup = CredentialSetup::with(
            ClientCredential::secret("s"),
            |_| (),
            vec![(401, first), (400, json!({"error": "invalid_grant"}))],
        );
        let answer = CallbackParameters::parse(b"code=c0de&state=s").unwrap();
        let code = answer.check("s", &metadata(|_| ()), &authority()).unwrap();
        let verifier = "v".into();
        let redeem = || setup.provider.redeem_code(&code, &verifier, "https://a/cb");
        let error = redeem().await.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ClientRefused, "{error}");
        assert!(error.to_string().contains("invalid_grant"), "{error}");
        assert_eq!(setup.forms().len(), 2);
        // The next code is sent with the method that was not refused.
        redeem().await.map(|_| ()).unwrap();
        assert!(setup.forms().pop().unwrap().contains_key("client_secret"));
    }
}

/// The registration of a client can change while the application runs.
#[tokio::test]
async fn a_provider_that_takes_another_method_than_before_gets_that_method_alone() {
    let setup = CredentialSetup::new(ClientCredential::secret("s"));
    let wants_post = Arc::new(AtomicBool::new(false));
    let (forms, post) = (Arc::clone(&setup.forms), Arc::clone(&wants_post));
    setup.http.answer_with(move |request| {
        if request.uri().path() != "/token" {
            return Ok(published(request, &document(), &key_set()));
        }
        let form: HashMap<String, String> =
            url::form_urlencoded::parse(request.body()).into_owned().collect();
        let (has_id, has_secret) =
            (form.contains_key("client_id"), form.contains_key("client_secret"));
        forms.lock().unwrap().push(form);
        Ok(match (post.load(SeqCst), has_id, has_secret) {
            (true, _, false) => answer(401, json!({"error": "invalid_client"})),
            (false, false, _) => answer(
                400,
                json!({"error": "invalid_request", "error_description": "client_id is missing"}),
            ),
            _ => answer(200, json!({"access_token": "a", "token_type": "Bearer"})),
        })
    });
    let requests = async || {
        let before = setup.forms().len();
        setup.ask().await.unwrap();
        setup.forms().len() - before
    };
    assert_eq!((requests().await, requests().await), (2, 1));
    wants_post.store(true, SeqCst);
    assert_eq!((requests().await, requests().await), (2, 1));
}
