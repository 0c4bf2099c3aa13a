//! [`AzureArc`]: the managed identity endpoint of machines outside Azure that Azure Arc manages.

use std::{
    borrow::Cow,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
};
use serde_json::{Map, Value};

use super::{
    managed_identity::ManagedIdentityId,
    managed_identity_endpoint::{
        ManagedIdentityEndpoint, ManagedIdentitySource, http_url, metadata_request,
    },
};
use crate::{error::ConfigError, secret::Secret};

/// The agent's folder of key files. Reading one proves membership of the agent's group.
const KEYS: &str = if cfg!(windows) {
    "C:\\ProgramData\\AzureConnectedMachineAgent\\Tokens"
} else {
    "/var/opt/azcmagent/tokens"
};
/// The largest accepted key file, in bytes.
const LARGEST: u64 = 4096;

/// The endpoint of a machine that Azure Arc manages: `IDENTITY_ENDPOINT` with `IMDS_ENDPOINT`, or
/// without variables (as in a systemd unit) the default of the installed agent.
///
/// The agent answers with a challenge that names a file; the request is repeated with the content
/// of that file, which only privileged users and the agent's own group can read.
///
/// Another program on the machine may listen on that port. So a file is only read if it is a small
/// regular file in the agent's own folder with the extension `.key`.
///
/// An older agent knows the identity of the machine alone and answers every request with its token.
/// So the token of a user-assigned identity counts only if the answer names that identity.
#[derive(Clone, Debug)]
pub struct AzureArc {
    endpoint: Cow<'static, str>,
    keys: PathBuf,
}

impl AzureArc {
    /// An endpoint from its URL, for example
    /// `http://localhost:40342/metadata/identity/oauth2/token`.
    ///
    /// # Errors
    ///
    /// The text is not an `http` or `https` URL.
    pub fn new(endpoint: &str) -> Result<Self, ConfigError> {
        let endpoint = String::from(http_url("IDENTITY_ENDPOINT", endpoint)?).into();
        Ok(Self { endpoint, keys: KEYS.into() })
    }

    /// The endpoint at which the agent listens by default, on port 40342 of this machine.
    #[must_use]
    pub fn local() -> Self {
        let endpoint = "http://localhost:40342/metadata/identity/oauth2/token".into();
        Self { endpoint, keys: KEYS.into() }
    }

    /// The agent's program. Where it is, the machine is one of Azure Arc.
    pub(super) fn agent(variable: &dyn Fn(&str) -> Option<String>) -> PathBuf {
        if cfg!(windows) {
            let folder = variable("ProgramFiles").unwrap_or_else(|| "C:\\Program Files".into());
            PathBuf::from(folder).join("AzureConnectedMachineAgent").join("himds.exe")
        } else {
            "/opt/azcmagent/bin/himds".into()
        }
    }

    /// The content of the key file that a challenge (`Basic realm=<path>`) names. The agent does
    /// not quote the path, as RFC 9110 requires, so the reader of other challenges cannot take it.
    fn key(&self, challenge: &HeaderValue) -> Result<Secret, &'static str> {
        let challenge = challenge.to_str().map_err(|_| "the challenge is not ASCII")?;
        let (scheme, parameter) =
            challenge.trim().split_once(' ').ok_or("the challenge names no file")?;
        let (name, path) = parameter.split_once('=').ok_or("the challenge names no file")?;
        if !scheme.eq_ignore_ascii_case("basic") || !name.trim().eq_ignore_ascii_case("realm") {
            return Err("the challenge is not `Basic realm=…`");
        }
        let path = Path::new(path.trim().trim_matches('"'));
        // The parent is compared as text, without resolving `..`: a path that leaves the folder
        // and comes back is refused too.
        let is_the_agents = path.parent() == Some(self.keys.as_path())
            && path.extension().is_some_and(|extension| extension == "key");
        if !is_the_agents {
            return Err("the challenge names a file that is not one of the agent's keys");
        }
        // Not `fs::metadata`: that would follow a symbolic link out of the folder.
        let about = fs::symlink_metadata(path)
            .map_err(|_| "the agent's key cannot be read: is this user in the group `himds`?")?;
        if !about.is_file() || about.len() > LARGEST {
            return Err("the agent's key is not a regular file of 4 KiB at most");
        }
        let mut key = String::new();
        let file = fs::File::open(path)
            .map_err(|_| "the agent's key cannot be read: is this user in the group `himds`?")?;
        file.take(LARGEST).read_to_string(&mut key).map_err(|_| "the agent's key is not text")?;
        Ok(key.into())
    }
}

