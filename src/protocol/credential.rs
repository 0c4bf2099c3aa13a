//! [`Credentials`] obtain the client authentication for the next token request.
//!
//! - Files are read for each request, so that a replaced file is used at once. The key is parsed
//!   only if the file is another one than that of the key in use. While a file cannot be read or
//!   parsed, because it is being replaced, or fails the checks of `build`, the previous key stays
//!   in use.
//! - An assertion from a function of the application is reused until a minute before its `exp`
//!   ([`AssertionCache`]).
//! - Of several configured credentials the first available one is used.
//! - If the provider refuses an assertion as outdated, the credential is loaded again, then the
//!   others of the list are tried. A second request is sent only with another key or assertion.
//! - If the provider refuses a secret and no method is configured, the secret is sent once by the
//!   other method: the document lists what the provider supports, while each client is registered
//!   for one method. The accepted method is used from then on. If both are refused, the second one
//!   is not tried again for a minute.
//! - If the provider refuses an assertion and no audience is configured, an assertion for the other
//!   audience is sent once: the issuer in place of the token endpoint. RFC 7523 section 3 leaves
//!   the audience open, and its revision and FAPI 2.0 take the issuer alone. The accepted audience
//!   is used from then on, with the same pause after a trial.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
};

use aws_lc_rs::digest::{self, SHA256};

use super::{
    assertion::{Assertion, audience, unavailable},
    assertion_cache::AssertionCache,
    client_auth::{ClientAuth, Proof, other_method, with_id},
    error_answer::specified_error,
    metadata::Metadata,
};
use crate::{
    authority::Authority,
    clock::UnixTime,
    config::{
        AssertionAudience, AssertionRequest, ClientAuthMethod, ClientCredential, CredentialKind,
        FileHash, KeySource, SigningKey, load_assertion,
    },
    error::{Error, ErrorKind},
    secret::Secret,
};

/// The seconds after a trial of the other method or audience during which none is tried again.
const TRIAL_PAUSE_SECONDS: i64 = 60;

/// Entra's error codes (AADSTS) after which another certificate or assertion can succeed: unknown
/// or expired key, revoked certificate, wrong signature, assertion outside its validity. Errors of
/// the registration (unknown client, wrong or expired secret, unregistered redirect URI) are not
/// here.
const OUTDATED: [u64; 6] = [700_024, 700_027, 1_000_502, 7_000_214, 7_000_274, 7_000_277];

/// The credentials of one application, with the keys and assertions obtained from them.
#[derive(Debug)]
pub(super) struct Credentials {
    members: Vec<Member>,
    /// The index of the member to try first: the one that last replaced a refused one.
    first: AtomicUsize,
    /// The method for a secret that the provider accepted after it had refused the other.
    method: Mutex<Option<ClientAuthMethod>>,
    /// The audience of assertions that the provider accepted after it had refused the other.
    audience: Mutex<Option<AssertionAudience>>,
    /// The earliest time to try the other method or audience again, in seconds of Unix time.
    next_try: AtomicI64,
    /// Whether the provider accepted the secret only with `client_id` in the body as well.
    needs_id: AtomicBool,
    client_id: String,
    authority: Authority,
}

/// The client authentication of one request, and the identity of the credential behind it.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) proof: Proof,
    /// The public half of the signing key, or a digest of an assertion from outside. Empty for
    /// others. Two values differ if the credential was replaced between them.
    origin: Vec<u8>,
    /// The index of the credential.
    member: usize,
    /// The audience, of an assertion that was made for this request.
    audience: Option<AssertionAudience>,
}

/// One configured credential with what was obtained from it.
#[derive(Debug)]
struct Member {
    credential: ClientCredential,
    key: Mutex<Option<LoadedKey>>,
    assertions: AssertionCache,
}

/// A parsed key, and the fingerprint of the file that it was read from.
#[derive(Clone, Debug)]
struct LoadedKey {
    key: Arc<SigningKey>,
    from: FileHash,
}

/// The request to the provider in which the client authenticates.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProofRequest<'a> {
    pub(super) metadata: &'a Metadata,
    pub(super) now: UnixTime,
    /// The path of a federated managed identity for which the token is requested.
    pub(super) fmi_path: Option<&'a str>,
}

impl<'a> ProofRequest<'a> {
    /// A request without a path.
    pub(super) fn new(metadata: &'a Metadata, now: UnixTime) -> Self {
        Self { metadata, now, fmi_path: None }
    }
}

