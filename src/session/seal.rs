//! [`KeyRing`]: seals cookies and rows with AES-256-GCM-SIV (RFC 8452) and random nonces, under
//! keys derived with HKDF-SHA256 (RFC 5869), one per purpose.
//!
//! ```text
//! sealed = version (1) · key id (4) · nonce (12) · ciphertext · tag (16)
//! associated data = version · purpose · key id · context
//! ```
//!
//! # Security
//!
//! - **GCM-SIV instead of GCM.** Every request for the sign-in page seals a cookie, so anybody can
//!   make the server use up random nonces. A repeated nonce reveals only whether two sealed values
//!   are equal; with GCM it would reveal the authentication key.
//! - **Binding.** Every key depends on the application (client id, authority, base URL). A value of
//!   another application with the same secret does not open.
//! - **Rows.** Each row of the store has a key of its own, which depends on the ticket in the
//!   cookie as well.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Prk, Salt},
    hmac::{self, HMAC_SHA256},
};
use zeroize::Zeroizing;

use crate::{
    error::{Error, ErrorKind},
    secret::{Secret, expand, random},
};

/// The version of the sealed format. Values of another version do not open.
const VERSION: u8 = 1;
const KEY_ID: usize = 4;
const NONCE: usize = 12;
const TAG: usize = 16;
const HEADER: usize = 1 + KEY_ID + NONCE;

/// Associated data of a sealed value in addition to its purpose, such as the session of a step-up.
/// It is authenticated and not stored: opening needs the same context as sealing.
pub(crate) type Context = [u8; 16];

/// The difference in length between a sealed value and its plain text, in bytes.
pub(super) const OVERHEAD: usize = HEADER + TAG;

/// The purpose of a sealed value outside of the store: in a cookie, in a link, or in the
/// application's own session. Each purpose has its own key. No number is used for two purposes,
/// those of [`RowPurpose`] included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum CookiePurpose {
    Ticket = 1,
    Attempt = 2,
    StepUp = 5,
    Value = 6,
    Page = 8,
    Form = 10,
}

/// The purpose of a sealed row of the store. Each row has its own key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum RowPurpose {
    Session = 3,
    Grant = 4,
    Cache = 9,
}

/// Domain separator for the ids and keys of named rows. The derivation of a row's key begins with
/// its purpose, so this number must differ from all purposes.
const NAMED: u8 = 7;

/// The id and key of a row that is found by a name instead of by a ticket.
pub(super) struct NamedRow {
    pub(super) id: [u8; 16],
    /// Takes the place of the key in a ticket.
    pub(super) key: Zeroizing<[u8; 32]>,
}

/// Whether a value was sealed under the current secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyAge {
    Current,
    /// Sealed under a later secret of the list, which opens but does not seal. The value should be
    /// sealed again.
    Older,
}

/// The keys of one application. The first cookie secret seals, all secrets open.
pub(crate) struct KeyRing {
    current: SecretKeys,
    older: Vec<SecretKeys>,
}

/// The keys derived from one cookie secret.
struct SecretKeys {
    /// Stored in each sealed value, to find the secret that it was sealed under.
    id: [u8; KEY_ID],
    /// The key from which the keys of rows are derived.
    rows: hmac::Key,
    ticket: LessSafeKey,
    attempt: LessSafeKey,
    step_up: LessSafeKey,
    value: LessSafeKey,
    page: LessSafeKey,
    form: LessSafeKey,
}

impl KeyRing {
    /// Derives the keys of an application. `binding` identifies the application: the same secret
    /// with another binding opens nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotConfigured`]: `secrets` is empty.
    pub(crate) fn new(secrets: &[Secret], binding: &[&[u8]]) -> Result<Self, Error> {
        let mut keys = secrets.iter().map(|secret| SecretKeys::derive(secret, binding));
        let current = keys.next().unwrap_or_else(|| {
            Err(Error::new(ErrorKind::NotConfigured, "there is no cookie secret"))
        })?;
        Ok(Self { current, older: keys.collect::<Result<_, _>>()? })
    }

