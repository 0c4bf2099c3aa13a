//! The `claims` parameter (OpenID Connect Core section 5.5): requested claims, and requirements on
//! the authentication.

use serde_json::{Map, Value, json};

use super::{
    entra_issue,
    fault::Fault,
    person::DevPerson,
    provider::DevProvider,
    request::EndpointRequest,
    server::Server,
    state::{IssuedGrant, ProviderState},
};

/// The content of a `claims` parameter.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestedClaims {
    /// Authentication contexts, in the form of Entra ID:
    /// `{"id_token":{"acrs":{"essential":true,"value":"c1"}}}`.
    pub(super) contexts: Vec<String>,
    /// Authentication context classes (OpenID Connect Core section 5.5.1.1):
    /// `{"id_token":{"acr":{"essential":true,"value":"…"}}}`.
    pub(super) classes: Vec<String>,
    /// Capabilities of the client, such as claims challenges:
    /// `{"access_token":{"xms_cc":{"values":["cp1"]}}}`.
    pub(super) capabilities: Vec<String>,
    /// The subjects of which the user has to be one (section 5.5.1), if some are requested:
    /// `{"id_token":{"sub":{"value":"…"}}}`.
    subjects: Option<Vec<String>>,
    id_token: Vec<String>,
    user_info: Vec<String>,
}

impl RequestedClaims {
    /// Parses the parameter; `None` if it is not a JSON object.
    pub(super) fn parse(parameter: &str) -> Option<Self> {
        let asked: Map<String, Value> = serde_json::from_str(parameter).ok()?;
        let names = |part: &str| -> Vec<String> {
            asked
                .get(part)
                .and_then(Value::as_object)
                .into_iter()
                .flat_map(Map::keys)
                .cloned()
                .collect()
        };
        let values = |parts: [&str; 2], name: &str| {
            // Section 5.5.1: `value` is one requested value, `values` are several.
            let wanted = parts.iter().filter_map(|part| asked.get(*part)?.get(name));
            let values = wanted.flat_map(|wanted| {
                let several = wanted.get("values").and_then(Value::as_array).into_iter().flatten();
                wanted.get("value").into_iter().chain(several).filter_map(Value::as_str)
            });
            let mut values: Vec<String> = values.map(ToOwned::to_owned).collect();
            values.sort_unstable();
            values.dedup();
            values
        };
        // UserInfo is about the user of the ID token (section 5.3.2), so that a subject that is
        // requested there is requested for both.
        let (tokens, about_user) = (["id_token", "access_token"], ["id_token", "userinfo"]);
        let is_restricted = about_user.iter().any(|part| {
            let subject = asked.get(*part).and_then(|part| part.get("sub"));
            let is_there = |name: &str| subject.is_some_and(|subject| subject.get(name).is_some());
            is_there("value") || is_there("values")
        });
        Some(Self {
            contexts: values(tokens, "acrs"),
            classes: values(tokens, "acr"),
            capabilities: values(tokens, "xms_cc"),
            subjects: is_restricted.then(|| values(about_user, "sub")),
            id_token: names("id_token"),
            user_info: names("userinfo"),
        })
    }

    /// Whether subjects are requested, so that others are excluded.
    pub(super) fn restrict_subject(&self) -> bool {
        self.subjects.is_some()
    }

    /// Whether a user with this `sub` may be signed in for the request.
    pub(super) fn allow_subject(&self, subject: &str) -> bool {
        self.subjects.as_ref().is_none_or(|wanted| wanted.iter().any(|wanted| wanted == subject))
    }

    /// The requested claims of the ID token, regardless of the scopes.
    pub(super) fn for_id_token(&self, person: &DevPerson) -> Map<String, Value> {
        named(&self.id_token, person)
    }

    /// The requested claims of UserInfo, regardless of the scopes.
    pub(super) fn for_user_info(&self, person: &DevPerson) -> Map<String, Value> {
        named(&self.user_info, person)
    }
}

