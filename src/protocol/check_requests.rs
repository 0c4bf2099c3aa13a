//! The requests of [`ValidConfig::check`](crate::ValidConfig::check) for facts that only the
//! provider knows: whether the application and its redirect URI are registered, and whether the
//! credential is accepted. Neither signs in a user.

use bytes::Bytes;
use http::{
    HeaderValue, Method, Response, StatusCode,
    header::{ACCEPT, LOCATION},
};
use url::Url;

use super::{
    authorize::RequestBinding,
    channel::empty_request,
    check::{Check, finding_of},
    check_scopes::fewer_scopes,
    client_auth::{ClientAuth, Proof},
    credential::{Credentials, ProofRequest},
    default_scopes,
    device::{DeviceAnswer, device_request, read_answer},
    error_answer::{authorization_error, http_error},
    grant::{Grant, TokenParams, grant_request},
    metadata::Metadata,
    provider_client::with_settings,
};
use crate::{
    config::{Finding, Prompt, Severity, SignInMethod, SignInOptions},
    error::{Error, ErrorKind},
    secret::{self, Secret},
};

impl Check<'_> {
    /// The finding from the authorization request with these scopes, and the error of its response.
    pub(super) async fn try_sign_in(
        &self,
        metadata: &Metadata,
        scopes: &[&str],
    ) -> (Finding, Option<Error>) {
        let url = self.sign_in_url(metadata, scopes);
        let endpoint = metadata.authorization_endpoint();
        let (endpoint, url) = match endpoint.and_then(|endpoint| Ok((endpoint, url?))) {
            Ok(both) => both,
            Err(error) => {
                return (finding_of(Severity::Problem, &error, "No sign-in can start"), None);
            }
        };
        let answer = async {
            let mut request = empty_request(Method::GET, &url)?;
            request
                .headers_mut()
                .insert(ACCEPT, HeaderValue::from_static("text/html,application/json;q=0.5"));
            self.channel.send("the authorization endpoint", request).await
        };
        let redirect_uri = self.config.redirect_url();
        match answer.await {
            Ok(answer) => {
                let error = redirect_of(&answer, endpoint)
                    .filter(|location| is_at(location, redirect_uri))
                    .and_then(|location| response_error(&location));
                (sign_in_finding(&answer, endpoint, redirect_uri), error)
            }
            Err(error) => {
                (finding_of(Severity::Problem, &error, "The sign-in page cannot be reached"), None)
            }
        }
    }

    fn sign_in_url(&self, metadata: &Metadata, scopes: &[&str]) -> Result<Url, Error> {
        let random = || secret::random::<32>().map(|bytes| secret::base64url(&bytes));
        let config = self.config;
        let options = SignInOptions { prompt: vec![Prompt::None], ..config.sign_in().clone() };
        let binding = RequestBinding {
            redirect_uri: config.redirect_uri(),
            state: &random()?,
            nonce: &random()?,
            verifier: &random()?,
        };
        binding.url(config, metadata, scopes, &options, None)
    }

    /// Requests a device code, which no user will enter. A provider issues one only to an
    /// application that it knows.
    pub(super) async fn device_code(&self, metadata: &Metadata) -> Finding {
        let scopes = metadata.scopes_of(self.config, self.config.sign_in());
        let error = match self.try_device_code(metadata, &scopes).await {
            Ok(codes) => {
                let text = format!(
                    "The provider issues device codes; users enter them at {}.",
                    codes.verification_uri
                );
                return Finding::passed("device_code_given", text);
            }
            Err(error) => error,
        };
        // A sign-in does the same.
        if default_scopes::may_be_refused(self.config, &error)
            && self.try_device_code(metadata, &self.named(&scopes)).await.is_ok()
        {
            return fewer_scopes("every process learns it by one refused request");
        }
        let (severity, what) = match error.kind() {
            ErrorKind::ProviderUnreachable => {
                (Severity::Warning, "The provider issues no device code at present")
            }
            _ => (Severity::Problem, "The provider issues no device code"),
        };
        finding_of(severity, &error, what)
    }

    async fn try_device_code(
        &self,
        metadata: &Metadata,
        scopes: &[&str],
    ) -> Result<DeviceAnswer, Error> {
        let (scopes, capabilities) = (scopes.join(" "), self.config.client_capabilities());
        let params = TokenParams { scopes: &scopes, ..TokenParams::default() };
        let ask = async |proof: &Proof| {
            let client = ClientAuth { id: self.config.client_id(), proof };
            let request = device_request(metadata, client, &params, capabilities)?;
            let what = "the device authorization endpoint";
            read_answer(&self.channel.send(what, request).await?, metadata)
        };
        // Entra takes no client authentication at this endpoint.
        if self.config.authority().is_microsoft() {
            return ask(&Proof::Nothing).await;
        }
        let credentials = self.credentials();
        let request = ProofRequest::new(metadata, self.clock.now());
        let sent = credentials.proof(request).await?;
        match ask(&sent.proof).await {
            // A sign-in does the same.
            Err(error) if credentials.is_outdated(&error, &sent.proof) => {
                match credentials.in_another_way(request, &sent).await {
                    Some(other) => ask(&other.proof).await,
                    None => Err(with_settings(error, &sent.proof)),
                }
            }
            outcome => outcome,
        }
    }

    fn credentials(&self) -> Credentials {
        let config = self.config;
        Credentials::new(config.credential(), config.client_id(), config.authority().clone())
    }

    /// Sends the credential to the token endpoint with a code that does not exist.
    ///
    /// Entra checks the code before the credential. There a client credentials request comes first,
    /// whose token is dropped.
    pub(super) async fn credential(&self, metadata: &Metadata) -> Finding {
        let credentials = self.credentials();
        let request = ProofRequest::new(metadata, self.clock.now());
        let sent = match credentials.proof(request).await {
            Ok(sent) => sent,
            Err(error) => {
                let what = "The application's credential cannot be used";
                return finding_of(Severity::Problem, &error, what);
            }
        };
        let finding = self.try_proof(metadata, &sent.proof).await;
        if finding.severity() != Severity::Problem {
            return finding;
        }
        // A sign-in tries the other method or audience once as well.
        let Some(other) = credentials.in_another_way(request, &sent).await else { return finding };
        match (self.try_proof(metadata, &other.proof).await.severity(), &other.proof) {
            (Severity::Passed, Proof::Assertion(_)) => {
                let audience = other.audience().unwrap_or_default();
                let text = format!(
                    "The provider accepts assertions for the audience {audience} only, which \
                     every process learns by one refused request: configure it with \
                     `ClientCredential::with_assertion_audience` \
                     (IDENTITY_ASSERTION_AUDIENCE={audience})."
                );
                Finding::warning("assertion_audience_refused", text)
            }
            (Severity::Passed, Proof::Secret(_, Some(method))) => {
                let method = method.as_str();
                let text = format!(
                    "The provider accepts the client secret by {method} only, which every process \
                     learns by one refused request: configure it with \
                     `ClientCredential::with_method` (IDENTITY_CLIENT_AUTH_METHOD={method})."
                );
                Finding::warning("auth_method_refused", text)
            }
            _ => finding,
        }
    }

    /// The finding from token requests with this client authentication.
    async fn try_proof(&self, metadata: &Metadata, proof: &Proof) -> Finding {
        let (config, authority) = (self.config, self.config.authority());
        let microsoft = authority.is_microsoft();
        let has_tenant = !authority.is_multi_tenant() && !authority.is_personal();
        let single_tenant = microsoft && authority.b2c_policies().is_none() && has_tenant;
        if single_tenant && *proof != Proof::Nothing {
            let scope = format!("{}/.default", config.client_id());
            let answer = self.ask(metadata, proof, Grant::ClientCredentials, &scope).await;
            if let Ok(answer) = answer
                && let Some(finding) = credential_finding(&answer, proof, true)
            {
                return finding;
            }
        }
        let random = || secret::random::<32>().map(|bytes| Secret::from(secret::base64url(&bytes)));
        let unclear = || {
            let text = "Whether the provider accepts the application's credential could not be \
                        determined without a sign-in.";
            Finding::note("credential_not_checked", text)
        };
        let (Ok(code), Ok(verifier)) = (random(), random()) else { return unclear() };
        let grant = match config.sign_in_method() {
            SignInMethod::DeviceCode => Grant::DeviceCode(&code),
            SignInMethod::Redirect => Grant::Code {
                code: &code,
                verifier: Some(&verifier),
                redirect_uri: config.redirect_uri(),
            },
        };
        match self.ask(metadata, proof, grant, "").await {
            Ok(answer) => credential_finding(&answer, proof, microsoft).unwrap_or_else(unclear),
            Err(error) => {
                finding_of(Severity::Problem, &error, "The token endpoint cannot be reached")
            }
        }
    }

    /// The response of the token endpoint to this grant.
    async fn ask(
        &self,
        metadata: &Metadata,
        proof: &Proof,
        grant: Grant<'_>,
        scopes: &str,
    ) -> Result<Response<Bytes>, Error> {
        let client = ClientAuth { id: self.config.client_id(), proof };
        let params = TokenParams { scopes, ..TokenParams::default() };
        let request = grant_request(metadata, client, grant, &params, &[])?;
        self.channel.send("the token endpoint", request).await
    }
}

