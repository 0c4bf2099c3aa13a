//! [`WebSession`]: a session as one sealed text that the application stores. It holds the signed-in
//! person, their tokens, and the sign-ins under way.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    attempts::{self, AttemptLookup, Slot},
    record::SessionRecord,
};
use crate::{
    clock::UnixTime,
    codec::{self, Value as _},
    error::{Error, ErrorKind},
    seal::{Context, CookiePurpose, KeyAge, KeyRing},
    secret::{base64url, fingerprint, from_base64url, random, same},
    sign_in::Attempt,
    tokens::{GrantRecord, RecordId},
};

/// The state of [`WebAuth`](crate::WebAuth) for one browser, as a sealed text that your application
/// stores: in its own session, or in a row of a database.
///
/// - A new value, and a value that does not open, means that nobody is signed in. It is never an
///   error.
/// - It is sealed under the cookie secret (AES-256-GCM-SIV). A reader learns nothing from it, and
///   it cannot be changed, only replaced by another complete value.
/// - It holds tokens, so it is a few kilobytes long: too long for a cookie.
/// - Store it after each call that takes it as `&mut`, also after one that failed, if it has
///   changed.
/// - Of two concurrent requests that store it, the last one wins. Therefore process the requests of
///   one browser one at a time, or store it only if the stored value is still the one that you read
///   (compare and swap), and otherwise read it and call again.
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
/// It decides which person is signed in. Store it under a session id that cannot be guessed, and
/// change that id at each sign-in. The value is not bound to the id: an attacker with write access
/// to your storage can copy one person's value to another browser's session.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WebSession(String);

impl WebSession {
    /// An empty value: nobody is signed in.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The text to store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the value is empty: nobody is signed in, and no sign-in is under way. An empty value
    /// need not be stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A value from your storage. Every text is accepted; one that does not open counts as empty.
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

/// A completed sign-in in a [`WebSession`]: the records of session and grant.
pub(crate) struct StoredLogin {
    /// A random id, unique for each sign-in.
    pub(crate) id: RecordId,
    pub(crate) record: SessionRecord,
    pub(crate) grant: Arc<GrantRecord>,
}

impl StoredLogin {
    /// A sign-in with a new id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`]: the operating system provides no random bytes.
    pub(crate) fn new(record: SessionRecord, grant: GrantRecord) -> Result<Self, Error> {
        Ok(Self { id: RecordId::from_bytes(random()?), record, grant: Arc::new(grant) })
    }
}

/// Number of sign-ins that may be under way in one browser. If there are more, the oldest is
/// dropped.
const MOST_ATTEMPTS: usize = 8;
/// Longest sealed value that is opened or made, in base64url characters.
const LONGEST: usize = 1024 * 1024;

codec::record!(StoredLogin { 1 id, 2 record, 3 grant });

/// The decrypted content of a [`WebSession`].
#[derive(Default)]
pub(crate) struct SessionValue {
    attempts: Vec<Attempt>,
    pub(crate) login: Option<Arc<StoredLogin>>,
    /// Whether the value was sealed under an older secret, and should be sealed again.
    pub(crate) is_under_older_secret: bool,
}

codec::record!(SessionValue { 1 attempts, 2 login; is_under_older_secret });

impl SessionValue {
    /// The seal's context, which binds values to one application in addition to its keys.
    pub(crate) fn bound_to(parts: &[&[u8]]) -> Context {
        fingerprint("value", parts.iter().copied())
    }

    /// Opens a value. A value that does not open for the application of `bound_to` counts as empty.
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

    /// Seals the content without its expired attempts.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::RequestInvalid`]: the sealed value would be longer than one MiB.
    /// - [`ErrorKind::Internal`]: the operating system provides no random bytes.
    pub(crate) fn seal(
        &mut self,
        keys: &KeyRing,
        bound_to: &Context,
        now: UnixTime,
    ) -> Result<WebSession, Error> {
        self.attempts.retain(|attempt| !attempts::expired(attempt, now));
        if self.attempts.is_empty() && self.login.is_none() {
            return Ok(WebSession::new());
        }
        let plain = codec::encode(self);
        let text = base64url(&keys.seal_cookie(CookiePurpose::Value, bound_to, &plain)?);
        if text.len() > LONGEST {
            return Err(Error::new(
                ErrorKind::RequestInvalid,
                "the tokens of a session are too long to be stored in it",
            ));
        }
        Ok(WebSession(text))
    }

