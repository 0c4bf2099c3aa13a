//! Sealing: AES-256-GCM-SIV with random nonces under keys derived by HKDF-SHA256, one per purpose.
//!
//! ```text
//! sealed = version (1) · key id (4) · nonce (12) · ciphertext · tag (16)
//! associated data = version · purpose · key id · context
//! ```
//!
//! # Security
//!
//! GCM-SIV, because cookies are sealed as often as anybody on the internet asks for the sign-in page: a nonce that repeats tells only whether two
//! sealed values are equal, where GCM would lose its key. Every key depends on the application (client id, authority, base URL), so a
//! value of another application with the same secret does not open. Rows of the store have a key of their own, which needs the ticket in the cookie as well.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, KeyType, Prk, Salt},
};
use zeroize::Zeroizing;

use crate::{
    error::{Error, ErrorKind},
    secret::{Secret, random},
};

/// The version of everything sealed. An unknown one does not open.
const VERSION: u8 = 1;
const KEY_ID: usize = 4;
const NONCE: usize = 12;
const TAG: usize = 16;
const HEADER: usize = 1 + KEY_ID + NONCE;

/// What a sealed value belongs to, beyond its purpose: known to whoever opens it, not kept in it.
pub(super) type Context = [u8; 16];

/// By how many bytes a sealed value is longer than the plain one.
pub(super) const OVERHEAD: usize = HEADER + TAG;

/// What a sealed cookie is for. Each has its own key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum CookiePurpose {
    Ticket = 1,
    Attempt = 2,
}

/// What a sealed row of the store is for. Each row has its own key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum RowPurpose {
    Session = 3,
    Grant = 4,
}

/// Whether something was sealed under the secret that seals now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyAge {
    Current,
    /// Under a later one of the list: it still opens, and is to be sealed anew where that is possible.
    Older,
}

/// The keys of one application: the first secret seals, all open.
pub(crate) struct KeyRing {
    current: Keys,
    older: Vec<Keys>,
}

struct Keys {
    id: [u8; KEY_ID],
    rows: Prk,
    ticket: LessSafeKey,
    attempt: LessSafeKey,
}

impl KeyRing {
    /// Derives the keys. `binding` is what the application is: the same secret with another binding opens nothing.
    ///
    /// # Errors
    ///
    /// `secrets` is empty.
    pub(crate) fn new(secrets: &[Secret], binding: &[&[u8]]) -> Result<Self, Error> {
        let mut keys = secrets.iter().map(|secret| Keys::derive(secret, binding));
        let current = keys.next().unwrap_or_else(|| Err(Error::new(ErrorKind::NotConfigured, "there is no cookie secret")))?;
        Ok(Self { current, older: keys.collect::<Result<_, _>>()? })
    }

    /// Seals a cookie. `context` is not kept: whoever opens has to know it.
    pub(super) fn seal_cookie(&self, purpose: CookiePurpose, context: &Context, plain: &[u8]) -> Result<Vec<u8>, Error> {
        seal(&self.current.id, self.current.cookie(purpose), purpose as u8, context, plain)
    }

    /// Opens a cookie in place.
    pub(super) fn open_cookie<'a>(
        &self,
        purpose: CookiePurpose,
        context: &Context,
        sealed: &'a mut [u8],
    ) -> Option<(&'a mut [u8], KeyAge)> {
        let id = key_id(sealed)?;
        if id == self.current.id {
            // The id is short enough that two secrets of a list could share it; then the older one's cookies count as unreadable.
            return open(&id, self.current.cookie(purpose), purpose as u8, context, sealed).map(|plain| (plain, KeyAge::Current));
        }
        let keys = self.older.iter().find(|keys| keys.id == id)?;
        open(&id, keys.cookie(purpose), purpose as u8, context, sealed).map(|plain| (plain, KeyAge::Older))
    }

    /// Seals a row of the store under a key of its own.
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

    /// Opens a row of the store, under the secret that it names.
    pub(super) fn open_row(
        &self,
        purpose: RowPurpose,
        row: &[u8; 16],
        ticket_key: &[u8; 32],
        sealed: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let id = key_id(sealed)?;
        let keys = if id == self.current.id { &self.current } else { self.older.iter().find(|keys| keys.id == id)? };
        let key = keys.row(purpose, row, ticket_key)?;
        let (header, rest) = sealed.split_at_checked(HEADER)?;
        let (ciphertext, tag) = rest.split_at_checked(rest.len().checked_sub(TAG)?)?;
        let mut plain = Zeroizing::new(vec![0; ciphertext.len()]);
        let nonce = Nonce::try_assume_unique_for_key(header.get(1 + KEY_ID..)?).ok()?;
        let aad = associated_data(purpose as u8, &id, row);
        key.open_separate_gather(nonce, aad, ciphertext, tag, &mut plain).ok()?;
        Some(plain)
    }
}

