//! The requests by which a [check](super::check) finds out what only the provider knows: whether it
//! knows the application and its redirect address, and whether it takes the credential. Both are
//! made to lead nowhere.

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION},
};
use url::{Url, form_urlencoded};

use super::{
    authorize::{AuthorizationRequest, code_challenge},
    channel::{Channel, empty_request},
    check::finding_of,
    client_auth::{Client, Proof},
    credential::Credentials,
    device::{device_request, read_answer},
    error_answer::{authorization_error, http_error},
    grant::Asked,
    metadata::Metadata,
};
use crate::{
    clock::UnixTime,
    config::{Finding, Prompt, Severity, SignInMethod, ValidConfig},
    error::{Error, ErrorKind},
    secret::{self, Secret},
};

/// Asks for a sign-in without pages (`prompt=none`), of which nobody will see the answer: a
/// provider that knows the redirect address sends its "nobody is signed in" there.
pub(super) async fn sign_in(
    config: &ValidConfig,
    channel: &Channel,
    metadata: &Metadata,
) -> Finding {
    let answer = async {
        let mut request = empty_request(Method::GET, &sign_in_url(config, metadata)?)?;
        request
            .headers_mut()
            .insert(ACCEPT, HeaderValue::from_static("text/html,application/json;q=0.5"));
        channel.send("the authorization endpoint", request).await
    };
    match answer.await {
        Ok(answer) => {
            sign_in_finding(&answer, &metadata.authorization_endpoint, config.redirect_url())
        }
        Err(error) => finding_of(Severity::Problem, &error, "The sign-in page cannot be reached"),
    }
}

fn sign_in_url(config: &ValidConfig, metadata: &Metadata) -> Result<Url, Error> {
    let random = || secret::random::<32>().map(|bytes| secret::base64url(&bytes));
    let mut options = config.sign_in().clone();
    options.prompt = vec![Prompt::None];
    AuthorizationRequest {
        client_id: config.client_id(),
        redirect_uri: config.redirect_uri(),
        response_mode: config.response_mode(),
        scopes: &metadata.scopes_of(config, config.sign_in()),
        state: &random()?,
        nonce: &random()?,
        code_challenge: &code_challenge(&random()?),
        options: &options,
        claims: None,
        capabilities: config.client_capabilities(),
        id_token_hint: None,
    }
    .url(metadata)
}

/// Asks for a device code, which nobody will use: a provider gives one only to an application that
/// it knows.
pub(super) async fn device_code(
    config: &ValidConfig,
    channel: &Channel,
    metadata: &Metadata,
    now: UnixTime,
) -> Finding {
    let answer = async {
        let credentials =
            Credentials::new(config.credential(), config.client_id(), config.authority().clone());
        // Entra asks no proof here.
        let proof = match config.authority().is_microsoft() {
            true => Proof::Nothing,
            false => credentials.proof(metadata, now).await?.proof,
        };
        let client = Client { id: config.client_id(), proof: &proof };
        let scopes = metadata.scopes_of(config, config.sign_in()).join(" ");
        let request = device_request(
            metadata,
            client,
            &Asked { scopes: &scopes, ..Asked::default() },
            config.client_capabilities(),
        )?;
        read_answer(&channel.send("the device authorization endpoint", request).await?, metadata)
    };
    match answer.await {
        Ok(codes) => Finding::new(
            Severity::Passed,
            "device_code_given",
            format!(
                "The provider gives device codes; people enter them at {}.",
                codes.verification_uri
            ),
        ),
        Err(error) if error.kind() == ErrorKind::ProviderUnreachable => {
            finding_of(Severity::Warning, &error, "The provider gives no device code at the moment")
        }
        Err(error) => finding_of(Severity::Problem, &error, "The provider gives no device code"),
    }
}