/// The target of a redirect.
fn redirect_of(answer: &Response<Bytes>, endpoint: &Url) -> Option<Url> {
    let location = answer.headers().get(LOCATION).filter(|_| answer.status().is_redirection())?;
    endpoint.join(location.to_str().ok()?).ok()
}

/// The error of an authorization response.
fn response_error(location: &Url) -> Option<Error> {
    let parameter = |name: &str| {
        let mut pairs = location.query_pairs();
        pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    };
    let error = parameter("error")?;
    Some(authorization_error(&error, parameter("error_description").as_deref()))
}

/// The finding from the response to the authorization request.
fn sign_in_finding(answer: &Response<Bytes>, endpoint: &Url, redirect_uri: &Url) -> Finding {
    let status = answer.status();
    if status.is_redirection() {
        let location = redirect_of(answer, endpoint);
        return match location.filter(|location| is_at(location, redirect_uri)) {
            Some(location) => response_finding(&location, redirect_uri),
            None => unclear(redirect_uri, "it shows a page of its own first"),
        };
    }
    let body = std::str::from_utf8(answer.body()).unwrap_or_default();
    // Microsoft's endpoints answer 200 with an error page that has the code in its text.
    if let Some(code) = code_in(body) {
        return refusal_finding(&authorization_error("", Some(code)), redirect_uri);
    }
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return unavailable_finding(&http_error(answer));
    }
    if status.is_client_error() {
        let text = format!(
            "The provider refuses the authorization request (status {}): usually it does not know \
             the client id, or the redirect URI {redirect_uri} is not registered exactly so.",
            status.as_u16()
        );
        return Finding::problem("sign_in_request_refused", text);
    }
    // With `form_post` the response is a form with the error in a hidden field.
    if ["login_required", "interaction_required"].iter().any(|error| body.contains(error)) {
        return accepted(redirect_uri);
    }
    unclear(redirect_uri, "it answers with a page")
}

