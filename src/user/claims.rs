//! The claims that [`User`](super::User) reads, parsed on demand: [`Names`] and [`Rights`].
//!
//! Two types, because most pages show only a name, and parsing groups and roles takes longer.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::{authority::PERSONAL, clock::UnixTime, codec, json, protocol::is_overage};

/// The claims that identify the person on a page. Parsed without a map of all claims.
///
/// A session record has them beside the claims, because nearly every page shows a name, and parsing
/// the claims for it takes longer than opening the record.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Names {
    #[serde(deserialize_with = "text")]
    pub(super) name: Option<Box<str>>,
    #[serde(deserialize_with = "text")]
    pub(super) given_name: Option<Box<str>>,
    #[serde(deserialize_with = "text")]
    pub(super) preferred_username: Option<Box<str>>,
    #[serde(deserialize_with = "text")]
    pub(super) upn: Option<Box<str>>,
    #[serde(deserialize_with = "text")]
    pub(super) email: Option<Box<str>>,
    #[serde(deserialize_with = "flag")]
    email_verified: bool,
    #[serde(deserialize_with = "flag")]
    xms_edov: bool,
}

codec::record!(Names {
    1 name,
    2 given_name,
    3 preferred_username,
    4 upn,
    5 email,
    6 email_verified,
    7 xms_edov,
});

impl Names {
    /// The names in the claims of an ID token; none if `claims` is not a JSON object.
    pub(crate) fn of(claims: &str) -> Self {
        serde_json::from_str(claims).unwrap_or_default()
    }

    /// Whether the provider has verified the e-mail address. At Entra ID only `xms_edov` says so,
    /// because the administrator of a tenant can write any address into an account.
    pub(super) fn is_email_verified(&self, is_entra: bool) -> bool {
        self.xms_edov || (self.email_verified && !is_entra)
    }
}

/// A claim that should be a non-empty string. Anything else counts as absent, so that an odd claim
/// that is only displayed does not refuse a sign-in.
fn text<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Box<str>>, D::Error> {
    let value = Value::deserialize(value)?;
    Ok(value.as_str().filter(|text| !text.is_empty()).map(Into::into))
}

/// A boolean, which some providers write as a string or as a number.
fn flag<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    Ok(json::flag(&Value::deserialize(value)?) == Some(true))
}

/// The claims that decide about access: roles, groups, authentication context and guest status.
#[derive(Debug, Default, Deserialize)]
#[serde(default, from = "RawRights")]
pub(crate) struct Rights {
    pub(crate) roles: Vec<String>,
    pub(crate) groups: Vec<String>,
    /// Whether there are groups that are not in `groups`: too many for the token, or unreadable.
    pub(crate) overage: bool,
    pub(crate) acr: Vec<String>,
    pub(crate) acrs: Vec<String>,
    pub(crate) auth_time: Option<UnixTime>,
    /// Whether the account is a guest of the tenant (optional claim `acct`).
    pub(crate) is_guest: Option<bool>,
    /// The identity provider of the account (`idp`), if it is not the tenant itself.
    pub(crate) idp: Option<Box<str>>,
}

/// [`Rights`] as the token writes them.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RawRights {
    roles: Value,
    role: Value,
    groups: Value,
    #[serde(deserialize_with = "flag")]
    hasgroups: bool,
    #[serde(rename = "_claim_names")]
    claim_names: Value,
    acr: Value,
    acrs: Value,
    auth_time: Value,
    acct: Value,
    #[serde(deserialize_with = "text")]
    idp: Option<Box<str>>,
}

impl From<RawRights> for Rights {
    fn from(raw: RawRights) -> Self {
        let mut roles = texts(raw.roles);
        // AD FS and some other providers use `role` instead of `roles`.
        for role in texts(raw.role) {
            if !roles.contains(&role) {
                roles.push(role);
            }
        }
        let are_unreadable = match &raw.groups {
            Value::Null | Value::String(_) => false,
            Value::Array(items) => !items.iter().all(Value::is_string),
            _ => true,
        };
        let (mut groups, mut acr) = (texts(raw.groups), texts(raw.acr));
        groups.retain(|group| !group.is_empty());
        acr.retain(|class| !class.is_empty());
        Self {
            roles,
            overage: is_overage(raw.hasgroups, Some(&raw.claim_names)) || are_unreadable,
            groups,
            acr,
            acrs: texts(raw.acrs),
            // A JSON number of seconds, which may have a fraction (RFC 7519 section 2).
            auth_time: raw
                .auth_time
                .as_f64()
                .filter(|time| *time >= 0.0)
                .map(|time| UnixTime::from_seconds(time as i64)),
            // 0: member of the tenant, 1: guest.
            is_guest: match raw.acct {
                Value::Number(number) => Some(number.as_u64() == Some(1)),
                Value::String(text) => Some(text == "1"),
                _ => None,
            },
            idp: raw.idp,
        }
    }
}

/// A string or a list of strings, empty ones included. Items of another type are left out.
fn texts(value: Value) -> Vec<String> {
    let text = |value| if let Value::String(text) = value { Some(text) } else { None };
    match value {
        Value::Array(items) => items.into_iter().filter_map(text).collect(),
        value => text(value).into_iter().collect(),
    }
}

impl Rights {
    /// The rights of claims that cannot be parsed: no roles, and unknown groups. With an empty list
    /// of groups a rule such as "not in group x" would pass.
    pub(crate) fn unreadable() -> Self {
        Self { overage: true, ..Self::default() }
    }

