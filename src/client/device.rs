//! Sign-in on another device (RFC 8628).

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Acquired, core::Client};
use crate::{
    clock::UnixTime,
    error::{Error, ErrorKind, ProviderError},
    protocol::{Asked, DeviceAnswer, Grant, Pace},
    secret::{self, Secret},
    tokens::Scopes,
};

/// A sign-in on another device that was begun. It can be stored, and is given up by forgetting it.
#[derive(Clone, Serialize, Deserialize)]
pub struct DeviceFlow {
    #[serde(rename = "d", serialize_with = "secret::exposed")]
    device_code: Secret,
    #[serde(rename = "u")]
    user_code: String,
    #[serde(rename = "v")]
    verification_uri: String,
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    verification_uri_complete: Option<String>,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(rename = "e")]
    expires_at: UnixTime,
    #[serde(rename = "i")]
    interval: Duration,
    #[serde(rename = "c")]
    scopes: Scopes,
    #[serde(rename = "p", default)]
    seen_pending: bool,
    /// What the last answer asked for, once.
    #[serde(rename = "r", default)]
    retry_after: Duration,
}

/// What became of asking whether the person is done.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub enum DevicePoll {
    /// Not yet: ask again after [`DeviceFlow::interval`].
    Pending,
    /// The person has signed in.
    Done(Acquired),
}

impl DeviceFlow {
    /// The code that the person types.
    #[must_use]
    pub fn user_code(&self) -> &str {
        &self.user_code
    }

    /// The address that the person opens.
    #[must_use]
    pub fn verification_uri(&self) -> &str {
        &self.verification_uri
    }

    /// The same with the code in it, for a QR code, if the provider has that. The person still compares the code.
    #[must_use]
    pub fn verification_uri_complete(&self) -> Option<&str> {
        self.verification_uri_complete.as_deref()
    }

    /// A sentence for the person: the provider's, or one in English.
    #[must_use]
    pub fn message(&self) -> String {
        let ours = || format!("To sign in, open {} in a browser and enter the code {}.", self.verification_uri, self.user_code);
        self.message.clone().unwrap_or_else(ours)
    }

    /// When the code ends.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// How long to wait before the next question. It grows where the provider asks for that, and is once as long as its `Retry-After` says.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Pace { interval: self.interval, retry_after: self.retry_after }.wait()
    }

    fn expired(&self) -> Error {
        if self.seen_pending {
            let last = ProviderError { error: "authorization_pending".into(), ..ProviderError::default() };
            Error::from_provider(ErrorKind::CodeExpired, last)
        } else {
            Error::new(ErrorKind::CodeExpired, "the code was not used in time")
        }
    }
}

impl fmt::Debug for DeviceFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceFlow")
            .field("expires_at", &self.expires_at)
            .field("interval", &self.interval())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Asks for a code that the person enters on another device. Show [`DeviceFlow::message`], then [`complete_device`](Self::complete_device).
    ///
    /// # Errors
    ///
    /// `ProviderMisconfigured`: the provider has no such endpoint; what else it answers; `ProviderUnreachable`.
    pub async fn begin_device<S: AsRef<str>>(&self, scopes: impl IntoIterator<Item = S>) -> Result<DeviceFlow, Error> {
        let scopes = self.with_openid_scopes(&Scopes::asked(scopes)?)?;
        let shared = self.shared();
        let claims = self.own_claims()?;
        let DeviceAnswer { device_code, user_code, verification_uri, verification_uri_complete, message, expires_in, interval } =
            shared.provider.device_codes(scopes.as_str(), claims.as_deref()).await?;
        Ok(DeviceFlow {
            device_code,
            user_code,
            verification_uri,
            verification_uri_complete,
            message,
            expires_at: shared.clock.now() + expires_in,
            interval,
            scopes,
            seen_pending: false,
            retry_after: Duration::ZERO,
        })
    }

    /// Asks once whether the person is done. Wait for [`DeviceFlow::interval`] before, each time.
    ///
    /// A provider that cannot be reached means not yet, with twice the interval (at most a minute), or the wait that it asked for (`Retry-After`).
    ///
    /// # Errors
    ///
    /// `CodeExpired`, with the provider's last word in [`Error::provider`]; `AccessDenied` if the person declined; what else the provider answers; those of a token's checks.
    pub async fn poll_device(&self, flow: &mut DeviceFlow) -> Result<DevicePoll, Error> {
        let shared = self.shared();
        if flow.expires_at <= shared.clock.now() {
            return Err(flow.expired());
        }
        let claims = self.own_claims()?;
        let (client, device_code, scopes) = (self.clone(), flow.device_code.clone(), flow.scopes.clone());
        let asking = self.to_the_end(async move {
            let asked = Asked { scopes: "", resource: None, claims: claims.as_deref() };
            match client.shared().provider.tokens(Grant::DeviceCode(&device_code), &asked).await {
                Ok(answer) => client.take(&answer, &scopes, client.required()).await.map(Ok),
                Err(refused) => Ok(Err(refused)),
            }
        });
        let error = match asking.await? {
            Ok(acquired) => return Ok(DevicePoll::Done(acquired)),
            Err(refused) => refused,
        };
        flow.seen_pending |= error.provider().is_some_and(|said| said.error == "authorization_pending");
        let mut pace = Pace { interval: flow.interval, retry_after: flow.retry_after };
        pace.refused(error)?;
        (flow.interval, flow.retry_after) = (pace.interval, pace.retry_after);
        Ok(DevicePoll::Pending)
    }

    /// Waits until the person is done, asking as often as the provider allows. To cancel, drop the future; what comes for a question that is on its way is still kept.
    ///
    /// # Errors
    ///
    /// As [`poll_device`](Self::poll_device).
    pub async fn complete_device(&self, mut flow: DeviceFlow) -> Result<Acquired, Error> {
        loop {
            self.shared().tasks.pause(flow.interval()).await;
            if let DevicePoll::Done(acquired) = self.poll_device(&mut flow).await? {
                return Ok(acquired);
            }
        }
    }
}
