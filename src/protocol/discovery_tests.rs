//! The discovery document and the key set: fetched, cached, renewed.

use serde_json::{Value, json};

use super::*;
use crate::{
    authority::Authority,
    clock::ManualClock,
    error::ErrorKind,
    protocol::{
        http::HttpError,
        test_support::{
            A_WHILE, FakeHttp, ISSUER, NOW, answer, authority, document, key_set, published, settle,
        },
    },
};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn discovery(http: &Arc<FakeHttp>) -> (Discovery, ManualClock) {
    let clock = ManualClock::at(NOW);
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    (Discovery::new(authority(), Channel::new(Arc::clone(http) as _), &shared), clock)
}

const WELL_KNOWN: &str = "/.well-known/openid-configuration";

// C-221: issuer with a path
#[tokio::test]
async fn the_well_known_address_hangs_off_the_issuers_path() {
    let issuer = format!("{ISSUER}/tenant/1");
    let mut document = document();
    document["issuer"] = json!(issuer);
    let http = FakeHttp::new(move |request| {
        assert_eq!(request.uri().to_string(), format!("{ISSUER}/tenant/1{WELL_KNOWN}"));
        Ok(answer(200, &document))
    });
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW));
    let discovery = Discovery::new(Authority::oidc(&issuer).unwrap(), Channel::new(http), &clock);
    assert_eq!(discovery.metadata().await.unwrap().issuer, issuer);
}

/// The usual response of a wrong URL: the page of a web application.
#[tokio::test]
async fn the_error_of_a_page_instead_of_a_document_names_url_and_media_type() {
    let http = FakeHttp::new(|request| {
        let mut page = match request.uri().path() {
            WELL_KNOWN => answer(200, document()),
            _ => answer(200, "<!DOCTYPE html>"),
        };
        page.headers_mut().insert("content-type", "text/html".parse().unwrap());
        Ok(page)
    });
    let (discovery, _) = discovery(&http);
    let metadata = discovery.metadata().await.unwrap();
    let keys = discovery.keys(&metadata).await.err().unwrap().to_string();
    let http = FakeHttp::new(|_| Ok(answer(200, "")));
    let (discovery, _) = self::discovery(&http);
    let nothing = discovery.metadata().await.unwrap_err().to_string();
    assert!(
        keys.contains(metadata.jwks_uri().unwrap().as_str())
            && keys.contains("Content-Type \"text/html\""),
        "{keys}"
    );
    assert!(nothing.contains(&format!("{ISSUER}{WELL_KNOWN}")), "{nothing}");
}

// C-232: 100 parallel first requests
#[tokio::test]
async fn a_hundred_first_requests_are_one_of_each() {
    let http = FakeHttp::publishing(document(), key_set());
    let (discovery, _) = discovery(&http);
    http.hold();
    let asking: Vec<_> = (0..100)
        .map(|_| {
            let discovery = discovery.clone();
            tokio::spawn(async move { discovery.keys(&discovery.metadata().await?).await })
        })
        .collect();
    settle().await;
    http.release();
    for asked in asking {
        assert_eq!(asked.await.unwrap().unwrap().len(), 1);
    }
    assert_eq!((http.count(WELL_KNOWN), http.count("/keys")), (1, 1));
}

// C-226: discovery down at start
#[tokio::test]
async fn a_provider_that_is_down_is_a_passing_error() {
    let http = FakeHttp::new(|_| Err(HttpError::new("no connection")));
    let (discovery, clock) = discovery(&http);
    for _ in 0..100 {
        assert_eq!(discovery.metadata().await.unwrap_err().kind(), ErrorKind::ProviderUnreachable);
    }
    assert_eq!(http.count(WELL_KNOWN), 1, "an outage is no reason for a flood");
    http.answer_with(|request| Ok(published(request, &document(), &key_set())));
    clock.advance(A_WHILE);
    assert!(discovery.metadata().await.is_ok());
}

