//! The cache of verified access tokens.
//!
//! The key of an entry is a keyed hash of the whole token. The hash key is random and belongs to
//! one configuration in one process, the memory to one layer: an entry holds for the audiences and
//! the issuer of that layer only. The tokens themselves are not kept.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use quick_cache::{Weighter, sync::Cache};
use serde_json::{Map, Value};

use crate::{clock::UnixTime, protocol::VerifiedAccessToken, secret::TokenDigest, user::Rights};

/// The default size in bytes: about 100,000 tokens of usual size.
pub(super) const DEFAULT_BYTES: usize = 256 * 1024 * 1024;
/// How long a verification holds at most. A provider that removes a key from its set, for example
/// because it was disclosed, ends the tokens that were signed with it, and a forged one can
/// have an `exp` that lies far ahead.
const LONGEST: Duration = Duration::from_secs(3600);
/// The size of an entry in bytes, without the claims: 861 were measured. Claims that a handler has
/// decoded are not counted.
const ENTRY: usize = 1024;

/// A verified token, and how long the verification holds.
pub(super) struct RememberedToken {
    pub(super) token: VerifiedAccessToken,
    /// The time of the verification or introspection: a clock before it ends the entry.
    at: UnixTime,
    /// The end of the entry: at the latest that of the token.
    until: UnixTime,
    rights: OnceLock<Rights>,
    claims: OnceLock<Map<String, Value>>,
}

impl RememberedToken {
    /// A token whose signature was verified, or that was introspected, at this time.
    pub(super) fn new(token: VerifiedAccessToken, at: UnixTime, until: UnixTime) -> Self {
        let until = until.min(at + LONGEST);
        Self { token, at, until, rights: OnceLock::new(), claims: OnceLock::new() }
    }

    /// Groups and similar claims, decoded on first use.
    pub(super) fn rights(&self) -> &Rights {
        self.rights.get_or_init(|| {
            serde_json::from_str(&self.token.claims).unwrap_or_else(|_| Rights::unreadable())
        })
    }

    /// All claims, decoded on first use.
    pub(super) fn claims(&self) -> &Map<String, Value> {
        self.claims.get_or_init(|| serde_json::from_str(&self.token.claims).unwrap_or_default())
    }
}

/// The verified tokens, limited in bytes.
pub(super) struct Memory(Cache<TokenDigest, Arc<RememberedToken>, Weight>);

#[derive(Clone)]
struct Weight;

impl Weighter<TokenDigest, Arc<RememberedToken>> for Weight {
    fn weight(&self, _: &TokenDigest, known: &Arc<RememberedToken>) -> u64 {
        (ENTRY + known.token.claims.len()) as u64
    }
}

impl Memory {
    /// A cache of at most `bytes` bytes.
    pub(super) fn new(bytes: usize) -> Self {
        let entries = (bytes / (2 * ENTRY)).max(1);
        Self(Cache::with_weighter(entries, bytes as u64, Weight))
    }

    /// The entry of the token with this hash, unless it has ended at `now`.
    pub(super) fn get(&self, digest: &TokenDigest, now: UnixTime) -> Option<Arc<RememberedToken>> {
        let known = self.0.get(digest)?;
        if known.until <= now || now < known.at {
            self.0.remove(digest);
            return None;
        }
        Some(known)
    }

    pub(super) fn insert(&self, digest: TokenDigest, known: Arc<RememberedToken>) {
        self.0.insert(digest, known);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("tokens", &self.0.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        protocol::{AccessFacts, CallerKind, ClientProof},
        secret::TokenHash,
    };

    const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

    fn known(claims: &str, exp: UnixTime) -> Arc<RememberedToken> {
        let facts = AccessFacts {
            kind: CallerKind::Person,
            sub: None,
            stand_in: None,
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
        Arc::new(RememberedToken::new(token, exp - Duration::from_secs(600), exp))
    }

    #[test]
    fn what_is_remembered_is_bounded_in_bytes_and_ends_with_the_token() {
        let memory = Memory::new(100 * (ENTRY + 100));
        let claims = "x".repeat(100);
        let hash = TokenHash::random().unwrap();
        let digest = |token: &str| hash.digest(token.as_bytes()).unwrap();
        for number in 0..10_000 {
            memory.insert(digest(&format!("token-{number}")), known(&claims, NOW));
        }
        assert!(memory.len() <= 100, "{}", memory.len());
        memory.insert(digest("last"), known(&claims, NOW));
        let before = UnixTime::from_seconds(NOW.as_seconds() - 1);
        let is_known = |token: &str, now| memory.get(&digest(token), now).is_some();
        assert!(is_known("last", before) && !is_known("las", before));
        assert!(!is_known("last", NOW) && !is_known("last", before));
    }
}
