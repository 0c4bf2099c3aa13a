//! Test support for this and higher layers: signing keys, a provider's documents, and an HTTP
//! client that answers from memory.

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaPublicKeyComponents},
};
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{
    http::{HttpClient, HttpError, HttpFuture},
    jwks::JwkSet,
    metadata::Metadata,
    provider::Provider,
};
use crate::{
    authority::Authority,
    clock::{ManualClock, UnixTime},
    config::{Algorithm, ClientCredential, IdentityConfig},
    secret::base64url,
};

pub(crate) const ISSUER: &str = "https://id.example";
pub(crate) const CLIENT_ID: &str = "client-1";
pub(crate) const SUBJECT: &str = "subject-1";
pub(crate) const NONCE: &str = "nonce-0123456789-0123456789";
pub(crate) const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

/// A key pair for one signature algorithm.
pub(crate) enum Signer {
    Rsa(RsaKeyPair, &'static dyn signature::RsaEncoding),
    Ec(EcdsaKeyPair, &'static str),
    Ed(Ed25519KeyPair),
}

impl Signer {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        let rsa = |encoding: &'static dyn signature::RsaEncoding| {
            Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap(), encoding)
        };
        match algorithm {
            Algorithm::Rs256 => rsa(&signature::RSA_PKCS1_SHA256),
            Algorithm::Rs384 => rsa(&signature::RSA_PKCS1_SHA384),
            Algorithm::Rs512 => rsa(&signature::RSA_PKCS1_SHA512),
            Algorithm::Ps256 => rsa(&signature::RSA_PSS_SHA256),
            Algorithm::Ps384 => rsa(&signature::RSA_PSS_SHA384),
            Algorithm::Ps512 => rsa(&signature::RSA_PSS_SHA512),
            Algorithm::Es256 => Self::Ec(
                EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
                "P-256",
            ),
            Algorithm::Es384 => Self::Ec(
                EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap(),
                "P-384",
            ),
            Algorithm::Es512 => Self::Ec(
                EcdsaKeyPair::generate(&signature::ECDSA_P521_SHA512_FIXED_SIGNING).unwrap(),
                "P-521",
            ),
            Algorithm::EdDsa => Self::Ed(Ed25519KeyPair::generate().unwrap()),
        }
    }

    /// An RS256 key that all tests share, because generating one is slow.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Signer> = OnceLock::new();
        SHARED.get_or_init(|| Self::new(Algorithm::Rs256))
    }

    pub(crate) fn signature(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Rsa(key, encoding) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(*encoding, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
            Self::Ec(key, _) => key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Self::Ed(key) => key.sign(message).as_ref().to_vec(),
        }
    }

    /// The public key as an entry of a JWK set.
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        match self {
            Self::Rsa(key, _) => {
                let parts = RsaPublicKeyComponents::<Vec<u8>>::from(key.public_key());
                json!({
                    "kty": "RSA", "kid": kid, "use": "sig", "n": base64url(&parts.n),
                    "e": base64url(&parts.e)
                })
            }
            Self::Ec(key, curve) => {
                let point = &key.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({
                    "kty": "EC", "crv": curve, "kid": kid, "use": "sig", "x": base64url(x),
                    "y": base64url(y)
                })
            }
            Self::Ed(key) => {
                json!({
                    "kty": "OKP", "crv": "Ed25519", "kid": kid, "use": "sig",
                    "x": base64url(key.public_key().as_ref())
                })
            }
        }
    }

    /// A signed token with these two parts.
    pub(crate) fn sign_text(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
        format!("{message}.{}", base64url(&self.signature(message.as_bytes())))
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }
}

/// The header of a valid token.
pub(crate) fn header() -> Value {
    json!({"alg": "RS256", "kid": "k1", "typ": "JWT"})
}

/// The claims of a valid ID token.
pub(crate) fn claims() -> Value {
    let now = NOW.as_seconds();
    json!({
        "iss": ISSUER, "sub": SUBJECT, "aud": CLIENT_ID, "exp": now + 3600, "iat": now,
        "nonce": NONCE
    })
}

/// A valid ID token after a change to its claims.
pub(crate) fn id_token(change: impl FnOnce(&mut Value)) -> String {
    let mut claims = claims();
    change(&mut claims);
    Signer::shared().sign(&header(), &claims)
}

/// A JWK set with the shared key as `k1`.
pub(crate) fn key_set() -> Value {
    json!({"keys": [Signer::shared().jwk("k1")]})
}

pub(crate) fn keys(set: &Value) -> JwkSet {
    JwkSet::parse(set.to_string().as_bytes()).unwrap()
}

pub(crate) fn authority() -> Authority {
    Authority::oidc(ISSUER).unwrap()
}

/// A valid discovery document.
pub(crate) fn document() -> Value {
    json!({
        "issuer": ISSUER,
        "authorization_endpoint": "https://id.example/authorize",
        "token_endpoint": "https://id.example/token",
        "jwks_uri": "https://id.example/keys",
        "userinfo_endpoint": "https://id.example/userinfo",
        "end_session_endpoint": "https://id.example/logout",
    })
}

/// The metadata of a valid document after a change to it.
pub(crate) fn metadata(change: impl FnOnce(&mut Value)) -> Metadata {
    let mut document = document();
    change(&mut document);
    Metadata::parse(document.to_string().as_bytes(), &authority()).unwrap()
}

pub(crate) fn answer(status: u16, body: impl fmt::Display) -> Response<Bytes> {
    Response::builder().status(status).body(Bytes::from(body.to_string())).unwrap()
}

