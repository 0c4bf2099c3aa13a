//! Opaque tokens: what is asked of the provider, how often, and what is remembered.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    Introspection,
    test_api::{TestApi, changed, merge},
};
use crate::{
    authority::Authority,
    clock::UnixTime,
    config::{ApiConfig, ClientCredential},
    protocol::test_support::{CLIENT_ID, ISSUER, NOW, answer, document, key_set},
};

const TEN_SECONDS: Duration = Duration::from_secs(10);

fn api() -> TestApi {
    api_with(Introspection::Opaque)
}

fn api_with(introspection: Introspection) -> TestApi {
    let mut document = document();
    document["introspection_endpoint"] = json!("https://id.example/introspect");
    TestApi::at(
        ApiConfig::new(Authority::oidc(ISSUER).unwrap(), CLIENT_ID)
            .with_credential(ClientCredential::secret("a secret of the API that is long enough"))
            .with_introspection(introspection),
        document,
        key_set(),
    )
}

/// Answers questions about tokens with this.
fn says(api: &TestApi, answered: Value) {
    let mut document = document();
    document["introspection_endpoint"] = json!("https://id.example/introspect");
    api.http.answer_with(move |request| {
        Ok(match request.uri().path() {
            "/introspect" => answer(200, &answered),
            "/.well-known/openid-configuration" => answer(200, &document),
            _ => answer(200, key_set()),
        })
    });
}

fn good(more: &Value) -> Value {
    let good = json!({
        "active": true, "aud": CLIENT_ID, "client_id": "app", "sub": "ada", "scope": "Notes.Read",
        "exp": NOW.as_seconds() + 600, "token_type": "Bearer"
    });
    changed(good, |answer| merge(answer, more))
}

fn questions(api: &TestApi) -> usize {
    api.http.count("/introspect")
}

/// RFC 7662: what is not plainly active does not pass, and a failure is no refusal.
#[tokio::test]
async fn a_refused_token_is_asked_about_once_in_ten_seconds_and_a_failure_is_asked_about_again() {
    let api = api();
    for (number, (answered, status, reason)) in [
        (json!({"active": false}), 401, "token_inactive"),
        (good(&json!({"aud": "other"})), 401, "token_audience"),
        (good(&json!({"exp": 1})), 401, "token_expired"),
        (good(&json!({"token_type": "DPoP"})), 401, "token_kind"),
        (good(&json!({"cnf": {"jkt": "x"}})), 401, "token_kind"),
        (good(&json!({"token_use": "refresh_token"})), 401, "token_kind"),
        (good(&json!({"iss": "https://evil.example"})), 401, "token_issuer"),
        (json!({}), 502, "token_response_invalid"),
        (good(&json!({"active": "true"})), 502, "token_response_invalid"),
    ]
    .into_iter()
    .enumerate()
    {
        says(&api, answered.clone());
        let (token, before) = (format!("opaque-{number}"), questions(&api));
        for _ in 0..3 {
            let told = api.with_token(&token).await;
            let told = (told.status.as_u16(), told.reason());
            assert_eq!(told, (status, reason.to_owned()), "{answered}");
        }
        let expected = if status == 401 { 1 } else { 3 };
        assert_eq!(questions(&api) - before, expected, "{answered}");
    }
    // It was issued a moment ago, and the provider knows it by now.
    says(&api, good(&json!({})));
    api.refuses("opaque-0", "token_inactive").await;
    api.clock.advance(TEN_SECONDS);
    assert_eq!(api.takes("opaque-0").await, "person Notes.Read");
}

/// RFC 7662 section 4. The leeway is for clocks that differ; here the provider says itself that the
/// token is active, by its own.
#[tokio::test]
async fn a_token_is_not_remembered_beyond_its_end() {
    let api = api();
    says(&api, good(&json!({"exp": NOW.as_seconds() + 5})));
    assert_eq!(api.takes("opaque").await, "person Notes.Read");
    says(&api, json!({"active": false}));
    api.clock.advance(Duration::from_secs(4));
    assert_eq!(api.takes("opaque").await, "person Notes.Read");
    api.clock.advance(Duration::from_secs(1));
    api.refuses("opaque", "token_inactive").await;
}

/// RFC 7662 section 2.2: all members but `active` are optional. Gluu writes `null` for those that
/// it does not have.
#[tokio::test]
async fn a_member_of_an_introspection_answer_that_is_null_counts_as_absent() {
    let api = api();
    for (number, name) in
        ["exp", "nbf", "iat", "sub", "iss", "token_type", "cnf", "acr", "roles"].iter().enumerate()
    {
        says(&api, good(&json!({*name: null})));
        let known = api.with_token(&format!("opaque-{number}")).await;
        assert_eq!(known.status.as_u16(), 200, "{name}");
        api.with_token(&format!("opaque-{number}")).await;
        assert_eq!(questions(&api), number + 1, "{name} is remembered");
    }
    // Two members are required: `active`, and `aud`, by which the API knows that it is meant.
    says(&api, good(&json!({"active": null})));
    assert_eq!(api.with_token("opaque-active").await.status.as_u16(), 502);
    says(&api, good(&json!({"aud": null})));
    api.refuses("opaque-aud", "token_audience").await;
}

