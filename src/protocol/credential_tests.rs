//! Client authentication as the provider receives it.

use std::{collections::HashMap, sync::Mutex};

use aws_lc_rs::{
    digest,
    signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey},
};
use serde_json::{Value, json};

use super::*;
use crate::{
    clock::ManualClock,
    config::{Algorithm, AssertionAudience, ClientCredential, IdentityConfig, test_keys},
    protocol::{
        grant::TokenParams,
        provider::Provider,
        test_support::{CLIENT_ID, FakeHttp, NOW, answer, document, key_set, published},
    },
    secret::from_base64url,
};

/// The thumbprints of the certificate, as a header has them.
fn thumbprints() -> (String, String) {
    let encoded = |bytes: Vec<u8>| base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes);
    (
        encoded(test_keys::thumbprint(&digest::SHA1_FOR_LEGACY_USE_ONLY)),
        encoded(test_keys::thumbprint(&digest::SHA256)),
    )
}

/// A thumbprint as people copy it.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// A provider with a clock and a token endpoint that answers each request with the next of these,
/// then with tokens.
pub(super) struct CredentialSetup {
    pub(super) http: Arc<FakeHttp>,
    pub(super) provider: Provider,
    pub(super) clock: ManualClock,
    pub(super) forms: Arc<Mutex<Vec<HashMap<String, String>>>>,
}

impl CredentialSetup {
    pub(super) fn new(credential: ClientCredential) -> Self {
        Self::with(credential, |_| (), vec![])
    }

    /// A generic provider whose document was changed.
    pub(super) fn with(
        credential: ClientCredential,
        change: impl FnOnce(&mut Value),
        answers: Vec<(u16, Value)>,
    ) -> Self {
        let mut document = document();
        change(&mut document);
        Self::at(Authority::oidc("https://id.example").unwrap(), document, credential, answers)
    }

    /// Entra, which uses these answers up first.
    pub(super) fn entra(credential: ClientCredential, answers: Vec<(u16, Value)>) -> Self {
        let base = "https://login.microsoftonline.com/f645ad92-e38d-4d1a-b510-d1b09a74a8ca";
        let document = json!({
            "issuer": format!("{base}/v2.0"),
            "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
            "token_endpoint": format!("{base}/oauth2/v2.0/token"),
            "jwks_uri": format!("{base}/discovery/v2.0/keys"),
        });
        Self::at(
            Authority::entra("f645ad92-e38d-4d1a-b510-d1b09a74a8ca").unwrap(),
            document,
            credential,
            answers,
        )
    }

    pub(super) fn at(
        authority: Authority,
        document: Value,
        credential: ClientCredential,
        mut answers: Vec<(u16, Value)>,
    ) -> Self {
        let forms: Arc<Mutex<Vec<HashMap<String, String>>>> = Arc::default();
        let seen = Arc::clone(&forms);
        let http = FakeHttp::new(move |request| {
            if request.uri().path().ends_with("/.well-known/openid-configuration") {
                return Ok(answer(200, &document));
            }
            if !request.uri().path().contains("token") {
                return Ok(published(request, &document, &key_set()));
            }
            seen.lock()
                .unwrap()
                .push(url::form_urlencoded::parse(request.body()).into_owned().collect());
            if answers.is_empty() {
                return Ok(answer(
                    200,
                    json!({"access_token": "a", "token_type": "Bearer", "expires_in": 60}),
                ));
            }
            let (status, body) = answers.remove(0);
            Ok(answer(status, body))
        });
        let config = IdentityConfig::new(authority, CLIENT_ID)
            .with_credential(credential)
            .with_base_url("https://app.example")
            .unwrap();
        let (provider, clock) = http.provider(config);
        Self { http, provider, clock, forms }
    }

    pub(super) async fn ask(&self) -> Result<(), Error> {
        self.provider.refresh(&"rt".into(), &TokenParams::default()).await.map(|_| ())
    }

    pub(super) fn forms(&self) -> Vec<HashMap<String, String>> {
        self.forms.lock().unwrap().clone()
    }

