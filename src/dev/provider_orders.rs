//! The methods of [`DevProvider`] that order faults in responses, and issue tokens without a
//! browser.

use serde_json::{Map, Value};

use super::{
    entra_token, grants,
    issue::{self, IssuedTokens},
    jwt,
    provider::DevProvider,
    realm::{self, Realm},
    spoil::{FaultOrder, Spoil},
    spoil_answers::{SpoilTokenAnswer, SpoilUserInfo},
    spoil_callback::SpoilCallback,
    spoil_documents::{SpoilDiscovery, SpoilKeys},
    spoil_entra::SpoilEntra,
    state::{Spoils, unguessable},
};
use crate::{
    error::{ConfigError, Error},
    secret::Secret,
};

/// Faults in responses. Each call applies to one response. Several calls queue up, in their order.
impl DevProvider {
    /// Applies a named fault to the next ID token.
    ///
    /// ```
    /// use tower_identity::dev::{DevProvider, Spoil, Verdict};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower_identity::ConfigError> {
    /// let provider = DevProvider::start().await?;
    /// for spoil in Spoil::ALL.iter().filter(|spoil| spoil.verdict() == Verdict::Refuse) {
    ///     provider.spoil_next_id_token(*spoil);
    ///     // … sign in, and check that the application refuses …
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn spoil_next_id_token(&self, spoil: Spoil) {
        self.server.state().spoils.id_tokens.push_back(FaultOrder::Spoil(spoil));
    }

    /// Applies a named fault about tenants to the next ID token of the imitated Entra ID.
    pub fn spoil_next_entra_token(&self, spoil: SpoilEntra) {
        self.server.state().spoils.entra_tokens.push_back(spoil);
    }

    /// Changes the claims of the next ID token before it is signed.
    pub fn change_next_id_token(
        &self,
        change: impl FnOnce(&mut Map<String, Value>) + Send + 'static,
    ) {
        self.server.state().spoils.id_tokens.push_back(FaultOrder::Change(Box::new(change)));
    }

    /// Applies a named fault to the next authorization response.
    pub fn spoil_next_callback(&self, spoil: SpoilCallback) {
        self.server.state().spoils.callbacks.push_back(FaultOrder::Spoil(spoil));
    }

    /// Changes the parameters of the next authorization response.
    pub fn change_next_callback(
        &self,
        change: impl FnOnce(&mut Vec<(String, String)>) + Send + 'static,
    ) {
        self.server.state().spoils.callbacks.push_back(FaultOrder::Change(Box::new(change)));
    }

    /// Refuses the next authorization request with this `error` and `error_description`. `state`
    /// and `iss` are correct.
    pub fn refuse_next_sign_in(&self, error: impl Into<String>, description: impl Into<String>) {
        let added = [
            ("error".to_owned(), error.into()),
            ("error_description".to_owned(), description.into()),
        ];
        self.change_next_callback(|parameters| {
            parameters.retain(|(name, _)| {
                !matches!(name.as_str(), "code" | "error" | "error_description")
            });
            parameters.extend(added);
        });
    }

    /// Applies a named fault to the next successful token response.
    pub fn spoil_next_token_answer(&self, spoil: SpoilTokenAnswer) {
        self.server.state().spoils.token_answers.push_back(FaultOrder::Spoil(spoil));
    }

    /// Changes the members of the next successful token response.
    pub fn change_next_token_answer(
        &self,
        change: impl FnOnce(&mut Map<String, Value>) + Send + 'static,
    ) {
        self.server.state().spoils.token_answers.push_back(FaultOrder::Change(Box::new(change)));
    }

    /// Applies a named fault to the next UserInfo response.
    pub fn spoil_next_user_info(&self, spoil: SpoilUserInfo) {
        self.server.state().spoils.user_infos.push_back(FaultOrder::Spoil(spoil));
    }