    /// Seals a value under the current secret. `context` is not stored in it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`]: the operating system provides no random bytes.
    pub(super) fn seal_cookie(
        &self,
        purpose: CookiePurpose,
        context: &Context,
        plain: &[u8],
    ) -> Result<Vec<u8>, Error> {
        seal(&self.current.id, self.current.cookie(purpose), purpose as u8, context, plain)
    }

    /// Decrypts a value in place. `None` if it was not sealed by this application for this purpose
    /// and context, or is damaged.
    pub(super) fn open_cookie<'a>(
        &self,
        purpose: CookiePurpose,
        context: &Context,
        sealed: &'a mut [u8],
    ) -> Option<(&'a mut [u8], KeyAge)> {
        let id = key_id(sealed)?;
        if id == self.current.id {
            // A key id has 32 bits, so two secrets of a list could have the same one by chance.
            // Values under the older secret would then not open, which means signed out.
            return open(&id, self.current.cookie(purpose), purpose as u8, context, sealed)
                .map(|plain| (plain, KeyAge::Current));
        }
        let keys = self.older.iter().find(|keys| keys.id == id)?;
        open(&id, keys.cookie(purpose), purpose as u8, context, sealed)
            .map(|plain| (plain, KeyAge::Older))
    }

    /// Whether a value has the sealed format and names a secret that is not in the list. Another
    /// node may have that secret and be able to open it.
    pub(super) fn is_of_another_secret(&self, sealed: &[u8]) -> bool {
        let known = |id| id == self.current.id || self.older.iter().any(|keys| keys.id == id);
        sealed.len() >= OVERHEAD && key_id(sealed).is_some_and(|id| !known(id))
    }

    /// The ids and keys of the row with this purpose and name, one for each secret, the current
    /// secret first. Both are derived with the secret, so the store learns no names.
    pub(super) fn named_rows(&self, purpose: RowPurpose, name: &str) -> Vec<NamedRow> {
        std::iter::once(&self.current)
            .chain(&self.older)
            .map(|keys| keys.named_row(purpose, name))
            .collect()
    }

    /// Seals a row of the store. Its key depends on its purpose, its id and the key in the ticket.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`]: the operating system provides no random bytes.
    pub(super) fn seal_row(
        &self,
        purpose: RowPurpose,
        row: &[u8; 16],
        ticket_key: &[u8; 32],
        plain: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let key = self.current.row(purpose, row, ticket_key).ok_or_else(no_key)?;
        seal(&self.current.id, &key, purpose as u8, row, plain)
    }

    /// Opens a row of the store under the secret that it names. `None` if purpose, id or ticket key
    /// differ, or the row is damaged.
    pub(super) fn open_row(
        &self,
        purpose: RowPurpose,
        row: &[u8; 16],
        ticket_key: &[u8; 32],
        sealed: &[u8],
    ) -> Option<Vec<u8>> {
        let id = key_id(sealed)?;
        let keys = if id == self.current.id {
            &self.current
        } else {
            self.older.iter().find(|keys| keys.id == id)?
        };
        let key = keys.row(purpose, row, ticket_key)?;
        let (header, body) = sealed.split_at_checked(HEADER)?;
        // Decrypting a copy in place is cheaper than decrypting into a buffer of zeros.
        let mut plain = body.to_vec();
        let length = open_body(&id, &key, purpose as u8, row, header, &mut plain)?.len();
        plain.truncate(length);
        Some(plain)
    }
}

