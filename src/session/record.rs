//! [`SessionRecord`]: the verified sign-in and the lifetime of a session, as it is stored.

use std::sync::Arc;

use crate::{
    clock::UnixTime,
    codec,
    config::ValidConfig,
    error::Error,
    protocol::PastSignIn,
    sign_in::{Fingerprint, ReturnedTo, SessionOrigin},
    tokens::{GrantRef, Person},
    user::{Application, Names, User},
};

/// The sealed record of a session. It is created once and never saved again, so that no late write
/// can bring back a session that was deleted.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SessionRecord {
    pub(crate) person: Person,
    /// The claims of the sign-in as JSON text. Parsed on demand, because most requests read none.
    pub(crate) claims: Box<str>,
    /// The names in the claims. `None` in a record of an earlier release.
    pub(crate) names: Option<Names>,
    /// The account in its home tenant (`{uid}.{utid}`), from Microsoft's token response.
    pub(crate) home_account_id: Option<Box<str>>,
    pub(crate) created: UnixTime,
    /// The absolute end, by the server's clock.
    pub(crate) expires: UnixTime,
    /// When the claims are due for renewal; `None` if they are never renewed.
    pub(crate) renew_at: Option<UnixTime>,
    /// The authentication context that the sign-in was required to meet.
    pub(crate) auth_context: Option<Box<str>>,
    /// The step-ups that the application started this sign-in for. A step-up that is asked for
    /// again within ten minutes counts as a redirect loop.
    pub(crate) step_ups: Vec<Fingerprint>,
    /// The authorization response of the sign-in and the page that it led to. If the browser
    /// repeats the response (Back, reload), it is redirected to that page again.
    pub(crate) returned_to: Option<ReturnedTo>,
}

codec::record!(SessionRecord {
    1 person,
    2 created,
    3 expires,
    4 renew_at,
    5 auth_context,
    6 home_account_id,
    7 step_ups,
    8 returned_to,
    10 names,
    // Last, so that a record that was cut off lacks it.
    9 claims,
});

impl SessionRecord {
    /// The step-ups and the response that the session began with.
    pub(crate) fn origin(&self) -> SessionOrigin<'_> {
        let returned_to = self.returned_to.as_ref();
        SessionOrigin { created: self.created, step_ups: &self.step_ups, returned_to }
    }

    /// Checks the sign-in against the present configuration (tenants, `acr`, authentication
    /// context), which may be stricter than at the time of the sign-in.
    ///
    /// # Errors
    ///
    /// The error with which the same sign-in would be refused now.
    pub(crate) fn check(&self, config: &ValidConfig) -> Result<(), Error> {
        let past = PastSignIn {
            claims: &self.claims,
            tid: self.person.tid.as_deref(),
            auth_context: self.auth_context.as_deref(),
            asked_by_a_page: !self.step_ups.is_empty(),
        };
        past.check(config)
    }

    /// The user of this record, with the reference to their grant.
    pub(crate) fn user(self, grant: GrantRef, application: Arc<Application>) -> User {
        let Self { person, claims, names, home_account_id, created, .. } = self;
        User::new(person, claims, names, home_account_id, created, grant, application)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::Value as _;

    fn record() -> SessionRecord {
        SessionRecord {
            person: Person { iss: "i".into(), sub: "ada".into(), tid: Some("t".into()), oid: None },
            claims: r#"{"sub":"ada"}"#.into(),
            names: Some(Names::of(r#"{"name":"Ada","email":"a@b.c","email_verified":true}"#)),
            home_account_id: Some("u.t".into()),
            created: UnixTime::from_seconds(1),
            expires: UnixTime::from_seconds(i64::MAX),
            renew_at: Some(UnixTime::from_seconds(-1)),
            auth_context: Some("c1".into()),
            step_ups: vec![Fingerprint::new(&["a"]), Fingerprint::new(&["b"])],
            returned_to: Some(ReturnedTo {
                response: Fingerprint::new(&["answer"]),
                path: "/ada".into(),
            }),
        }
    }

    #[test]
    fn a_record_reads_as_it_was_written() {
        let full = record();
        assert!(SessionRecord::read(&codec::encode(&full)) == Some(full.clone()));
        let person = Person { tid: None, oid: Some("o".into()), ..full.person };
        let bare = SessionRecord {
            person,
            renew_at: None,
            auth_context: None,
            step_ups: Vec::new(),
            returned_to: None,
            claims: "".into(),
            names: None,
            home_account_id: None,
            ..full
        };
        assert!(SessionRecord::read(&codec::encode(&bare)) == Some(bare));
    }

    #[test]
    fn a_field_of_a_later_release_is_skipped() {
        let mut later = codec::encode(&record());
        later.extend_from_slice(&[200, 3, 1, 2, 3]);
        assert!(SessionRecord::read(&later) == Some(record()));
    }

    #[test]
    fn a_record_that_was_cut_off_does_not_read() {
        let whole = codec::encode(&record());
        assert!((0..whole.len()).all(|length| SessionRecord::read(&whole[..length]).is_none()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_none(bytes: Vec<u8>) {
            let _ = SessionRecord::read(&bytes);
        }
    }
}
