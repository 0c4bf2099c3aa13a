//! Wishes: what a page wants a sign-in for, sealed into a link that only the session it was made
//! for can use.

use super::{
    opened::Opened,
    seal::{Context, CookiePurpose},
    sessions::Sessions,
};
use crate::{
    error::{Error, ErrorKind},
    secret::{base64url, fingerprint},
};

/// The longest link part that is looked at, in bytes.
const LONGEST: usize = 4096;

impl<V: Clone> Sessions<V> {
    /// Seals a wish of this session.
    ///
    /// # Errors
    ///
    /// It is too long for a link that would still be opened; or the operating system gives no
    /// random bytes.
    pub(crate) fn seal_wish(&self, opened: &Opened<V>, wish: &[u8]) -> Result<String, Error> {
        let sealed = base64url(&self.records.keys.seal_cookie(
            CookiePurpose::Wish,
            &context(opened),
            wish,
        )?);
        if sealed.len() > LONGEST {
            return Err(Error::new(
                ErrorKind::RequestInvalid,
                "what a page asks of a sign-in is too long for a link",
            ));
        }
        Ok(sealed)
    }

    /// Opens a wish of this session; `None` for any other.
    pub(crate) fn open_wish(&self, opened: &Opened<V>, sealed: &str) -> Option<Vec<u8>> {
        if sealed.len() > LONGEST {
            return None;
        }
        let mut sealed = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(sealed).ok()?;
        let (plain, _) =
            self.records.keys.open_cookie(CookiePurpose::Wish, &context(opened), &mut sealed)?;
        Some(plain.to_vec())
    }
}

fn context<V>(opened: &Opened<V>) -> Context {
    fingerprint("wish", [&opened.session().bytes()[..]])
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;

    /// Security rule 4
    #[tokio::test]
    async fn a_wish_is_for_the_session_that_it_was_made_for() {
        let node = Node::new(local());
        let mut people = Vec::new();
        for name in ["ada", "alan"] {
            people.push(
                node.sessions.create(signed_in(name), None, node.now()).await.unwrap().opened,
            );
        }
        let wish = node.sessions.seal_wish(&people[0], b"more").unwrap();
        assert_eq!(node.sessions.open_wish(&people[0], &wish).as_deref(), Some(&b"more"[..]));
        assert_eq!(node.sessions.open_wish(&people[1], &wish), None);
        assert!(
            node.sessions.seal_wish(&people[0], &[b'x'; 4000]).is_err(),
            "a link that would not open is none"
        );
        for broken in ["", "AQ", &wish[1..], &"A".repeat(5000)] {
            assert_eq!(node.sessions.open_wish(&people[0], broken), None);
        }
    }
}
