//! `client_info`: what Microsoft's token endpoint tells beside the tokens about the account, if
//! `client_info=1` asks for it.
//!
//! It is not signed, so it is believed only where it came straight from the token endpoint, and
//! never against the ID token.

use super::json;
use crate::secret::from_base64url;

/// More than two GUIDs and the name of a policy need.
const LONGEST_ID: usize = 255;

/// An account and its home tenant.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ClientInfo {
    uid: Option<String>,
    utid: Option<String>,
}

impl ClientInfo {
    /// Reads the base64url of a JSON object; what cannot be read says nothing.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let object = json::object(&from_base64url(text.trim_end_matches('='))?).ok()?;
        let id = |name: &str| {
            let id = json::text(&object, name)?;
            (!id.is_empty()
                && id.len() <= LONGEST_ID
                && id.bytes().all(|byte| byte.is_ascii_graphic()))
            .then(|| id.to_owned())
        };
        Some(Self { uid: id("uid"), utid: id("utid") })
    }

    /// The account in its home tenant. For B2C the name of the policy follows.
    pub(crate) fn uid(&self) -> Option<&str> {
        self.uid.as_deref()
    }

    /// The home tenant.
    pub(crate) fn utid(&self) -> Option<&str> {
        self.utid.as_deref()
    }

    /// The account as MSAL's caches call it: `{uid}.{utid}`, if both are told.
    pub(crate) fn home_account_id(&self) -> Option<String> {
        Some(format!("{}.{}", self.uid()?, self.utid()?))
    }
}

impl std::fmt::Debug for ClientInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientInfo(…)")
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

    /// MSAL-042, MSAL-043: without both halves it is no account.
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
        assert_eq!(ClientInfo::parse("%%%"), None);
        assert!(ClientInfo::parse("eyJ1aWQiOiJ1IiwidXRpZCI6InQifQ==").is_some(), "padded");
    }

    proptest! {
        #[test]
        fn any_text_is_one_or_none(text in any::<String>()) {
            let _ = ClientInfo::parse(&text);
        }
    }
}