pub(crate) fn config() -> IdentityConfig {
    IdentityConfig::new(authority(), CLIENT_ID)
        .with_credential(ClientCredential::secret(
            "a client secret of more than thirty-two characters",
        ))
        .with_base_url("https://app.example")
        .unwrap()
}

type Answer = Box<dyn FnMut(&Request<Bytes>) -> Result<Response<Bytes>, HttpError> + Send>;

/// An HTTP client that answers from memory and records the requests.
pub(crate) struct FakeHttp {
    answer: Mutex<Answer>,
    requests: Mutex<Vec<Request<Bytes>>>,
    gate: Semaphore,
}

impl FakeHttp {
    pub(crate) fn new(
        answer: impl FnMut(&Request<Bytes>) -> Result<Response<Bytes>, HttpError> + Send + 'static,
    ) -> Arc<Self> {
        let gate = Semaphore::new(Semaphore::MAX_PERMITS / 2);
        Arc::new(Self { answer: Mutex::new(Box::new(answer)), requests: Mutex::default(), gate })
    }

    /// A client for a provider with these two documents and no other endpoint.
    pub(crate) fn publishing(document: Value, key_set: Value) -> Arc<Self> {
        Self::new(move |request| Ok(published(request, &document, &key_set)))
    }

    /// Replaces the function that answers requests.
    pub(crate) fn answer_with(
        &self,
        answer: impl FnMut(&Request<Bytes>) -> Result<Response<Bytes>, HttpError> + Send + 'static,
    ) {
        *self.answer.lock().unwrap() = Box::new(answer);
    }

    /// Makes requests wait until [`release`](Self::release).
    pub(crate) fn hold(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn release(&self) {
        self.gate.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    /// The number of requests to the path.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.requests.lock().unwrap().iter().filter(|request| request.uri().path() == path).count()
    }

    /// The last request to the path.
    pub(crate) fn find(&self, path: &str) -> Request<Bytes> {
        self.requests
            .lock()
            .unwrap()
            .iter()
            .rfind(|request| request.uri().path() == path)
            .unwrap()
            .clone()
    }

    /// The last request.
    pub(crate) fn last(&self) -> Request<Bytes> {
        self.requests.lock().unwrap().last().unwrap().clone()
    }

    /// The provider at [`ISSUER`] behind this client, with a clock that stands at [`NOW`].
    pub(crate) fn provider(self: &Arc<Self>, config: IdentityConfig) -> (Provider, ManualClock) {
        let clock = ManualClock::at(NOW);
        (
            Provider::new(config.build().unwrap(), Arc::clone(self) as _, Arc::new(clock.clone())),
            clock,
        )
    }
}

/// The response to a request for one of the documents; 404 for every other path.
pub(crate) fn published(
    request: &Request<Bytes>,
    document: &Value,
    key_set: &Value,
) -> Response<Bytes> {
    match request.uri().path() {
        "/.well-known/openid-configuration" => answer(200, document),
        "/keys" => answer(200, key_set),
        _ => answer(404, ""),
    }
}

impl HttpClient for FakeHttp {
    fn send(&self, request: Request<Bytes>) -> HttpFuture<'_> {
        Box::pin(async move {
            self.requests.lock().unwrap().push(request.clone());
            let _permit = self.gate.acquire().await.unwrap();
            (self.answer.lock().unwrap())(&request)
        })
    }
}

impl fmt::Debug for FakeHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeHttp")
    }
}

/// Lets background tasks run until they wait.
pub(crate) async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Longer than every pause between fetches of the caches, shorter than the time until their entries
/// are stale.
pub(crate) const A_WHILE: Duration = Duration::from_secs(120);

mod tests {
    use proptest::{prelude::*, sample::Index};

    use super::*;
    use crate::protocol::{
        callback::CallbackParameters,
        json,
        token::{self, AccessTokenRule},
        user_info,
    };

    /// A valid input with some bytes replaced, possibly cut off.
    fn mutated() -> impl Strategy<Value = Vec<u8>> {
        let callback =
            format!("code=c0de&state=s&iss={ISSUER}&session_state=x&error_description=%41%42");
        let tokens = json!({
            "access_token": "a", "token_type": "Bearer", "expires_in": 1, "scope": "a b",
            "error_codes": [1], "claims": "{}"
        });
        let valid = [
            callback,
            document().to_string(),
            key_set().to_string(),
            tokens.to_string(),
            claims().to_string(),
        ];
        let bytes = prop::sample::select(b"\"{}[]:,\\=&%+-eE.0 \x00\xff\xc3nt".to_vec());
        (
            prop::sample::select(valid.to_vec()),
            prop::collection::vec((any::<Index>(), bytes), 0..6),
            any::<Index>(),
        )
            .prop_map(|(valid, changes, end)| {
                let mut valid = valid.into_bytes();
                for (at, byte) in changes {
                    let at = at.index(valid.len());
                    valid[at] = byte;
                }
                let end = end.index(valid.len() * 4);
                valid.truncate(end.max(1));
                valid
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn valid_input_with_faults_never_panics(input in mutated()) {
            let _ = CallbackParameters::parse(&input);
            let _ = Metadata::parse(&input, &authority());
            let _ = JwkSet::parse(&input);
            let _ = json::value(&input);
            for status in [200, 400, 503] {
                let mut answer = Response::new(Bytes::from(input.clone()));
                *answer.status_mut() = http::StatusCode::from_u16(status).unwrap();
                let _ = token::read_answer(&answer, AccessTokenRule::Required);
                let _ = user_info::read_answer(&answer);
            }
        }
    }
}
