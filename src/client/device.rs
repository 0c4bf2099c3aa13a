//! Sign-in on another device (RFC 8628).

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{AcquiredTokens, core::Client, stored_request::StoredRequest};
use crate::{
    clock::UnixTime,
    error::{Error, ErrorKind, ProviderError},
    protocol::{DeviceAnswer, Grant, Pace},
    secret::{self, Secret},
    tokens::TokenRequest,
};

/// A sign-in on another device that was begun. It can be stored, and is given up by
/// [`cancel`](Self::cancel) or by forgetting it.
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
    #[serde(flatten)]
    request: StoredRequest,
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
    Done(AcquiredTokens),
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

    /// The same with the code in it, for a QR code, if the provider has that. The person still
    /// compares the code.
    #[must_use]
    pub fn verification_uri_complete(&self) -> Option<&str> {
        self.verification_uri_complete.as_deref()
    }

    /// A sentence for the person: the provider's, or one in English.
    #[must_use]
    pub fn message(&self) -> String {
        let ours = || {
            format!(
                "To sign in, open {} in a browser and enter the code {}.",
                self.verification_uri, self.user_code
            )
        };
        self.message.clone().unwrap_or_else(ours)
    }

    /// When the code ends.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// How long to wait before the next question. It grows where the provider asks for that, and is
    /// once as long as its `Retry-After` says.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Pace { interval: self.interval, retry_after: self.retry_after }.wait()
    }

    /// Gives the sign-in up: from now on it is over, and the provider is not asked again. What
    /// comes for a question that is on its way is still kept.
    pub fn cancel(&mut self) {
        self.expires_at = UnixTime::from_seconds(0);
    }

    fn expired(&self) -> Error {
        if self.seen_pending {
            let last =
                ProviderError { error: "authorization_pending".into(), ..ProviderError::default() };
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
    /// Asks for a code that the person enters on another device. Show [`DeviceFlow::message`], then
    /// [`complete_device`](Self::complete_device).
    ///
    /// # Errors
    ///
    /// `ProviderMisconfigured`: the provider has no such endpoint; what else it answers;
    /// `ProviderUnreachable`.
    pub async fn begin_device(&self, request: &TokenRequest) -> Result<DeviceFlow, Error> {
        let signing_in = self.signing_in(request)?;
        let shared = self.shared();
        let DeviceAnswer {
            device_code,
            user_code,
            verification_uri,
            verification_uri_complete,
            message,
            expires_in,
            interval,
        } = signing_in
            .provider
            .device_codes(&signing_in.asked(signing_in.request.key_scopes()))
            .await?;
        Ok(DeviceFlow {
            device_code,
            user_code,
            verification_uri,
            verification_uri_complete,
            message,
            expires_at: shared.clock.now() + expires_in,
            interval,
            request: StoredRequest::of(request),
            seen_pending: false,
            retry_after: Duration::ZERO,
        })
    }

    /// Asks once whether the person is done. Wait for [`DeviceFlow::interval`] before, each time.
    ///
    /// A provider that cannot be reached means not yet, with twice the interval (at most a minute),
    /// or the wait that it asked for (`Retry-After`).
    ///
    /// # Errors
    ///
    /// `CodeExpired`, with the provider's last word in [`Error::provider`]; `AccessDenied` if the
    /// person declined; what else the provider answers; those of a token's checks.
    pub async fn poll_device(&self, flow: &mut DeviceFlow) -> Result<DevicePoll, Error> {
        let shared = self.shared();
        if flow.expires_at <= shared.clock.now() {
            return Err(flow.expired());
        }
        let signing_in = self.signing_in(&flow.request.request())?;
        let (client, device_code) = (self.clone(), flow.device_code.clone());
        let asking = self.to_the_end(async move {
            match signing_in
                .provider
                .tokens(Grant::DeviceCode(&device_code), &signing_in.asked(""))
                .await
            {
                Ok(answer) => client.take(answer, &signing_in, client.required()).await.map(Ok),
                Err(refused) => Ok(Err(refused)),
            }
        });
        let error = match asking.await? {
            Ok(acquired) => return Ok(DevicePoll::Done(acquired)),
            Err(refused) => refused,
        };
        flow.seen_pending |=
            error.provider().is_some_and(|said| said.error == "authorization_pending");
        let mut pace = Pace { interval: flow.interval, retry_after: flow.retry_after };
        pace.refused(error)?;
        (flow.interval, flow.retry_after) = (pace.interval, pace.retry_after);
        Ok(DevicePoll::Pending)
    }

    /// Waits until the person is done, asking as often as the provider allows. To cancel, drop the
    /// future, or use [`complete_device_until`](Self::complete_device_until); what comes for a
    /// question that is on its way is still kept.
    ///
    /// # Errors
    ///
    /// As [`poll_device`](Self::poll_device).
    pub async fn complete_device(&self, mut flow: DeviceFlow) -> Result<AcquiredTokens, Error> {
        loop {
            self.shared().tasks.pause(flow.interval()).await;
            if let DevicePoll::Done(acquired) = self.poll_device(&mut flow).await? {
                return Ok(acquired);
            }
        }
    }

    /// The same until `cancelled` is ready: then it is given up, and the answer is `None`.
    ///
    /// ```
    /// use tower_identity::{Error, client::{AcquiredTokens, Client, DeviceFlow}};
    ///
    /// /// Waits until somebody presses Ctrl+C.
    /// async fn wait(client: &Client, flow: DeviceFlow, pressed: impl Future<Output = ()>) -> Result<Option<AcquiredTokens>, Error> {
    ///     client.complete_device_until(flow, pressed).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`poll_device`](Self::poll_device).
    pub async fn complete_device_until(
        &self,
        flow: DeviceFlow,
        cancelled: impl Future<Output = ()>,
    ) -> Result<Option<AcquiredTokens>, Error> {
        let (mut completed, mut cancelled) = (pin!(self.complete_device(flow)), pin!(cancelled));
        poll_fn(|context| match completed.as_mut().poll(context) {
            Poll::Ready(outcome) => Poll::Ready(outcome.map(Some)),
            Poll::Pending => cancelled.as_mut().poll(context).map(|()| Ok(None)),
        })
        .await
    }
}