    /// Whether the account is a guest of the tenant `tid`: by `acct` if the token has it, otherwise
    /// if its home tenant or its identity provider is another one. `home` is the home tenant, if it
    /// is known. Guests that sign in with a code by e-mail have none, so `idp` counts as well.
    pub(crate) fn is_guest(&self, tid: &str, home: Option<&str>) -> bool {
        let elsewhere = |tenant: &str| !tenant.eq_ignore_ascii_case(tid);
        // An `idp` that is a tenant's issuer has the tenant in its path. Others, such as `live.com`
        // and `mail`, belong to no tenant except that of personal accounts.
        let signed_in_elsewhere = |idp: &str| tenant_of(idp).map_or(tid != PERSONAL, elsewhere);
        self.is_guest.unwrap_or_else(|| {
            home.is_some_and(elsewhere) || self.idp.as_deref().is_some_and(signed_in_elsewhere)
        })
    }
}

/// The tenant in an issuer's URL: `https://sts.windows.net/{tenant}/`, or with `v2.0` after it.
fn tenant_of(idp: &str) -> Option<&str> {
    idp.strip_prefix("https://")?.split('/').nth(1).filter(|tenant| !tenant.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "the tests read better")]
    fn rights(claims: Value) -> Rights {
        serde_json::from_str(&claims.to_string()).unwrap()
    }

    // C-423: roles as array, single string, `role` claim
    #[test]
    fn roles_are_read_as_a_list_or_one_string_from_both_claims() {
        assert_eq!(rights(json!({"roles": ["a", 1, "b"]})).roles, ["a", "b"]);
        assert_eq!(rights(json!({"roles": "a"})).roles, ["a"]);
        assert_eq!(rights(json!({"role": ["a"]})).roles, ["a"]);
        assert_eq!(rights(json!({"role": "b", "roles": ["a", "b"]})).roles, ["a", "b"]);
        assert!(rights(json!({"roles": {"a": true}})).roles.is_empty());
    }

    // C-396: _claim_names.groups present, no groups claim
    // C-398: hasgroups=true (implicit) instead of _claim_names
    #[test]
    fn a_token_with_too_many_groups_is_noticed() {
        let sources =
            json!({"src1": {"endpoint": "https://graph.windows.net/x/users/y/getMemberObjects"}});
        assert!(
            rights(json!({"_claim_names": {"groups": "src1"}, "_claim_sources": sources})).overage
        );
        for yes in [json!(true), json!("true")] {
            assert!(rights(json!({"hasgroups": yes})).overage);
        }
        assert!(!rights(json!({"groups": ["g"]})).overage);
        assert!(!rights(json!({"groups": []})).overage);
        assert!(!rights(json!({"_claim_names": {"address": "src1"}})).overage);
        assert!(!rights(json!({"hasgroups": false})).overage);
        assert!(
            rights(json!({"groups": ["g"], "_claim_names": {"groups": "src1"}})).overage,
            "the listed groups are incomplete"
        );
    }

    #[test]
    fn groups_that_cannot_be_read_count_as_unknown_and_not_as_none() {
        for odd in [
            json!(7),
            json!({"a": true}),
            json!(["g", 7]),
            json!([["g"]]),
            json!([null]),
            json!(true),
        ] {
            assert!(rights(json!({"groups": odd})).overage, "{odd}");
        }
        for (readable, groups) in [
            (json!(null), 0),
            (json!(""), 0),
            (json!([]), 0),
            (json!("g"), 1),
            (json!(["g", "h"]), 2),
        ] {
            let rights = rights(json!({"groups": readable}));
            assert_eq!((rights.groups.len(), rights.overage), (groups, false), "{readable}");
        }
        assert!(Rights::unreadable().overage && Rights::unreadable().roles.is_empty());
    }

    #[test]
    fn a_guest_is_recognised_by_acct_then_by_home_tenant_and_idp() {
        let guest = |claims: Value, home| rights(claims).is_guest("t1", home);
        assert!(guest(json!({"acct": 1}), None) && guest(json!({"acct": "1"}), Some("t1")));
        assert!(!guest(json!({"acct": 0}), Some("t2")));
        assert!(guest(json!({}), Some("t2")) && !guest(json!({}), Some("T1")));
        assert!(guest(json!({"idp": "https://sts.windows.net/t2/"}), None));
        assert!(!guest(json!({"idp": "https://sts.windows.net/t1/"}), None));
        assert!(guest(json!({"idp": "mail"}), Some("t1")) && !guest(json!({}), None));
        assert!(!rights(json!({"idp": "live.com"})).is_guest(PERSONAL, Some(PERSONAL)));
    }

    #[test]
    fn claims_of_another_type_count_as_absent() {
        let odd = rights(json!({"acr": 1, "acrs": "c1", "auth_time": "x", "groups": 7, "acct": [],
                "_claim_names": [1]}));
        assert_eq!(
            (odd.acr, odd.acrs, odd.auth_time, odd.is_guest),
            (vec![], vec!["c1".to_owned()], None, None)
        );
        assert_eq!(rights(json!({"auth_time": 7.5})).auth_time, Some(UnixTime::from_seconds(7)));
        assert_eq!(rights(json!({"auth_time": -1})).auth_time, None);
    }
}
