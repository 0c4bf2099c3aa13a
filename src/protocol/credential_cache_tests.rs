//! Client assertions that a function of the application makes, and their cache.

use std::sync::Mutex;

use serde_json::json;

use super::{tests::*, *};
use crate::{
    config::ClientCredential,
    protocol::{
        grant::{Grant, TokenParams},
        test_support::NOW,
    },
};

// MSAL-118: Assertion given as a callable; two token requests
#[tokio::test]
async fn what_a_function_made_is_remembered_for_its_life() {
    let (credential, calls) = function(Some(600));
    let setup = CredentialSetup::new(credential);
    for (seconds, expected) in [(0, 1), (539, 1), (1, 2)] {
        setup.clock.advance(std::time::Duration::from_secs(seconds));
        setup.ask().await.unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), expected, "{seconds}");
    }
    // RFC 7519 section 2: a date may have a fraction.
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let credential = ClientCredential::assertion_from(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        let claims = format!(r#"{{"exp":{}.25}}"#, NOW.as_seconds() + 600);
        async move { Ok(format!("e.{}.s", crate::secret::base64url(claims.as_bytes())).into()) }
    });
    let setup = CredentialSetup::new(credential);
    for _ in 0..3 {
        setup.ask().await.unwrap();
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    let (credential, calls) = function(None);
    let setup = CredentialSetup::new(credential);
    for _ in 0..3 {
        setup.ask().await.unwrap();
    }
    assert_eq!(calls.load(Ordering::SeqCst), 3, "without `exp` it is asked for each request");
}

#[tokio::test]
async fn an_assertion_is_remembered_for_each_path() {
    let paths = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&paths);
    let credential = ClientCredential::assertion_from(move |request| {
        let path = request.fmi_path().map(str::to_owned);
        seen.lock().unwrap().push(path.clone());
        let claims = json!({"sub": path, "exp": NOW.as_seconds() + 600}).to_string();
        async move { Ok(format!("e.{}.s", crate::secret::base64url(claims.as_bytes())).into()) }
    });
    let setup = CredentialSetup::new(credential);
    let asked = ["", "fmi_path=%2Fagents%2F1", "fmi_path=%2Fagents%2F2&other=x"];
    for extra in asked.into_iter().chain(asked).chain(["fmi_path=%2Fagents%2F1&other=y"]) {
        let params = TokenParams { extra, ..TokenParams::default() };
        setup.provider.tokens(Grant::ClientCredentials, &params).await.unwrap();
    }
    let path = |path: &str| Some(path.to_owned());
    assert_eq!(*paths.lock().unwrap(), [None, path("/agents/1"), path("/agents/2")]);
    let sent = setup.assertions();
    assert_eq!(sent[..3], sent[3..6]);
    assert_eq!(sent[1], sent[6]);
    assert!(sent[0] != sent[1] && sent[1] != sent[2]);
}

#[tokio::test]
async fn a_hundred_callers_wait_for_one_assertion() {
    let (credential, calls) = function(Some(600));
    let setup = Arc::new(CredentialSetup::new(credential));
    let asking: Vec<_> = (0..100)
        .map(|_| {
            let setup = Arc::clone(&setup);
            tokio::spawn(async move { setup.ask().await })
        })
        .collect();
    for asked in asking {
        asked.await.unwrap().unwrap();
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_function_that_fails_is_an_error_without_a_request() {
    let setup = CredentialSetup::new(ClientCredential::assertion_from(|_| async {
        Err("the vault is closed".into())
    }));
    let error = setup.ask().await.unwrap_err();
    assert!(
        error.kind() == ErrorKind::CredentialUnavailable
            && error.to_string().contains("the vault is closed"),
        "{error}"
    );
    assert!(setup.forms().is_empty());
}

/// Requests that wait for a function that hangs fail when it does, and not one after the other.
#[tokio::test(start_paused = true)]
async fn no_request_waits_for_a_function_longer_than_its_time_limit() {
    let credential = ClientCredential::assertion_from(|_| std::future::pending());
    let setup = Arc::new(CredentialSetup::new(credential));
    let start = tokio::time::Instant::now();
    let asking: Vec<_> = (0..5)
        .map(|_| {
            let setup = Arc::clone(&setup);
            tokio::spawn(async move { setup.ask().await })
        })
        .collect();
    for asked in asking {
        let error = asked.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CredentialUnavailable, "{error}");
    }
    assert_eq!(start.elapsed().as_secs(), 10);
}