/// The finding from an authorization response in the query of the redirect URI. The request had
/// `prompt=none`, so an error that asks for a page is the good answer (OpenID Connect Core section
/// 3.1.2.6).
fn response_finding(location: &Url, redirect_uri: &Url) -> Finding {
    let Some(error) = response_error(location) else { return accepted(redirect_uri) };
    match error.kind() {
        ErrorKind::ProviderUnavailable => unavailable_finding(&error),
        _ => refusal_finding(&error, redirect_uri),
    }
}

fn refusal_finding(error: &Error, redirect_uri: &Url) -> Finding {
    match error.kind() {
        ErrorKind::InteractionRequired => accepted(redirect_uri),
        _ => {
            let what = format!(
                "The provider refuses the authorization request with the redirect URI \
                 {redirect_uri}"
            );
            finding_of(Severity::Problem, error, &what)
        }
    }
}

fn unavailable_finding(error: &Error) -> Finding {
    finding_of(Severity::Warning, error, "The provider cannot begin a sign-in at the moment")
}

fn accepted(redirect_uri: &Url) -> Finding {
    let text = format!("The provider knows the application and its redirect URI {redirect_uri}.");
    Finding::passed("redirect_uri_accepted", text)
}

fn unclear(redirect_uri: &Url, why: &str) -> Finding {
    let text = format!(
        "Whether the provider knows the redirect URI {redirect_uri} could not be determined \
         ({why}): register exactly this URI there."
    );
    Finding::note("redirect_uri_not_checked", text)
}

/// Whether a URL is the redirect URI, apart from its query.
fn is_at(url: &Url, redirect_uri: &Url) -> bool {
    url.origin() == redirect_uri.origin() && url.path() == redirect_uri.path()
}

/// The text from its first Microsoft error code on (`AADSTS…`, `AADB2C…`).
fn code_in(text: &str) -> Option<&str> {
    let starts = |family: &str| {
        text.match_indices(family).filter_map(|(at, _)| text.get(at..)).find(|rest| {
            rest.strip_prefix(family)
                .is_some_and(|number| number.starts_with(|first: char| first.is_ascii_digit()))
        })
    };
    starts("AADSTS").or_else(|| starts("AADB2C"))
}

/// The finding about the credential from a token response; `None` if it says nothing about it.
fn credential_finding(answer: &Response<Bytes>, proof: &Proof, microsoft: bool) -> Option<Finding> {
    let accepted = || {
        let text = "The provider accepts the application's credential.";
        Some(Finding::passed("credential_accepted", text))
    };
    if answer.status() == StatusCode::OK {
        return accepted();
    }
    let error = with_settings(http_error(answer), proof);
    match error.kind() {
        ErrorKind::ClientRefused if !is_about_the_request(&error) => {
            let what = "The provider does not accept the application or its credential";
            Some(finding_of(Severity::Problem, &error, what))
        }
        ErrorKind::ProviderUnreachable => {
            let what = "The token endpoint does not work at present";
            Some(finding_of(Severity::Warning, &error, what))
        }
        // The client is authenticated before the grant is checked (RFC 6749 section 4.1.3), so a
        // refused code means that the credential was accepted. Entra has another order.
        ErrorKind::InvalidGrant if !microsoft => accepted(),
        _ => None,
    }
}

/// Whether the error is about the unusual requests of this check, and not about the application.
fn is_about_the_request(error: &Error) -> bool {
    error.advice().is_some_and(|advice| {
        matches!(
            (advice.reason, advice.code),
            (
                "request_malformed"
                    | "scope_invalid"
                    | "resource_not_found"
                    | "grant_type_unsupported"
                    | "permission_not_configured",
                _
            ) | ("client_not_authorized", "unauthorized_client")
        )
    })
}
