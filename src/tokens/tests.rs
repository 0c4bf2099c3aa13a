//! Access tokens through [`Grants`]: the cache, the requests to the provider, and waiting callers.

use std::sync::atomic::Ordering::SeqCst;

use super::{test_support::*, *};
use crate::{
    clock::Clock,
    codec::{self, Value as _},
    config::SessionEnd,
    error::ErrorKind,
    secret::Secret,
};

/// The kind of the error of a token request.
pub(super) async fn failure(session: &TestSession, scopes: &str) -> ErrorKind {
    session.token(scopes).await.unwrap_err().kind()
}

/// The usual answer with other lifetimes.
pub(super) fn lives(
    expires_in: u64,
    refresh_in: Option<u64>,
) -> impl FnOnce(RefreshAnswer) -> Result<RefreshAnswer, crate::Error> {
    move |mut answer| {
        answer.issued.expires_in = Some(seconds(expires_in));
        answer.issued.refresh_in = refresh_in.map(seconds);
        Ok(answer)
    }
}

// Answers from the cache.

// MSAL-072: Authorization-code response holds a refresh token; it is handled
#[tokio::test]
async fn the_token_of_the_sign_in_is_served_without_a_request() {
    let session = TestSession::new();
    assert_eq!(session.record().refresh_token().map(Secret::expose), Some("refresh-0-1"));
    for scopes in ["openid api.read", "api.read openid", "api.read", ""] {
        let token = session.token(scopes).await.unwrap();
        assert_eq!((token.expose(), token.source()), ("access-0", TokenSource::SignIn), "{scopes}");
        assert_eq!(
            (token.scopes().collect::<Vec<_>>(), token.expires_at()),
            (vec!["api.read", "openid"], START + seconds(3600))
        );
    }
    assert_eq!(session.provider.calls(), 0);
}

// MSAL-045: Scopes given as [s2,s1] then [s1,s2]; stored
#[tokio::test]
async fn scopes_in_another_order_are_the_same_request() {
    let session = TestSession::new();
    assert_eq!(session.token("s2 s1").await.unwrap().source(), TokenSource::Provider);
    assert_eq!(session.token("s1 s2 s1").await.unwrap().source(), TokenSource::Cache);
    assert_eq!((session.provider.calls(), session.record().tokens().len()), (1, 2));
}

// MSAL-044: Access-token key; two responses for different tenants, same user
#[tokio::test]
async fn another_tenant_has_tokens_of_its_own_and_the_same_refresh_token() {
    let session = TestSession::new();
    // The same person has other identifiers there.
    session.provider.next(|mut answer| {
        answer.identity = Some(Ok(identity(
            Person { tid: Some("other".into()), sub: "guest".into(), ..ada() },
            "guest",
            START,
        )));
        Ok(answer)
    });
    let elsewhere = request("api.read").with_tenant("other");
    assert_eq!(
        session.grants.access_token(&session.grant, &elsewhere).await.unwrap().expose(),
        "access-1"
    );
    assert_eq!(session.provider.last_request().tenant(), Some("other"));
    assert_eq!(session.token("api.read").await.unwrap().expose(), "access-0");
    let at_home = request("api.read").with_tenant("home");
    assert_eq!(
        session.grants.access_token(&session.grant, &at_home).await.unwrap().expose(),
        "access-0"
    );
    assert_eq!(
        session.grants.access_token(&session.grant, &elsewhere).await.unwrap().expose(),
        "access-1"
    );
    assert_eq!(session.record().refresh_token().map(Secret::expose), Some("refresh-1"));
    assert_eq!(
        session.record().claims().map(|claims| claims.get()),
        None,
        "the claims are those of the sign-in"
    );
}

// MSAL-050: Requested scope `invalid_scope`, response scope `valid_scope1 valid_scope2`; the same
//   request is made again
#[tokio::test]
async fn a_token_with_fewer_scopes_answers_the_same_request_and_lists_the_missing_ones() {
    let session = TestSession::new();
    session.provider.next(granting("valid1 valid2"));
    for _ in 0..3 {
        let token = session.token("invalid").await.unwrap();
        assert_eq!(
            (token.missing_scopes().collect::<Vec<_>>(), session.provider.calls()),
            (vec!["invalid"], 1)
        );
    }
    let token = session.token("valid1").await.unwrap();
    assert_eq!(
        (token.source(), token.missing_scopes().count(), session.provider.calls()),
        (TokenSource::Cache, 0, 1)
    );
    // A different request for the same right has its own cache entry.
    session.provider.next(granting("valid1"));
    let token = session.token("invalid valid1").await.unwrap();
    assert_eq!(
        (token.missing_scopes().collect::<Vec<_>>(), session.provider.calls()),
        (vec!["invalid"], 2)
    );
    // A refresh that is due sends the request again, and the newly granted scopes apply.
    session.clock.advance(seconds(3600 - 300));
    let token = session.token("invalid").await.unwrap();
    assert_eq!(
        (token.source(), token.missing_scopes().count(), session.provider.calls()),
        (TokenSource::Provider, 0, 3)
    );
}

