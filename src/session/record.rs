//! The session record: who signed in, and until when.

use std::sync::Arc;

use crate::{
    clock::UnixTime,
    codec,
    config::ValidConfig,
    error::Error,
    protocol::PastSignIn,
    sign_in::{Fingerprint, ReturnedTo, SessionOrigin},
    tokens::{GrantRef, Person},
    user::{Application, User},
};

/// What the store keeps, sealed, about somebody who is signed in. Created once, never saved again.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SessionRecord {
    pub(crate) person: Person,
    /// The claims of the sign-in as JSON, unparsed: most requests read none.
    pub(crate) claims: Box<str>,
    /// The account in its home tenant, where Microsoft told it.
    pub(crate) home_account_id: Option<Box<str>>,
    pub(crate) created: UnixTime,
    /// The absolute end.
    pub(crate) expires: UnixTime,
    /// From when on the claims are to be renewed.
    pub(crate) renew_at: Option<UnixTime>,
    /// The authentication context that the sign-in was held to.
    pub(crate) auth_context: Option<Box<str>>,
    /// For what the sign-in was started by the application itself: asked for again within ten
    /// minutes, it would loop.
    pub(crate) causes: Vec<Fingerprint>,
    /// The answer that it was made from, and where that led: a browser that goes back to it is sent
    /// there again.
    pub(crate) returned_to: Option<ReturnedTo>,
}

codec::record!(SessionRecord {
    1 person,
    2 created,
    3 expires,
    4 renew_at,
    5 auth_context,
    6 home_account_id,
    7 causes,
    8 returned_to,
    9 claims,
});

impl SessionRecord {
    /// What the session was started for.
    pub(crate) fn origin(&self) -> SessionOrigin<'_> {
        let returned_to = self.returned_to.as_ref();
        SessionOrigin { created: self.created, causes: &self.causes, returned_to }
    }

    /// Whether the session may go on under the settings of now.
    ///
    /// # Errors
    ///
    /// As its sign-in would be refused today.
    pub(crate) fn check(&self, config: &ValidConfig) -> Result<(), Error> {
        let past = PastSignIn {
            claims: &self.claims,
            tid: self.person.tid.as_deref(),
            auth_context: self.auth_context.as_deref(),
            asked_by_a_page: !self.causes.is_empty(),
        };
        past.check(config)
    }

    /// The user whose grant this is.
    pub(crate) fn user(self, grant: GrantRef, application: Arc<Application>) -> User {
        User::new(self.person, self.claims, self.home_account_id, grant, application)
    }
}

impl std::fmt::Debug for SessionRecord {
    /// Says when, not who.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionRecord")
            .field("created", &self.created)
            .field("expires", &self.expires)
            .field("renew_at", &self.renew_at)
            .finish_non_exhaustive()
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
            home_account_id: Some("u.t".into()),
            created: UnixTime::from_seconds(1),
            expires: UnixTime::from_seconds(i64::MAX),
            renew_at: Some(UnixTime::from_seconds(-1)),
            auth_context: Some("c1".into()),
            causes: vec![Fingerprint::new(&["a"]), Fingerprint::new(&["b"])],
            returned_to: Some(ReturnedTo {
                answer: Fingerprint::new(&["answer"]),
                path: "/ada".into(),
            }),
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let full = record();
        assert_eq!(SessionRecord::read(&codec::encode(&full)), Some(full.clone()));
        let person = Person { tid: None, oid: Some("o".into()), ..full.person };
        let bare = SessionRecord {
            person,
            renew_at: None,
            auth_context: None,
            causes: Vec::new(),
            returned_to: None,
            claims: "".into(),
            home_account_id: None,
            ..full
        };
        assert_eq!(SessionRecord::read(&codec::encode(&bare)), Some(bare));
    }

    #[test]
    fn a_field_of_a_later_release_is_skipped() {
        let mut later = codec::encode(&record());
        later.extend_from_slice(&[200, 3, 1, 2, 3]);
        assert_eq!(SessionRecord::read(&later), Some(record()));
    }

    #[test]
    fn a_record_that_lacks_a_field_is_none() {
        let whole = codec::encode(&record());
        assert!((0..whole.len()).all(|length| SessionRecord::read(&whole[..length]).is_none()));
        assert!(!format!("{:?}", record()).contains("ada"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_none(bytes: Vec<u8>) {
            let _ = SessionRecord::read(&bytes);
        }
    }
}
