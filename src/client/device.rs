//! The device authorization grant (RFC 8628): sign-in on another device.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{AccountSource, AcquiredTokens, core::Client, stored_request::StoredRequest};
use crate::{
    clock::UnixTime,
    error::{Error, ErrorKind, ProviderError},
    protocol::{DeviceAnswer, Grant, Pace},
    secret::{self, Secret},
    tokens::TokenRequest,
};

/// A pending sign-in on another device. It can be stored with serde. To give it up, call
/// [`cancel`](Self::cancel) or drop it.
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
    /// The scopes of the device authorization request, as it was sent.
    #[serde(rename = "sc", default)]
    sent_scopes: String,
    #[serde(rename = "p", default)]
    seen_pending: bool,
    /// `Retry-After` of the last answer; applies to one poll.
    #[serde(rename = "r", default)]
    retry_after: Duration,
    #[serde(rename = "ci")]
    client_id: String,
    #[serde(rename = "a")]
    authority: String,
}

/// The result of one poll.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub enum DevicePoll {
    /// The person has not finished: poll again after [`DeviceFlow::interval`].
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

    /// The URL that the person opens.
    #[must_use]
    pub fn verification_uri(&self) -> &str {
        &self.verification_uri
    }

    /// The same URL with the user code in it, for a QR code, if the provider sent one. The person
    /// still compares the code (RFC 8628 section 3.3.1).
    #[must_use]
    pub fn verification_uri_complete(&self) -> Option<&str> {
        self.verification_uri_complete.as_deref()
    }

    /// An instruction for the person: the provider's text, or an English one.
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

    /// The end of the code's validity, by the client's clock.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// The wait before the next poll. It grows if the provider answers `slow_down` (RFC 8628
    /// section 3.5). After a `Retry-After` header the next wait is as long as the header says.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Pace { interval: self.interval, retry_after: self.retry_after }.wait()
    }

    /// Ends the flow: further polls return `CodeExpired` and send nothing. Tokens from an in-flight
    /// poll are still cached.
    pub fn cancel(&mut self) {
        self.expires_at = UnixTime::from_seconds(0);
    }

    /// MSAL reports the last answer of the provider when the code expires; so does this.
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
    /// Requests a user code. Show [`DeviceFlow::message`], then call
    /// [`complete_device`](Self::complete_device).
    ///
    /// # Errors
    ///
    /// `ProviderMisconfigured`: the provider has no device authorization endpoint, or signs ID
    /// tokens in no way that can be verified; other errors of the provider; `ProviderUnreachable`.
    pub async fn begin_device(&self, request: &TokenRequest) -> Result<DeviceFlow, Error> {
        let signing_in = self.signing_in(request)?;
        let shared = self.shared();
        // No user types a code and a password for an ID token that could not be verified.
        signing_in.provider.sign_in_metadata().await?;
        let DeviceAnswer {
            device_code,
            user_code,
            verification_uri,
            verification_uri_complete,
            message,
            expires_in,
            interval,
            scopes,
        } = signing_in
            .provider
            .device_codes(&signing_in.asked(signing_in.request.scope_value()))
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
            sent_scopes: scopes,
            seen_pending: false,
            retry_after: Duration::ZERO,
            client_id: self.config().client_id().to_owned(),
            authority: self.config().authority().name().to_owned(),
        })
    }

    /// Polls the token endpoint once. Wait for [`DeviceFlow::interval`] before each call.
    ///
    /// If the provider is unreachable, the result is `Pending` with twice the interval (at most a
    /// minute), or with the wait of its `Retry-After`. The same holds while the credential is
    /// unavailable, if it was available earlier in this flow.
    ///
    /// # Errors
    ///
    /// `CodeExpired`, with the provider's last answer in [`Error::provider`]; `AccessDenied` if the
    /// person declined; `RequestInvalid` if the flow was begun with another client ID or authority;
    /// other errors of the provider; the errors of ID token verification.
    pub async fn poll_device(&self, flow: &mut DeviceFlow) -> Result<DevicePoll, Error> {
        let shared = self.shared();
        if !self.has_begun(&flow.client_id, &flow.authority) {
            return Err(Error::new(
                ErrorKind::RequestInvalid,
                "the flow was begun with another client id or authority: begin a new one",
            ));
        }
        // The local clock decides first: no request is sent for an expired or cancelled flow.
        if flow.expires_at <= shared.clock.now() {
            return Err(flow.expired());
        }
        let signing_in = self.signing_in(&flow.request.request())?.by(AccountSource::DeviceCode);
        // In a task of its own: a device code is redeemed once, so the tokens of an accepted poll
        // are cached even if the caller's future is dropped.
        let (client, device_code) = (self.clone(), flow.device_code.clone());
        let sent_scopes = flow.sent_scopes.clone();
        let asking = self.to_the_end(async move {
            match signing_in
                .provider
                .tokens(Grant::DeviceCode(&device_code), &signing_in.asked(""))
                .await
            {
                Ok(answer) => {
                    let answer = answer.for_scopes(&sent_scopes);
                    client.take(answer, &signing_in, client.required()).await.map(Ok)
                }
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
        let had_credential = flow.seen_pending || shared.provider.authenticates_device_requests();
        pace.refused(error, had_credential)?;
        (flow.interval, flow.retry_after) = (pace.interval, pace.retry_after);
        Ok(DevicePoll::Pending)
    }

    /// Polls at the provider's interval until the person has signed in, or until the code expires.
    /// To cancel, drop the future or use [`complete_device_until`](Self::complete_device_until).
    /// Tokens from an in-flight poll are still cached.
    ///
    /// # Errors
    ///
    /// Those of [`poll_device`](Self::poll_device).
    pub async fn complete_device(&self, mut flow: DeviceFlow) -> Result<AcquiredTokens, Error> {
        loop {
            // Interval and `Retry-After` can be longer than the code is valid: then the next poll
            // would come too late (RFC 8628 section 3.5).
            let left = flow.expires_at.since(self.now());
            self.shared().tasks.pause(flow.interval().min(left)).await;
            if left <= flow.interval() {
                return Err(flow.expired());
            }
            if let DevicePoll::Done(acquired) = self.poll_device(&mut flow).await? {
                return Ok(acquired);
            }
        }
    }

    /// Like [`complete_device`](Self::complete_device), but gives up when `cancelled` completes:
    /// the result is `None` then.
    ///
    /// ```
    /// use tower_identity::{Error, client::{AcquiredTokens, Client, DeviceFlow}};
    ///
    /// /// Waits for the sign-in until Ctrl+C is pressed.
    /// async fn wait(
    ///     client: &Client,
    ///     flow: DeviceFlow,
    ///     ctrl_c: impl Future<Output = ()>,
    /// ) -> Result<Option<AcquiredTokens>, Error> {
    ///     client.complete_device_until(flow, ctrl_c).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`poll_device`](Self::poll_device).
    pub async fn complete_device_until(
        &self,
        flow: DeviceFlow,
        cancelled: impl Future<Output = ()>,
    ) -> Result<Option<AcquiredTokens>, Error> {
        let (mut completed, mut cancelled) = (pin!(self.complete_device(flow)), pin!(cancelled));
        // The sign-in is polled first: if both are ready, its tokens are not lost.
        poll_fn(|context| match completed.as_mut().poll(context) {
            Poll::Ready(outcome) => Poll::Ready(outcome.map(Some)),
            Poll::Pending => cancelled.as_mut().poll(context).map(|()| Ok(None)),
        })
        .await
    }
}
