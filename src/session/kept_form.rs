//! A form that was posted after its session had ended, sealed for the browser's tab to keep.
//!
//! Only the user of the ended session can have it opened, for an hour. The key depends on the
//! application and its base URL, so that a text of another origin does not open.

use std::time::Duration;

use url::form_urlencoded;

use super::{
    ended::SessionEndCause, request_cookies::RequestCookies, session_cache::Session,
    sessions::Sessions,
};
use crate::{
    clock::UnixTime,
    codec::{self, Value as _},
    config::ReturnPath,
    error::Error,
    seal::{Context, CookiePurpose},
    secret::{base64url, from_base64url},
    sign_in::PersonKey,
    user::User,
};

/// How long a form can be opened.
pub(super) const FORM_LIFETIME: Duration = Duration::from_secs(3600);

const NO_CONTEXT: Context = [0; 16];

/// A form as it was posted.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PostedForm {
    /// The path and query that it was posted to, as browsers see them.
    pub(crate) action: ReturnPath,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) posted: UnixTime,
}

/// The same as it is sealed.
struct Record {
    person: PersonKey,
    action: String,
    /// In the format `application/x-www-form-urlencoded`.
    body: String,
    posted: UnixTime,
}

codec::record!(Record { 1 person, 2 action, 3 body, 4 posted });

/// The fields of a form body in the format `application/x-www-form-urlencoded`, in their order.
///
/// `None` if a browser would send other bytes for the same fields (WHATWG URL section 5.2, HTML
/// section 4.10.22): such a form could not be sent again as it was. These are bodies that no form
/// of a page makes, and those in another encoding than UTF-8.
pub(crate) fn form_fields(body: &[u8]) -> Option<Vec<(String, String)>> {
    let fields: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    let written = form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
    // A page cannot hold U+0000, line breaks are sent as CRLF, and a field without a name is not
    // sent.
    let is_kept =
        |text: &String| !text.contains('\0') && !text.replace("\r\n", "").contains(['\r', '\n']);
    let is_sent =
        |(name, value): &(String, String)| !name.is_empty() && is_kept(name) && is_kept(value);
    (written.as_bytes() == body && fields.iter().all(is_sent)).then_some(fields)
}

impl Sessions {
    /// The user of a request whose session has ended by its own times; `None` if that is not known
    /// for sure, or there was a sign-out.
    pub(crate) async fn timed_out_user(
        &self,
        sent: &RequestCookies<'_>,
        now: UnixTime,
    ) -> Option<User> {
        let ended = self.ended(sent, now).await;
        let timed_out = [SessionEndCause::IdleTimeout, SessionEndCause::AbsoluteTimeout];
        // A cookie that is planted or left behind makes it unknown whose form it is.
        let is_known = ended.len() == sent.tickets().count();
        let mut users = ended.iter().map(|one| (&one.user, timed_out.contains(&one.cause)));
        let (user, is_timed_out) = users.next()?;
        let is_one = users.all(|(other, is_timed_out)| is_timed_out && other == user);
        (is_known && is_timed_out && is_one).then(|| user.clone())
    }

    /// Seals a form for its user. `None` if it could not be sent again as it was.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Internal`](crate::ErrorKind::Internal): the operating system provides no
    /// random bytes.
    pub(crate) fn seal_form(
        &self,
        user: &User,
        action: &ReturnPath,
        body: &[u8],
        now: UnixTime,
    ) -> Result<Option<String>, Error> {
        let Some(body) = form_fields(body).and_then(|_| std::str::from_utf8(body).ok()) else {
            return Ok(None);
        };
        let record = Record {
            person: PersonKey::of(user.person()),
            action: action.as_str().to_owned(),
            body: body.to_owned(),
            posted: now,
        };
        let plain = codec::encode(&record);
        let sealed = self.records.keys.seal_cookie(CookiePurpose::Form, &NO_CONTEXT, &plain)?;
        Ok(Some(base64url(&sealed)))
    }