    /// The assertions that were sent.
    pub(super) fn assertions(&self) -> Vec<String> {
        self.forms().iter().map(|form| form["client_assertion"].clone()).collect()
    }

    /// Header and claims of the last assertion.
    pub(super) fn last(&self) -> (Value, Value) {
        let jwt = self.assertions().pop().unwrap();
        let part = |index| {
            serde_json::from_slice(&from_base64url(jwt.split('.').nth(index).unwrap()).unwrap())
                .unwrap()
        };
        (part(0), part(1))
    }
}

pub(super) fn key() -> ClientCredential {
    ClientCredential::private_key_pem(test_keys::rsa())
}

pub(super) fn certificate() -> ClientCredential {
    key().with_certificate(test_keys::certificate())
}

/// Key and certificate in one text.
pub(super) fn both() -> String {
    [test_keys::rsa(), test_keys::certificate()].concat()
}

pub(super) fn refusal(code: u64) -> (u16, Value) {
    (
        401,
        json!({
            "error": "invalid_client", "error_description": format!("AADSTS{code}: no"),
            "error_codes": [code]
        }),
    )
}

// MSAL-113: Only SHA-1 thumbprint; any authority
// MSAL-114: Both thumbprints; AAD/B2C/CIAM
/// Entra.
#[tokio::test]
async fn the_key_is_named_to_entra_by_sha256_and_by_sha1_only_where_needed() {
    let sha1 = &hex(&test_keys::thumbprint(&digest::SHA1_FOR_LEGACY_USE_ONLY));
    let sha256 = &hex(&test_keys::thumbprint(&digest::SHA256));
    let (x5t, x5t_s256) = thumbprints();
    for (credential, expected) in [
        (certificate(), json!({"typ": "JWT", "alg": "PS256", "x5t#S256": x5t_s256})),
        (key().add_thumbprint(sha1), json!({"typ": "JWT", "alg": "RS256", "x5t": x5t})),
        (
            key().add_thumbprint(sha1).add_thumbprint(sha256),
            json!({"typ": "JWT", "alg": "PS256", "x5t#S256": x5t_s256}),
        ),
    ] {
        let setup = CredentialSetup::entra(credential, vec![]);
        setup.ask().await.unwrap();
        let (header, claims) = setup.last();
        assert_eq!(header, expected);
        assert_eq!(
            claims["aud"],
            "https://login.microsoftonline.com/f645ad92-e38d-4d1a-b510-d1b09a74a8ca\
             /oauth2/v2.0/token"
        );
    }
}

// MSAL-115: Both thumbprints; ADFS or generic OIDC authority
/// AD FS; other providers follow their metadata.
#[tokio::test]
async fn ad_fs_gets_rs256_and_others_what_their_metadata_names() {
    let host = "https://adfs.example.com/adfs";
    let document_of_adfs = json!({
        "issuer": host, "authorization_endpoint": format!("{host}/oauth2/authorize"),
        "token_endpoint": format!("{host}/oauth2/token"),
        "jwks_uri": format!("{host}/discovery/keys"),
    });
    let setup = CredentialSetup::at(
        Authority::adfs("adfs.example.com").unwrap(),
        document_of_adfs,
        certificate(),
        vec![],
    );
    setup.ask().await.unwrap();
    assert_eq!(setup.last().0, json!({"typ": "JWT", "alg": "RS256", "x5t": thumbprints().0}));

    for (named, credential, algorithm) in [
        (json!(null), key(), "RS256"),
        (json!(["RS256", "ES256"]), key(), "RS256"),
        (json!(["RS256", "PS256"]), key(), "PS256"),
        (json!(["RS256", "PS256"]), key().with_algorithm(Algorithm::Rs512), "RS512"),
        (json!(["RS256"]), ClientCredential::private_key_pem(test_keys::ec()), "ES256"),
    ] {
        let change = |document: &mut Value| {
            document["token_endpoint_auth_signing_alg_values_supported"] = named
        };
        let setup = CredentialSetup::with(credential.with_key_id("k1"), change, vec![]);
        setup.ask().await.unwrap();
        assert_eq!(setup.last().0, json!({"typ": "JWT", "alg": algorithm, "kid": "k1"}));
    }
}