fn granting(
    scope: &str,
) -> impl FnOnce(RefreshAnswer) -> Result<RefreshAnswer, crate::Error> + Send + 'static {
    let scope = scope.to_owned();
    move |mut answer| {
        answer.issued.scope = Some(scope);
        Ok(answer)
    }
}

/// After the sign-in and after a refresh: whatever the names of the granted scopes, the token
/// answers the same request until a refresh is due.
#[tokio::test]
async fn renamed_scopes_do_not_cause_a_refresh_at_every_request() {
    for granted in ["", "API.READ", "urn:something-else", "api.read,openid", "openid other"] {
        let session = TestSession::new();
        session.sign_in(&session.grant, |issued| issued.scope = Some(granted.into()));
        for _ in 0..3 {
            assert_eq!(session.token("").await.unwrap().expose(), "access-0", "{granted}");
        }
        assert_eq!(session.provider.calls(), 0, "{granted}");
        session.provider.next(granting(granted));
        let first = session.token("mail.read").await.unwrap();
        for _ in 0..3 {
            assert_eq!(
                session.token("mail.read").await.unwrap().expose(),
                first.expose(),
                "{granted}"
            );
        }
        assert_eq!(session.provider.calls(), 1, "{granted}");
    }
}

/// Without a refresh token, the token of the sign-in also answers requests for some of its scopes.
#[tokio::test]
async fn without_a_refresh_token_the_one_of_the_sign_in_does() {
    for (granted, served) in
        [("API.READ", true), ("urn:something-else", true), ("openid", false), ("", false)]
    {
        let session = TestSession::new();
        session.sign_in(&session.grant, |issued| {
            issued.scope = Some(granted.into());
            issued.refresh_token = None;
        });
        let token = session.token("api.read").await;
        assert_eq!(
            token.as_ref().map(AccessToken::expose).ok(),
            served.then_some("access-0"),
            "{granted}"
        );
        match token {
            Ok(token) => assert_eq!(
                token.missing_scopes().count(),
                usize::from(granted != "API.READ"),
                "{granted}"
            ),
            Err(error) => assert_eq!(error.kind(), ErrorKind::NoRefreshToken),
        }
        assert_eq!(session.token("api.write").await.unwrap_err().kind(), ErrorKind::NoRefreshToken);
        assert_eq!(session.provider.calls(), 0);
    }
}

/// Microsoft redeems a code with several resources for the first one: its token does not answer
/// requests for the others.
#[tokio::test]
async fn a_token_of_one_resource_never_answers_for_another() {
    let session = TestSession::new();
    session.provider.next(granting("user.read profile"));
    session.token("api://one/read User.Read").await.unwrap();
    assert_eq!(session.token("user.read").await.unwrap().expose(), "access-1");
    assert_eq!(session.token("api://one/read").await.unwrap().expose(), "access-2");
    assert_eq!(session.provider.calls(), 2);
}

// C-157: granted scope narrower than asked
// MSAL-100: IdP grants fewer scopes than asked; login ends
#[tokio::test]
async fn scopes_that_were_not_granted_are_named() {
    let session = TestSession::new();
    session.provider.next(|mut answer| {
        answer.issued.scope = Some("mail.read".into());
        Ok(answer)
    });
    let token = session.token("openid offline_access mail.send mail.read calendar").await.unwrap();
    assert_eq!(token.scopes().collect::<Vec<_>>(), ["mail.read"]);
    assert_eq!(token.missing_scopes().collect::<Vec<_>>(), ["calendar", "mail.send"]);
}

// C-147: scope is the empty string
#[tokio::test]
async fn an_empty_scope_grants_nothing() {
    let session = TestSession::new();
    session.provider.next(|mut answer| {
        answer.issued.scope = Some(String::new());
        Ok(answer)
    });
    let token = session.token("mail.read").await.unwrap();
    assert_eq!(
        (token.scopes().count(), token.missing_scopes().collect::<Vec<_>>()),
        (0, vec!["mail.read"])
    );
}

