//! [`Credentials`]: obtains what the next request proves itself with.
//!
//! - A file is read for each request, so that one that was replaced counts at once; its key is
//!   taken apart only if it has changed. One that cannot be read or used any more, because it is
//!   just being replaced, leaves the key that was there before in use.
//! - What a function made is remembered until a minute before its `exp`; callers that come
//!   meanwhile wait for the same call.
//! - Of several, the first that can be had is used.
//! - Where the provider refuses a credential as outdated it is loaded anew, and then the others of
//!   the list are tried. Only another one is worth another request.
//! - A secret that is refused is sent once more by the other method, where the provider may take
//!   that and the application has named none: a document lists what the provider can do, and each
//!   client is registered for one of them. The method that is taken is used from then on; where
//!   both are refused nothing is tried for a minute.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicI64, AtomicUsize, Ordering},
};

use aws_lc_rs::digest::{self, SHA256};

use super::{
    assertion::{Assertion, audience, unavailable, usable_until},
    client_auth::{Client, Proof, other_method},
    metadata::Metadata,
};
use crate::{
    authority::Authority,
    clock::UnixTime,
    config::{
        AssertionRequest, ClientAuthMethod, ClientCredential, CredentialKind, Fingerprint,
        SigningKey, load_assertion,
    },
    error::{Error, ErrorKind},
    secret::Secret,
};

/// How long the application's own function may take to make an assertion: requests for tokens wait
/// for it, one after the other.
const FUNCTION_TIME: std::time::Duration = std::time::Duration::from_secs(10);

/// For how many seconds no other method is tried with a secret that was refused by both.
const TRY_AGAIN: i64 = 60;

/// Entra's refusals that another certificate or assertion can mend: unknown or expired key, revoked
/// certificate, wrong signature, assertion outside its life. What is wrong with the application
/// itself (unknown, secret wrong or expired, address not registered) is not among them.
const OUTDATED: [u64; 6] = [700_024, 700_027, 1_000_502, 7_000_214, 7_000_274, 7_000_277];

/// The credential of one application, and what was obtained with it.
#[derive(Debug)]
pub(super) struct Credentials {
    members: Vec<Member>,
    /// The member to try first: the last one that was another than a refused one.
    first: AtomicUsize,
    /// How a secret is sent, where the provider has refused the first way and taken this one.
    method: Mutex<Option<ClientAuthMethod>>,
    /// When another way may be tried again, in seconds since 1970.
    next_try: AtomicI64,
    client_id: String,
    authority: Authority,
}

/// What a request was proved with, and what it was made of.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) proof: Proof,
    /// The public half of the key that signed, or a digest of what was sent as it is.
    origin: Vec<u8>,
}

#[derive(Debug)]
struct Member {
    credential: ClientCredential,
    key: Mutex<Option<Loaded>>,
    made: tokio::sync::Mutex<Option<Made>>,
}

/// A key, and what it was read from.
#[derive(Clone, Debug)]
struct Loaded {
    key: Arc<SigningKey>,
    from: Fingerprint,
}