// MSAL-016: Metadata request returns 5xx; the client starts
#[tokio::test]
async fn the_status_distinguishes_an_outage_from_a_mistake() {
    for (status, kind) in [
        (500, ErrorKind::ProviderUnreachable),
        (503, ErrorKind::ProviderUnreachable),
        (429, ErrorKind::ProviderUnreachable),
        (404, ErrorKind::ProviderMisconfigured),
        (401, ErrorKind::ProviderMisconfigured),
        (302, ErrorKind::ProviderMisconfigured),
        (204, ErrorKind::ProviderMisconfigured),
    ] {
        let http = FakeHttp::new(move |_| Ok(answer(status, document())));
        assert_eq!(discovery(&http).0.metadata().await.unwrap_err().kind(), kind, "{status}");
    }
}

// C-153: response larger than a cap; endless body
// C-230: oversized or gzip-bomb answer
/// Also where a client of the user's own does not bound it.
#[tokio::test]
async fn an_answer_that_is_too_large_is_refused() {
    let http = FakeHttp::new(|_| Ok(answer(200, format!("{}{}", document(), " ".repeat(1 << 20)))));
    let error = discovery(&http).0.metadata().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AnswerTooLarge);
    assert!(
        error.to_string().contains("the discovery document: the response is larger than 1 MiB"),
        "{error}"
    );
    assert!(!error.user_message().contains("cannot be reached"));
}

/// An HTTP client of the application that never returns must not block every later request.
#[tokio::test]
async fn a_client_that_never_gives_up_is_given_up() {
    let http = FakeHttp::publishing(document(), key_set());
    http.hold();
    let (mut discovery, _) = discovery(&http);
    discovery.channel = discovery.channel.with_timeout(Duration::from_millis(1));
    assert_eq!(discovery.metadata().await.unwrap_err().kind(), ErrorKind::ProviderUnreachable);
}

// C-229: metadata changes issuer on refresh
#[tokio::test]
async fn a_document_that_changes_its_issuer_is_refused_and_the_old_one_stays() {
    let http = FakeHttp::publishing(document(), key_set());
    let (discovery, clock) = discovery(&http);
    let known = discovery.metadata().await.unwrap();
    http.answer_with(|request| {
        let mut changed = document();
        changed["issuer"] = json!("https://evil.example");
        changed["token_endpoint"] = json!("https://evil.example/token");
        Ok(published(request, &changed, &key_set()))
    });
    for _ in 0..5 {
        clock.advance(3 * DAY);
        assert_eq!(discovery.metadata().await.unwrap(), known);
        settle().await;
    }
    assert!(http.count(WELL_KNOWN) > 2);
}

/// The document is in use for a day; one that lacks what a sign-in needs is looked at sooner.
#[tokio::test]
async fn a_document_that_lost_an_endpoint_does_not_replace_a_whole_one() {
    for name in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
        let less = move || {
            let mut less = document();
            less.as_object_mut().unwrap().remove(name);
            less
        };
        let http = FakeHttp::publishing(document(), key_set());
        let (discovery, clock) = discovery(&http);
        let known = discovery.metadata().await.unwrap();
        http.answer_with(move |request| Ok(published(request, &less(), &key_set())));
        clock.advance(3 * DAY);
        assert_eq!(discovery.metadata().await.unwrap(), known, "{name}");
        assert_eq!(http.count(WELL_KNOWN), 2, "{name}");

        let http = FakeHttp::publishing(less(), key_set());
        let (discovery, clock) = self::discovery(&http);
        discovery.metadata().await.unwrap();
        http.answer_with(|request| Ok(published(request, &document(), &key_set())));
        clock.advance(Duration::from_secs(600));
        discovery.metadata().await.unwrap();
        settle().await;
        assert_eq!(discovery.metadata().await.unwrap(), known, "{name}");
    }
}