impl Credentials {
    pub(super) fn new(
        credential: &ClientCredential,
        client_id: &str,
        authority: Authority,
    ) -> Self {
        let member = |credential: &ClientCredential| Member {
            credential: credential.clone(),
            key: Mutex::default(),
            assertions: AssertionCache::default(),
        };
        let members = credential.members().iter().map(member).collect();
        let (first, method, next_try) = (AtomicUsize::new(0), Mutex::default(), AtomicI64::new(0));
        let (audience, needs_id) = (Mutex::default(), AtomicBool::new(false));
        let client_id = client_id.to_owned();
        Self { members, first, method, audience, next_try, needs_id, client_id, authority }
    }

    /// The client authentication for a request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CredentialUnavailable`]: a file cannot be read or parsed, or the application's
    /// function failed.
    pub(super) async fn proof(&self, request: ProofRequest<'_>) -> Result<Sent, Error> {
        let mut outcome = Err(unavailable("none is configured"));
        for (index, _) in self.in_order() {
            outcome = self.prove(index, request, None, false).await;
            match &outcome {
                Ok(_) => return outcome,
                Err(error) => tracing::warn!(%error, "a credential cannot be used"),
            }
        }
        outcome
    }

    /// Whether the provider refused the client for a reason that another credential, or another
    /// method, may remedy.
    pub(super) fn is_outdated(&self, error: &Error, refused: &Proof) -> bool {
        let Some(answer) = error.provider() else { return false };
        // Microsoft's code says what is wrong with the secret; the method does not matter there.
        if matches!(refused, Proof::Secret(..) | Proof::SecretWithId(_)) && !answer.codes.is_empty()
        {
            return false;
        }
        // RFC 6749 section 5.2. Some providers send the status 401 without an error code.
        let is_about_the_client = specified_error(answer) == "invalid_client"
            || (answer.error.is_empty() && answer.status == Some(401));
        if !is_about_the_client || error.kind() != ErrorKind::ClientRefused {
            return false;
        }
        if self.authority.is_microsoft() || !answer.codes.is_empty() {
            return answer.codes.iter().any(|code| OUTDATED.contains(code));
        }
        true
    }

    /// Client authentication other than the refused one; `None` if there is no other now.
    pub(super) async fn another(&self, request: ProofRequest<'_>, refused: &Sent) -> Option<Sent> {
        if !matches!(refused.proof, Proof::Assertion(_)) {
            return self.in_another_way(request, refused).await;
        }
        for (index, member) in self.in_order() {
            if let Ok(sent) = self.prove(index, request, None, true).await
                && sent.origin != refused.origin
            {
                self.first.store(index, Ordering::Relaxed);
                tracing::info!(
                    credential = %member.credential,
                    "the provider refused a credential; this one is used from now on"
                );
                return Some(sent);
            }
        }
        self.in_another_way(request, refused).await
    }

    /// The same credential in another way: a secret by the other method, an assertion for the other
    /// audience. `None` if the configuration names the way, or both were tried a moment ago.
    pub(super) async fn in_another_way(
        &self,
        request: ProofRequest<'_>,
        refused: &Sent,
    ) -> Option<Sent> {
        match &refused.proof {
            Proof::Nothing => None,
            Proof::Secret(secret, _) | Proof::SecretWithId(secret) => {
                self.by_the_other_method(request.metadata, secret, refused, request.now)
            }
            Proof::Assertion(_) => self.for_the_other_audience(request, refused).await,
        }
    }

    /// An assertion of the same credential for the other audience.
    async fn for_the_other_audience(
        &self,
        request: ProofRequest<'_>,
        refused: &Sent,
    ) -> Option<Sent> {
        let other = match refused.audience? {
            AssertionAudience::TokenEndpoint => AssertionAudience::Issuer,
            AssertionAudience::Issuer => AssertionAudience::TokenEndpoint,
        };
        let is_named = self.members.get(refused.member)?.credential.options().audience.is_some();
        // Microsoft's providers take the token endpoint.
        if self.authority.is_microsoft() || self.authority.is_adfs() || is_named {
            return None;
        }
        self.is_time_for_a_trial(request.now).then_some(())?;
        self.prove(refused.member, request, Some(other), true).await.ok()
    }