// MSAL-117: PEM with several certificates, with or without BEGIN/END tags; client built
#[tokio::test]
async fn certificates_are_sent_along_only_when_asked_for() {
    let other = test_keys::other_certificate();
    let chain = key()
        .with_certificate(format!("{}{other}", test_keys::certificate()))
        .with_certificate_chain();
    let setup = CredentialSetup::entra(chain, vec![]);
    setup.ask().await.unwrap();
    let bare =
        |pem: &str| pem.lines().filter(|line| !line.starts_with("-----")).collect::<String>();
    assert_eq!(setup.last().0["x5c"], json!([bare(test_keys::certificate()), bare(other)]));
}

// C-100: private_key_jwt
// C-370: Entra private_key_jwt
// MSAL-119: Extra claims configured for the assertion; assertion built
#[tokio::test]
async fn every_assertion_is_new_short_lived_and_has_an_audience() {
    let setup = CredentialSetup::new(
        key().with_assertion_audience(AssertionAudience::Issuer).add_assertion_claim("extra", "x"),
    );
    setup.ask().await.unwrap();
    setup.ask().await.unwrap();
    let (_, mut claims) = setup.last();
    let jti = claims["jti"].take();
    let jti: Vec<&str> = jti.as_str().unwrap().split('-').collect();
    assert_eq!(
        jti.iter().map(|part| part.len()).collect::<Vec<_>>(),
        [8, 4, 4, 4, 12],
        "a GUID, as Microsoft asks for"
    );
    assert!(jti[2].starts_with('4') && jti[3].starts_with(['8', '9', 'a', 'b']), "{jti:?}");
    let now = NOW.as_seconds();
    assert_eq!(
        claims,
        json!({
            "iss": CLIENT_ID, "sub": CLIENT_ID, "aud": "https://id.example", "iat": now,
            "exp": now + 300, "jti": null, "extra": "x"
        })
    );
    let [first, second] = &setup.assertions()[..] else { panic!("two requests") };
    assert_ne!(first, second);
    let form = setup.forms().pop().unwrap();
    assert_eq!(
        form["client_assertion_type"],
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    );
    assert!(form["client_id"] == CLIENT_ID && !form.contains_key("client_secret"));
    assert!(!setup.http.last().headers().contains_key("authorization"));
}

