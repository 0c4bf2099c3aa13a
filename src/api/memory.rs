//! What is remembered of tokens that were verified.
//!
//! An entry is found by a keyed hash of the whole token. The key is random, of this process and of
//! one layer, so that an entry belongs to that layer's audiences and issuer, and tokens cannot be
//! made to collide by anybody who does not know it. The tokens themselves are not kept.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use quick_cache::{Weighter, sync::Cache};
use serde_json::{Map, Value};

use crate::{
    clock::UnixTime,
    error::{Error, ErrorKind},
    protocol::VerifiedAccessToken,
    secret,
    user::Rights,
};

/// How much is remembered by default, in bytes: about 100,000 tokens of usual size.
pub(super) const DEFAULT_BYTES: usize = 256 * 1024 * 1024;
/// What an entry takes beside the claims.
const ENTRY: usize = 768;

/// A token that was verified.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) token: VerifiedAccessToken,
    /// Until when this is taken for true.
    pub(super) until: UnixTime,
    rights: OnceLock<Rights>,
    claims: OnceLock<Map<String, Value>>,
}

impl Known {
    pub(super) fn new(token: VerifiedAccessToken, until: UnixTime) -> Self {
        Self { token, until, rights: OnceLock::new(), claims: OnceLock::new() }
    }

    /// Groups and the like, read when they are asked for.
    pub(super) fn rights(&self) -> &Rights {
        self.rights.get_or_init(|| {
            serde_json::from_str(&self.token.claims).unwrap_or_else(|_| Rights::unreadable())
        })
    }

    /// All claims, read when they are asked for.
    pub(super) fn claims(&self) -> &Map<String, Value> {
        self.claims.get_or_init(|| serde_json::from_str(&self.token.claims).unwrap_or_default())
    }
}

type Digest = [u8; 16];

/// The tokens that were verified, as many as there is room for.
pub(super) struct Memory {
    key: LessSafeKey,
    known: Cache<Digest, Arc<Known>, Weight>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Digest, Arc<Known>> for Weight {
    fn weight(&self, _: &Digest, known: &Arc<Known>) -> u64 {
        (ENTRY + known.token.claims.len()) as u64
    }
}

impl Memory {
    /// Room for as many bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`]: the operating system gives no random bytes.
    pub(super) fn new(bytes: usize) -> Result<Self, Error> {
        let key = UnboundKey::new(&AES_256_GCM, &secret::random::<32>()?)
            .map_err(|_| Error::new(ErrorKind::Internal, "no key for the memory of tokens"))?;
        let entries = (bytes / (2 * ENTRY)).max(1);
        Ok(Self {
            key: LessSafeKey::new(key),
            known: Cache::with_weighter(entries, bytes as u64, Weight),
        })
    }

    /// What is known of a token, if that holds now.
    pub(super) fn get(&self, token: &[u8], now: UnixTime) -> Option<Arc<Known>> {
        let digest = self.digest(token)?;
        let known = self.known.get(&digest)?;
        if known.until <= now {
            self.known.remove(&digest);
            return None;
        }
        Some(known)
    }

    pub(super) fn insert(&self, token: &str, known: Arc<Known>) {
        if let Some(digest) = self.digest(token.as_bytes()) {
            self.known.insert(digest, known);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// The authentication code of AES-GCM over the token, always with the same nonce: a universal
    /// hash under a key that nobody knows, and whose values leave this module no more than the key
    /// does. It costs a tenth of HMAC-SHA-256.
    fn digest(&self, token: &[u8]) -> Option<Digest> {
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let code = self.key.seal_in_place_separate_tag(nonce, Aad::from(token), &mut []).ok()?;
        code.as_ref().try_into().ok()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("tokens", &self.known.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{AccessFacts, CallerKind, ClientProof};

    const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

    fn known(claims: &str, exp: UnixTime) -> Arc<Known> {
        let facts = AccessFacts {
            kind: CallerKind::Person,
            sub: None,
            tid: None,
            oid: None,
            application: None,
            proof: ClientProof::Unknown,
            scopes: Vec::new(),
            roles: Vec::new(),
            acr: None,
            acrs: Vec::new(),
            auth_time: None,
            is_guest: None,
        };
        let token = VerifiedAccessToken { claims: claims.into(), iss: "i".into(), exp, facts };
        Arc::new(Known::new(token, exp))
    }

    #[test]
    fn what_is_remembered_is_bounded_in_bytes_and_ends_with_the_token() {
        let memory = Memory::new(100 * (ENTRY + 100)).unwrap();
        let claims = "x".repeat(100);
        for number in 0..10_000 {
            memory.insert(&format!("token-{number}"), known(&claims, NOW));
        }
        assert!(memory.len() <= 100, "{}", memory.len());
        memory.insert("last", known(&claims, NOW));
        let before = UnixTime::from_seconds(NOW.as_seconds() - 1);
        assert!(memory.get(b"last", before).is_some() && memory.get(b"las", before).is_none());
        assert!(memory.get(b"last", NOW).is_none() && memory.get(b"last", before).is_none());
    }

    #[test]
    fn two_memories_have_two_keys() {
        let (one, other) = (Memory::new(4096).unwrap(), Memory::new(4096).unwrap());
        assert_ne!(one.digest(b"token"), other.digest(b"token"));
        assert_eq!(one.digest(b"token"), one.digest(b"token"));
    }
}
