//! A session as one sealed text that its application keeps: who is signed in, their tokens, and the
//! sign-ins under way.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    attempts::{self, Lookup, Slot},
    record::SessionRecord,
    seal::{Context, CookiePurpose, KeyAge, KeyRing},
};
use crate::{
    clock::UnixTime,
    codec::{self, Value as _},
    error::{Error, ErrorKind},
    secret::{base64url, fingerprint, from_base64url, random, same},
    sign_in::Attempt,
    tokens::{GrantId, GrantRecord},
};

/// What [`WebAuth`](crate::WebAuth) knows about one browser, as a text that you keep: in the record
/// of your own session, in a row of a database.
///
/// - A new one, and one that does not open, is nobody: it is never an error.
/// - It is sealed under the cookie secret (AES-256-GCM-SIV): whoever reads it learns nothing, and
///   only another whole value can be put in its place.
/// - It holds tokens, so it is a few kilobytes long: too long for a cookie.
/// - Store it after each call that takes it as `&mut`, also one that failed, if it is not equal to
///   what it was. Let one request of a browser at a time work with it, or store it only if what is
///   stored is still what you read, and otherwise read it and call again: of two that are stored
///   one after the other, the last counts.
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
/// It says who is signed in. Find it by a session id that nobody can guess, and take another id
/// when somebody signs in. It is not bound to that id: whoever can write where you keep values can
/// give a browser somebody else's.
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
pub(crate) struct StoredLogin {
    /// Names this sign-in and no other.
    pub(crate) id: GrantId,
    pub(crate) record: SessionRecord,
    pub(crate) grant: Arc<GrantRecord>,
}

impl StoredLogin {
    /// # Errors
    ///
    /// The operating system gives no random bytes.
    pub(crate) fn new(record: SessionRecord, grant: GrantRecord) -> Result<Self, Error> {
        Ok(Self { id: GrantId(i128::from_le_bytes(random()?)), record, grant: Arc::new(grant) })
    }
}

impl fmt::Debug for StoredLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredLogin").field("record", &self.record).finish_non_exhaustive()
    }
}

/// So many sign-ins may be under way in one browser; the oldest makes room.
const MOST_ATTEMPTS: usize = 8;
/// Longer than anything that is sealed here.
const LONGEST: usize = 1024 * 1024;

codec::record!(StoredLogin { 1 id, 2 record, 3 grant });

/// What is in a [`WebSession`].
#[derive(Debug, Default)]
pub(crate) struct SessionValue {
    attempts: Vec<Attempt>,
    pub(crate) held: Option<Arc<StoredLogin>>,
    /// Whether it is to be sealed anew: its secret is one that was replaced.
    pub(crate) is_under_older_secret: bool,
}

codec::record!(SessionValue { 1 attempts, 2 held; is_under_older_secret });