    /// Changes the members of the next UserInfo response.
    pub fn change_next_user_info(
        &self,
        change: impl FnOnce(&mut Map<String, Value>) + Send + 'static,
    ) {
        self.server.state().spoils.user_infos.push_back(FaultOrder::Change(Box::new(change)));
    }

    /// Applies a named fault to the next discovery document.
    pub fn spoil_next_discovery(&self, spoil: SpoilDiscovery) {
        self.server.state().spoils.discoveries.push_back(FaultOrder::Spoil(spoil));
    }

    /// Changes the members of the next discovery document.
    pub fn change_next_discovery(
        &self,
        change: impl FnOnce(&mut Map<String, Value>) + Send + 'static,
    ) {
        self.server.state().spoils.discoveries.push_back(FaultOrder::Change(Box::new(change)));
    }

    /// Applies a named fault to the next key set.
    pub fn spoil_next_keys(&self, spoil: SpoilKeys) {
        self.server.state().spoils.key_sets.push_back(FaultOrder::Spoil(spoil));
    }

    /// Removes all faults that were not applied yet.
    pub fn forget_orders(&self) {
        self.server.state().spoils = Spoils::default();
    }

    /// Changes the members of the next key set.
    pub fn change_next_keys(&self, change: impl FnOnce(&mut Map<String, Value>) + Send + 'static) {
        self.server.state().spoils.key_sets.push_back(FaultOrder::Change(Box::new(change)));
    }
}

/// Tokens without a browser, for unit tests.
impl DevProvider {
    /// Issues the tokens of a sign-in of `person` at `client` with these scopes (separated by
    /// spaces); in Entra ID in the person's home tenant. An ordered fault of the next ID token
    /// applies.
    ///
    /// # Errors
    ///
    /// The person or the client does not exist, or the signature failed.
    pub fn issue_tokens(
        &self,
        person: &str,
        client: &str,
        scopes: &str,
        nonce: Option<&str>,
    ) -> Result<IssuedTokens, ConfigError> {
        let mut guard = self.server.state();
        let state = &mut *guard;
        let Some(known) = state.person(person) else {
            return Err(ConfigError::new(
                "issue_tokens",
                format!("there is no person with the id {person:?}"),
            ));
        };
        let realm = match &self.server.entra {
            None => Realm::Plain,
            Some(entra) => realm::at_home(entra.home(known)),
        };
        let Some(client) = state.client(client).cloned() else {
            return Err(ConfigError::new(
                "issue_tokens",
                format!("there is no client with the id {client:?}"),
            ));
        };
        let failed = |error: Error| ConfigError::new("issue_tokens", error.to_string());
        let tenant = realm.tenant_of(self.server.entra.as_ref(), known);
        let scopes = scopes.split_whitespace().map(ToOwned::to_owned).collect();
        let proof = client.registered_proof();
        let client = client.proven_by(proof);
        let grant = grants::grant(&self.server, &client, person, &realm, tenant, scopes);
        let (id, grant) = (unguessable().map_err(failed)?, grant.map_err(failed)?);
        state.grants.put(id.clone(), grant.clone());
        let answer = match &grant.tenant {
            None => issue::token_answer(&self.server, state, &id, &grant, nonce),
            Some(tenant) => {
                entra_token::first_answer(&self.server, state, &id, &grant, tenant, nonce)
            }
        };
        let answer = answer.map_err(failed)?;
        let member = |name: &str| answer.get(name).and_then(Value::as_str).map(Secret::from);
        Ok(IssuedTokens {
            access_token: member("access_token").unwrap_or_default(),
            refresh_token: member("refresh_token"),
            id_token: member("id_token"),
        })
    }

    /// Signs any JWT with the current key: `typ` goes to the header, `claims` is the whole payload.
    ///
    /// # Errors
    ///
    /// The signature failed.
    pub fn sign(&self, typ: &str, claims: &Map<String, Value>) -> Result<Secret, Error> {
        let state = self.server.state();
        jwt::sign(state.keys.current()?, typ, claims).map(Secret::from)
    }
}
