//! Introspection of opaque tokens: one request for concurrent callers, and a memory of refusals.
//!
//! - Concurrent callers with the same token share one request to the provider.
//! - A refusal is remembered for [`REFUSED`]; a failed request is not.
//! - The number of requests in flight is bounded for all tokens together, and so is the rate of
//!   those that find no active token, because anyone can send random tokens. A token that was
//!   active before is not counted: random tokens do not keep its caller out.

use std::{sync::Arc, time::Duration};

use quick_cache::sync::Cache;

use super::{memory::RememberedToken, service::ApiParts};
use crate::{
    clock::UnixTime,
    error::{Error, ErrorKind},
    protocol::{INTROSPECTION_MEMORY, Permit},
    secret::{Secret, TokenDigest},
    single_flight::{Order, SingleFlight, Tokio},
};

/// How long a refusal is remembered: short, because a token that was issued a moment ago may not
/// have reached every server of its provider.
const REFUSED: Duration = Duration::from_secs(10);
/// The greatest number of remembered refusals; a few hundred bytes each.
const MOST_REFUSED: usize = 10_000;

/// The greatest number of tokens that are remembered to have been active; about 50 bytes each.
const MOST_ACTIVE: usize = 100_000;

/// The requests in flight, and what is remembered of tokens beside the verified ones.
pub(super) struct Introspections {
    under_way: Arc<SingleFlight<TokenDigest, (), Result<Arc<RememberedToken>, Error>>>,
    /// With the time of the refusal.
    refused: Cache<TokenDigest, (Error, UnixTime)>,
    /// Tokens that were active at their last introspection, also when its result is no longer used.
    active: Cache<TokenDigest, ()>,
}

impl Introspections {
    pub(super) fn new() -> Self {
        let under_way = SingleFlight::new(Arc::new(Tokio));
        Self { under_way, refused: Cache::new(MOST_REFUSED), active: Cache::new(MOST_ACTIVE) }
    }

    #[cfg(test)]
    pub(super) fn refused_tokens(&self) -> usize {
        self.refused.len()
    }

    fn refusal(&self, digest: &TokenDigest, now: UnixTime) -> Option<Error> {
        let (error, at) = self.refused.get(digest)?;
        at.is_less_ago_than(REFUSED, now).then_some(error)
    }
}

impl ApiParts {
    /// The result of introspection of a token that is not in the memory, under its hash.
    pub(super) async fn introspect(
        self: &Arc<Self>,
        token: &str,
        digest: TokenDigest,
    ) -> Result<Arc<RememberedToken>, Error> {
        if let Some(error) = self.introspections().refusal(&digest, self.now()) {
            return Err(error);
        }
        let was_active = self.introspections().active.get(&digest).is_some();
        // Before the flight, so that a caller that is dropped while waiting leaves no flight
        // behind. Callers with a token that was active before have permits of their own, which
        // unknown tokens cannot use up.
        let permit = match was_active {
            true => self.provider().permit_for_known_token().await?,
            false => self.provider().permit().await?,
        };
        let ask = || {
            let (shared, token) = (Arc::clone(self), Secret::from(token));
            async move { shared.ask(digest, token, permit, was_active).await }
        };
        self.introspections().under_way.run(&digest, (), Order::AtOnce, ask).await?
    }

    async fn ask(
        &self,
        digest: TokenDigest,
        token: Secret,
        permit: Permit,
        was_active: bool,
    ) -> Result<Arc<RememberedToken>, Error> {
        // Another request may have been answered while this caller waited for its permit.
        if let Some(known) = self.memory().get(&digest, self.now()) {
            return Ok(known);
        }
        if let Some(error) = self.introspections().refusal(&digest, self.now()) {
            return Err(error);
        }
        if !was_active {
            self.provider().count_introspection()?;
        }
        let answer = self.provider().introspect(token.expose(), self.config.rules()).await;
        drop(permit);
        let now = self.now();
        match answer {
            Ok(verified) => {
                if !was_active {
                    self.provider().introspected_active();
                    self.introspections().active.insert(digest, ());
                }
                // RFC 7662 section 4: not beyond `exp`, at which the provider answers otherwise.
                let until = verified.exp.min(now + INTROSPECTION_MEMORY);
                let known = Arc::new(RememberedToken::new(verified, now, until));
                self.memory().insert(digest, Arc::clone(&known));
                Ok(known)
            }
            Err(error) => {
                if is_verdict(error.kind()) {
                    self.introspections().active.remove(&digest);
                    self.introspections().refused.insert(digest, (error.clone(), now));
                }
                Err(error)
            }
        }
    }
}

/// Whether the error is a verdict on the token, and not a failed request. A faulty signature of the
/// answer itself is a failed request.
fn is_verdict(kind: ErrorKind) -> bool {
    kind == ErrorKind::TokenInactive || kind.is_of_verification()
}
