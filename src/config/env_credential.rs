//! The credential from environment variables.

use super::{
    AssertionAudience, AzureAdSection, ClientAuthMethod, ClientCredential, CredentialKind,
    variables::{NamedValue, Variables, contradiction},
};
use crate::{error::ConfigError, secret::Secret};

/// The credential that all variables agree on; `None` if none is set.
///
/// `azure_applies`: whether the `AZURE_*` variables are about this application.
pub(super) fn credential(
    all: &Variables<'_>,
    section: &AzureAdSection,
    azure_applies: bool,
) -> Result<Option<ClientCredential>, ConfigError> {
    let of_section = section.credential()?;
    let mut secret = secret(all, of_section.as_ref())?;
    let of_section = of_section.filter(|credential| credential.client_secret().is_none());
    let mut other = key_or_assertion(all, of_section)?;
    // The list `first_of` is available in code only: in variables, two credentials are probably a
    // mistake.
    if let (Some(secret), Some(other)) = (&secret, &other) {
        return Err(contradiction((&secret.name, "a secret"), (&other.name, &other.value)));
    }
    let method = all.text("IDENTITY_CLIENT_AUTH_METHOD")?;
    // The platform sets these `AZURE_*` variables, so an explicit setting has precedence. The order
    // is that of Azure's own libraries.
    if secret.is_none() && other.is_none() && azure_applies {
        let method = method.as_ref().map(|method| method.value.as_str());
        if !matches!(method, Some("none" | "private_key_jwt")) {
            secret = all.secret(&["AZURE_CLIENT_SECRET"])?;
        }
        if secret.is_none() && matches!(method, None | Some("private_key_jwt")) {
            // Without the file its password is no mistake: it may be for another program.
            other = if all.has_value("AZURE_CLIENT_CERTIFICATE_PATH") {
                certificate(all, "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_CLIENT")?
            } else {
                assertion_file(all, "AZURE_FEDERATED_TOKEN_FILE")?
            };
        }
    }
    let other = with_audience(all, other)?;
    match method {
        Some(method) => with_method(method, secret, other),
        None => Ok(secret
            .map(|secret| ClientCredential::secret(secret.value))
            .or(other.map(|other| other.value))),
    }
}

/// The client secret that all variables other than `AZURE_CLIENT_SECRET` agree on; `None` if none
/// is set.
fn secret(
    all: &Variables<'_>,
    of_section: Option<&ClientCredential>,
) -> Result<Option<NamedValue<Secret>>, ConfigError> {
    let mut secret = all.secret(&["IDENTITY_CLIENT_SECRET", "CLIENT_SECRET"])?;
    if let Some(other) = of_section.and_then(ClientCredential::client_secret) {
        let other = NamedValue { name: "AzureAd__ClientSecret".into(), value: other.clone() };
        secret = Some(agreed(secret, other)?);
    }
    Ok(secret)
}

/// The one credential other than a secret: that of the `AzureAd` section, a certificate or an
/// assertion.
fn key_or_assertion(
    all: &Variables<'_>,
    of_section: Option<ClientCredential>,
) -> Result<Option<NamedValue<ClientCredential>>, ConfigError> {
    let mut only =
        of_section.map(|value| NamedValue { name: "AzureAd__ClientCredentials".into(), value });
    for next in [
        certificate(all, "IDENTITY_CLIENT_CERTIFICATE_FILE", "IDENTITY_CLIENT")?,
        assertion_file(all, "IDENTITY_CLIENT_ASSERTION_FILE")?,
    ] {
        only = match (only, next) {
            (Some(first), Some(next)) => {
                return Err(contradiction((&first.name, &first.value), (&next.name, &next.value)));
            }
            (first, next) => first.or(next),
        };
    }
    Ok(only)
}

/// The credential with the method of `IDENTITY_CLIENT_AUTH_METHOD`. At most one of `secret` and
/// `other` is set.
fn with_method(
    method: NamedValue<String>,
    secret: Option<NamedValue<Secret>>,
    other: Option<NamedValue<ClientCredential>>,
) -> Result<Option<ClientCredential>, ConfigError> {
    let credential = |secret: Option<NamedValue<Secret>>, method| {
        secret.map(|secret| ClientCredential::secret(secret.value).with_method(method))
    };
    match (method.value.as_str(), &secret, other) {
        // A public client must not have a secret in its environment: one of the two is a mistake.
        ("none", Some(secret), _) => Err(ConfigError::new(
            method.name,
            format!("`none` contradicts {}, which has a secret: remove one", secret.name),
        )),
        ("private_key_jwt", None, other) => Ok(other.map(|other| other.value)),
        (_, _, Some(other)) => {
            Err(contradiction((&method.name, &method.value), (&other.name, &other.value)))
        }
        ("none", None, None) => Ok(Some(ClientCredential::none())),
        ("client_secret_basic", _, None) => Ok(credential(secret, ClientAuthMethod::Basic)),
        ("client_secret_post", _, None) => Ok(credential(secret, ClientAuthMethod::Post)),
        ("private_key_jwt", Some(secret), None) => Err(ConfigError::new(
            method.name,
            format!(
                "`private_key_jwt` contradicts {}, which has a secret: remove one",
                secret.name
            ),
        )),
        (other, ..) => Err(ConfigError::new(
            method.name,
            format!(
                "{other:?} is not one of `client_secret_basic`, `client_secret_post`, \
                 `private_key_jwt` and `none`"
            ),
        )),
    }
}

