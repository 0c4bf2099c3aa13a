//! A session as one sealed text that its application keeps: who is signed in, their tokens, and the sign-ins under way.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    attempt::{Attempt, fingerprint},
    attempts::{self, Lookup, Slot},
    codec,
    record::SessionRecord,
    seal::{Context, CookiePurpose, KeyRing},
};
use crate::{
    clock::UnixTime,
    error::{Error, ErrorKind},
    secret::{base64url, random, same},
    tokens::{GrantId, GrantRecord},
};

/// What [`WebAuth`](crate::WebAuth) knows about one browser, as a text that you keep: in the record of your own session, in a row of a database.
///
/// - A new one, and one that does not open, is nobody: it is never an error.
/// - It is sealed under the cookie secret (AES-256-GCM-SIV). Whoever reads it learns nothing, whoever changes it has nothing.
/// - It holds tokens, so it is a few kilobytes long: too long for a cookie.
/// - Store it after each call that takes it as `&mut`, if it is not equal to what it was.
///
/// ```
/// use tower_identity::WebSession;
///
/// let new = WebSession::new();
/// let stored = serde_json::to_string(&new)?;
/// assert_eq!(serde_json::from_str::<WebSession>(&stored)?, new);
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// # Security
///
/// It says who is signed in, so it belongs to one browser: find it by a session id that nobody can guess, and take another id when somebody signs in.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WebSession(String);

impl WebSession {
    /// Nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The text, to be stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it: nobody is signed in, or about to.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What was stored. Any text will do: one that does not open is nobody.
impl From<String> for WebSession {
    fn from(stored: String) -> Self {
        Self(stored)
    }
}

impl fmt::Debug for WebSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebSession({} bytes)", self.0.len())
    }
}

/// Somebody who is signed in, with everything that is known about them.
pub(crate) struct Held {
    /// Names this sign-in and no other.
    pub(crate) id: GrantId,
    pub(crate) record: SessionRecord,
    pub(crate) grant: Arc<GrantRecord>,
}

impl Held {
    /// # Errors
    ///
    /// The operating system gives no random bytes.
    pub(crate) fn new(record: SessionRecord, grant: GrantRecord) -> Result<Self, Error> {
        Ok(Self { id: GrantId(i128::from_le_bytes(random()?)), record, grant: Arc::new(grant) })
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("record", &self.record).finish_non_exhaustive()
    }
}

/// So many sign-ins may be under way in one browser; the oldest makes room.
const MOST_ATTEMPTS: usize = 8;
/// Longer than anything that is sealed here.
const LONGEST: usize = 1024 * 1024;

const ATTEMPT: u8 = 1;
const ID: u8 = 2;
const RECORD: u8 = 3;
const GRANT: u8 = 4;

/// What is in a [`WebSession`].
#[derive(Debug, Default)]
pub(crate) struct Contents {
    attempts: Vec<Attempt>,
    pub(crate) held: Option<Arc<Held>>,
}

impl Contents {
    /// What ties values to one application, beside its keys.
    pub(crate) fn bound_to(parts: &[&[u8]]) -> Context {
        fingerprint("value", parts.iter().copied())
    }

    /// What a value opens to. `bound_to` is the application that it was made for.
    pub(crate) fn open(keys: &KeyRing, bound_to: &Context, value: &WebSession) -> Self {
        Self::opened(keys, bound_to, &value.0).unwrap_or_default()
    }

    fn opened(keys: &KeyRing, bound_to: &Context, text: &str) -> Option<Self> {
        if text.is_empty() || text.len() > LONGEST {
            return None;
        }
        let mut sealed = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text).ok()?;
        let (plain, _) = keys.open_cookie(CookiePurpose::Value, bound_to, &mut sealed)?;
        Self::decode(plain)
    }

    /// The value, without the attempts whose time is over.
    ///
    /// # Errors
    ///
    /// A record cannot be written; the operating system gives no random bytes.
    pub(crate) fn seal(&mut self, keys: &KeyRing, bound_to: &Context, now: UnixTime) -> Result<WebSession, Error> {
        self.attempts.retain(|attempt| !attempts::expired(attempt, now));
        if self.attempts.is_empty() && self.held.is_none() {
            return Ok(WebSession::new());
        }
        let plain = zeroize::Zeroizing::new(self.encode()?);
        let text = base64url(&keys.seal_cookie(CookiePurpose::Value, bound_to, &plain)?);
        if text.len() > LONGEST {
            return Err(Error::new(ErrorKind::RequestInvalid, "the tokens of a session are too long to be kept"));
        }
        Ok(WebSession(text))
    }

    /// Remembers an attempt; the text is its `state`.
    ///
    /// # Errors
    ///
    /// The derivation fails, which it does not.
    pub(crate) fn begin(&mut self, attempt: Attempt) -> Result<String, Error> {
        let state = attempts::state(&attempt, Slot::FIRST)?;
        if self.attempts.len() >= MOST_ATTEMPTS {
            self.attempts.remove(0);
        }
        self.attempts.push(attempt);
        Ok(state)
    }

    /// Takes out the attempt of a `state`: an answer is looked at once.
    pub(crate) fn take(&mut self, state: &str, now: UnixTime) -> Lookup {
        let is_it =
            |attempt: &Attempt| attempts::state(attempt, Slot::FIRST).is_ok_and(|own| same(own.as_bytes(), state.as_bytes()));
        match self.attempts.iter().position(is_it) {
            None => Lookup::Missing,
            Some(place) => {
                let attempt = self.attempts.remove(place);
                if attempts::expired(&attempt, now) {
                    Lookup::Expired(Box::new(attempt))
                } else {
                    Lookup::Found(Box::new(attempt))
                }
            }
        }
    }

    fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut fields = codec::Writer::with_capacity(4096);
        for attempt in &self.attempts {
            fields.bytes(ATTEMPT, &attempt.encode());
        }
        if let Some(held) = &self.held {
            fields.bytes(ID, &held.id.0.to_le_bytes());
            fields.bytes(RECORD, &held.record.encode());
            fields.bytes(GRANT, &held.grant.to_json()?);
        }
        Ok(fields.finish())
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (mut attempts, mut id, mut record, mut grant) = (Vec::new(), None, None, None);
        let mut fields = codec::Reader::new(bytes);
        while let Some((tag, value)) = fields.next().ok()? {
            match tag {
                ATTEMPT => attempts.extend(Attempt::decode(value)),
                ID => id = Some(GrantId(i128::from_le_bytes(codec::array(value).ok()?))),
                RECORD => record = SessionRecord::decode(value),
                GRANT => grant = GrantRecord::from_json(value).map(Arc::new),
                _ => {}
            }
        }
        let held = match (id, record, grant) {
            (Some(id), Some(record), Some(grant)) => Some(Arc::new(Held { id, record, grant })),
            _ => None,
        };
        Some(Self { attempts, held })
    }
}
