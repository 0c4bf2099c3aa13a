//! The ticket: what the session cookie holds, sealed.

use zeroize::Zeroizing;

use super::{
    records::RecordId,
    seal::{CookiePurpose, KeyAge, KeyRing, OVERHEAD},
};
use crate::{clock::UnixTime, error::Error};

const PLAIN: usize = 16 + 32 + 8 + 1;
const SEALED: usize = PLAIN + OVERHEAD;

/// The length of every session cookie's value. Anything longer or shorter is refused before it is
/// looked at.
pub(super) const COOKIE_LENGTH: usize = (SEALED * 4).div_ceil(3);

/// The value of a session cookie, as the browser sends it.
pub(super) type CookieValue = [u8; COOKIE_LENGTH];

/// Which record is whose, the key that opens it, and when the cookie was last rolled.
#[derive(Clone)]
pub(super) struct Ticket {
    pub(super) id: RecordId,
    pub(super) key: Zeroizing<[u8; 32]>,
    pub(super) rolled_at: UnixTime,
    /// How many sessions in a row the store has lost before this one, as soon as they began.
    pub(super) lost: u8,
}

impl Ticket {
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

    /// Opens a cookie's value; `None` for whatever is not a ticket of ours.
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
