//! Requests to a provider in memory, and their spans.

use std::{io::Write, sync::Mutex};

use http::Response;
use serde_json::{Value, json};
use tracing_subscriber::fmt::format::FmtSpan;

use super::*;
use crate::{
    authority::B2cPolicies,
    clock::ManualClock,
    config::{Algorithm, ClientCredential},
    error::ProviderError,
    protocol::{
        callback::CallbackParameters,
        http::HttpError,
        id_token::{IdTokenExpectation, Nonce, VerifiedIdToken},
        test_support::{
            CLIENT_ID, FakeHttp, NONCE, NOW, SUBJECT, Signer, answer, authority, claims, config,
            document, header, id_token, key_set, metadata, published,
        },
    },
};

pub(super) const SENT: IdTokenExpectation<'static> = IdTokenExpectation {
    nonce: Nonce::Sent(NONCE),
    max_age: None,
    acr: &[],
    auth_context: None,
    access_token: None,
    client_info: None,
};

pub(super) fn code() -> AuthorizationCode {
    CallbackParameters::parse(b"code=c0de&state=s")
        .unwrap()
        .check("s", &metadata(|_| ()), &authority())
        .unwrap()
}

pub(super) fn tokens() -> Value {
    json!({
        "access_token": "acce55", "token_type": "Bearer", "expires_in": 60,
        "refresh_token": "refre5h", "id_token": id_token(|_| ())
    })
}

/// Publishes its documents and answers one path so.
pub(super) fn answering(
    path: &'static str,
    content_type: &'static str,
    status: u16,
    body: String,
) -> Arc<FakeHttp> {
    FakeHttp::new(move |request| {
        if request.uri().path() != path {
            return Ok(published(request, &document(), &key_set()));
        }
        let mut answer = answer(status, &body);
        answer.headers_mut().insert("content-type", content_type.parse().unwrap());
        Ok(answer)
    })
}

pub(super) const WELL_KNOWN: &str = "/.well-known/openid-configuration";

pub(super) async fn verify(provider: &Provider, token: &str) -> Result<VerifiedIdToken, ErrorKind> {
    provider.verify_id_token(token, &SENT).await.map_err(|error| error.kind())
}

/// A key of its own name, and a token that it signed.
pub(super) fn another_key(kid: &str) -> (Value, String) {
    let signer = Signer::new(Algorithm::Rs256);
    let mut header = header();
    header["kid"] = json!(kid);
    (signer.jwk(kid), signer.sign(&header, &claims()))
}

// C-001: OP answers the code flow correctly
#[tokio::test]
async fn a_code_becomes_tokens_a_verified_id_token_and_claims() {
    let http = FakeHttp::new(|request| {
        Ok(match request.uri().path() {
            "/token" => answer(200, tokens()),
            "/userinfo" => answer(200, json!({"sub": SUBJECT, "email": "ada@example.com"})),
            _ => published(request, &document(), &key_set()),
        })
    });
    let (provider, _) = http.provider(config());
    let tokens = provider
        .redeem_code(&code(), &"verifier".into(), "https://app.example/auth/callback")
        .await
        .unwrap();
    let access_token = tokens.access_token.unwrap();
    let token = provider.verify_id_token(tokens.id_token.unwrap().expose(), &SENT).await.unwrap();
    let claims = provider.user_info(&access_token, &token.person().sub).await.unwrap();
    assert_eq!(
        (token.person().sub.as_str(), &claims["email"]),
        (SUBJECT, &json!("ada@example.com"))
    );
    assert_eq!(http.last().headers()["authorization"], "Bearer acce55");
    assert!(!http.last().uri().to_string().contains("acce55"));
}