/// What the answer to that says about the application.
fn sign_in_finding(answer: &Response<Bytes>, endpoint: &Url, redirect_uri: &Url) -> Finding {
    let accepted = || {
        Finding::new(
            Severity::Passed,
            "redirect_uri_accepted",
            format!("The provider knows the application and its redirect address {redirect_uri}."),
        )
    };
    let unclear = |why: &str| {
        let text = format!(
            "Whether the provider knows the redirect address {redirect_uri} could not be told ({why}): register it there, to the letter."
        );
        Finding::new(Severity::Note, "redirect_uri_not_checked", text)
    };
    let refused = |error: &Error| {
        finding_of(Severity::Problem, error, "The provider refuses to begin a sign-in")
    };
    let body = std::str::from_utf8(answer.body()).unwrap_or_default();
    let status = answer.status();
    if status.is_redirection() {
        let location = answer
            .headers()
            .get(LOCATION)
            .and_then(|location| endpoint.join(location.to_str().ok()?).ok());
        let Some(location) = location.filter(|location| is_at(location, redirect_uri)) else {
            return unclear("it shows a page of its own first");
        };
        let parameter = |name: &str| {
            location
                .query_pairs()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.into_owned())
        };
        return match parameter("error") {
            None => accepted(),
            Some(error) => {
                let error = authorization_error(&error, parameter("error_description").as_deref());
                match error.kind() {
                    ErrorKind::InteractionRequired => accepted(),
                    ErrorKind::ProviderUnavailable => finding_of(
                        Severity::Warning,
                        &error,
                        "The provider cannot begin a sign-in at the moment",
                    ),
                    _ => refused(&error),
                }
            }
        };
    }
    // Microsoft shows what is wrong on a page.
    if let Some(code) = code_in(body) {
        let error = authorization_error("", Some(code));
        return if error.kind() == ErrorKind::InteractionRequired {
            accepted()
        } else {
            refused(&error)
        };
    }
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return finding_of(
            Severity::Warning,
            &http_error(answer),
            "The provider cannot begin a sign-in at the moment",
        );
    }
    if status.is_client_error() {
        let text = format!(
            "The provider refuses to begin a sign-in (status {}): as a rule it does not know the client id, or the redirect address {redirect_uri} is not registered, to the letter.",
            status.as_u16()
        );
        return Finding::new(Severity::Problem, "sign_in_request_refused", text);
    }
    // The form of `form_post`.
    if ["login_required", "interaction_required"].iter().any(|error| body.contains(error)) {
        return accepted();
    }
    unclear("it answers with a page")
}

/// Whether it is the same address, whatever the query.
fn is_at(address: &Url, redirect_uri: &Url) -> bool {
    address.origin() == redirect_uri.origin() && address.path() == redirect_uri.path()
}

/// The first of Microsoft's codes in a text, with what follows.
fn code_in(text: &str) -> Option<&str> {
    let starts = |family: &str| {
        text.match_indices(family).filter_map(|(at, _)| text.get(at..)).find(|rest| {
            rest.strip_prefix(family)
                .is_some_and(|number| number.starts_with(|first: char| first.is_ascii_digit()))
        })
    };
    starts("AADSTS").or_else(|| starts("AADB2C"))
}

/// Shows the credential to the token endpoint, for a code that does not exist. Entra looks at the
/// code before it looks at the credential, so there the application first asks for a token for
/// itself, which is thrown away.
pub(super) async fn credential(
    config: &ValidConfig,
    channel: &Channel,
    metadata: &Metadata,
    now: UnixTime,
) -> Finding {
    let credentials =
        Credentials::new(config.credential(), config.client_id(), config.authority().clone());
    let sent = match credentials.proof(metadata, now).await {
        Ok(sent) => sent,
        Err(error) => {
            return finding_of(
                Severity::Problem,
                &error,
                "The application's credential cannot be used",
            );
        }
    };
    let finding = shown(config, channel, metadata, &sent.proof).await;
    if finding.severity() != Severity::Problem || !matches!(sent.proof, Proof::Secret(..)) {
        return finding;
    }
    // The same second try that a sign-in makes.
    let Some(other) = credentials.another(metadata, &sent, now).await else { return finding };
    match (shown(config, channel, metadata, &other.proof).await.severity(), &other.proof) {
        (Severity::Passed, Proof::Secret(_, Some(method))) => {
            let method = method.as_str();
            let text = format!(
                "The provider takes the client secret by {method} alone, which every process finds out after one refusal: \
                 name it with `ClientCredential::with_method` (IDENTITY_CLIENT_AUTH_METHOD={method})."
            );
            Finding::new(Severity::Warning, "auth_method_refused", text)
        }
        _ => finding,
    }
}