fn named(names: &[String], person: &DevPerson) -> Map<String, Value> {
    let mut claims = person.claims_for(&["profile".to_owned(), "email".to_owned()]);
    claims.retain(|name, _| names.contains(name));
    claims
}

/// The claims challenge for a token request, if the person has to sign in again: because of a rule
/// for a scope, the claims in the request, or an ordered challenge.
pub(super) fn demanded(
    server: &Server,
    state: &mut ProviderState,
    incoming: &EndpointRequest,
    grant: &IssuedGrant,
    scopes: &[String],
) -> Option<Fault> {
    let wanted = |scope: &String| {
        scopes.iter().any(|asked| entra_issue::consent_key(server, asked) == *scope)
    };
    let by_scope = state
        .required_contexts
        .iter()
        .filter(|(scope, _)| wanted(scope))
        .map(|(_, context)| context.clone());
    let by_claims =
        incoming.form.first("claims").and_then(RequestedClaims::parse).unwrap_or_default().contexts;
    let missing =
        by_scope.chain(by_claims).find(|context| !grant.signed_in.contexts.contains(context));
    let claims = match missing {
        Some(context) => {
            json!({ "access_token": { "acrs": { "essential": true, "value": context } } })
                .to_string()
        }
        // The token would be issued, unless the test ordered a challenge.
        None => state.challenges.pop_front()?,
    };
    let fault = Fault::new(
        "interaction_required",
        "this needs another sign-in, with the claims that are named here",
    );
    Some(fault.entra(50_076).suberror("basic_action").claims(claims))
}

/// Requirements on the authentication.
impl DevProvider {
    /// Requires an authentication context (`c1`) for access tokens with this scope. A refresh of a
    /// sign-in without it gets `interaction_required`, with a claims challenge.
    pub fn require_authentication_context(
        &self,
        scope: impl Into<String>,
        context: impl Into<String>,
    ) {
        self.server.state().required_contexts.push((scope.into(), context.into()));
    }

    /// Refuses the next refresh or on-behalf-of request with `interaction_required` and these
    /// `claims` (a JSON object), as a provider does if a policy has changed since the sign-in. Two
    /// calls apply to the next two requests.
    ///
    /// An authorization request for an authentication context shows the account picker, unless
    /// the person has already chosen an account for that context. The provider's home page has a
    /// button with the same effect.
    ///
    /// ```
    /// # async fn example(provider: tower_identity::dev::DevProvider) {
    /// let claims = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    /// provider.challenge_next_refresh(claims);
    /// # }
    /// ```
    pub fn challenge_next_refresh(&self, claims: impl Into<String>) {
        self.server.state().challenges.push_back(claims.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_and_classes_are_read_wherever_they_are_asked_for() {
        let asked = RequestedClaims::parse(
            r#"{
                "access_token": {"acrs": {"essential": true, "value": "c2"}},
                "id_token": {
                    "acrs": {"values": ["c1", "c2", 7]}, "acr": {"value": "high"}, "email": null
                },
                "userinfo": {"name": {}}
            }"#,
        )
        .unwrap();
        assert_eq!(
            (asked.contexts, asked.classes),
            (vec!["c1".to_owned(), "c2".into()], vec!["high".to_owned()])
        );
        let person = DevPerson::new("ada", "Ada Lovelace");
        let asked = RequestedClaims::parse(r#"{"id_token":{"email":null},"userinfo":{"name":{}}}"#)
            .unwrap();
        assert_eq!(asked.for_id_token(&person).keys().collect::<Vec<_>>(), ["email"]);
        assert_eq!(asked.for_user_info(&person).keys().collect::<Vec<_>>(), ["name"]);
        for odd in [r#"{"id_token":7,"access_token":{"acrs":"c1"}}"#, "{}"] {
            assert!(RequestedClaims::parse(odd).unwrap().contexts.is_empty(), "{odd}");
        }
        assert!(RequestedClaims::parse("[]").is_none() && RequestedClaims::parse("{").is_none());
    }
}