// C-154: timeout at the token endpoint
// C-097: OP rejects S256
#[tokio::test]
async fn a_code_is_sent_once_whatever_comes_back() {
    type HttpOutcome = fn() -> Result<Response<Bytes>, HttpError>;
    let outcomes: [HttpOutcome; 5] = [
        || Err(HttpError::new("too slow")),
        || Ok(answer(500, "")),
        || Ok(answer(302, "")),
        || {
            Ok(answer(
                400,
                r#"{"error":"invalid_request","error_description":"S256 is not supported"}"#,
            ))
        },
        || Ok(answer(200, "{")),
    ];
    for outcome in outcomes {
        let http = FakeHttp::new(move |request| match request.uri().path() {
            "/token" => outcome(),
            _ => Ok(published(request, &document(), &key_set())),
        });
        let (provider, _) = http.provider(config());
        assert!(
            provider
                .redeem_code(&code(), &"verifier".into(), "https://app.example/cb")
                .await
                .is_err()
        );
        assert_eq!(http.count("/token"), 1);
        assert!(
            std::str::from_utf8(http.last().body()).unwrap().contains("code_verifier=verifier")
        );
    }
}

/// Some providers repeat a refused parameter in the error, in `error` itself, the description or an
/// identifier, also form-encoded.
#[tokio::test]
async fn an_error_that_repeats_code_token_or_secret_shows_none_of_them() {
    let token = "refresh/token+with=signs";
    for repeat in [
        |sent: &str| json!({"error": "invalid_grant", "error_description": sent}),
        |sent: &str| json!({"error": sent}),
        |sent: &str| json!({"error": "invalid_grant", "suberror": sent, "trace_id": sent}),
        |sent: &str| {
            json!({
                "error": "invalid_grant", "error_description": &sent[..sent.len() - 6]
            })
        },
    ] {
        let http = FakeHttp::new(move |request| {
            let sent = String::from_utf8(request.body().to_vec()).unwrap();
            let decoded = url::form_urlencoded::parse(sent.as_bytes())
                .map(|(name, value)| format!("{name} is {value}; "))
                .collect::<String>();
            Ok(match request.uri().path() {
                "/token" => answer(400, repeat(&(decoded + &sent))),
                _ => published(request, &document(), &key_set()),
            })
        });
        let (provider, _) = http.provider(config());
        let error = provider.refresh(&token.into(), &TokenParams::default()).await.err().unwrap();
        let provider = error.provider().unwrap();
        let ProviderError { error: code, description, suberror, trace_id, .. } = provider;
        let said = format!("{error} {error:?} {code} {description:?} {suberror:?} {trace_id:?}");
        for secret in [token, "refresh%2Ftoken", "with=signs", "a client secret of more"] {
            assert!(!said.contains(secret), "{said}");
        }
        assert!(said.contains("[redacted]"), "{said}");
    }
}

#[tokio::test]
async fn nothing_is_sent_before_the_document_is_believed() {
    let mut wrong = document();
    wrong["issuer"] = json!("https://evil.example");
    let http = FakeHttp::publishing(wrong, key_set());
    let (provider, _) = http.provider(config());
    assert_eq!(
        provider.refresh(&"rt".into(), &TokenParams::default()).await.err().unwrap().kind(),
        ErrorKind::ProviderMisconfigured
    );
    assert_eq!(http.count("/token"), 0);
}

// C-158: no alg configured or advertised
// C-159: alg differs from client setting or from metadata list
#[tokio::test]
async fn what_the_provider_lists_is_accepted_unless_the_configuration_says_otherwise() {
    let mut only_es256 = document();
    only_es256["id_token_signing_alg_values_supported"] = json!(["ES256"]);
    let http = FakeHttp::publishing(only_es256, key_set());
    let both = config().with_id_token_algorithms([Algorithm::Rs256, Algorithm::Es256]);
    assert!(verify(&http.provider(both).0, &id_token(|_| ())).await.is_ok());
    let only_es256 = config().with_id_token_algorithms([Algorithm::Es256]);
    assert_eq!(
        verify(&http.provider(only_es256).0, &id_token(|_| ())).await.err().unwrap(),
        ErrorKind::TokenAlgorithm
    );
    assert_eq!(
        verify(&http.provider(config()).0, &id_token(|_| ())).await.err().unwrap(),
        ErrorKind::TokenAlgorithm
    );
}