#[tokio::test]
async fn the_signature_is_the_keys() {
    let pair = aws_lc_rs::signature::RsaKeyPair::from_pkcs8(
        rustls_pki_types::pem::PemObject::from_pem_slice(test_keys::rsa().as_bytes())
            .map(|der: rustls_pki_types::PrivatePkcs8KeyDer<'_>| der.secret_pkcs8_der().to_vec())
            .unwrap()
            .as_slice(),
    )
    .unwrap();
    let public = aws_lc_rs::signature::KeyPair::public_key(&pair).as_ref().to_vec();
    for (algorithm, verification) in [
        (Algorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256),
        (Algorithm::Ps256, &RSA_PSS_2048_8192_SHA256),
    ] {
        let setup = CredentialSetup::new(key().with_algorithm(algorithm));
        setup.ask().await.unwrap();
        let jwt = setup.assertions().pop().unwrap();
        let (message, signature) = jwt.rsplit_once('.').unwrap();
        let signature = from_base64url(signature).unwrap();
        assert!(
            UnparsedPublicKey::new(verification, &public)
                .verify(message.as_bytes(), &signature)
                .is_ok()
        );
    }
}

/// A function that counts its calls and makes assertions of that life.
pub(super) fn function(life: Option<i64>) -> (ClientCredential, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let credential = ClientCredential::assertion_from(move |request| {
        let call = counter.fetch_add(1, Ordering::SeqCst);
        async move {
            assert_eq!(
                (request.client_id(), request.audience()),
                (CLIENT_ID, "https://id.example/token")
            );
            let claims =
                life.map_or_else(|| json!({}), |life| json!({"exp": NOW.as_seconds() + life}));
            Ok(format!("{call}.{}.s", crate::secret::base64url(claims.to_string().as_bytes()))
                .into())
        }
    });
    (credential, calls)
}

/// A file in a folder of its own, which goes with it.
pub(super) struct File(pub(super) std::path::PathBuf);

impl File {
    pub(super) fn with(content: &str) -> Self {
        let name = crate::secret::base64url(&crate::secret::random::<12>().unwrap());
        let file = Self(std::env::temp_dir().join(format!("tower-identity-{name}")));
        file.write(content);
        file
    }

    pub(super) fn write(&self, content: &str) {
        std::fs::write(&self.0, content).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn files_are_read_again_and_what_is_broken_for_a_moment_is_bridged() {
    let file = File::with("a.b.c\n");
    let setup = CredentialSetup::new(ClientCredential::federated_token_file(&file.0));
    setup.ask().await.unwrap();
    file.write("d.e.f");
    setup.ask().await.unwrap();
    assert_eq!(setup.assertions(), ["a.b.c", "d.e.f"]);
    file.write("");
    assert_eq!(setup.ask().await.unwrap_err().kind(), ErrorKind::CredentialUnavailable);

    file.write(&both());
    let setup = CredentialSetup::new(ClientCredential::certificate_file(&file.0));
    setup.ask().await.unwrap();
    for content in ["", "half a file", test_keys::ec()] {
        file.write(content);
        setup.ask().await.unwrap();
    }
    let algorithms: Vec<Value> = setup
        .assertions()
        .iter()
        .map(|jwt| {
            let header: Value =
                serde_json::from_slice(&from_base64url(jwt.split('.').next().unwrap()).unwrap())
                    .unwrap();
            header["alg"].clone()
        })
        .collect();
    assert_eq!(algorithms, ["RS256", "RS256", "RS256", "ES256"]);
}

/// A file that is written in two steps has the key without its certificate for a moment. Entra
/// takes neither that nor another kind of key.
#[tokio::test]
async fn a_replaced_file_is_held_to_the_checks_of_the_start() {
    let file = File::with(&both());
    let setup = CredentialSetup::entra(ClientCredential::certificate_file(&file.0), vec![]);
    let marked = format!("\u{feff}{}", both());
    for content in [&both(), test_keys::rsa(), test_keys::ec(), &marked] {
        file.write(content);
        setup.ask().await.unwrap();
        let (header, _) = setup.last();
        assert_eq!(
            (&header["alg"], &header["x5t#S256"]),
            (&json!("PS256"), &json!(thumbprints().1))
        );
    }
}

#[tokio::test]
async fn of_several_the_first_that_can_be_had_is_used() {
    let list = [
        ClientCredential::certificate_file("/nowhere"),
        ClientCredential::assertion("a.b.c"),
        ClientCredential::secret("s"),
    ];
    let setup = CredentialSetup::new(ClientCredential::first_of(list));
    setup.ask().await.unwrap();
    assert_eq!(setup.assertions(), ["a.b.c"]);
}

/// A key is read once for each content, and again when the file has another one.
#[test]
fn a_key_is_taken_apart_once() {
    let file = std::env::temp_dir().join(format!("tower-identity-key-{}.pem", std::process::id()));
    std::fs::write(&file, both()).unwrap();
    let authority = Authority::oidc("https://id.example").unwrap();
    let in_file = ClientCredential::certificate_file(&file);
    for credential in [&in_file, &ClientCredential::certificate_pem(both())] {
        let credentials = Credentials::new(credential, CLIENT_ID, authority.clone());
        let member = &credentials.members[0];
        let CredentialKind::Key(source) = credential.kind() else { panic!() };
        let load = || member.load(|known| credential.load_key_unless(source, known)).unwrap();
        let (first, second) = (load(), load());
        assert!(Arc::ptr_eq(&first, &second));
        if credential == &in_file {
            std::fs::write(&file, test_keys::ec()).unwrap();
            let replaced = load();
            assert!(!Arc::ptr_eq(&first, &replaced) && !replaced.is_rsa());
            std::fs::write(&file, "being replaced").unwrap();
            assert!(Arc::ptr_eq(&replaced, &load()));
            std::fs::remove_file(&file).unwrap();
            assert!(Arc::ptr_eq(&replaced, &load()));
        }
    }
}
