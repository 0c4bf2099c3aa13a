//! [`Ticket`]: the sealed content of the session cookie.

use zeroize::Zeroizing;

use super::records::RecordId;
use crate::{
    clock::UnixTime,
    error::Error,
    seal::{CookiePurpose, KeyAge, KeyRing, OVERHEAD},
};

/// Length of the plain ticket: id, key, time of the last roll, number of lost sessions.
const PLAIN: usize = 16 + 32 + 8 + 1;
const SEALED: usize = PLAIN + OVERHEAD;

/// The length of every session cookie's value, in base64url characters. A value of another length
/// is refused without decryption.
pub(super) const COOKIE_LENGTH: usize = (SEALED * 4).div_ceil(3);

/// The value of a session cookie, as the browser sends it.
pub(super) type CookieValue = [u8; COOKIE_LENGTH];

/// A reference to a session record, with the ticket's half of the record's key.
#[derive(Clone)]
pub(super) struct Ticket {
    pub(super) id: RecordId,
    pub(super) key: Zeroizing<[u8; 32]>,
    /// When this ticket was issued, at sign-in or by a roll: the start of the idle time.
    pub(super) rolled_at: UnixTime,
    /// The number of sessions in a row, before this one, that the store lost within a minute of
    /// their sign-in or last roll. A roll sets it to zero.
    pub(super) lost: u8,
}

impl Ticket {
    /// Seals the ticket into a cookie's value.
    ///
    /// # Errors
    ///
    /// [`Internal`](crate::ErrorKind::Internal): the operating system provides no random bytes.
    pub(super) fn seal(&self, keys: &KeyRing) -> Result<CookieValue, Error> {
        let mut plain = Zeroizing::new([0; PLAIN]);
        let (id, rest) = plain.split_at_mut(16);
        let (key, rest) = rest.split_at_mut(32);
        let (rolled_at, lost) = rest.split_at_mut(8);
        id.copy_from_slice(&self.id.bytes());
        key.copy_from_slice(&self.key[..]);
        rolled_at.copy_from_slice(&self.rolled_at.as_seconds().to_be_bytes());
        lost.copy_from_slice(&[self.lost]);
        let sealed = keys.seal_cookie(CookiePurpose::Ticket, &[0; 16], &plain[..])?;
        let mut value = [0; COOKIE_LENGTH];
        let _ =
            base64_simd::URL_SAFE_NO_PAD.encode(&sealed, base64_simd::Out::from_slice(&mut value));
        Ok(value)
    }

    /// Opens a cookie's value. `None` if it was not sealed as a ticket by this application.
    pub(super) fn open(keys: &KeyRing, value: &CookieValue) -> Option<(Self, KeyAge)> {
        let mut value = Zeroizing::new(*value);
        let sealed = base64_simd::URL_SAFE_NO_PAD.decode_inplace(&mut value[..]).ok()?;
        let (plain, age) = keys.open_cookie(CookiePurpose::Ticket, &[0; 16], sealed)?;
        let (id, rest) = plain.split_first_chunk::<16>()?;
        let (key, rest) = rest.split_first_chunk::<32>()?;
        let (rolled_at, rest) = rest.split_first_chunk::<8>()?;
        let [lost] = *<&[u8; 1]>::try_from(rest).ok()?;
        let rolled_at = UnixTime::from_seconds(i64::from_be_bytes(*rolled_at));
        Some((
            Self { id: RecordId::from_bytes(*id), key: Zeroizing::new(*key), rolled_at, lost },
            age,
        ))
    }
}