    /// Whether the last trial of another method or audience is long enough ago. A wrong credential
    /// must not double the failures: some providers lock a client after too many.
    fn is_time_for_a_trial(&self, now: UnixTime) -> bool {
        let seconds = now.as_seconds();
        let is_time =
            |next: i64| (next <= seconds).then(|| seconds.saturating_add(TRIAL_PAUSE_SECONDS));
        self.next_try.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_time).is_ok()
    }

    /// The same secret with `client_id` in the body as well; `None` if it was there.
    pub(super) fn with_id(&self, metadata: &Metadata, refused: &Sent) -> Option<Sent> {
        let client = ClientAuth { id: &self.client_id, proof: &refused.proof };
        Some(Sent::secret(with_id(client, metadata)?, refused.member))
    }

    /// The same secret with the other method. A newer secret cannot be loaded: it is part of the
    /// configuration.
    fn by_the_other_method(
        &self,
        metadata: &Metadata,
        secret: &Secret,
        refused: &Sent,
        now: UnixTime,
    ) -> Option<Sent> {
        let named = |member: &Member| {
            member.credential.client_secret() == Some(secret)
                && member.credential.method().is_some()
        };
        // Microsoft's providers accept both methods for every client.
        if self.authority.is_microsoft() || self.members.iter().any(named) {
            return None;
        }
        let method =
            other_method(ClientAuth { id: &self.client_id, proof: &refused.proof }, metadata)?;
        self.is_time_for_a_trial(now).then_some(())?;
        Some(Sent::secret(Proof::Secret(secret.clone(), Some(method)), refused.member))
    }

    /// Remembers the method or the audience that the provider accepted after it had refused the
    /// other.
    pub(super) fn remember(&self, taken: &Sent) {
        if matches!(taken.proof, Proof::SecretWithId(_)) {
            self.needs_id.store(true, Ordering::Relaxed);
            tracing::info!(
                "the provider requires `client_id` in the body beside HTTP Basic, which is sent \
                 from now on"
            );
            return;
        }
        let credential = self.members.get(taken.member).map(|member| &member.credential);
        let is_named = credential.is_some_and(|own| own.options().audience.is_some());
        if let Some(audience) = taken.audience.filter(|_| !is_named) {
            self.remember_audience(audience);
        }
        let Proof::Secret(_, Some(method)) = taken.proof else { return };
        // What was learned about `client_id` beside HTTP Basic was for the method before.
        self.needs_id.store(false, Ordering::Relaxed);
        *self.method.lock().unwrap_or_else(PoisonError::into_inner) = Some(method);
        self.next_try.store(0, Ordering::Relaxed);
        tracing::info!(
            method = method.as_str(),
            "the provider accepts the client secret by this method only, which is used from now \
             on: configure it (`ClientCredential::with_method`, IDENTITY_CLIENT_AUTH_METHOD)"
        );
    }

    fn remember_audience(&self, audience: AssertionAudience) {
        let mut learned = self.audience.lock().unwrap_or_else(PoisonError::into_inner);
        // It was another credential that helped.
        if learned.unwrap_or_default() == audience {
            return;
        }
        *learned = Some(audience);
        self.next_try.store(0, Ordering::Relaxed);
        tracing::info!(
            audience = audience.as_str(),
            "the provider accepts client assertions for this audience only, which is used from now \
             on: configure it (`ClientCredential::with_assertion_audience`, \
             IDENTITY_ASSERTION_AUDIENCE)"
        );
    }

    /// All members with their indices, from [`first`](Self::first) on.
    fn in_order(&self) -> impl Iterator<Item = (usize, &Member)> {
        let first = self.first.load(Ordering::Relaxed);
        let count = self.members.len();
        self.members.iter().enumerate().cycle().skip(first).take(count)
    }

    /// The client authentication from one member, for this audience or the learned one; `anew`: not
    /// from a cached assertion.
    async fn prove(
        &self,
        index: usize,
        ProofRequest { metadata, now, fmi_path }: ProofRequest<'_>,
        other: Option<AssertionAudience>,
        anew: bool,
    ) -> Result<Sent, Error> {
        let member = self.members.get(index).ok_or_else(|| unavailable("none is configured"))?;
        let credential = &member.credential;
        let from_outside = |jwt: Secret| {
            let origin = digest::digest(&SHA256, jwt.expose().as_bytes()).as_ref().to_vec();
            Sent { proof: Proof::Assertion(jwt), origin, member: index, audience: None }
        };
        let learned = || *self.audience.lock().unwrap_or_else(PoisonError::into_inner);
        let named = other.or(credential.options().audience).or_else(learned).unwrap_or_default();
        match credential.kind() {
            CredentialKind::None | CredentialKind::FirstOf(_) => {
                Ok(Sent::secret(Proof::Nothing, index))
            }
            CredentialKind::Secret(secret) if self.needs_id.load(Ordering::Relaxed) => {
                Ok(Sent::secret(Proof::SecretWithId(secret.clone()), index))
            }
            CredentialKind::Secret(secret) => {
                let learned = || *self.method.lock().unwrap_or_else(PoisonError::into_inner);
                let proof = Proof::Secret(secret.clone(), credential.method().or_else(learned));
                Ok(Sent::secret(proof, index))
            }
            CredentialKind::Assertion(jwt) => Ok(from_outside(jwt.clone())),
            CredentialKind::AssertionFile(path) => {
                load_assertion(path).map(from_outside).map_err(unavailable)
            }
            CredentialKind::AssertionFunction(function) => {
                let aud = audience(named, metadata)?;
                let request = AssertionRequest::new(&self.client_id, aud).for_fmi_path(fmi_path);
                let request = request.after_refusal(anew);
                let usable_at = (!anew).then_some(now);
                let made = member.assertions.get(function, request, usable_at).await;
                made.map(|jwt| Sent { audience: Some(named), ..from_outside(jwt) })
            }
            CredentialKind::Key(source) => {
                let key = member.key(source, &self.authority)?;
                let (options, client_id) = (credential.options(), self.client_id.as_str());
                let assertion = Assertion {
                    client_id,
                    audience: audience(named, metadata)?,
                    key: &key,
                    options,
                    authority: &self.authority,
                    now,
                };
                Ok(Sent {
                    proof: Proof::Assertion(assertion.sign(metadata)?),
                    origin: key.identity(),
                    member: index,
                    audience: Some(named),
                })
            }
        }
    }
}