/// The credential with the audience of `IDENTITY_ASSERTION_AUDIENCE`, for the assertions of a key.
fn with_audience(
    all: &Variables<'_>,
    credential: Option<NamedValue<ClientCredential>>,
) -> Result<Option<NamedValue<ClientCredential>>, ConfigError> {
    let Some(named) = all.text("IDENTITY_ASSERTION_AUDIENCE")? else { return Ok(credential) };
    let audience: AssertionAudience =
        named.value.parse().map_err(|error: ConfigError| error.named(named.name.clone()))?;
    match credential {
        Some(NamedValue { name, value }) if matches!(value.kind(), CredentialKind::Key(_)) => {
            Ok(Some(NamedValue { name, value: value.with_assertion_audience(audience) }))
        }
        // An assertion of a file has the audience that its issuer gave it.
        _ => Err(ConfigError::new(
            named.name,
            "has no effect without IDENTITY_CLIENT_CERTIFICATE_FILE, whose key signs assertions: \
             remove it",
        )),
    }
}

/// The certificate or private key in the file of the variable `name`. Its settings begin with
/// `prefix`.
fn certificate(
    all: &Variables<'_>,
    name: &str,
    prefix: &str,
) -> Result<Option<NamedValue<ClientCredential>>, ConfigError> {
    let password = all.secret(&[&format!("{prefix}_CERTIFICATE_PASSWORD")])?;
    let chain = all.flag(&format!("{prefix}_SEND_CERTIFICATE_CHAIN"))?;
    let key_id = all.text(&format!("{prefix}_KEY_ID"))?;
    let Some(path) = all.text(name)? else {
        return match password.map(|named| named.name).or(key_id.map(|named| named.name)) {
            Some(setting) => {
                Err(ConfigError::new(setting, format!("has no effect without {name}")))
            }
            None => Ok(None),
        };
    };
    let mut credential = ClientCredential::certificate_file(path.value);
    if let Some(password) = password {
        credential = credential.with_password(password.value);
    }
    if let Some(key_id) = key_id {
        credential = credential.with_key_id(key_id.value);
    }
    if chain {
        credential = credential.with_certificate_chain();
    }
    Ok(Some(NamedValue { name: path.name, value: credential }))
}

fn assertion_file(
    all: &Variables<'_>,
    name: &str,
) -> Result<Option<NamedValue<ClientCredential>>, ConfigError> {
    Ok(all.text(name)?.map(|path| NamedValue {
        name: path.name,
        value: ClientCredential::federated_token_file(path.value),
    }))
}