/// A proxy that answers 404 for a moment hides the discovery document alone.
#[tokio::test]
async fn the_metadata_of_an_authorization_server_replaces_no_discovery_document() {
    let hidden = |request: &http::Request<bytes::Bytes>| match request.uri().path() {
        "/.well-known/oauth-authorization-server" => {
            answer(200, json!({"issuer": ISSUER, "jwks_uri": format!("{ISSUER}/keys")}))
        }
        _ => answer(404, ""),
    };
    let http = FakeHttp::publishing(document(), key_set());
    let (discovery, clock) = discovery(&http);
    let whole = discovery.metadata().await.unwrap();
    http.answer_with(move |request| Ok(hidden(request)));
    clock.advance(3 * DAY);
    assert_eq!(discovery.metadata().await.unwrap(), whole);
    assert_eq!(http.count("/.well-known/oauth-authorization-server"), 1);
    // At the start it is taken, until the discovery document is there.
    let http = FakeHttp::new(move |request| Ok(hidden(request)));
    let (discovery, clock) = self::discovery(&http);
    assert!(discovery.metadata().await.unwrap().token_endpoint().is_err());
    http.answer_with(|request| Ok(published(request, &document(), &key_set())));
    clock.advance(Duration::from_secs(600));
    discovery.metadata().await.unwrap();
    settle().await;
    assert_eq!(discovery.metadata().await.unwrap(), whole);
}

// C-193: JWKS is not JSON, or `keys` missing
#[tokio::test]
async fn a_broken_key_set_does_not_replace_a_good_one() {
    let http = FakeHttp::publishing(document(), key_set());
    let (discovery, clock) = discovery(&http);
    let metadata = discovery.metadata().await.unwrap();
    let known = discovery.keys(&metadata).await.unwrap();
    for broken in [json!("<html>"), json!({}), json!({"keys": "x"})] {
        http.answer_with(move |request| Ok(published(request, &document(), &broken)));
        clock.advance(3 * DAY);
        assert!(Arc::ptr_eq(&discovery.keys(&metadata).await.unwrap(), &known));
    }
    assert_eq!(http.count("/keys"), 4);
    let http = FakeHttp::publishing(document(), json!({}));
    let (discovery, _) = self::discovery(&http);
    let metadata = discovery.metadata().await.unwrap();
    assert_eq!(
        discovery.keys(&metadata).await.err().unwrap().kind(),
        ErrorKind::ProviderMisconfigured
    );
}

#[tokio::test]
async fn keys_follow_the_document_to_another_address() {
    let http = FakeHttp::publishing(document(), json!({"keys": []}));
    let (discovery, clock) = discovery(&http);
    discovery.keys(&discovery.metadata().await.unwrap()).await.unwrap();
    http.answer_with(|request| match request.uri().path() {
        "/keys/2" => Ok(answer(200, key_set())),
        _ => {
            let mut moved = document();
            moved["jwks_uri"] = json!(format!("{ISSUER}/keys/2"));
            Ok(published(request, &moved, &Value::Null))
        }
    });
    clock.advance(2 * DAY);
    assert_eq!(discovery.keys(&discovery.metadata().await.unwrap()).await.unwrap().len(), 1);
}

// C-205: Cache-Control max-age on JWKS
#[test]
fn cache_control_is_read() {
    let said = |values: &[&str]| {
        let mut answer = answer(200, "");
        for value in values {
            answer.headers_mut().append(CACHE_CONTROL, value.parse().unwrap());
        }
        max_age(&answer).map(|age| age.as_secs())
    };
    assert_eq!(said(&["public, max-age=3600, must-revalidate"]), Some(3600));
    assert_eq!(said(&["Max-Age=\"60\""]), Some(60));
    assert_eq!(said(&["private", "max-age=60"]), Some(60));
    assert_eq!(said(&["no-cache, max-age=60"]), Some(0));
    assert_eq!(said(&["no-store"]), Some(0));
    // RFC 9111 section 4.2: a cache on the way has had it for a while.
    let aged = |age: &str| {
        let mut answer = answer(200, "");
        answer.headers_mut().insert("cache-control", "max-age=60".parse().unwrap());
        answer.headers_mut().insert("age", age.parse().unwrap());
        max_age(&answer).map(|age| age.as_secs())
    };
    for (age, left) in [("50", 10), (" 50", 10), ("70", 0), ("", 60), ("-5", 60), ("soon", 60)] {
        assert_eq!(aged(age), Some(left), "{age}");
    }
    for nothing in [
        "",
        "public",
        "max-age",
        "max-age=",
        "max-age=-1",
        "max-age=1.5",
        "s-maxage=60",
        "max-age=99999999999999999999999",
    ] {
        assert_eq!(said(&[nothing]), None, "{nothing}");
    }
}
