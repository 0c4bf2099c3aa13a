//! The session record: who signed in, and until when.

use super::codec;
use crate::{
    clock::UnixTime,
    protocol::PastSignIn,
    sign_in::{Beginning, Cause, Landing},
    tokens::Person,
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
    pub(crate) causes: Vec<Cause>,
    /// The answer that it was made from, and where that led: a browser that goes back to it is sent
    /// there again.
    pub(crate) landing: Option<Landing>,
}

const ISS: u8 = 1;
const SUB: u8 = 2;
const TID: u8 = 3;
const OID: u8 = 4;
const CREATED: u8 = 5;
const EXPIRES: u8 = 6;
const RENEW_AT: u8 = 7;
const CAUSE: u8 = 8;
const CLAIMS: u8 = 9;
const ANSWER: u8 = 10;
const LANDING: u8 = 11;
const HOME_ACCOUNT: u8 = 12;
const AUTH_CONTEXT: u8 = 13;

impl SessionRecord {
    pub(crate) fn beginning(&self) -> Beginning<'_> {
        Beginning { created: self.created, causes: &self.causes, landing: self.landing.as_ref() }
    }

    /// The sign-in that the session began with, to be held to the settings of now.
    pub(crate) fn sign_in(&self) -> PastSignIn<'_> {
        PastSignIn {
            claims: &self.claims,
            tid: self.person.tid.as_deref(),
            auth_context: self.auth_context.as_deref(),
            asked_by_a_page: !self.causes.is_empty(),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let person = &self.person;
        let mut fields = codec::Writer::with_capacity(self.claims.len() + 256);
        fields.text(ISS, Some(&person.iss));
        fields.text(SUB, Some(&person.sub));
        fields.text(TID, person.tid.as_deref());
        fields.text(OID, person.oid.as_deref());
        fields.number(CREATED, self.created.as_seconds());
        fields.number(EXPIRES, self.expires.as_seconds());
        if let Some(renew_at) = self.renew_at {
            fields.number(RENEW_AT, renew_at.as_seconds());
        }
        for cause in &self.causes {
            fields.bytes(CAUSE, &cause.0);
        }
        if let Some(landing) = &self.landing {
            fields.bytes(ANSWER, &landing.answer.0);
            fields.text(LANDING, Some(&landing.path));
        }
        fields.text(AUTH_CONTEXT, self.auth_context.as_deref());
        fields.text(HOME_ACCOUNT, self.home_account_id.as_deref());
        fields.text(CLAIMS, Some(&self.claims));
        fields.finish()
    }

    /// `None` if it is not a record, or lacks what a record must have.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (mut iss, mut sub, mut claims, mut created, mut expires) =
            (None, None, None, None, None);
        let (mut tid, mut oid, mut renew_at, mut causes) = (None, None, None, Vec::new());
        let (mut answer, mut path, mut home_account_id, mut auth_context) =
            (None, None, None, None);
        let mut fields = codec::Reader::new(bytes);
        while let Some((tag, value)) = fields.next().ok()? {
            match tag {
                ISS => iss = Some(codec::text(value).ok()?.to_owned()),
                SUB => sub = Some(codec::text(value).ok()?.to_owned()),
                TID => tid = Some(codec::text(value).ok()?.to_owned()),
                OID => oid = Some(codec::text(value).ok()?.to_owned()),
                CREATED => created = Some(UnixTime::from_seconds(codec::number(value).ok()?)),
                EXPIRES => expires = Some(UnixTime::from_seconds(codec::number(value).ok()?)),
                RENEW_AT => renew_at = Some(UnixTime::from_seconds(codec::number(value).ok()?)),
                CAUSE => causes.push(Cause(codec::array(value).ok()?)),
                ANSWER => answer = Some(Cause(codec::array(value).ok()?)),
                LANDING => path = Some(codec::text(value).ok()?.into()),
                HOME_ACCOUNT => home_account_id = Some(codec::text(value).ok()?.into()),
                AUTH_CONTEXT => auth_context = Some(codec::text(value).ok()?.into()),
                CLAIMS => claims = Some(codec::text(value).ok()?.into()),
                _ => {}
            }
        }
        Some(Self {
            person: Person { iss: iss?, sub: sub?, tid, oid },
            claims: claims?,
            home_account_id,
            created: created?,
            expires: expires?,
            renew_at,
            auth_context,
            causes,
            landing: answer.zip(path).map(|(answer, path)| Landing { answer, path }),
        })
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

    fn record() -> SessionRecord {
        SessionRecord {
            person: Person { iss: "i".into(), sub: "ada".into(), tid: Some("t".into()), oid: None },
            claims: r#"{"sub":"ada"}"#.into(),
            home_account_id: Some("u.t".into()),
            created: UnixTime::from_seconds(1),
            expires: UnixTime::from_seconds(i64::MAX),
            renew_at: Some(UnixTime::from_seconds(-1)),
            auth_context: Some("c1".into()),
            causes: vec![Cause::new(&["a"]), Cause::new(&["b"])],
            landing: Some(Landing { answer: Cause::new(&["answer"]), path: "/ada".into() }),
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let full = record();
        assert_eq!(SessionRecord::decode(&full.encode()), Some(full.clone()));
        let person = Person { tid: None, oid: Some("o".into()), ..full.person };
        let bare = SessionRecord {
            person,
            renew_at: None,
            auth_context: None,
            causes: Vec::new(),
            landing: None,
            claims: "".into(),
            home_account_id: None,
            ..full
        };
        assert_eq!(SessionRecord::decode(&bare.encode()), Some(bare));
    }

    #[test]
    fn a_field_of_a_later_release_is_skipped() {
        let mut later = record().encode();
        later.extend_from_slice(&[200, 3, 1, 2, 3]);
        assert_eq!(SessionRecord::decode(&later), Some(record()));
    }

    #[test]
    fn a_record_that_lacks_a_field_is_none() {
        let whole = record().encode();
        assert!((0..whole.len()).all(|length| SessionRecord::decode(&whole[..length]).is_none()));
        assert!(!format!("{:?}", record()).contains("ada"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_none(bytes: Vec<u8>) {
            let _ = SessionRecord::decode(&bytes);
        }
    }
}