/// RFC 7662 section 2.2: `aud` is optional, and Doorkeeper and others never send it.
#[tokio::test]
async fn an_answer_without_audience_passes_for_the_own_client_or_by_the_setting() {
    let foreign = good(&json!({"aud": null}));
    let own = good(&json!({"aud": null, "client_id": CLIENT_ID}));
    let nameless = good(&json!({"aud": null, "client_id": null}));
    let elsewhere = good(&json!({"aud": "other", "client_id": CLIENT_ID}));
    let empty = good(&json!({"aud": [], "client_id": CLIENT_ID}));
    let optional = Introspection::OpaqueAudienceOptional;
    for (name, answered, by_default, by_setting) in [
        ("foreign", foreign, false, true),
        ("own", own, true, true),
        ("nameless", nameless, false, true),
        ("elsewhere", elsewhere, false, false),
        ("empty", empty, false, false),
    ] {
        for (api, passes) in [(api(), by_default), (api_with(optional), by_setting)] {
            says(&api, answered.clone());
            let told = api.with_token("opaque").await;
            assert_eq!(told.status.as_u16(), if passes { 200 } else { 401 }, "{name}");
            assert!(passes || told.reason() == "token_audience", "{name}: {}", told.reason());
        }
    }
}

/// Django OAuth Toolkit and Doorkeeper answer so about people and about applications.
#[tokio::test]
async fn users_without_subject_in_an_introspection_answer_share_no_key() {
    for more in [json!({"username": "ada"}), json!({"token_type": "Bearer"})] {
        let api = api();
        let answered = changed(good(&more), |answer| {
            answer.as_object_mut().unwrap().remove("sub");
        });
        says(&api, answered);
        let (key, other) = (api.key_of("opaque-1").await, api.key_of("opaque-2").await);
        assert_eq!(api.takes("opaque-1").await, "person Notes.Read", "{more}");
        assert_ne!(key, other, "{more}");
        // It is asked about again each minute, and each process asks by itself.
        api.clock.advance(Duration::from_secs(61));
        assert_eq!(api.key_of("opaque-1").await, key, "{more}");
        assert!(!key.ends_with(" app") && !other.ends_with(" app"), "{key} {other}");
    }
}

/// That a token holds is remembered for a minute.
#[tokio::test]
async fn an_opaque_token_that_holds_is_asked_about_once_a_minute() {
    let api = api();
    says(&api, good(&json!({})));
    for _ in 0..5 {
        assert_eq!(api.takes("opaque").await, "person Notes.Read");
    }
    assert_eq!(questions(&api), 1);
    let asked = api.http.find("/introspect");
    assert_eq!(asked.body().as_ref(), b"token=opaque&token_type_hint=access_token");
    // Ory Hydra names the kind of the token.
    says(&api, good(&json!({"token_use": "access_token"})));
    assert_eq!(api.takes("opaque-of-hydra").await, "person Notes.Read");
    api.clock.advance(Duration::from_secs(61));
    says(&api, json!({"active": false}));
    api.refuses("opaque", "token_inactive").await;
    TestApi::plain().refuses("opaque", "token_malformed").await;
}

#[tokio::test]
async fn callers_with_one_token_share_one_question_and_those_with_another_do_not() {
    for (answered, status) in
        [(good(&json!({})), StatusCode::OK), (json!({"active": false}), StatusCode::UNAUTHORIZED)]
    {
        let api = Arc::new(api());
        says(&api, answered);
        // The document is there already.
        api.with_token("another").await;
        api.http.hold();
        let callers: Vec<_> = (0..100)
            .map(|number| {
                let api = Arc::clone(&api);
                let token = if number % 2 == 0 { "even" } else { "odd" };
                tokio::spawn(async move { api.with_token(token).await.status })
            })
            .collect();
        while questions(&api) < 3 {
            tokio::task::yield_now().await;
        }
        api.http.release();
        for caller in callers {
            assert_eq!(caller.await.unwrap(), status);
        }
        assert_eq!(questions(&api), 3);
    }
}

