//! How a sign-in that the provider refused is repeated.
//!
//! A refusal says one thing about the provider, and all further requests of the sign-in take
//! account of it. The kinds of refusal are kept in the sealed attempt, and each is answered once: a
//! sign-in has at most one request more than there are [kinds](Fallback::ALL), so it cannot loop.

use super::{
    attempt::{Attempt, Purpose},
    begin::sent_prompts,
    relying_party::RelyingParty,
};
use crate::{
    codec,
    config::Prompt,
    error::Error,
    protocol::{
        CONSENT_REQUIRED, DEFAULT_SCOPES_REFUSED, asks_for_consent, asks_to_begin_again,
        refuses_languages,
    },
    tokens::OFFLINE_ACCESS,
};

/// The reason for which a sign-in is repeated, and what its requests omit from then on.
///
/// The order is that of the bits in stored attempts: new kinds come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fallback {
    /// Omits nothing: the provider asked for an equal request.
    BeginAgain,
    /// Omits nothing: the provider spent the code with a client authentication that it refused.
    /// The next code is redeemed with the one that it accepted.
    NewCode,
    /// Omits `prompt=none`, even if it is configured: a silent sign-in was refused, or what it
    /// asks for does not fit into its cookie. Other prompts of the configuration count again.
    WithPages,
    /// Omits the default scopes, which neither the configuration nor the page names: the provider
    /// refused the request that contained them.
    WithNamedScopes,
    /// Omits the languages (`ui_locales`) of the browser or of the page: the provider refused them.
    WithoutLanguages,
    /// Omits nothing, and asks for a consent (`prompt=consent`), without which the provider refused
    /// `offline_access`.
    WithConsent,
}

impl Fallback {
    const ALL: [Self; 6] = [
        Self::BeginAgain,
        Self::NewCode,
        Self::WithPages,
        Self::WithNamedScopes,
        Self::WithoutLanguages,
        Self::WithConsent,
    ];

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The fallbacks of a sign-in so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fallbacks(u8);

/// The bit of a sign-in that is not repeated.
const NOT_REPEATED: u8 = 1 << 7;

impl Fallbacks {
    pub(crate) fn has(self, fallback: Fallback) -> bool {
        self.0 & fallback.bit() != 0
    }

    /// These and one more; `None` if it is one of these, or after
    /// [`not_repeated`](Self::not_repeated).
    pub(crate) fn and(self, fallback: Fallback) -> Option<Self> {
        let is_open = !self.would_ask_for_less() && !self.has(fallback);
        is_open.then_some(Self(self.0 | fallback.bit()))
    }

    /// Marks a sign-in that is not repeated, because its options are not stored.
    pub(crate) fn not_repeated(self) -> Self {
        Self(self.0 | NOT_REPEATED)
    }

    /// Whether a further request of the sign-in would ask for less than the first one.
    pub(crate) fn would_ask_for_less(self) -> bool {
        self.0 & NOT_REPEATED != 0
    }
}

impl codec::Field for Fallbacks {
    type Read = u8;

    fn write_fields(&self, number: u8, out: &mut Vec<u8>) {
        self.0.write_fields(number, out);
    }

    fn take(read: &mut u8, bytes: &[u8]) -> Option<()> {
        <u8 as codec::Field>::take(read, bytes)
    }

    /// The fallbacks that this version knows.
    fn finish(read: u8) -> Option<Self> {
        Some(Self(read & Fallback::ALL.iter().fold(NOT_REPEATED, |known, kind| known | kind.bit())))
    }
}

impl RelyingParty {
    /// The fallbacks of the repetition of a sign-in that failed with this error; `None` if no other
    /// request can succeed: the error is shown. A sign-in is repeated once for each kind.
    pub(crate) fn fallbacks_after(&self, attempt: &Attempt, error: &Error) -> Option<Fallbacks> {
        // Only a sign-in or step-up.
        if attempt.purpose.is_policy() || attempt.purpose == Purpose::ReadClaims {
            return None;
        }
        let fallback = self.fallback_after(attempt, error)?;
        let fallbacks = attempt.fallbacks.and(fallback)?;
        let reason = error.reason();
        match fallback {
            Fallback::NewCode => tracing::info!(
                reason,
                %error,
                "the provider spent the code with a request whose client authentication it \
                 refused; the sign-in starts again"
            ),
            Fallback::WithoutLanguages => tracing::warn!(
                reason,
                "the provider refuses the languages of the browser (`ui_locales`), so each sign-in \
                 takes a second request: name languages that it takes (`with_ui_locales`, \
                 IDENTITY_UI_LOCALES)"
            ),
            Fallback::WithNamedScopes => tracing::warn!(
                reason,
                "{DEFAULT_SCOPES_REFUSED}: each sign-in takes a second request"
            ),
            Fallback::WithConsent => {
                tracing::warn!(reason, "{CONSENT_REQUIRED}: each sign-in takes a second request")
            }
            Fallback::BeginAgain | Fallback::WithPages => {
                tracing::info!(reason, "the provider asks for another try");
            }
        }
        Some(fallbacks)
    }

    fn fallback_after(&self, attempt: &Attempt, error: &Error) -> Option<Fallback> {
        if asks_to_begin_again(error) {
            return Some(Fallback::BeginAgain);
        }
        if error.is_of_spent_grant() {
            return Some(Fallback::NewCode);
        }
        // Languages that the configuration names would be sent again.
        if self.config().sign_in().ui_locales.is_empty() && refuses_languages(error) {
            return Some(Fallback::WithoutLanguages);
        }
        // This comes before the scopes: without `offline_access` the sign-in would succeed too, but
        // its session could not be renewed. A consent that was asked for did not help.
        let config = self.config();
        if config.openid_scopes().iter().any(|scope| scope == OFFLINE_ACCESS)
            && !sent_prompts(attempt, config.sign_in()).contains(&Prompt::Consent)
            && asks_for_consent(error)
        {
            return Some(Fallback::WithConsent);
        }
        self.provider().may_refuse_default_scopes(error).then_some(Fallback::WithNamedScopes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Value as _;

    #[test]
    fn a_fallback_is_added_once_and_stays_in_the_attempt() {
        let mut all = Fallbacks::default();
        for fallback in Fallback::ALL {
            assert!(!all.has(fallback));
            all = all.and(fallback).unwrap();
            assert!(all.has(fallback) && all.and(fallback).is_none(), "{fallback:?}");
            let mut attempt =
                Attempt::new(Purpose::SignIn, "/", crate::clock::UnixTime::from_seconds(1))
                    .unwrap();
            attempt.fallbacks = all;
            assert_eq!(Attempt::read(&codec::encode(&attempt)).unwrap().fallbacks, all);
        }
        let last = Fallbacks::default().not_repeated();
        for fallback in Fallback::ALL {
            assert!(!last.has(fallback), "nothing is left out");
            assert!(!all.would_ask_for_less() && last.would_ask_for_less());
            assert!(last.and(fallback).is_none(), "{fallback:?}");
        }
    }
}