// Requests to the provider.

// MSAL-060: Token with `expires_in=60`; silent call
// MSAL-065: Token expires_in=60, refresh_in=-900; IdP answers 200; silent call
#[tokio::test]
async fn a_token_with_a_minute_to_live_counts_as_expired_but_is_not_refreshed_in_a_loop() {
    let session = TestSession::new();
    session.sign_in(&session.grant, |issued| issued.expires_in = Some(seconds(60)));
    for answer in 1..=3 {
        session.provider.next(lives(60, Some(0)));
        for _ in 0..5 {
            assert_eq!(
                session.token("api.read openid").await.unwrap().expose(),
                format!("access-{answer}")
            );
            session.settled().await;
        }
        session.clock.advance(seconds(31));
    }
    assert_eq!(session.provider.calls(), 3);
}

// MSAL-061: Token expires_in=900, refresh_in=450; silent call at t=0
#[tokio::test]
async fn a_token_is_served_from_the_cache_until_its_refresh_in() {
    let session = TestSession::new();
    session.sign_in(&session.grant, |issued| {
        issued.expires_in = Some(seconds(900));
        issued.refresh_in = Some(seconds(450));
    });
    session.clock.advance(seconds(449));
    assert_eq!(session.token("api.read").await.unwrap().source(), TokenSource::SignIn);
    session.settled().await;
    assert_eq!(session.provider.calls(), 0);
    let record = GrantRecord::read(&codec::encode(&*session.record())).unwrap();
    let token = record.tokens().exact(&record.sign_in_key()).unwrap();
    assert_eq!(token.refresh_at, Some(START + seconds(450)));
}

// MSAL-062: Token expires_in=3599, refresh_in=-1; IdP answers 200 `{access_token:"new
//   AT",refresh_in:123}`; silent call
#[tokio::test]
async fn a_token_past_its_refresh_in_is_served_and_renewed_in_the_background() {
    let session = TestSession::new();
    session.sign_in(&session.grant, |issued| issued.refresh_in = Some(seconds(0)));
    session.provider.next(lives(3600, Some(123)));
    assert_eq!(session.token("openid api.read").await.unwrap().expose(), "access-0");
    session.settled().await;
    let token = session.token("openid api.read").await.unwrap();
    assert_eq!(
        (token.expose(), token.source(), session.provider.calls()),
        ("access-1", TokenSource::Cache, 1)
    );
    session.clock.advance(seconds(122));
    session.token("openid api.read").await.unwrap();
    session.settled().await;
    assert_eq!(session.provider.calls(), 1);
    session.clock.advance(seconds(1));
    session.token("openid api.read").await.unwrap();
    session.settled().await;
    assert_eq!(session.provider.calls(), 2);
}

#[tokio::test]
async fn a_failed_renewal_in_the_background_is_not_repeated_at_every_request() {
    let session = TestSession::new();
    session.sign_in(&session.grant, |issued| issued.refresh_in = Some(seconds(0)));
    session.provider.next_fails(ErrorKind::ProviderUnreachable, provider_error(""));
    for _ in 0..10 {
        assert_eq!(session.token("api.read openid").await.unwrap().expose(), "access-0");
        session.settled().await;
    }
    assert_eq!(session.provider.calls(), 1);
}

