//! The claims with which a person is shown: those of the scopes `profile`, `email`, `address` and
//! `phone` (OpenID Connect Core section 5.4).
//!
//! A provider can leave them out of its ID tokens and answer them at UserInfo alone, or send them
//! with the first ID token of a sign-in and with none of a refresh.

use serde_json::value::RawValue;

use super::json::{self, Object};

/// An ID token with one of these has the names of the person.
const NAMES: [&str; 6] =
    ["name", "given_name", "family_name", "nickname", "preferred_username", "email"];

/// The claims of the four scopes. Those of one line belong together: whether an address is verified
/// says nothing about another address.
const CLAIMS_OF_PERSON: [&[&str]; 17] = [
    &["name"],
    &["given_name"],
    &["family_name"],
    &["middle_name"],
    &["nickname"],
    &["preferred_username"],
    &["profile"],
    &["picture"],
    &["website"],
    &["gender"],
    &["birthdate"],
    &["zoneinfo"],
    &["locale"],
    &["updated_at"],
    &["email", "email_verified"],
    &["address"],
    &["phone_number", "phone_number_verified"],
];

/// The claims of a verified ID token, with those of UserInfo if it was asked.
#[derive(Clone, Debug)]
pub(crate) struct ClaimsOfPerson {
    /// All claims, as a JSON object.
    pub(crate) json: Box<RawValue>,
    pub(crate) from_user_info: bool,
}

impl ClaimsOfPerson {
    pub(crate) fn of_id_token(json: Box<RawValue>) -> Self {
        Self { json, from_user_info: false }
    }
}

/// Whether the claims lack every name and e-mail address.
pub(super) fn are_missing(claims: &Object) -> bool {
    !NAMES.iter().any(|name| json::present(claims, name).is_some())
}

/// The renewed claims. If they lack every name and e-mail address, those of the earlier claims are
/// kept: the provider has not withdrawn the name of the person, it only does not repeat it. Claims
/// that decide about access (roles, groups, `acr` and all others) are those of the renewed ones.
pub(crate) fn with_names_of(renewed: &RawValue, earlier: &str) -> Box<RawValue> {
    kept(renewed, earlier).unwrap_or_else(|| renewed.to_owned())
}

/// `None` if the renewed claims stay as they are.
fn kept(renewed: &RawValue, earlier: &str) -> Option<Box<RawValue>> {
    let mut claims = json::object_of_text(renewed.get()).ok().filter(are_missing)?;
    let mut earlier = json::object_of_text(earlier).ok()?;
    for group in CLAIMS_OF_PERSON {
        if group.iter().any(|name| json::present(&claims, name).is_some()) {
            continue;
        }
        for name in group {
            claims.extend(earlier.remove_entry(*name));
        }
    }
    serde_json::value::to_raw_value(&claims).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn renewed(claims: &Value) -> Value {
        let earlier = json!({
            "sub": "ada", "name": "Ada", "email": "a@b.c", "email_verified": true,
            "roles": ["Admin"], "groups": ["g"], "acr": "2", "picture": "https://a/p",
        });
        let renewed = RawValue::from_string(claims.to_string()).unwrap();
        serde_json::from_str(with_names_of(&renewed, &earlier.to_string()).get()).unwrap()
    }

    #[test]
    fn claims_without_names_keep_the_earlier_names_and_no_rights() {
        assert_eq!(
            renewed(&json!({"sub": "ada", "name": null, "acr": "1"})),
            json!({
                "sub": "ada", "name": "Ada", "email": "a@b.c", "email_verified": true,
                "acr": "1", "picture": "https://a/p",
            })
        );
    }

    #[test]
    fn claims_with_a_name_are_taken_as_they_are() {
        for name in NAMES {
            let claims = json!({"sub": "ada", name: "x"});
            assert_eq!(renewed(&claims), claims);
        }
    }

    /// Otherwise the provider's word about an address that it did not send would be about this one.
    #[test]
    fn an_address_is_kept_with_its_verification_or_not_at_all() {
        let claims = renewed(&json!({"sub": "ada", "email_verified": true, "roles": ["User"]}));
        assert_eq!((&claims["email"], &claims["name"]), (&Value::Null, &json!("Ada")));
        assert_eq!(claims["roles"], json!(["User"]));
    }

    #[test]
    fn earlier_claims_that_cannot_be_parsed_change_nothing() {
        let claims = RawValue::from_string(r#"{"sub":"ada"}"#.into()).unwrap();
        for earlier in ["", "[]", "{", "null"] {
            assert_eq!(with_names_of(&claims, earlier).get(), claims.get());
        }
    }
}