impl SecretKeys {
    fn derive(secret: &Secret, binding: &[&[u8]]) -> Result<Self, Error> {
        let mut info = b"application".to_vec();
        for part in binding {
            info.extend_from_slice(&(part.len() as u64).to_be_bytes());
            info.extend_from_slice(part);
        }
        let extracted = Salt::new(HKDF_SHA256, b"tower-identity cookie secret 1")
            .extract(secret.expose().as_bytes());
        let secret: Zeroizing<[u8; 32]> =
            Zeroizing::new(expand(&extracted, &[&info]).ok_or_else(no_key)?);
        let root = Prk::new_less_safe(HKDF_SHA256, &secret[..]);
        let cookie = |purpose: CookiePurpose| {
            expand::<32>(&root, &[&[purpose as u8]])
                .and_then(|key| aead_key(&key))
                .ok_or_else(no_key)
        };
        Ok(Self {
            id: expand(&root, &[b"key id"]).ok_or_else(no_key)?,
            ticket: cookie(CookiePurpose::Ticket)?,
            attempt: cookie(CookiePurpose::Attempt)?,
            step_up: cookie(CookiePurpose::StepUp)?,
            value: cookie(CookiePurpose::Value)?,
            page: cookie(CookiePurpose::Page)?,
            form: cookie(CookiePurpose::Form)?,
            rows: hmac::Key::new(HMAC_SHA256, &secret[..]),
        })
    }

    fn cookie(&self, purpose: CookiePurpose) -> &LessSafeKey {
        match purpose {
            CookiePurpose::Ticket => &self.ticket,
            CookiePurpose::Attempt => &self.attempt,
            CookiePurpose::StepUp => &self.step_up,
            CookiePurpose::Value => &self.value,
            CookiePurpose::Page => &self.page,
            CookiePurpose::Form => &self.form,
        }
    }

    fn named_row(&self, purpose: RowPurpose, name: &str) -> NamedRow {
        let derived = |what: u8| {
            let mut context = hmac::Context::with_key(&self.rows);
            for part in [&[NAMED, purpose as u8, what][..], name.as_bytes()] {
                context.update(part);
            }
            context.sign()
        };
        let (id, key) = (derived(1), derived(2));
        let mut row = NamedRow { id: [0; 16], key: Zeroizing::new([0; 32]) };
        row.id.iter_mut().zip(id.as_ref()).for_each(|(to, from)| *to = *from);
        row.key.iter_mut().zip(key.as_ref()).for_each(|(to, from)| *to = *from);
        row
    }

    /// The key of one row: HKDF-Expand of purpose, id and ticket key, each of a fixed length.
    ///
    /// For a single block HKDF-Expand is one HMAC (RFC 5869 section 2.3: `T(1) = HMAC(PRK, info |
    /// 0x01)`). It is computed directly, because `hmac::Key` holds the precomputed state of the
    /// key: 5,000 instructions less for each session that is opened.
    fn row(
        &self,
        purpose: RowPurpose,
        row: &[u8; 16],
        ticket_key: &[u8; 32],
    ) -> Option<LessSafeKey> {
        let mut context = hmac::Context::with_key(&self.rows);
        for part in [&[purpose as u8][..], row, ticket_key, &[1]] {
            context.update(part);
        }
        aead_key(context.sign().as_ref())
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} secrets)", 1 + self.older.len())
    }
}

fn seal(
    id: &[u8; KEY_ID],
    key: &LessSafeKey,
    purpose: u8,
    context: &Context,
    plain: &[u8],
) -> Result<Vec<u8>, Error> {
    let nonce: [u8; NONCE] = random()?;
    let mut sealed = Vec::with_capacity(plain.len() + OVERHEAD);
    sealed.push(VERSION);
    sealed.extend_from_slice(id);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plain);
    let failed = || Error::new(ErrorKind::Internal, "sealing failed");
    let body = sealed.get_mut(HEADER..).ok_or_else(failed)?;
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = key
        .seal_in_place_separate_tag(nonce, associated_data(purpose, id, context), body)
        .map_err(|_| failed())?;
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed)
}

fn open<'a>(
    id: &[u8; KEY_ID],
    key: &LessSafeKey,
    purpose: u8,
    context: &Context,
    sealed: &'a mut [u8],
) -> Option<&'a mut [u8]> {
    let (header, body) = sealed.split_at_mut_checked(HEADER)?;
    open_body(id, key, purpose, context, header, body)
}