impl SessionValue {
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
        let mut sealed = Zeroizing::new(from_base64url(text)?);
        let (plain, age) = keys.open_cookie(CookiePurpose::Value, bound_to, &mut sealed)?;
        let contents = Self::read(plain)?;
        Some(Self { is_under_older_secret: age == KeyAge::Older, ..contents })
    }

    /// The value, without the attempts whose time is over.
    ///
    /// # Errors
    ///
    /// The tokens are too long to be kept; the operating system gives no random bytes.
    pub(crate) fn seal(
        &mut self,
        keys: &KeyRing,
        bound_to: &Context,
        now: UnixTime,
    ) -> Result<WebSession, Error> {
        self.attempts.retain(|attempt| !attempts::expired(attempt, now));
        if self.attempts.is_empty() && self.held.is_none() {
            return Ok(WebSession::new());
        }
        let plain = codec::encode(self);
        let text = base64url(&keys.seal_cookie(CookiePurpose::Value, bound_to, &plain)?);
        if text.len() > LONGEST {
            return Err(Error::new(
                ErrorKind::RequestInvalid,
                "the tokens of a session are too long to be kept",
            ));
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
        if attempt.device.is_some() {
            // The person sees one code.
            self.attempts.retain(|other| other.device.is_none());
        }
        if self.attempts.len() >= MOST_ATTEMPTS {
            self.attempts.remove(0);
        }
        self.attempts.push(attempt);
        Ok(state)
    }

    /// Takes out the attempt whose code the person is shown, with its `state`.
    pub(crate) fn take_device(&mut self) -> Option<(String, Attempt)> {
        let place = self.attempts.iter().position(|attempt| attempt.device.is_some())?;
        let attempt = self.attempts.remove(place);
        Some((attempts::state(&attempt, Slot::FIRST).ok()?, attempt))
    }

    /// Takes out the attempt of a `state`: an answer is looked at once.
    pub(crate) fn take(&mut self, state: &str, now: UnixTime) -> Lookup {
        let is_it = |attempt: &Attempt| {
            attempts::state(attempt, Slot::FIRST)
                .is_ok_and(|own| same(own.as_bytes(), state.as_bytes()))
        };
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
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{super::test_support::*, *};
    use crate::{
        session::Values,
        sign_in::Purpose,
        tokens::{GrantStore as _, Issued, Person, VerifiedClaims},
    };

    const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);
    const APP: Context = [7; 16];

    fn held(name: &str) -> Arc<StoredLogin> {
        let person =
            Person { iss: "https://id.example".into(), sub: name.into(), tid: None, oid: None };
        let claims = serde_json::value::to_raw_value(&serde_json::json!({ "sub": name })).unwrap();
        let identity = VerifiedClaims {
            id_token: "a.b.c".into(),
            claims: claims.clone(),
            person,
            expires_at: NOW,
        };
        let issued = Issued {
            refresh_token: Some(format!("refresh token of {name}").into()),
            ..Issued::default()
        };
        let grant = GrantRecord::at_sign_in(&identity, Default::default(), issued, NOW);
        let record = signed_in(name).record(NOW, DAY);
        Arc::new(StoredLogin::new(record, grant).unwrap())
    }

    fn contents(attempts: usize, held: Option<Arc<StoredLogin>>) -> SessionValue {
        let mut contents = SessionValue { held, ..SessionValue::default() };
        for number in 0..attempts {
            contents
                .begin(Attempt::new(Purpose::SignIn, format!("/{number}"), NOW).unwrap())
                .unwrap();
        }
        contents
    }

    #[test]
    fn a_value_opens_to_what_was_sealed_and_shows_nothing_of_it() {
        let (keys, ada) = (key_ring(&[SECRET]), held("ada"));
        let sealed = contents(2, Some(Arc::clone(&ada))).seal(&keys, &APP, NOW).unwrap();
        assert!(
            !sealed.as_str().contains("ada") && !format!("{sealed:?}").contains(sealed.as_str())
        );
        let opened = SessionValue::open(&keys, &APP, &sealed);
        let again = opened.held.unwrap();
        assert!(again.id == ada.id && again.record == ada.record && opened.attempts.len() == 2);
        assert_eq!(again.grant.refresh_token().unwrap().expose(), "refresh token of ada");
        for (keys, app) in [
            (key_ring(&[OTHER_SECRET]), APP),
            (app_keys(&[SECRET], "another client"), APP),
            (keys, [8; 16]),
        ] {
            assert!(SessionValue::open(&keys, &app, &sealed).held.is_none());
        }
        let rotated = key_ring(&[OTHER_SECRET, SECRET]);
        let mut opened = SessionValue::open(&rotated, &APP, &sealed);
        assert!(opened.held.is_some() && opened.is_under_older_secret, "a secret can be replaced");
        let again = opened.seal(&rotated, &APP, NOW).unwrap();
        assert!(
            SessionValue::open(&key_ring(&[OTHER_SECRET]), &APP, &again).held.is_some(),
            "and taken away later"
        );
        let ticket =
            rotated.seal_cookie(CookiePurpose::Attempt, &APP, &codec::encode(&opened)).unwrap();
        assert!(
            SessionValue::open(&rotated, &APP, &WebSession(base64url(&ticket))).held.is_none(),
            "what was sealed for something else"
        );
    }

    #[test]
    fn of_many_sign_ins_the_last_eight_are_kept_until_their_time_is_over() {
        let keys = key_ring(&[SECRET]);
        let mut many = contents(12, None);
        assert_eq!(
            many.attempts.iter().map(|attempt| attempt.return_path.as_str()).collect::<Vec<_>>(),
            ["/4", "/5", "/6", "/7", "/8", "/9", "/10", "/11"]
        );
        assert!(
            many.seal(&keys, &APP, NOW + Duration::from_secs(600)).unwrap().is_empty(),
            "nobody is nothing"
        );
    }

    #[test]
    fn a_state_finds_its_attempt_once() {
        let mut contents = contents(3, None);
        let state = contents.begin(Attempt::new(Purpose::SignIn, "/mine", NOW).unwrap()).unwrap();
        let other = format!("{}x", &state[..state.len() - 1]);
        assert!(matches!(contents.take(&other, NOW), Lookup::Missing));
        assert!(
            matches!(contents.take(&state, NOW), Lookup::Found(attempt) if attempt.return_path == "/mine")
        );
        assert!(matches!(contents.take(&state, NOW), Lookup::Missing));
    }

    #[tokio::test]
    async fn what_a_process_knows_outlives_an_older_copy_and_yields_to_a_newer_one() {
        let (values, old) = (Values::new(), held("ada"));
        let entered = values.enter(&old).unwrap();
        let newer = Arc::new(old.grant.next());
        values.save(&entered.grant, &newer).await.unwrap();
        assert!(
            Arc::ptr_eq(&values.enter(&old).unwrap().record().unwrap(), &newer),
            "an older copy"
        );
        let newest =
            StoredLogin { id: old.id, record: old.record.clone(), grant: Arc::new(newer.next()) };
        assert!(
            Arc::ptr_eq(&values.enter(&newest).unwrap().record().unwrap(), &newest.grant),
            "another process refreshed"
        );
        values.end(old.id);
        assert!(values.enter(&newest).is_none() && entered.record().is_none());
        values.save(&entered.grant, &newer).await.unwrap();
        assert!(values.load(&entered.grant).await.unwrap().is_none(), "a late write");
    }

    proptest! {
        #[test]
        fn any_bytes_are_contents_or_none(bytes: Vec<u8>) {
            let _ = SessionValue::read(&bytes);
        }

        #[test]
        fn any_text_is_nobody(text: String) {
            prop_assert!(SessionValue::open(&key_ring(&[SECRET]), &APP, &WebSession(text)).held.is_none());
        }
    }
}