    /// Adds an attempt, and returns its `state`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`]: the key derivation fails.
    pub(crate) fn begin(&mut self, attempt: Attempt) -> Result<String, Error> {
        // Slots exist for cookies only. Here all attempts are in one value.
        let state = attempts::state(&attempt, Slot::FIRST)?;
        if attempt.device.is_some() {
            // The page shows one code; an earlier code is of no use any more.
            self.attempts.retain(|other| other.device.is_none());
        }
        if self.attempts.len() >= MOST_ATTEMPTS {
            self.attempts.remove(0);
        }
        self.attempts.push(attempt);
        Ok(state)
    }

    /// Removes the attempt with a device code, and returns it with its `state`.
    pub(crate) fn take_device(&mut self) -> Option<(String, Attempt)> {
        let place = self.attempts.iter().position(|attempt| attempt.device.is_some())?;
        let attempt = self.attempts.remove(place);
        Some((attempts::state(&attempt, Slot::FIRST).ok()?, attempt))
    }

    /// Removes the attempt of a `state` and returns it, so that an authorization response is
    /// processed once.
    pub(crate) fn take(&mut self, state: &str, now: UnixTime) -> AttemptLookup {
        let is_it = |attempt: &Attempt| {
            attempts::state(attempt, Slot::FIRST)
                .is_ok_and(|own| same(own.as_bytes(), state.as_bytes()))
        };
        match self.attempts.iter().position(is_it) {
            None => AttemptLookup::Missing,
            Some(place) => {
                let attempt = self.attempts.remove(place);
                if attempts::expired(&attempt, now) {
                    AttemptLookup::Expired(Box::new(attempt))
                } else {
                    AttemptLookup::Found(Box::new(attempt))
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
        clock::ManualClock,
        protocol::ClaimsOfPerson,
        session::Values,
        sign_in::Purpose,
        tokens::{GrantStore as _, Person, TokenSet, VerifiedClaims},
    };

    const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);
    const APP: Context = [7; 16];

    fn login(name: &str) -> Arc<StoredLogin> {
        login_with(name, &format!("refresh token of {name}"))
    }

    fn login_with(name: &str, refresh_token: &str) -> Arc<StoredLogin> {
        let person =
            Person { iss: "https://id.example".into(), sub: name.into(), tid: None, oid: None };
        let claims = serde_json::value::to_raw_value(&serde_json::json!({ "sub": name })).unwrap();
        let identity = VerifiedClaims {
            id_token: "a.b.c".into(),
            claims: ClaimsOfPerson::of_id_token(claims),
            person,
            expires_at: NOW,
        };
        let issued = TokenSet { refresh_token: Some(refresh_token.into()), ..TokenSet::default() };
        let grant = GrantRecord::at_sign_in(&identity, Default::default(), issued, NOW);
        let record = signed_in(name).record(NOW, DAY);
        Arc::new(StoredLogin::new(record, grant).unwrap())
    }

    fn contents(attempts: usize, login: Option<Arc<StoredLogin>>) -> SessionValue {
        let mut contents = SessionValue { login, ..SessionValue::default() };
        for number in 0..attempts {
            contents
                .begin(Attempt::new(Purpose::SignIn, format!("/{number}"), NOW).unwrap())
                .unwrap();
        }
        contents
    }

    #[test]
    fn a_value_opens_to_what_was_sealed_and_shows_nothing_of_it() {
        let (keys, ada) = (key_ring(&[SECRET]), login("ada"));
        let sealed = contents(2, Some(Arc::clone(&ada))).seal(&keys, &APP, NOW).unwrap();
        assert!(
            !sealed.as_str().contains("ada") && !format!("{sealed:?}").contains(sealed.as_str())
        );
        let opened = SessionValue::open(&keys, &APP, &sealed);
        let again = opened.login.unwrap();
        assert!(again.id == ada.id && again.record == ada.record && opened.attempts.len() == 2);
        assert_eq!(again.grant.refresh_token().unwrap().expose(), "refresh token of ada");
        for (keys, app) in [
            (key_ring(&[OTHER_SECRET]), APP),
            (app_keys(&[SECRET], "another client"), APP),
            (keys, [8; 16]),
        ] {
            assert!(SessionValue::open(&keys, &app, &sealed).login.is_none());
        }
        let rotated = key_ring(&[OTHER_SECRET, SECRET]);
        let mut opened = SessionValue::open(&rotated, &APP, &sealed);
        assert!(opened.login.is_some() && opened.is_under_older_secret, "a secret can be replaced");
        let again = opened.seal(&rotated, &APP, NOW).unwrap();
        assert!(
            SessionValue::open(&key_ring(&[OTHER_SECRET]), &APP, &again).login.is_some(),
            "and removed once the value was sealed again"
        );
        let ticket =
            rotated.seal_cookie(CookiePurpose::Attempt, &APP, &codec::encode(&opened)).unwrap();
        assert!(
            SessionValue::open(&rotated, &APP, &WebSession(base64url(&ticket))).login.is_none(),
            "sealed for another purpose"
        );
    }

    #[test]
    fn the_last_eight_sign_ins_are_kept_until_they_expire() {
        let keys = key_ring(&[SECRET]);
        let mut many = contents(12, None);
        assert_eq!(
            many.attempts.iter().map(|attempt| attempt.return_path.as_str()).collect::<Vec<_>>(),
            ["/4", "/5", "/6", "/7", "/8", "/9", "/10", "/11"]
        );
        assert!(
            many.seal(&keys, &APP, NOW + Duration::from_secs(600)).unwrap().is_empty(),
            "without a login and attempts the value is empty"
        );
    }

    #[test]
    fn a_state_finds_its_attempt_once() {
        let mut contents = contents(3, None);
        let state = contents.begin(Attempt::new(Purpose::SignIn, "/mine", NOW).unwrap()).unwrap();
        let other = format!("{}x", &state[..state.len() - 1]);
        assert!(matches!(contents.take(&other, NOW), AttemptLookup::Missing));
        let AttemptLookup::Found(found) = contents.take(&state, NOW) else { panic!() };
        assert_eq!(found.return_path, "/mine");
        assert!(matches!(contents.take(&state, NOW), AttemptLookup::Missing));
    }

    #[tokio::test]
    async fn the_newer_of_the_value_and_the_grant_in_this_process_is_used() {
        let values = Values::new(Arc::new(ManualClock::at(NOW)));
        let old = login("ada");
        let in_use = values.enter(&old).unwrap();
        let newer = Arc::new(old.grant.next());
        values.save(&in_use.grant, &newer).await.unwrap();
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
        assert!(values.enter(&newest).is_none() && in_use.record().is_none());
        values.save(&in_use.grant, &newer).await.unwrap();
        assert!(values.load(&in_use.grant).await.unwrap().is_none(), "a late write");
        // One that looked before the end whether the session has ended, and inserts after it.
        drop(values.known(old.id, &newer, old.record.expires));
        assert!(values.load(&in_use.grant).await.unwrap().is_none(), "a later write");
    }

    /// Each session can have 256 KiB of tokens.
    #[test]
    fn grants_are_bounded_by_their_bytes_unless_they_are_in_use_and_leave_when_they_expire() {
        let clock = ManualClock::at(NOW);
        let values = Values::new(Arc::new(clock.clone()));
        let long = |name: &str| login_with(name, &"x".repeat(100_000));
        let in_use: Vec<_> = (0..400)
            .map(|number| values.enter(&long(&format!("user {number}"))).unwrap())
            .collect();
        assert!(in_use.iter().all(|login| login.record().is_some()) && values.len() >= 400);
        drop(in_use);
        for number in 0..1_000 {
            values.enter(&long(&number.to_string())).unwrap();
        }
        assert!((100..=336).contains(&values.len()), "{}", values.len());
        clock.advance(2 * DAY);
        values.enter(&login("ada")).unwrap();
        assert_eq!(values.len(), 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_contents_or_none(bytes: Vec<u8>) {
            let _ = SessionValue::read(&bytes);
        }

        #[test]
        fn a_text_that_was_not_sealed_here_has_no_login(text: String) {
            let value = WebSession(text);
            prop_assert!(SessionValue::open(&key_ring(&[SECRET]), &APP, &value).login.is_none());
        }
    }
}