/// Decrypts the ciphertext that follows the header, in place.
fn open_body<'a>(
    id: &[u8; KEY_ID],
    key: &LessSafeKey,
    purpose: u8,
    context: &Context,
    header: &[u8],
    body: &'a mut [u8],
) -> Option<&'a mut [u8]> {
    let nonce = Nonce::try_assume_unique_for_key(header.get(1 + KEY_ID..)?).ok()?;
    key.open_in_place(nonce, associated_data(purpose, id, context), body).ok()
}

/// The key id in a sealed value. `None` if the version is unknown or the value is too short.
fn key_id(sealed: &[u8]) -> Option<[u8; KEY_ID]> {
    match sealed.split_first_chunk::<{ 1 + KEY_ID }>()? {
        ([VERSION, id @ ..], _) => Some(*id),
        _ => None,
    }
}

/// The associated data: version, purpose, key id and context, each of a fixed length.
fn associated_data(
    purpose: u8,
    id: &[u8; KEY_ID],
    context: &Context,
) -> Aad<[u8; 2 + KEY_ID + 16]> {
    let mut bytes = [0; 2 + KEY_ID + 16];
    let (fixed, rest) = bytes.split_at_mut(2);
    let (key_id, of_context) = rest.split_at_mut(KEY_ID);
    fixed.copy_from_slice(&[VERSION, purpose]);
    key_id.copy_from_slice(id);
    of_context.copy_from_slice(context);
    Aad::from(bytes)
}

fn aead_key(bytes: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM_SIV, bytes).ok().map(LessSafeKey::new)
}

fn no_key() -> Error {
    Error::new(ErrorKind::Internal, "a key could not be derived")
}

#[cfg(test)]
mod tests {
    use super::{super::test_support::*, *};
    use crate::secret::from_base64url;

    const CONTEXT: Context = [7; 16];
    const PURPOSES: [CookiePurpose; 6] = [
        CookiePurpose::Ticket,
        CookiePurpose::Attempt,
        CookiePurpose::StepUp,
        CookiePurpose::Value,
        CookiePurpose::Page,
        CookiePurpose::Form,
    ];
    const ROWS: [RowPurpose; 2] = [RowPurpose::Session, RowPurpose::Grant];

    fn opens(
        keys: &KeyRing,
        purpose: CookiePurpose,
        context: &Context,
        sealed: &[u8],
    ) -> Option<(Vec<u8>, KeyAge)> {
        keys.open_cookie(purpose, context, &mut sealed.to_vec())
            .map(|(plain, age)| (plain.to_vec(), age))
    }

    #[test]
    fn a_sealed_value_opens_for_its_purpose_and_context_only() {
        let keys = key_ring(&[SECRET]);
        for purpose in PURPOSES {
            let sealed = keys.seal_cookie(purpose, &CONTEXT, b"plain").unwrap();
            assert_eq!(sealed.len(), 5 + OVERHEAD);
            for other in PURPOSES {
                assert_eq!(opens(&keys, other, &CONTEXT, &sealed).is_some(), other == purpose);
            }
            assert!(opens(&keys, purpose, &[8; 16], &sealed).is_none());
            for row in ROWS {
                assert!(keys.open_row(row, &CONTEXT, &[0; 32], &sealed).is_none());
            }
        }
    }

    #[test]
    fn a_named_row_is_found_by_its_name_purpose_and_secret_only() {
        let rows =
            |secrets: &[&str], name: &str| key_ring(secrets).named_rows(RowPurpose::Cache, name);
        let [own] = &rows(&[SECRET], "ada")[..] else { panic!() };
        for other in
            [&rows(&[SECRET], "bob")[0], &rows(&[OTHER_SECRET], "ada")[0], &rows(&[SECRET], "")[0]]
        {
            assert!(other.id != own.id && other.key != own.key);
        }
        assert_ne!(key_ring(&[SECRET]).named_rows(RowPurpose::Grant, "ada")[0].id, own.id);
        let rotated = rows(&[OTHER_SECRET, SECRET], "ada");
        assert!(rotated.len() == 2 && rotated[1].id == own.id && rotated[1].key == own.key);
    }