// MSAL-067: Valid cached token; silent call with claims challenge or force_refresh
#[tokio::test]
async fn force_and_a_claims_challenge_go_past_the_cache_and_replace_the_entry() {
    let session = TestSession::new();
    let forced = request("openid api.read").forced();
    assert_eq!(
        session.grants.access_token(&session.grant, &forced).await.unwrap().expose(),
        "access-1"
    );
    let challenged = request("openid api.read").with_challenge(r#"{"access_token":{}}"#);
    assert_eq!(
        session.grants.access_token(&session.grant, &challenged).await.unwrap().expose(),
        "access-2"
    );
    assert_eq!(session.provider.last_request().challenge(), Some(r#"{"access_token":{}}"#));
    assert_eq!(session.token("openid api.read").await.unwrap().expose(), "access-2");
    assert_eq!(session.record().tokens().len(), 1);
}

#[tokio::test]
async fn a_session_with_a_revoked_grant_ends_even_if_the_store_cannot_delete_it() {
    for late in [3601, 4000] {
        let session = TestSession::new();
        session.clock.advance(seconds(late));
        session.provider.next_fails(ErrorKind::InvalidGrant, provider_error("invalid_grant"));
        session.store.failing_ends.store(1, SeqCst);
        let renewed = session.grants.renew(&session.grant).await;
        assert!(!matches!(renewed, Err(RefreshError::Failed(_))), "{late}");
        session.settled().await;
        assert!(session.store.is_signed_in(&session.grant));
        assert!(
            matches!(
                session.grants.renew(&session.grant).await,
                Err(RefreshError::SessionMustEnd(_))
            ),
            "{late}"
        );
        assert!(!session.store.is_signed_in(&session.grant));
        assert_eq!(session.provider.calls(), 1);
    }
}

// Refresh tokens.

// MSAL-071: Refresh response holds a new refresh token; it is handled
// C-241: answer has a new refresh_token
#[tokio::test]
async fn a_new_refresh_token_takes_the_place_of_the_old_one_which_is_never_sent_again() {
    let session = TestSession::new();
    session.token("a").await.unwrap();
    assert_eq!(session.record().refresh_token().map(Secret::expose), Some("refresh-1"));
    // A second process reads an older record from a store that lags.
    session.store.stale_loads.store(2, SeqCst);
    session.token("b").await.unwrap();
    assert_eq!(session.record().refresh_token().map(Secret::expose), Some("refresh-2"));
    assert!(!session.provider.reused.load(SeqCst));
}

// C-240: answer has no refresh_token
#[tokio::test]
async fn an_answer_without_a_refresh_token_leaves_the_present_one() {
    let session = TestSession::new();
    session.provider.rotates.store(false, SeqCst);
    session.token("a").await.unwrap();
    session.provider.next(|mut answer| {
        answer.issued.refresh_token = Some("".into());
        Ok(answer)
    });
    session.provider.accept("");
    session.token("b").await.unwrap();
    assert_eq!(session.record().refresh_token().map(Secret::expose), Some("refresh-0-1"));
    assert!(session.store.is_signed_in(&session.grant));
}

#[tokio::test]
async fn an_answer_about_another_person_ends_the_session_and_discloses_nothing() {
    let changes: [fn(&mut Person); 4] = [
        |person| person.iss.push('x'),
        |person| person.sub.make_ascii_uppercase(),
        |person| person.tid = Some("other".into()),
        |person| person.oid = Some("2".into()),
    ];
    for change in changes {
        let session = TestSession::new();
        session.provider.next(move |mut answer| {
            let mut person = ada();
            change(&mut person);
            answer.identity = Some(Ok(identity(person, "eve", START + seconds(3600))));
            Ok(answer)
        });
        assert_eq!(failure(&session, "mail.read").await, ErrorKind::PersonChanged);
        assert!(
            !session.store.is_signed_in(&session.grant)
                && session.store.record(&session.grant).is_none()
        );
        assert!(!session.store.has_stored("access-1") && !session.store.has_stored("refresh-1"));
    }
}

#[tokio::test]
async fn missing_identifiers_do_not_contradict() {
    let session = TestSession::new();
    session.provider.next(|mut answer| {
        answer.identity = Some(Ok(identity(
            Person { tid: None, oid: None, ..ada() },
            "id",
            START + seconds(3600),
        )));
        Ok(answer)
    });
    assert!(session.token("mail.read").await.is_ok());
}

#[tokio::test]
async fn claims_change_only_with_the_scopes_of_the_sign_in() {
    let session = TestSession::new();
    session.token("mail.read").await.unwrap();
    assert!(
        session.record().claims().is_none(),
        "an ID token for fewer scopes may have fewer claims"
    );
    session.clock.advance(seconds(3400));
    session.token("").await.unwrap();
    assert_eq!(session.record().claims().map(|claims| claims.get()), Some(r#"{"name":"id-2"}"#));
    assert_eq!(session.record().renew_at(), Some(session.clock.now() + seconds(3600)));
    assert_eq!(session.provider.calls(), 2);
}

// MSAL-053: Debug logging on; an entry is added
#[tokio::test]
async fn nothing_prints_a_token() {
    let session = TestSession::with(|_| {}, None, SessionEnd::OwnLimits);
    let token = session.token("mail.read").await.unwrap();
    let printed = format!("{token:?}");
    for secret in ["access-", "refresh-", "id-0", "\"ada\""] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
}