fn agreed(
    first: Option<NamedValue<Secret>>,
    other: NamedValue<Secret>,
) -> Result<NamedValue<Secret>, ConfigError> {
    match first {
        Some(first) if first.value != other.value => Err(ConfigError::new(
            other.name,
            format!("has another secret than {}: remove one", first.name),
        )),
        Some(first) => Ok(first),
        None => Ok(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::test_variables::read_variables;

    fn read(
        pairs: &[(&str, &str)],
        azure_applies: bool,
    ) -> Result<Option<ClientCredential>, String> {
        read_variables(pairs, |all| {
            credential(all, &AzureAdSection::from_variables(all)?, azure_applies)
        })
        .map_err(|error| error.to_string())
    }

    fn file(path: &str) -> ClientCredential {
        ClientCredential::certificate_file(path)
    }

    #[test]
    fn a_certificate_an_assertion_or_a_key_instead_of_a_secret() {
        let path = ("IDENTITY_CLIENT_CERTIFICATE_FILE", "/app.pem");
        for (pairs, expected) in [
            (vec![path], file("/app.pem")),
            (
                vec![path, ("IDENTITY_CLIENT_CERTIFICATE_PASSWORD", "hush")],
                file("/app.pem").with_password("hush"),
            ),
            (
                vec![
                    path,
                    ("IDENTITY_CLIENT_KEY_ID", "k1"),
                    ("IDENTITY_CLIENT_AUTH_METHOD", "private_key_jwt"),
                ],
                file("/app.pem").with_key_id("k1"),
            ),
            (
                vec![path, ("IDENTITY_ASSERTION_AUDIENCE", "issuer")],
                file("/app.pem").with_assertion_audience(AssertionAudience::Issuer),
            ),
            (
                vec![path, ("IDENTITY_ASSERTION_AUDIENCE", "token_endpoint")],
                file("/app.pem").with_assertion_audience(AssertionAudience::TokenEndpoint),
            ),
            (
                vec![path, ("IDENTITY_CLIENT_SEND_CERTIFICATE_CHAIN", "true")],
                file("/app.pem").with_certificate_chain(),
            ),
            (
                vec![("IDENTITY_CLIENT_ASSERTION_FILE", "/token")],
                ClientCredential::federated_token_file("/token"),
            ),
            (
                vec![
                    ("AzureAd__ClientCredentials__0__SourceType", "SignedAssertionFilePath"),
                    ("AZURE_FEDERATED_TOKEN_FILE", "/token"),
                ],
                ClientCredential::federated_token_file("/token"),
            ),
        ] {
            assert_eq!(read(&pairs, true), Ok(Some(expected)));
        }
    }

    #[test]
    fn what_azure_provides_is_the_last_resort_and_only_for_us() {
        let federated = ("AZURE_FEDERATED_TOKEN_FILE", "/token");
        let certificate = ("AZURE_CLIENT_CERTIFICATE_PATH", "/app.pem");
        assert_eq!(
            read(&[federated], true),
            Ok(Some(ClientCredential::federated_token_file("/token")))
        );
        assert_eq!(read(&[federated, certificate], true), Ok(Some(file("/app.pem"))));
        assert_eq!(
            read(&[federated, ("IDENTITY_CLIENT_SECRET", "s")], true),
            Ok(Some(ClientCredential::secret("s")))
        );
        assert_eq!(
            read(&[federated, ("IDENTITY_CLIENT_AUTH_METHOD", "none")], true),
            Ok(Some(ClientCredential::none()))
        );
        assert_eq!(read(&[federated, certificate], false), Ok(None));
    }

    #[test]
    fn two_credentials_contradict_each_other() {
        for (pairs, names) in [
            (
                [("IDENTITY_CLIENT_SECRET", "hush"), ("IDENTITY_CLIENT_CERTIFICATE_FILE", "/a")],
                ["IDENTITY_CLIENT_SECRET", "IDENTITY_CLIENT_CERTIFICATE_FILE"],
            ),
            (
                [
                    ("IDENTITY_CLIENT_ASSERTION_FILE", "/t"),
                    ("IDENTITY_CLIENT_CERTIFICATE_FILE", "/a"),
                ],
                ["ASSERTION_FILE", "CERTIFICATE_FILE"],
            ),
            (
                [
                    ("IDENTITY_CLIENT_AUTH_METHOD", "none"),
                    ("IDENTITY_CLIENT_CERTIFICATE_FILE", "/a"),
                ],
                ["AUTH_METHOD", "CERTIFICATE_FILE"],
            ),
            (
                [
                    ("IDENTITY_CLIENT_AUTH_METHOD", "private_key_jwt"),
                    ("IDENTITY_CLIENT_SECRET", "hush"),
                ],
                ["private_key_jwt", "IDENTITY_CLIENT_SECRET"],
            ),
            (
                [("IDENTITY_CLIENT_KEY_ID", "k"), ("IDENTITY_CLIENT_SECRET", "hush")],
                ["IDENTITY_CLIENT_KEY_ID", "no effect"],
            ),
            (
                [
                    ("IDENTITY_ASSERTION_AUDIENCE", "token"),
                    ("IDENTITY_CLIENT_CERTIFICATE_FILE", "/a"),
                ],
                ["IDENTITY_ASSERTION_AUDIENCE", "`token_endpoint`"],
            ),
            (
                [("IDENTITY_ASSERTION_AUDIENCE", "issuer"), ("IDENTITY_CLIENT_SECRET", "hush")],
                ["IDENTITY_ASSERTION_AUDIENCE", "no effect"],
            ),
            (
                [
                    ("IDENTITY_ASSERTION_AUDIENCE", "issuer"),
                    ("IDENTITY_CLIENT_ASSERTION_FILE", "/t"),
                ],
                ["IDENTITY_ASSERTION_AUDIENCE", "no effect"],
            ),
            (
                [
                    ("IDENTITY_CLIENT_SEND_CERTIFICATE_CHAIN", "maybe"),
                    ("IDENTITY_CLIENT_SECRET", "hush"),
                ],
                ["SEND_CERTIFICATE_CHAIN", "neither"],
            ),
        ] {
            let error = read(&pairs, true).unwrap_err();
            assert!(
                names.iter().all(|name| error.contains(name)) && !error.contains("hush"),
                "{error}"
            );
        }
    }
}