// C-214: signed userinfo with other alg, iss or aud
#[tokio::test]
async fn a_signed_user_info_answer_passes_the_one_verifier() {
    let signed = |change: fn(&mut Value)| {
        let mut claims = json!({"sub": SUBJECT, "email": "ada@example.com"});
        change(&mut claims);
        Signer::shared().sign(&header(), &claims)
    };
    let outcome = async |token: String| {
        let http = answering("/userinfo", "application/jwt", 200, token);
        http.provider(config())
            .0
            .user_info(&"at".into(), SUBJECT)
            .await
            .map_err(|error| error.kind())
    };
    assert_eq!(outcome(signed(|_| ())).await.unwrap()["email"], "ada@example.com");
    assert!(
        outcome(signed(|claims| (claims["iss"], claims["aud"]) =
            (json!("https://id.example"), json!([CLIENT_ID]))))
        .await
        .is_ok()
    );
    assert_eq!(
        outcome(signed(|claims| claims["iss"] = json!("https://evil.example"))).await.unwrap_err(),
        ErrorKind::TokenIssuer
    );
    assert_eq!(
        outcome(signed(|claims| claims["aud"] = json!("client-2"))).await.unwrap_err(),
        ErrorKind::TokenAudience
    );
    assert_eq!(
        outcome(signed(|claims| claims["exp"] = json!(1))).await.unwrap_err(),
        ErrorKind::TokenExpired
    );
    assert_eq!(
        outcome(signed(|claims| claims["sub"] = json!("other"))).await.unwrap_err(),
        ErrorKind::UserInfoSubject
    );
    let forged = Signer::new(Algorithm::Rs256).sign(&header(), &json!({"sub": SUBJECT}));
    assert_eq!(outcome(forged).await.unwrap_err(), ErrorKind::TokenSignature);
    let es256 = Signer::new(Algorithm::Es256)
        .sign(&json!({"alg": "ES256", "kid": "k1"}), &json!({"sub": SUBJECT}));
    assert_eq!(outcome(es256).await.unwrap_err(), ErrorKind::TokenAlgorithm);
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzdWJqZWN0LTEifQ.".to_owned();
    assert_eq!(outcome(unsigned).await.unwrap_err(), ErrorKind::TokenAlgorithm);
}

// C-036: encrypted userinfo
#[tokio::test]
async fn an_encrypted_user_info_answer_is_refused() {
    let http = answering("/userinfo", "application/jwt", 200, "a.b.c.d.e".into());
    let error = http.provider(config()).0.user_info(&"at".into(), SUBJECT).await.unwrap_err();
    assert!(
        error.kind() == ErrorKind::TokenMalformed && error.to_string().contains("JWE"),
        "{error}"
    );
}

// C-143: access_token missing or not a string
/// A B2C policy gives an ID token alone; it has to be of that policy.
#[tokio::test]
async fn b2c_signs_in_without_an_access_token_and_names_its_policy() {
    const BASE: &str = "https://contoso.b2clogin.com/contoso.onmicrosoft.com/b2c_1_in";
    const TENANT: &str = "775527ff-9a37-4307-8b3d-cc311f58d925";
    let issuer = format!("https://contoso.b2clogin.com/{TENANT}/v2.0/");
    let document = json!({
        "issuer": issuer, "authorization_endpoint": format!("{BASE}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{BASE}/oauth2/v2.0/token"),
        "jwks_uri": format!("{BASE}/discovery/v2.0/keys"),
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
    });
    let http = FakeHttp::new(move |request| {
        Ok(match request.uri().path() {
            path if path.ends_with("/openid-configuration") => answer(200, &document),
            path if path.ends_with("/keys") => answer(200, key_set()),
            _ => answer(
                200,
                json!({
                    "id_token": "a.b.c", "token_type": "Bearer", "not_before": 1,
                    "expires_in": "3600"
                }),
            ),
        })
    });
    let authority = Authority::b2c("contoso", B2cPolicies::new("b2c_1_in")).unwrap();
    let config = crate::config::IdentityConfig::new(authority, CLIENT_ID)
        .with_credential(ClientCredential::secret("s"))
        .with_base_url("https://app.example")
        .unwrap();
    let (provider, _) = http.provider(config);
    let tokens =
        provider.redeem_code(&code(), &"v".into(), "https://app.example/cb").await.unwrap();
    assert!(tokens.access_token.is_none() && tokens.id_token.is_some());
    let token = |policy: &str| {
        let issuer = issuer.clone();
        id_token(|claims| (claims["iss"], claims["tfp"]) = (json!(issuer), json!(policy)))
    };
    assert!(verify(&provider, &token("B2C_1_In")).await.is_ok());
    assert_eq!(
        verify(&provider, &token("B2C_1_reset")).await.err().unwrap(),
        ErrorKind::TokenMismatch
    );
}