    /// Opens a form for the user of a session. `None` if it was sealed for another user, longer
    /// than an hour ago or elsewhere, or is damaged.
    pub(crate) fn open_form(
        &self,
        session: &Session,
        sealed: &str,
        now: UnixTime,
    ) -> Option<PostedForm> {
        let mut sealed = from_base64url(sealed)?;
        let keys = &self.records.keys;
        let (plain, _) = keys.open_cookie(CookiePurpose::Form, &NO_CONTEXT, &mut sealed)?;
        let record = Record::read(plain)?;
        let posted = record.posted;
        // The clocks of two nodes differ a little.
        if !posted.is_within(FORM_LIFETIME, now) || !record.person.is(session.user.person()) {
            return None;
        }
        let action = ReturnPath::parse(&record.action)?;
        Some(PostedForm { action, fields: form_fields(record.body.as_bytes())?, posted })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::test_support::*, *};

    fn fields(body: &str) -> Option<Vec<(String, String)>> {
        form_fields(body.as_bytes())
    }

    #[test]
    fn a_form_of_a_page_is_read_in_its_order_with_names_that_occur_twice() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            fields("b=1&a=%C3%BC+%26&b=&text=two%0D%0Alines"),
            Some(vec![
                pair("b", "1"),
                pair("a", "ü &"),
                pair("b", ""),
                pair("text", "two\r\nlines")
            ])
        );
        assert_eq!(fields(""), Some(Vec::new()), "a form with a button alone");
    }

    #[test]
    fn a_body_that_a_browser_would_write_otherwise_is_no_form() {
        for other in [
            "a",
            "a=1&",
            "&a=1",
            "a=1&&b=2",
            "=1",
            "a=b c",
            "a=%41",
            "a=%c3%bc",
            "a=%FC",
            "a=1;b=2",
            "a=%0A",
            "a=%0D",
            "a%0A=1",
            "a=%00",
            "a=%",
            "{\"a\":1}",
            "a=ü",
        ] {
            assert_eq!(fields(other), None, "{other:?}");
        }
        assert_eq!(form_fields(b"a=\xfc"), None);
    }

    #[tokio::test]
    async fn a_form_opens_for_its_user_alone_and_within_an_hour() {
        let node = Node::new(local());
        let mut people = Vec::new();
        for name in ["ada", "alan"] {
            people.push(
                node.sessions.create(signed_in(name), None, node.now()).await.unwrap().session,
            );
        }
        let [ada, alan] = &people[..] else { panic!("two people") };
        let action = ReturnPath::parse("/notes?x=1").unwrap();
        let now = node.now();
        let seal = |body: &[u8]| node.sessions.seal_form(&ada.user, &action, body, now).unwrap();
        let sealed = seal(b"text=hello").unwrap();
        let open = |session, sealed: &str, later| {
            node.sessions.open_form(session, sealed, now + Duration::from_secs(later))
        };
        let form = open(ada, &sealed, 3599).unwrap();
        assert_eq!((form.action, form.posted), (action.clone(), now));
        assert_eq!(form.fields, [("text".to_owned(), "hello".to_owned())]);
        assert!(open(alan, &sealed, 0).is_none());
        assert!(open(ada, &sealed, 3600).is_none());
        for broken in ["", "AQ", "ä", &sealed[1..], &format!("{sealed}A"), &sealed.to_lowercase()]
        {
            assert!(open(ada, broken, 0).is_none(), "{broken}");
        }
        assert_eq!(seal(b"a=%41"), None);
    }

    proptest! {
        #[test]
        fn every_form_of_a_page_is_read(
            pairs in prop::collection::vec(("[^\0\r\n]{1,9}", "([^\0\r\n]|\r\n){0,9}"), 0..9)
        ) {
            let mut body = form_urlencoded::Serializer::new(String::new());
            let body = body.extend_pairs(&pairs).finish();
            prop_assert_eq!(fields(&body), Some(pairs));
        }

        #[test]
        fn any_bytes_are_a_record_or_none(bytes: Vec<u8>) {
            let _ = Record::read(&bytes);
        }
    }
}