/// An assertion that a function made.
#[derive(Debug)]
struct Made {
    audience: String,
    jwt: Secret,
    until: UnixTime,
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
            made: tokio::sync::Mutex::default(),
        };
        let members = credential.members().iter().map(member).collect();
        let (first, method, next_try) = (AtomicUsize::new(0), Mutex::default(), AtomicI64::new(0));
        Self { members, first, method, next_try, client_id: client_id.to_owned(), authority }
    }

    /// The proof for a request to the token endpoint.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CredentialUnavailable`]: a file cannot be read or used, or the function that makes assertions failed.
    pub(super) async fn proof(&self, metadata: &Metadata, now: UnixTime) -> Result<Sent, Error> {
        let mut outcome = Err(unavailable("there is none"));
        for (_, member) in self.in_order() {
            outcome = self.prove(member, metadata, now, false).await;
            match &outcome {
                Ok(_) => return outcome,
                Err(error) => tracing::warn!(%error, "a credential cannot be used"),
            }
        }
        outcome
    }

    /// Whether the provider has refused the application for a reason that another credential of it
    /// can mend.
    pub(super) fn is_outdated(&self, error: &Error, refused: &Proof) -> bool {
        let Some(said) = error.provider() else { return false };
        // What Microsoft's numbers say of a secret, another way to send it does not mend.
        if matches!(refused, Proof::Secret(..)) && !said.codes.is_empty() {
            return false;
        }
        // A 401 says the same where a provider writes no code (RFC 9110 section 15.5.2).
        let is_about_the_client =
            said.error == "invalid_client" || (said.error.is_empty() && said.status == Some(401));
        if !is_about_the_client || error.kind() != ErrorKind::ClientRefused {
            return false;
        }
        if self.authority.is_microsoft() || !said.codes.is_empty() {
            return said.codes.iter().any(|code| OUTDATED.contains(code));
        }
        true
    }

    /// Another proof than the one that was refused, if there is one now.
    pub(super) async fn another(
        &self,
        metadata: &Metadata,
        refused: &Sent,
        now: UnixTime,
    ) -> Option<Sent> {
        match &refused.proof {
            Proof::Nothing => return None,
            Proof::Secret(secret, _) => {
                return self.by_the_other_method(metadata, secret, refused, now);
            }
            Proof::Assertion(_) => {}
        }
        for (index, member) in self.in_order() {
            if let Ok(sent) = self.prove(member, metadata, now, true).await
                && sent.origin != refused.origin
            {
                self.first.store(index, Ordering::Relaxed);
                tracing::info!(credential = %member.credential, "the provider refused a credential; another one is used from now on");
                return Some(sent);
            }
        }
        None
    }

    /// The same secret, sent by the other method. Secrets are data: there is no newer one to load.
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
        // Microsoft's providers take both alike.
        if self.authority.is_microsoft() || self.members.iter().any(named) {
            return None;
        }
        let method = other_method(Client { id: &self.client_id, proof: &refused.proof }, metadata)?;
        let seconds = now.as_seconds();
        // A secret that is wrong is not shown twice for every request: some providers lock a client
        // that fails too often.
        let is_time = |next: i64| (next <= seconds).then(|| seconds.saturating_add(TRY_AGAIN));
        self.next_try.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_time).ok()?;
        Some(Sent { proof: Proof::Secret(secret.clone(), Some(method)), origin: Vec::new() })
    }

    /// Remembers the method by which the provider took a secret, after it had refused the other.
    pub(super) fn remember(&self, taken: &Sent) {
        let Proof::Secret(_, Some(method)) = taken.proof else { return };
        *self.method.lock().unwrap_or_else(PoisonError::into_inner) = Some(method);
        self.next_try.store(0, Ordering::Relaxed);
        tracing::info!(
            method = method.as_str(),
            "the provider takes the client secret by this method alone, and it is used from now on: name it with \
             `ClientCredential::with_method` (IDENTITY_CLIENT_AUTH_METHOD)"
        );
    }

    fn in_order(&self) -> impl Iterator<Item = (usize, &Member)> {
        let first = self.first.load(Ordering::Relaxed);
        let count = self.members.len();
        self.members.iter().enumerate().cycle().skip(first).take(count)
    }

    async fn prove(
        &self,
        member: &Member,
        metadata: &Metadata,
        now: UnixTime,
        anew: bool,
    ) -> Result<Sent, Error> {
        let credential = &member.credential;
        let as_it_is = |jwt: Secret| {
            let origin = digest::digest(&SHA256, jwt.expose().as_bytes()).as_ref().to_vec();
            Sent { proof: Proof::Assertion(jwt), origin }
        };
        match credential.kind() {
            CredentialKind::None | CredentialKind::FirstOf(_) => {
                Ok(Sent { proof: Proof::Nothing, origin: Vec::new() })
            }
            CredentialKind::Secret(secret) => {
                let learned = || *self.method.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(Sent {
                    proof: Proof::Secret(secret.clone(), credential.method().or_else(learned)),
                    origin: Vec::new(),
                })
            }
            CredentialKind::Assertion(jwt) => Ok(as_it_is(jwt.clone())),
            CredentialKind::AssertionFile(path) => {
                load_assertion(path).map(as_it_is).map_err(unavailable)
            }
            CredentialKind::AssertionFunction(function) => {
                let audience = audience(credential.options(), metadata);
                let mut made = member.made.lock().await;
                let known = made
                    .as_ref()
                    .filter(|made| !anew && made.audience == audience && now < made.until);
                if let Some(known) = known {
                    return Ok(as_it_is(known.jwt.clone()));
                }
                let request = AssertionRequest::new(&self.client_id, audience);
                let made_now = tokio::time::timeout(FUNCTION_TIME, function.call(request)).await;
                let jwt = made_now
                    .map_err(|_| unavailable("the function has not answered in time".to_owned()))?
                    .map_err(|error| unavailable(format!("the function failed: {error}")))?;
                *made = usable_until(&jwt).map(|until| Made {
                    audience: audience.to_owned(),
                    jwt: jwt.clone(),
                    until,
                });
                Ok(as_it_is(jwt))
            }
            CredentialKind::Key(source) => {
                let key = member.load(|known| credential.load_key_unless(source, known))?;
                let (options, client_id) = (credential.options(), self.client_id.as_str());
                let assertion = Assertion {
                    client_id,
                    audience: audience(options, metadata),
                    key: &key,
                    options,
                    authority: &self.authority,
                    now,
                };
                Ok(Sent {
                    proof: Proof::Assertion(assertion.sign(metadata)?),
                    origin: key.identity(),
                })
            }
        }
    }
}

impl Member {
    /// The key as it is now, or else as it was last. Nobody waits for somebody else's reading.
    fn load(
        &self,
        load: impl FnOnce(Option<&Fingerprint>) -> Result<Option<(SigningKey, Fingerprint)>, String>,
    ) -> Result<Arc<SigningKey>, Error> {
        let known = self.known().clone();
        match (load(known.as_ref().map(|known| &known.from)), known) {
            (Ok(None), Some(known)) => Ok(known.key),
            (Ok(Some((key, from))), _) => {
                let key = Arc::new(key);
                *self.known() = Some(Loaded { key: Arc::clone(&key), from });
                Ok(key)
            }
            (Err(problem), Some(before)) => {
                tracing::warn!(
                    problem,
                    "the certificate cannot be loaded any more; the one from before is used"
                );
                Ok(before.key)
            }
            (Err(problem), None) => Err(unavailable(problem)),
            (Ok(None), None) => Err(unavailable("there is no key")),
        }
    }

    fn known(&self) -> MutexGuard<'_, Option<Loaded>> {
        self.key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "credential_tests.rs"]
mod tests;
