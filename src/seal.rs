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
pub(crate) const OVERHEAD: usize = HEADER + TAG;

/// The purpose of a sealed value outside of the store: in a cookie, in a link, or in the
/// application's own session. Each purpose has its own key. No number is used for two purposes,
/// those of [`RowPurpose`] included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum CookiePurpose {
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
pub(crate) enum RowPurpose {
    Session = 3,
    Grant = 4,
    Cache = 9,
}

/// Domain separator for the ids and keys of named rows. The derivation of a row's key begins with
/// its purpose, so this number must differ from all purposes.
const NAMED: u8 = 7;

/// The id and key of a row that is found by a name instead of by a ticket.
pub(crate) struct NamedRow {
    pub(crate) id: [u8; 16],
    /// Takes the place of the key in a ticket.
    pub(crate) key: Zeroizing<[u8; 32]>,
}

/// Whether a value was sealed under the current secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyAge {
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

    /// The number of secrets.
    #[cfg(test)]
    pub(crate) fn secrets(&self) -> usize {
        1 + self.older.len()
    }

    /// Seals a value under the current secret. `context` is not stored in it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`]: the operating system provides no random bytes.
    pub(crate) fn seal_cookie(
        &self,
        purpose: CookiePurpose,
        context: &Context,
        plain: &[u8],
    ) -> Result<Vec<u8>, Error> {
        seal(&self.current.id, self.current.cookie(purpose), purpose as u8, context, plain)
    }

    /// Decrypts a value in place. `None` if it was not sealed by this application for this purpose
    /// and context, or is damaged.
    pub(crate) fn open_cookie<'a>(
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
    pub(crate) fn is_of_another_secret(&self, sealed: &[u8]) -> bool {
        let known = |id| id == self.current.id || self.older.iter().any(|keys| keys.id == id);
        sealed.len() >= OVERHEAD && key_id(sealed).is_some_and(|id| !known(id))
    }

    /// The ids and keys of the row with this purpose and name, one for each secret, the current
    /// secret first. Both are derived with the secret, so the store learns no names.
    pub(crate) fn named_rows(&self, purpose: RowPurpose, name: &str) -> Vec<NamedRow> {
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
    pub(crate) fn seal_row(
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
    pub(crate) fn open_row(
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
#[path = "seal_tests.rs"]
mod tests;
