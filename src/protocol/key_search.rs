//! Which unknown keys are looked for in a newer key set (OpenID Connect Core section 10.1.1).
//!
//! Anyone can send tokens that name random keys, so that the requests to the provider are limited.
//! No limit makes a token invalid whose key was not looked for:
//!
//! - A key that was looked for in vain is unknown for ten seconds: its tokens are refused. Not for
//!   longer, or a name that was guessed before the provider began to use it would keep the tokens
//!   of the new key out.
//! - Other keys are looked for: five at once, and one more every ten seconds. Each search fetches
//!   the whole key set, so that one for a random key finds the provider's new key, too.
//! - Beyond that nothing is known of a key, and its tokens are not refused: the caller is to try
//!   again ([`ErrorKind::Busy`]).

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{
    clock::UnixTime,
    error::{Error, ErrorKind},
};

/// How long a search counts.
const COUNTED_FOR: Duration = Duration::from_secs(60);
/// The number of searches without a pause.
const AT_ONCE: usize = 5;
/// The pause between further searches, and between two for the same key.
const PAUSE: Duration = Duration::from_secs(10);

/// The searches of the last minute, eleven at most.
#[derive(Debug, Default)]
pub(super) struct KeySearches(Mutex<Vec<KeySearch>>);

#[derive(Debug)]
struct KeySearch {
    kid: Option<String>,
    at: UnixTime,
    has_failed: bool,
}

impl KeySearches {
    /// Whether the key is to be looked for; `false` if it was. `kid` is `None` for a token that
    /// names no key. `failure` is the error of a fetch of the key set that failed a moment ago.
    ///
    /// # Errors
    ///
    /// The key was not looked for. [`ErrorKind::Busy`]: too many others were; `failure`: the key
    /// set could not be fetched a moment ago.
    pub(super) fn begin(
        &self,
        kid: Option<&str>,
        now: UnixTime,
        failure: Option<&Error>,
    ) -> Result<bool, Error> {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|search| search.at.is_less_ago_than(COUNTED_FOR, now));
        let is_recent = |search: &KeySearch| search.at.is_less_ago_than(PAUSE, now);
        if recent.iter().any(|search| search.is_of(kid) && is_recent(search)) {
            return Ok(false);
        }
        if let Some(error) = failure {
            return Err(error.clone());
        }
        if recent.len() >= AT_ONCE && recent.last().is_some_and(is_recent) {
            return Err(Error::new(
                ErrorKind::Busy,
                "the key of the token is not among the provider's, which were fetched again for \
                 other unknown keys a moment ago: it is looked for in some seconds",
            ));
        }
        recent.push(KeySearch { kid: kid.map(str::to_owned), at: now, has_failed: false });
        Ok(true)
    }

    /// Notes that a search failed: whether the key is there is not known. It still counts, because
    /// an outage must not bring a request for every token.
    pub(super) fn failed(&self, kid: Option<&str>) {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(search) = recent.iter_mut().rfind(|search| search.is_of(kid)) {
            search.has_failed = true;
        }
    }
}

impl KeySearch {
    fn is_of(&self, kid: Option<&str>) -> bool {
        !self.has_failed && self.kid.as_deref() == kid
    }
}