impl ManagedIdentityEndpoint for AzureArc {
    fn request(
        &self,
        resource: &str,
        identity: &ManagedIdentityId,
    ) -> Result<Request<Bytes>, http::Error> {
        metadata_request(&self.endpoint, "2020-06-01", resource, identity)
    }

    fn confirms(&self, identity: &ManagedIdentityId, answer: &Map<String, Value>) -> bool {
        let named = |member: &str| answer.get(member).and_then(Value::as_str).unwrap_or_default();
        let (requested, named) = match identity {
            ManagedIdentityId::SystemAssigned => return true,
            ManagedIdentityId::ClientId(id) => (id, named("client_id")),
            ManagedIdentityId::ObjectId(id) => (id, named("object_id")),
            ManagedIdentityId::ResourceId(id) => match named("msi_res_id") {
                "" => (id, named("mi_res_id")),
                named => (id, named),
            },
        };
        // GUIDs and resource IDs are case-insensitive.
        !named.is_empty() && named.eq_ignore_ascii_case(requested)
    }

    fn source(&self) -> ManagedIdentitySource {
        ManagedIdentitySource::AzureArc
    }

    fn proven(
        &self,
        mut request: Request<Bytes>,
        answer: &Response<Bytes>,
    ) -> Result<Option<Request<Bytes>>, &'static str> {
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(None);
        }
        let challenge = answer
            .headers()
            .get(WWW_AUTHENTICATE)
            .ok_or("the answer is 401 without a challenge")?;
        let key = self.key(challenge)?;
        let mut value = HeaderValue::try_from(format!("Basic {}", key.expose().trim()))
            .map_err(|_| "the agent's key is not text")?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
        Ok(Some(request))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::{
        client::ManagedIdentity,
        error::ErrorKind,
        protocol::test_support::{FakeHttp, answer},
    };

    /// The agent's folder with a key file, and files that must not be read.
    struct Agent(PathBuf);

    impl Agent {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir()
                .join(format!("tower-identity-arc-{}-{name}", std::process::id()));
            fs::create_dir_all(folder.join("below.key")).unwrap();
            fs::write(folder.join("1.key"), "the content\n").unwrap();
            fs::write(folder.join("1.txt"), "another").unwrap();
            fs::write(folder.join("large.key"), "x".repeat(4097)).unwrap();
            fs::write(folder.join("broken.key"), "a\u{0}b").unwrap();
            Self(folder)
        }

        fn endpoint(&self) -> AzureArc {
            AzureArc {
                keys: self.0.clone(),
                ..AzureArc::new("http://localhost:40342/metadata/identity/oauth2/token").unwrap()
            }
        }
    }

    impl Drop for Agent {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[tokio::test]
    async fn the_machine_proves_that_it_can_read_the_agents_key() {
        let agent = Agent::new("proof");
        let realm = format!("Basic realm={}", agent.0.join("1.key").display());
        let http = FakeHttp::new(move |request| {
            let query = request.uri().query().unwrap();
            assert_eq!(
                (query, &request.headers()["metadata"]),
                (
                    "api-version=2020-06-01&resource=https%3A%2F%2Fvault.azure.net",
                    &HeaderValue::from_static("true")
                )
            );
            Ok(match request.headers().get(AUTHORIZATION) {
                Some(proof) if proof == "Basic the content" => {
                    answer(200, json!({"access_token": "a", "expires_in": "3600"}))
                }
                _ => {
                    let mut refused = answer(401, "");
                    refused.headers_mut().insert(WWW_AUTHENTICATE, realm.parse().unwrap());
                    refused
                }
            })
        });
        let identity = ManagedIdentity::builder(ManagedIdentityId::SystemAssigned)
            .with_endpoint(agent.endpoint())
            .with_http_client(Arc::clone(&http))
            .build()
            .unwrap();
        assert_eq!(identity.token("https://vault.azure.net").await.unwrap().expose(), "a");
        assert_eq!(http.count("/metadata/identity/oauth2/token"), 2);
    }

    /// The token that an agent gives for an identity, and the query of the request. The answer of
    /// the agent has these members beside the token.
    async fn given(
        identity: ManagedIdentityId,
        members: serde_json::Value,
    ) -> (Result<String, ErrorKind>, String) {
        let mut body = json!({"access_token": "a", "expires_in": "3600"});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let http = FakeHttp::new(move |_| Ok(answer(200, &body)));
        let identity = ManagedIdentity::builder(identity)
            .with_endpoint(AzureArc::local())
            .with_http_client(Arc::clone(&http))
            .build()
            .unwrap();
        let token = identity.token("r").await;
        let query = http.last().uri().query().unwrap().to_owned();
        (token.map(|token| token.expose().to_owned()).map_err(|error| error.kind()), query)
    }

    #[tokio::test]
    async fn a_user_assigned_identity_that_the_agent_confirms_gets_its_token() {
        for (identity, members) in [
            (ManagedIdentityId::SystemAssigned, json!({})),
            (ManagedIdentityId::SystemAssigned, json!({"client_id": "of the machine"})),
            (ManagedIdentityId::ClientId("c-1".into()), json!({"client_id": "C-1"})),
            (ManagedIdentityId::ObjectId("o-1".into()), json!({"object_id": "o-1"})),
            (ManagedIdentityId::ResourceId("/S/r".into()), json!({"msi_res_id": "/s/R"})),
            (ManagedIdentityId::ResourceId("/s/r".into()), json!({"mi_res_id": "/s/r"})),
        ] {
            let (token, _) = given(identity.clone(), members).await;
            assert_eq!(token.as_deref(), Ok("a"), "{identity:?}");
        }
    }

    #[tokio::test]
    async fn an_agent_that_answers_for_another_identity_or_for_none_is_refused() {
        for (identity, members) in [
            (ManagedIdentityId::ClientId("c".into()), json!({})),
            (ManagedIdentityId::ClientId("c".into()), json!({"client_id": "of the machine"})),
            (ManagedIdentityId::ClientId("c".into()), json!({"client_id": null, "object_id": "c"})),
            (ManagedIdentityId::ClientId(String::new()), json!({"client_id": ""})),
            (ManagedIdentityId::ObjectId("o".into()), json!({"client_id": "o"})),
            (ManagedIdentityId::ResourceId("/r".into()), json!({"msi_res_id": ["/r"]})),
            (
                ManagedIdentityId::ResourceId("/r".into()),
                json!({"msi_res_id": "/z", "mi_res_id": "/r"}),
            ),
        ] {
            let (token, _) = given(identity.clone(), members.clone()).await;
            assert_eq!(token, Err(ErrorKind::CredentialUnavailable), "{identity:?} {members}");
        }
    }

    #[tokio::test]
    async fn a_resource_id_is_sent_as_arc_reads_it() {
        let (_, query) = given(ManagedIdentityId::ResourceId("/r".into()), json!({})).await;
        assert_eq!(query, "api-version=2020-06-01&resource=r&msi_res_id=%2Fr");
    }

    #[test]
    fn no_other_file_is_read_for_the_endpoint() {
        let agent = Agent::new("files");
        let (arc, folder) = (agent.endpoint(), agent.0.display());
        std::os::unix::fs::symlink(agent.0.join("1.txt"), agent.0.join("link.key")).unwrap();
        let asked = |header: &str| {
            let mut refused = answer(401, "");
            refused.headers_mut().insert(WWW_AUTHENTICATE, header.parse().unwrap());
            arc.proven(Request::new(Bytes::new()), &refused).map(|request| request.is_some())
        };
        assert_eq!(asked(&format!("Basic realm={folder}/1.key")), Ok(true));
        assert_eq!(asked(&format!(r#"basic Realm="{folder}/1.key""#)), Ok(true));
        for path in [
            "1.txt",
            "large.key",
            "below.key",
            "link.key",
            "broken.key",
            "none.key",
            "below.key/../1.key",
            "../1.key",
            ".key",
        ] {
            assert!(asked(&format!("Basic realm={folder}/{path}")).is_err(), "{path}");
        }
        for header in [
            "Basic",
            "Basic realm",
            "Bearer realm=/etc/passwd",
            "Basic realm=/etc/passwd",
            "Basic realm=1.key",
            "Basic realm=",
        ] {
            assert!(asked(header).is_err(), "{header}");
        }
        assert!(arc.proven(Request::new(Bytes::new()), &answer(401, "")).is_err());
        assert!(arc.proven(Request::new(Bytes::new()), &answer(500, "")).unwrap().is_none());
    }
}
