//! [`AzureArc`]: the managed identity endpoint of machines outside Azure that Azure Arc manages.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
};
use url::Url;

use super::{
    managed_identity::ManagedIdentityId,
    managed_identity_endpoint::{ManagedIdentityEndpoint, http_url, with_query},
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

/// The endpoint of a machine that Azure Arc manages: `IDENTITY_ENDPOINT` with `IMDS_ENDPOINT`.
///
/// The agent answers with a challenge that names a file; the request is repeated with the content
/// of that file, which only privileged users and the agent's own group can read.
///
/// Another program on the machine may listen on that port. So a file is only read if it is a small
/// regular file in the agent's own folder with the extension `.key`.
///
/// Azure Arc has one identity, that of the machine: all others are refused.
#[derive(Clone, Debug)]
pub struct AzureArc {
    endpoint: Url,
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
        Ok(Self { endpoint: http_url("IDENTITY_ENDPOINT", endpoint)?, keys: KEYS.into() })
    }

    /// The content of the key file that a challenge (`Basic realm=<path>`) names.
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
        let url = with_query(&self.endpoint, "2020-06-01", resource, identity, "mi_res_id");
        Request::get(url.as_str()).header("Metadata", "true").body(Bytes::new())
    }

    fn takes(&self, identity: &ManagedIdentityId) -> bool {
        *identity == ManagedIdentityId::SystemAssigned
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
        let other = ManagedIdentity::builder(ManagedIdentityId::ClientId("c".into()))
            .with_endpoint(agent.endpoint())
            .build()
            .unwrap();
        assert_eq!(
            other.token("https://vault.azure.net").await.unwrap_err().kind(),
            ErrorKind::RequestInvalid
        );
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
