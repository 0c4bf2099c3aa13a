//! `client_info`: the account and its home tenant, which Microsoft's token endpoint returns beside
//! the tokens if the request has `client_info=1`.
//!
//! It is not signed. It is read from token responses only, never from the front channel, and it
//! does not override the ID token.

use super::json;
use crate::secret::from_base64url;

/// The greatest length of an id: two GUIDs and the name of a B2C policy are shorter.
const MAX_ID_BYTES: usize = 255;

/// An account in its home tenant, as `client_info` names it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ClientInfo {
    uid: Option<String>,
    utid: Option<String>,
}

impl ClientInfo {
    /// Parses a JSON object in base64url. `None` if it is neither: the member is optional.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let object = json::object(&from_base64url(text.trim_end_matches('='))?).ok()?;
        let id = |name: &str| {
            let id = json::text(&object, name)?;
            (!id.is_empty()
                && id.len() <= MAX_ID_BYTES
                && id.bytes().all(|byte| byte.is_ascii_graphic()))
            .then(|| id.to_owned())
        };
        Some(Self { uid: id("uid"), utid: id("utid") })
    }

    /// The object id of the account in its home tenant. B2C appends the name of the policy.
    pub(crate) fn uid(&self) -> Option<&str> {
        self.uid.as_deref()
    }

    /// The id of the home tenant.
    pub(crate) fn utid(&self) -> Option<&str> {
        self.utid.as_deref()
    }

    /// The account's id in the caches of MSAL: `{uid}.{utid}`; `None` if either is missing.
    pub(crate) fn home_account_id(&self) -> Option<String> {
        Some(format!("{}.{}", self.uid()?, self.utid()?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::secret::base64url;

    fn home(object: &str) -> Option<String> {
        ClientInfo::parse(&base64url(object.as_bytes())).and_then(|info| info.home_account_id())
    }

    // MSAL-042: Response with id_token and client_info; it is stored
    // MSAL-043: Response from ADFS (no client_info); it is stored
    /// Without both halves it is no account.
    #[test]
    fn the_home_account_is_uid_and_utid() {
        assert_eq!(home(r#"{"uid":"u","utid":"t","more":[1]}"#).as_deref(), Some("u.t"));
        for other in [
            r#"{"uid":"u"}"#,
            r#"{"utid":"t"}"#,
            r#"{"uid":"","utid":"t"}"#,
            r#"{"uid":1,"utid":"t"}"#,
            r#"{"uid":"a b","utid":"t"}"#,
            "[]",
            "",
        ] {
            assert_eq!(home(other), None, "{other}");
        }
        assert!(ClientInfo::parse("%%%").is_none());
        assert!(ClientInfo::parse("eyJ1aWQiOiJ1IiwidXRpZCI6InQifQ==").is_some(), "padded");
    }

    proptest! {
        #[test]
        fn any_text_is_one_or_none(text in any::<String>()) {
            let _ = ClientInfo::parse(&text);
        }
    }
}
