//! The `claims` parameter (OpenID Connect Core section 5.5): claims by name, and sign-ins that have
//! to be stronger.

use serde_json::{Map, Value, json};

use super::{
    entra_issue,
    fault::Fault,
    person::DevPerson,
    provider::DevProvider,
    request::Incoming,
    server::Server,
    state::{Grant, State},
};

/// The claims that an authorization request asks for by name.
#[derive(Clone, Debug, Default)]
pub(super) struct AskedClaims {
    /// Authentication contexts, as Entra calls them:
    /// `{"id_token":{"acrs":{"essential":true,"value":"c1"}}}`.
    pub(super) contexts: Vec<String>,
    /// Classes of authentication (OpenID Connect Core section 5.5.1.1):
    /// `{"id_token":{"acr":{"essential":true,"value":"…"}}}`.
    pub(super) classes: Vec<String>,
    /// What the client can handle, such as claims challenges:
    /// `{"access_token":{"xms_cc":{"values":["cp1"]}}}`.
    pub(super) capabilities: Vec<String>,
    id_token: Vec<String>,
    user_info: Vec<String>,
}

impl AskedClaims {
    /// `None` if it is not a JSON object.
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
        let values = |name: &str| {
            let wanted =
                ["id_token", "access_token"].iter().filter_map(|part| asked.get(*part)?.get(name));
            let values = wanted.flat_map(|wanted| {
                let several = wanted.get("values").and_then(Value::as_array).into_iter().flatten();
                wanted.get("value").into_iter().chain(several).filter_map(Value::as_str)
            });
            let mut values: Vec<String> = values.map(ToOwned::to_owned).collect();
            values.sort_unstable();
            values.dedup();
            values
        };
        Some(Self {
            contexts: values("acrs"),
            classes: values("acr"),
            capabilities: values("xms_cc"),
            id_token: names("id_token"),
            user_info: names("userinfo"),
        })
    }

    /// The requested claims of the ID token, whatever the scopes.
    pub(super) fn for_id_token(&self, person: &DevPerson) -> Map<String, Value> {
        named(&self.id_token, person)
    }

    /// The requested claims of UserInfo, whatever the scopes.
    pub(super) fn for_user_info(&self, person: &DevPerson) -> Map<String, Value> {
        named(&self.user_info, person)
    }
}

fn named(names: &[String], person: &DevPerson) -> Map<String, Value> {
    let mut claims = person.claims_for(&["profile".to_owned(), "email".to_owned()]);
    claims.retain(|name, _| names.contains(name));
    claims
}

/// Why there is no token for these scopes before the person has signed in again: because of a rule
/// for a scope, because of the claims that the request names, or because somebody ordered it.
pub(super) fn demanded(
    server: &Server,
    state: &mut State,
    incoming: &Incoming,
    grant: &Grant,
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
        incoming.form.first("claims").and_then(AskedClaims::parse).unwrap_or_default().contexts;
    let missing =
        by_scope.chain(by_claims).find(|context| !grant.signed_in.contexts.contains(context));
    let claims = match missing {
        Some(context) => {
            json!({ "access_token": { "acrs": { "essential": true, "value": context } } })
                .to_string()
        }
        None => state.challenges.pop_front()?,
    };
    let fault = Fault::new(
        "interaction_required",
        "this needs another sign-in, with the claims that are named here",
    );
    Some(fault.entra(50_076).suberror("basic_action").claims(claims))
}

/// Methods that require a stronger sign-in.
impl DevProvider {
    /// Demands a stronger sign-in for access tokens of this scope from now on: without the
    /// authentication context (`c1`) a refresh is answered with `interaction_required` and the
    /// claims to ask for.
    pub fn require_authentication_context(
        &self,
        scope: impl Into<String>,
        context: impl Into<String>,
    ) {
        self.server.state().required_contexts.push((scope.into(), context.into()));
    }

    /// Answers the next refresh, or the next request on behalf of somebody, with
    /// `interaction_required` and these `claims` (a JSON object), as a provider does whose policy
    /// has changed since the sign-in. Called twice, it is the next two.
    ///
    /// An authorization request that asks for an authentication context shows the account picker,
    /// unless the person has chosen an account for that context before. The home page of the
    /// provider has a button for the same.
    ///
    /// ```
    /// # async fn example(provider: tower_identity::dev::DevProvider) {
    /// provider.challenge_next_refresh(r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#);
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
        let asked = AskedClaims::parse(
            r#"{"access_token":{"acrs":{"essential":true,"value":"c2"}},"id_token":{"acrs":{"values":["c1","c2",7]},"acr":{"value":"high"},"email":null},"userinfo":{"name":{}}}"#,
        )
        .unwrap();
        assert_eq!(
            (asked.contexts, asked.classes),
            (vec!["c1".to_owned(), "c2".into()], vec!["high".to_owned()])
        );
        let person = DevPerson::new("ada", "Ada Lovelace");
        let asked =
            AskedClaims::parse(r#"{"id_token":{"email":null},"userinfo":{"name":{}}}"#).unwrap();
        assert_eq!(asked.for_id_token(&person).keys().collect::<Vec<_>>(), ["email"]);
        assert_eq!(asked.for_user_info(&person).keys().collect::<Vec<_>>(), ["name"]);
        for odd in [r#"{"id_token":7,"access_token":{"acrs":"c1"}}"#, "{}"] {
            assert!(AskedClaims::parse(odd).unwrap().contexts.is_empty(), "{odd}");
        }
        assert!(AskedClaims::parse("[]").is_none() && AskedClaims::parse("{").is_none());
    }
}