    #[test]
    fn a_row_opens_with_its_purpose_id_and_ticket_key_only() {
        let keys = key_ring(&[SECRET]);
        for purpose in ROWS {
            let sealed = keys.seal_row(purpose, &[1; 16], &[2; 32], b"plain").unwrap();
            assert_eq!(keys.open_row(purpose, &[1; 16], &[2; 32], &sealed).unwrap(), b"plain");
            let other = if purpose == RowPurpose::Session {
                RowPurpose::Grant
            } else {
                RowPurpose::Session
            };
            assert!(keys.open_row(other, &[1; 16], &[2; 32], &sealed).is_none());
            assert!(keys.open_row(purpose, &[0; 16], &[2; 32], &sealed).is_none());
            assert!(keys.open_row(purpose, &[1; 16], &[0; 32], &sealed).is_none());
            for cookie in PURPOSES {
                assert!(opens(&keys, cookie, &[1; 16], &sealed).is_none());
            }
        }
    }

    #[test]
    fn another_application_opens_nothing() {
        let secrets = [Secret::from(SECRET)];
        let keys = KeyRing::new(&secrets, &[b"ab", b"c"]).unwrap();
        let sealed = keys.seal_cookie(CookiePurpose::Ticket, &CONTEXT, b"plain").unwrap();
        let row = keys.seal_row(RowPurpose::Session, &[1; 16], &[2; 32], b"plain").unwrap();
        for binding in
            [&[b"a".as_slice(), b"bc"][..], &[b"abc"], &[b"ab", b"c", b""], &[b"c", b"ab"], &[]]
        {
            let other = KeyRing::new(&secrets, binding).unwrap();
            assert!(opens(&other, CookiePurpose::Ticket, &CONTEXT, &sealed).is_none());
            assert!(other.open_row(RowPurpose::Session, &[1; 16], &[2; 32], &row).is_none());
        }
    }

    // C-318: key rotation: cookie under the previous key
    #[test]
    fn the_first_secret_seals_and_all_open() {
        let before = key_ring(&[SECRET]);
        let after = key_ring(&[OTHER_SECRET, SECRET]);
        let sealed = before.seal_cookie(CookiePurpose::Ticket, &CONTEXT, b"plain").unwrap();
        let row = before.seal_row(RowPurpose::Session, &[1; 16], &[2; 32], b"plain").unwrap();
        assert_eq!(
            opens(&before, CookiePurpose::Ticket, &CONTEXT, &sealed),
            Some((b"plain".to_vec(), KeyAge::Current))
        );
        assert_eq!(
            opens(&after, CookiePurpose::Ticket, &CONTEXT, &sealed),
            Some((b"plain".to_vec(), KeyAge::Older))
        );
        assert!(after.open_row(RowPurpose::Session, &[1; 16], &[2; 32], &row).is_some());
        let sealed = after.seal_cookie(CookiePurpose::Ticket, &CONTEXT, b"plain").unwrap();
        assert_eq!(opens(&before, CookiePurpose::Ticket, &CONTEXT, &sealed), None);
        assert_eq!(
            opens(&key_ring(&[OTHER_SECRET]), CookiePurpose::Ticket, &CONTEXT, &sealed)
                .map(|(_, age)| age),
            Some(KeyAge::Current)
        );
    }