/// A place to write to that can be read afterwards.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A provider that refuses every second request, or answers it for another user.
fn every_second_request_fails() -> Arc<FakeHttp> {
    let broken = std::sync::atomic::AtomicBool::new(false);
    FakeHttp::new(move |request| {
        let broken = broken.fetch_xor(true, std::sync::atomic::Ordering::SeqCst);
        Ok(match request.uri().path() {
            "/token" if broken => answer(
                400,
                json!({"error": "invalid_grant", "error_description": "ada@example.com is gone"}),
            ),
            "/token" => answer(200, tokens()),
            "/userinfo" if broken => {
                answer(200, json!({"sub": "somebody-else", "email": "ada@example.com"}))
            }
            "/userinfo" => answer(200, json!({"sub": SUBJECT, "email": "ada@example.com"})),
            _ => published(request, &document(), &key_set()),
        })
    })
}

// C-437: debug/trace logging
// C-438: claims in logs
/// Every step at the most talkative level; how it ended is there, what it was about is not.
#[tokio::test(flavor = "current_thread")]
async fn spans_have_outcome_and_reason_and_neither_secrets_nor_users() {
    let output = Output::default();
    let writer = output.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    // With a second dispatcher `tracing` does not take the word of the thread that comes to a
    // span first: a test beside this one may be that thread.
    let _deaf = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());

    let (provider, _) = every_second_request_fails().provider(config());
    for _ in 0..2 {
        let _ = provider.redeem_code(&code(), &"ver1fier".into(), "https://app.example/cb").await;
        let _ = provider.refresh(&"refre5h".into(), &TokenParams::default()).await;
        let _ = provider.user_info(&"acce55".into(), SUBJECT).await;
        let _ = verify(&provider, &id_token(|_| ())).await;
        let _ =
            verify(&provider, &id_token(|claims| claims["nonce"] = json!("another-n0nce"))).await;
    }
    let log = String::from_utf8(output.0.lock().unwrap().clone()).unwrap();
    for step in ["discovery", "keys", "redeem_code", "refresh", "verify_id_token", "user_info"] {
        assert!(log.contains(&format!("identity.{step}{{")), "{step}: {log}");
    }
    for told in [
        "outcome=\"ok\"",
        "outcome=\"failed\" reason=\"invalid_grant\"",
        "reason=\"token_nonce\"",
        "reason=\"userinfo_subject\"",
    ] {
        assert!(log.contains(told), "{told}: {log}");
    }
    let raw = id_token(|_| ());
    let secrets = [
        "c0de",
        "ver1fier",
        "refre5h",
        "acce55",
        "a client secret",
        NONCE,
        "n0nce",
        raw.as_str(),
        "Basic ",
        "Bearer ",
    ];
    for hidden in secrets.into_iter().chain(["ada@", SUBJECT, "somebody-else", "is gone"]) {
        assert!(!log.contains(hidden), "{hidden} in {log}");
    }
}

#[test]
fn a_provider_prints_no_more_than_its_authority() {
    let http = FakeHttp::publishing(document(), key_set());
    let clock = ManualClock::at(NOW);
    let provider = Provider::new(config().build().unwrap(), http, Arc::new(clock));
    assert_eq!(format!("{provider:?}"), r#"Provider { authority: "https://id.example", .. }"#);
}