impl Sent {
    /// The audience, of an assertion that was made for this request.
    pub(super) fn audience(&self) -> Option<AssertionAudience> {
        self.audience
    }

    /// A secret, or nothing.
    fn secret(proof: Proof, member: usize) -> Self {
        Self { proof, origin: Vec::new(), member, audience: None }
    }
}

impl Member {
    /// The current key, or the last one if the present file cannot be used.
    fn key(&self, source: &KeySource, authority: &Authority) -> Result<Arc<SigningKey>, Error> {
        self.load(|known| {
            let loaded = self.credential.load_key_unless(source, known)?;
            // A file that is written in two steps has the key without its certificate for a moment.
            if let Some((key, _)) = &loaded {
                let checked = self.credential.check_loaded(key, authority);
                checked.map_err(|error| error.to_string())?;
            }
            Ok(loaded)
        })
    }

    /// The current key, or the last one if it cannot be loaded now. Reading the file holds no lock,
    /// so that requests do not wait for each other.
    fn load(
        &self,
        load: impl FnOnce(Option<&FileHash>) -> Result<Option<(SigningKey, FileHash)>, String>,
    ) -> Result<Arc<SigningKey>, Error> {
        let known = self.known().clone();
        match (load(known.as_ref().map(|known| &known.from)), known) {
            (Ok(None), Some(known)) => Ok(known.key),
            (Ok(Some((key, from))), _) => {
                let key = Arc::new(key);
                *self.known() = Some(LoadedKey { key: Arc::clone(&key), from });
                Ok(key)
            }
            (Err(problem), Some(before)) => {
                tracing::warn!(
                    problem,
                    "the certificate cannot be loaded again; the previous one stays in use"
                );
                Ok(before.key)
            }
            (Err(problem), None) => Err(unavailable(problem)),
            (Ok(None), None) => Err(unavailable("no key was loaded")),
        }
    }

    fn known(&self) -> MutexGuard<'_, Option<LoadedKey>> {
        self.key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "credential_audience_tests.rs"]
mod audience_tests;
#[cfg(test)]
#[path = "credential_cache_tests.rs"]
mod cache_tests;
#[cfg(test)]
#[path = "credential_refused_tests.rs"]
mod refused_tests;
#[cfg(test)]
#[path = "credential_tests.rs"]
mod tests;