    #[test]
    fn whatever_was_changed_or_cut_does_not_open() {
        let keys = key_ring(&[SECRET]);
        let cookie = keys.seal_cookie(CookiePurpose::Ticket, &CONTEXT, b"plain").unwrap();
        let row = keys.seal_row(RowPurpose::Session, &CONTEXT, &[2; 32], b"plain").unwrap();
        let assert_does_not_open = |sealed: &[u8]| {
            assert!(opens(&keys, CookiePurpose::Ticket, &CONTEXT, sealed).is_none());
            assert!(keys.open_row(RowPurpose::Session, &CONTEXT, &[2; 32], sealed).is_none());
        };
        for sealed in [cookie, row] {
            for length in 0..sealed.len() {
                assert_does_not_open(&sealed[..length]);
            }
            for bit in 0..sealed.len() * 8 {
                let mut flipped = sealed.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_does_not_open(&flipped);
            }
            assert_does_not_open(&[&sealed[..], &[0]].concat());
        }
    }

    #[test]
    fn an_unknown_version_does_not_open() {
        let keys = key_ring(&[SECRET]);
        let sealed = keys.seal_cookie(CookiePurpose::Ticket, &CONTEXT, b"plain").unwrap();
        for version in (0..=u8::MAX).filter(|version| *version != VERSION) {
            let mut other = sealed.clone();
            other[0] = version;
            assert!(opens(&keys, CookiePurpose::Ticket, &CONTEXT, &other).is_none());
        }
    }

    #[test]
    fn the_key_of_a_row_is_what_hkdf_expands() {
        let keys = key_ring(&[SECRET]);
        let row = keys.seal_row(RowPurpose::Grant, &[1; 16], &[2; 32], b"plain").unwrap();
        let extracted =
            Salt::new(HKDF_SHA256, b"tower-identity cookie secret 1").extract(SECRET.as_bytes());
        let parts = ["client", "https://id.example", "https://app.example"];
        let binding = parts
            .iter()
            .flat_map(|part| [&(part.len() as u64).to_be_bytes(), part.as_bytes()].concat());
        let root: [u8; 32] =
            expand(&extracted, &[b"application", &binding.collect::<Vec<_>>()]).unwrap();
        let key: [u8; 32] =
            expand(&Prk::new_less_safe(HKDF_SHA256, &root), &[&[4], &[1; 16], &[2; 32]]).unwrap();
        let id = key_id(&row).unwrap();
        let mut sealed = row;
        assert_eq!(
            open(&id, &aead_key(&key).unwrap(), 4, &[1; 16], &mut sealed).unwrap(),
            b"plain"
        );
    }

    #[test]
    fn the_same_plain_value_is_never_sealed_the_same() {
        // Each seal has a random nonce.
        let keys = key_ring(&[SECRET]);
        let [a, b] =
            [(); 2].map(|()| keys.seal_cookie(CookiePurpose::Ticket, &CONTEXT, b"plain").unwrap());
        assert_ne!(a, b);
    }

    #[test]
    fn an_empty_list_of_secrets_is_an_error() {
        assert!(KeyRing::new(&[], &[]).is_err());
    }

    /// Browsers and stores keep sealed values across releases: a change of the format needs a new
    /// version.
    #[test]
    fn values_sealed_by_version_1_open() {
        let keys = key_ring(&[SECRET]);
        let cookie = from_base64url(COOKIE_OF_VERSION_1).unwrap();
        assert_eq!(
            opens(&keys, CookiePurpose::Ticket, &CONTEXT, &cookie),
            Some((b"plain".to_vec(), KeyAge::Current))
        );
        let row = from_base64url(ROW_OF_VERSION_1).unwrap();
        assert_eq!(keys.open_row(RowPurpose::Session, &[1; 16], &[2; 32], &row).unwrap(), b"plain");
    }

    const COOKIE_OF_VERSION_1: &str = "AT8p1UZoZnkT22hLy2doPEaRN1eC8fTSsRAG-cd1cxmQsqQP_zQ";
    const ROW_OF_VERSION_1: &str = "AT8p1UYEsrmSFdUO0IqLsUQj0XoZ6lGfKXk1NDz4tQYYkefq_hY";
}
