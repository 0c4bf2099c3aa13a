//! The token request of a sign-in, stored until the provider's answer arrives.

use serde::{Deserialize, Serialize};
use url::form_urlencoded;

use crate::tokens::{Scopes, TokenRequest};

/// A [`TokenRequest`] in the form that is stored with a flow.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct StoredRequest {
    #[serde(rename = "c")]
    scopes: String,
    #[serde(rename = "ti", default, skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(rename = "re", default, skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(rename = "cc", default, skip_serializing_if = "Option::is_none")]
    claims: Option<String>,
    #[serde(rename = "ch", default, skip_serializing_if = "Option::is_none")]
    challenge: Option<String>,
    #[serde(rename = "pa", default, skip_serializing_if = "Option::is_none")]
    extra: Option<Vec<(String, String)>>,
}

impl StoredRequest {
    pub(super) fn of(request: &TokenRequest) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Self {
            scopes: request.scope_value().to_owned(),
            tenant: owned(request.tenant()),
            resource: owned(request.key.resource()),
            claims: owned(request.key.claims()),
            challenge: owned(request.challenge()),
            extra: request
                .key
                .extra()
                .map(|extra| form_urlencoded::parse(extra.as_bytes()).into_owned().collect()),
        }
    }

    pub(super) fn scopes(&self) -> Scopes {
        Scopes::granted(&self.scopes)
    }

    pub(super) fn request(&self) -> TokenRequest {
        let mut request = TokenRequest::of_scopes(self.scopes());
        if let Some(tenant) = &self.tenant {
            request = request.with_tenant(tenant);
        }
        if let Some(resource) = &self.resource {
            request = request.with_resource(resource);
        }
        if let Some(claims) = &self.claims {
            request = request.with_client_claims(claims);
        }
        for (name, value) in self.extra.iter().flatten() {
            request = request.add_parameter(name, value);
        }
        match &self.challenge {
            Some(claims) => request.with_challenge(claims),
            None => request,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_all_its_parameters_after_it_was_stored() {
        let request = TokenRequest::new(["a", "b"])
            .unwrap()
            .with_tenant("contoso.com")
            .with_resource("https://api.example")
            .with_client_claims(r#"{"x":1}"#)
            .with_challenge(r#"{"access_token":{}}"#)
            .add_parameter("audience", "https://notes.example/?a=1&b=2")
            .with_fmi_path("/agents/7");
        let stored = serde_json::to_string(&StoredRequest::of(&request)).unwrap();
        let read: StoredRequest = serde_json::from_str(&stored).unwrap();
        assert_eq!(read.request(), request);
    }
}