impl Keys {
    fn derive(secret: &Secret, binding: &[&[u8]]) -> Result<Self, Error> {
        let mut info = b"application".to_vec();
        for part in binding {
            info.extend_from_slice(&(part.len() as u64).to_be_bytes());
            info.extend_from_slice(part);
        }
        let extracted = Salt::new(HKDF_SHA256, b"tower-identity cookie secret 1").extract(secret.expose().as_bytes());
        let root: [u8; 32] = expand(&extracted, &[&info]).ok_or_else(no_key)?;
        let root = Prk::new_less_safe(HKDF_SHA256, &Zeroizing::new(root)[..]);
        let cookie =
            |purpose: CookiePurpose| expand(&root, &[&[purpose as u8]]).and_then(|key| aead_key(&key)).ok_or_else(no_key);
        Ok(Self {
            id: expand(&root, &[b"key id"]).ok_or_else(no_key)?,
            ticket: cookie(CookiePurpose::Ticket)?,
            attempt: cookie(CookiePurpose::Attempt)?,
            rows: root,
        })
    }

    fn cookie(&self, purpose: CookiePurpose) -> &LessSafeKey {
        match purpose {
            CookiePurpose::Ticket => &self.ticket,
            CookiePurpose::Attempt => &self.attempt,
        }
    }

    /// The key of one row. Every part has a fixed length, so no two rows share the input.
    fn row(&self, purpose: RowPurpose, row: &[u8; 16], ticket_key: &[u8; 32]) -> Option<LessSafeKey> {
        let key = Zeroizing::new(expand(&self.rows, &[&[purpose as u8], row, ticket_key])?);
        aead_key(&key)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} secrets)", 1 + self.older.len())
    }
}

fn seal(id: &[u8; KEY_ID], key: &LessSafeKey, purpose: u8, context: &Context, plain: &[u8]) -> Result<Vec<u8>, Error> {
    let nonce: [u8; NONCE] = random()?;
    let mut sealed = Vec::with_capacity(plain.len() + OVERHEAD);
    sealed.push(VERSION);
    sealed.extend_from_slice(id);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plain);
    let failed = || Error::new(ErrorKind::Internal, "sealing failed");
    let body = sealed.get_mut(HEADER..).ok_or_else(failed)?;
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = key.seal_in_place_separate_tag(nonce, associated_data(purpose, id, context), body).map_err(|_| failed())?;
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed)
}

fn open<'a>(id: &[u8; KEY_ID], key: &LessSafeKey, purpose: u8, context: &Context, sealed: &'a mut [u8]) -> Option<&'a mut [u8]> {
    let (header, body) = sealed.split_at_mut_checked(HEADER)?;
    let nonce = Nonce::try_assume_unique_for_key(header.get(1 + KEY_ID..)?).ok()?;
    key.open_in_place(nonce, associated_data(purpose, id, context), body).ok()
}

/// The id of the key that a sealed value names, if its version is ours.
fn key_id(sealed: &[u8]) -> Option<[u8; KEY_ID]> {
    match sealed.split_first_chunk::<{ 1 + KEY_ID }>()? {
        ([VERSION, id @ ..], _) => Some(*id),
        _ => None,
    }
}

/// Version, purpose, key id and context, each of a fixed length.
fn associated_data(purpose: u8, id: &[u8; KEY_ID], context: &Context) -> Aad<[u8; 2 + KEY_ID + 16]> {
    let mut bytes = [0; 2 + KEY_ID + 16];
    let (fixed, rest) = bytes.split_at_mut(2);
    let (key_id, of_context) = rest.split_at_mut(KEY_ID);
    fixed.copy_from_slice(&[VERSION, purpose]);
    key_id.copy_from_slice(id);
    of_context.copy_from_slice(context);
    Aad::from(bytes)
}

fn aead_key(bytes: &[u8; 32]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM_SIV, bytes).ok().map(LessSafeKey::new)
}

/// The length of what HKDF is to give.
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-Expand of the parts one after the other: they are of fixed length or say their length.
pub(super) fn expand<const N: usize>(key: &Prk, parts: &[&[u8]]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    key.expand(parts, Length(N)).ok()?.fill(&mut bytes).ok()?;
    Some(bytes)
}

fn no_key() -> Error {
    Error::new(ErrorKind::Internal, "a key could not be derived")
}