/// Any number of different tokens is 240 questions at once and ten more each second.
#[tokio::test]
async fn garbage_at_full_rate_takes_bounded_memory_and_a_bounded_rate_of_questions() {
    let api = api();
    says(&api, json!({"active": false}));
    for _ in 0..1_000 {
        api.refuses("garbage", "token_inactive").await;
    }
    assert_eq!(questions(&api), 1);
    let (mut refused, mut busy) = (0, 0);
    for number in 0..20_000 {
        if number % 2_000 == 1_999 {
            api.clock.advance(Duration::from_secs(1));
        }
        let told = api.with_token(&format!("garbage-{number}")).await;
        match told.status {
            StatusCode::UNAUTHORIZED => refused += 1,
            status => {
                assert_eq!(
                    (status, told.reason().as_str()),
                    (StatusCode::SERVICE_UNAVAILABLE, "busy")
                );
                assert_eq!(
                    (&told.headers["retry-after"], told.challenge()),
                    (&"5".parse().unwrap(), "")
                );
                busy += 1;
            }
        }
    }
    assert_eq!((questions(&api), refused, busy), (331, 330, 19_670));
    let shared = api.layer.shared();
    assert_eq!((shared.introspections().refused_tokens(), shared.memory().len()), (331, 0));
}

#[tokio::test]
async fn random_tokens_do_not_keep_out_callers_with_a_token_that_was_active() {
    let api = api();
    says(&api, good(&json!({})));
    for number in 0..2_000 {
        api.takes(&format!("caller-{number}")).await;
    }
    says(&api, json!({"active": false}));
    let flood = async |name: &str| {
        for number in 0..500 {
            api.with_token(&format!("{name}-{number}")).await;
        }
        assert_eq!(api.with_token(name).await.reason(), "busy");
    };
    flood("garbage").await;
    api.takes("caller-7").await;
    // The result about it is a minute old, so the provider is asked again.
    api.clock.advance(Duration::from_secs(61));
    flood("rubbish").await;
    says(&api, good(&json!({})));
    let before = questions(&api);
    api.takes("caller-7").await;
    assert_eq!(questions(&api) - before, 1);
    assert_eq!(api.with_token("new").await.status, StatusCode::SERVICE_UNAVAILABLE);
    api.clock.advance(Duration::from_secs(1));
    api.takes("new").await;
    // A token that was revoked is a random one from then on.
    says(&api, json!({"active": false}));
    api.clock.advance(Duration::from_secs(61));
    api.refuses("caller-8", "token_inactive").await;
    api.clock.advance(TEN_SECONDS);
    flood("litter").await;
    assert_eq!(api.with_token("caller-8").await.reason(), "busy");
}

/// RFC 7662 section 2.2 has numbers. A text of digits says the same, and refusing it protects
/// against nothing.
#[tokio::test]
async fn times_of_an_introspection_answer_may_be_texts_or_have_fractions() {
    let api = api();
    let now = NOW.as_seconds();
    for (number, (times, status, reason)) in [
        (json!({"exp": (now + 600).to_string(), "iat": (now - 1).to_string()}), 200, ""),
        (json!({"exp": now as f64 + 600.5, "iat": now as f64 - 0.5, "nbf": now as f64}), 200, ""),
        (json!({"exp": format!("{}.25", now + 600), "nbf": now.to_string()}), 200, ""),
        (json!({"exp": "1"}), 401, "token_expired"),
        (json!({"nbf": (now + 600).to_string()}), 401, "token_not_yet_valid"),
        (json!({"exp": "soon"}), 401, "token_malformed"),
        (json!({"exp": ""}), 401, "token_malformed"),
        (json!({"exp": "inf"}), 401, "token_malformed"),
        (json!({"exp": true}), 401, "token_malformed"),
    ]
    .into_iter()
    .enumerate()
    {
        says(&api, good(&times));
        let told = api.with_token(&format!("opaque-{number}")).await;
        assert_eq!(told.status.as_u16(), status, "{times}: {}", told.reason());
        assert!(reason.is_empty() || told.reason() == reason, "{times}: {}", told.reason());
    }
}

#[tokio::test]
async fn scopes_of_an_introspection_answer_may_be_a_list() {
    let api = api();
    says(&api, good(&json!({"scope": ["Notes.Read", "Notes.Write"]})));
    assert_eq!(api.takes("opaque").await, "person Notes.Read,Notes.Write");
}

/// A clock that is corrected to an earlier time makes no verdict last longer.
#[tokio::test]
async fn a_clock_that_is_set_back_ends_what_is_remembered() {
    let hour = Duration::from_secs(3600);
    let back = UnixTime::from_seconds(NOW.as_seconds() - 3600);
    let api = api();
    says(&api, json!({"active": false}));
    api.refuses("opaque-1", "token_inactive").await;
    says(&api, good(&json!({})));
    api.clock.set(back);
    assert_eq!(api.takes("opaque-1").await, "person Notes.Read");
    api.clock.advance(hour);
    api.takes("opaque-2").await;
    says(&api, json!({"active": false}));
    api.clock.set(back);
    api.refuses("opaque-2", "token_inactive").await;
}