/// What the provider makes of one way to prove who the application is.
async fn shown(
    config: &ValidConfig,
    channel: &Channel,
    metadata: &Metadata,
    proof: &Proof,
) -> Finding {
    let client = Client { id: config.client_id(), proof };
    let microsoft = config.authority().is_microsoft();
    let authority = config.authority();
    let has_tenant = !authority.is_multi_tenant() && !authority.is_personal();
    let single_tenant = microsoft && authority.b2c_policies().is_none() && has_tenant;
    if single_tenant && *proof != Proof::Nothing {
        let scope = format!("{}/.default", config.client_id());
        let form = vec![("grant_type", "client_credentials".into()), ("scope", scope.into())];
        if let Ok(answer) = ask(channel, metadata, client, form).await
            && let Some(finding) = credential_finding(&answer, true)
        {
            return finding;
        }
    }
    let random = || secret::random::<32>().map(|bytes| Secret::from(secret::base64url(&bytes)));
    let (Ok(code), Ok(verifier)) = (random(), random()) else {
        return Finding::new(
            Severity::Note,
            "credential_not_checked",
            "This machine has no random numbers.",
        );
    };
    let form = match config.sign_in_method() {
        SignInMethod::DeviceCode => {
            vec![
                ("grant_type", "urn:ietf:params:oauth:grant-type:device_code".into()),
                ("device_code", code),
            ]
        }
        _ => vec![
            ("grant_type", "authorization_code".into()),
            ("code", code),
            ("redirect_uri", config.redirect_uri().into()),
            ("code_verifier", verifier),
        ],
    };
    let unclear = "Whether the provider accepts the application's credential could not be told without a sign-in.";
    match ask(channel, metadata, client, form).await {
        Ok(answer) => credential_finding(&answer, microsoft)
            .unwrap_or_else(|| Finding::new(Severity::Note, "credential_not_checked", unclear)),
        Err(error) => finding_of(Severity::Problem, &error, "The token endpoint cannot be asked"),
    }
}

async fn ask(
    channel: &Channel,
    metadata: &Metadata,
    client: Client<'_>,
    mut form: Vec<(&'static str, Secret)>,
) -> Result<Response<Bytes>, Error> {
    let authorization = client.authenticate(metadata, &mut form)?;
    let mut body = form_urlencoded::Serializer::new(String::new());
    for (name, value) in &form {
        body.append_pair(name, value.expose());
    }
    let mut request: Request<Bytes> = empty_request(Method::POST, &metadata.token_endpoint)?;
    request
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    if let Some(authorization) = authorization {
        request.headers_mut().insert(AUTHORIZATION, authorization);
    }
    *request.body_mut() = body.finish().into();
    channel.send("the token endpoint", request).await
}

/// What the token endpoint's answer says about the credential; `None` if nothing.
fn credential_finding(answer: &Response<Bytes>, microsoft: bool) -> Option<Finding> {
    let accepted = || {
        Some(Finding::new(
            Severity::Passed,
            "credential_accepted",
            "The provider accepts the application's credential.",
        ))
    };
    if answer.status() == StatusCode::OK {
        return accepted();
    }
    let error = http_error(answer);
    match error.kind() {
        ErrorKind::ClientRefused if !is_about_the_request(&error) => Some(finding_of(
            Severity::Problem,
            &error,
            "The provider does not accept the application or its credential",
        )),
        ErrorKind::ProviderUnreachable => Some(finding_of(
            Severity::Warning,
            &error,
            "The token endpoint does not work at the moment",
        )),
        // Who got as far as the code got past the credential.
        ErrorKind::InvalidGrant if !microsoft => accepted(),
        _ => None,
    }
}

/// Whether it is what these unusual requests ask for that is refused, and not the application.
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
