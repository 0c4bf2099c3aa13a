//! The provider's published documents: its metadata and its key set (OpenID Connect Discovery
//! section 4, OpenID Connect Core section 10.1.1).
//!
//! Both are fetched when they are first needed and cached ([`cache`](super::cache)). Beyond that:
//!
//! - Metadata is kept for a day; for five minutes if it lacks what a sign-in needs, or is that of
//!   an authorization server (RFC 8414). Keys are kept as long as `Cache-Control` of their response
//!   says, between five minutes and a day.
//! - `issuer` must not change while the process runs: a document with another one is refused and
//!   the old document stays in use.
//! - Keys come from `jwks_uri` of the metadata. If it changes, the cached keys expire.
//! - Both are fetched by GET and need status 200, possibly after redirects within the origin. Where
//!   there is no discovery document, the metadata of an authorization server is tried (RFC 8414).

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    Response,
    header::{AGE, CACHE_CONTROL},
};
use tracing::{field::Empty, info_span};

use super::{
    cache::{DocumentCache, FetchState, FetchedDocument},
    channel::{
        Channel, DISCOVERY_DOCUMENT, DiscoveryAnswer, document_error, document_of, observed,
    },
    jwks::JwkSet,
    key_search::KeySearches,
    metadata::Metadata,
};
use crate::{
    authority::Authority,
    clock::Clock,
    error::{Error, ErrorKind, shown},
};

/// The published documents of one authority. Clones share them.
#[derive(Clone)]
pub(super) struct Discovery {
    authority: Authority,
    channel: Channel,
    metadata: Arc<DocumentCache<Metadata>>,
    keys: Arc<DocumentCache<JwkSet>>,
    searches: Arc<KeySearches>,
}

/// The reason to fetch newer keys.
#[derive(Debug)]
pub(super) enum KeyReason {
    /// No key fits the `kid` of the token, or a token without one.
    Unknown(Option<String>),
    /// The signature is wrong: the provider may have given a new key the `kid` of the old one.
    WrongSignature,
}

impl Discovery {
    pub(super) fn new(authority: Authority, channel: Channel, clock: &Arc<dyn Clock>) -> Self {
        let (metadata, keys) =
            (DocumentCache::new(Arc::clone(clock)), DocumentCache::new(Arc::clone(clock)));
        Self { authority, channel, metadata, keys, searches: Arc::default() }
    }

    /// The metadata.
    pub(super) async fn metadata(&self) -> Result<Arc<Metadata>, Error> {
        self.metadata.get(|known| self.fetch_metadata(known)).await
    }

    /// A newer document than `known`; `known` itself if it is too early to fetch again.
    pub(super) async fn newer_metadata(
        &self,
        known: &Arc<Metadata>,
    ) -> Result<Arc<Metadata>, Error> {
        self.metadata.newer_than(known, |known| self.fetch_metadata(known)).await
    }

    /// The key set.
    pub(super) async fn keys(&self, metadata: &Arc<Metadata>) -> Result<Arc<JwkSet>, Error> {
        self.keys.get(|known| self.fetch_keys(metadata, known)).await
    }

    /// A newer key set than `known`; `known` itself if the key was looked for, or, for a wrong
    /// signature, if it is too early to fetch again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Busy`]: the key was not looked for, and others were; those of the fetch.
    pub(super) async fn newer_keys(
        &self,
        metadata: &Arc<Metadata>,
        known: &Arc<JwkSet>,
        reason: KeyReason,
    ) -> Result<Arc<JwkSet>, Error> {
        let fetch = |known| self.fetch_keys(metadata, known);
        let KeyReason::Unknown(kid) = reason else {
            return self.keys.newer_than(known, fetch).await;
        };
        let (kid, mut has_begun) = (kid.as_deref(), false);
        let may_fetch = |state: FetchState<'_>| {
            has_begun = self.searches.begin(kid, state.now, state.failure)?;
            Ok(has_begun)
        };
        let found = self.keys.newer_if(known, may_fetch, fetch).await;
        // The failure of another search says nothing about this key.
        if found.is_err() && has_begun {
            self.searches.failed(kid);
        }
        found
    }

    fn fetch_metadata(
        &self,
        known: Option<Arc<Metadata>>,
    ) -> impl Future<Output = Result<FetchedDocument<Metadata>, Error>> + Send + 'static {
        let span = info_span!(
            "identity.discovery",
            authority = %self.authority.name(),
            outcome = Empty,
            reason = Empty
        );
        observed(span, self.clone().document_after(known))
    }

    /// The metadata of now, held against the document that was known before.
    async fn document_after(
        self,
        known: Option<Arc<Metadata>>,
    ) -> Result<FetchedDocument<Metadata>, Error> {
        let DiscoveryAnswer { url, answer, is_oauth, .. } =
            self.channel.discovery(&self.authority).await?;
        let answer = document_of(DISCOVERY_DOCUMENT, &url, answer)?;
        let mut metadata = Metadata::parse(answer.body(), &self.authority)
            .map_err(|error| document_error(error, &url, &answer))?;
        metadata.is_oauth = is_oauth;
        if let Some(known) = known {
            // Sessions and caches are bound to the issuer. A document with another one is a mistake
            // or an attack on the provider's web server.
            if known.issuer != metadata.issuer {
                return Err(Error::new(
                    ErrorKind::ProviderMisconfigured,
                    format!(
                        "the discovery document: `issuer` has changed from {} to {}; restart the \
                         application if that is intended",
                        shown(&known.issuer),
                        shown(&metadata.issuer)
                    ),
                ));
            }
            // The metadata of an authorization server lacks members of OpenID Connect: it takes the
            // place of no discovery document that a proxy hides for a moment.
            if is_oauth && !known.is_oauth {
                let detail = "the discovery document is gone, and the one that was known stays in \
                              use";
                let error = Error::new(ErrorKind::ProviderMisconfigured, detail);
                return Err(document_error(error, &url, &answer));
            }
            // The old document serves on, as for any other one that cannot be used.
            known
                .check_successor(&metadata)
                .map_err(|error| document_error(error, &url, &answer))?;
            if known.jwks_uri().ok() != metadata.jwks_uri().ok() {
                self.keys.expire();
            }
        }
        // What is missing, the discovery document or an endpoint that a sign-in would need, may
        // soon be there.
        let is_whole = !is_oauth && metadata.check_sign_in().is_ok();
        let max_age = (!is_whole).then_some(Duration::ZERO);
        Ok(FetchedDocument { value: metadata, max_age })
    }

    fn fetch_keys(
        &self,
        metadata: &Arc<Metadata>,
        known: Option<Arc<JwkSet>>,
    ) -> impl Future<Output = Result<FetchedDocument<JwkSet>, Error>> + Send + 'static {
        let span = info_span!(
            "identity.keys",
            authority = %self.authority.name(),
            outcome = Empty,
            reason = Empty
        );
        let (channel, metadata) = (self.channel.clone(), Arc::clone(metadata));
        observed(span, async move {
            let uri = metadata.jwks_uri()?;
            let answer = channel.document("the key set", uri).await?;
            let keys = JwkSet::parse(answer.body())
                .and_then(|keys| keys.after(known.as_deref()))
                .map_err(|error| document_error(error, uri, &answer))?;
            for unusable in keys.unusable() {
                tracing::debug!(usable = keys.len(), "left out of the key set: {unusable}");
            }
            Ok(FetchedDocument { value: keys, max_age: max_age(&answer) })
        })
    }
}

/// How old a response already was when a cache on the way sent it (RFC 9111 section 5.1).
pub(super) fn age(answer: &Response<Bytes>) -> Duration {
    let age = answer.headers().get(AGE).and_then(|age| age.to_str().ok()?.trim().parse().ok());
    Duration::from_secs(age.unwrap_or_default())
}

/// How long `Cache-Control` lets a response be kept (RFC 9111 section 5.2.2); the shortest of
/// several directives, less its age (section 4.2). `no-store` and `no-cache` count as zero, which
/// the cache raises to its minimum: fetching keys for every token would let tokens flood the
/// provider.
fn max_age(answer: &Response<Bytes>) -> Option<Duration> {
    let lines =
        answer.headers().get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .filter_map(|directive| {
            let directive = directive.trim().to_ascii_lowercase();
            match directive.split_once('=') {
                Some(("max-age", seconds)) => {
                    seconds.trim_matches('"').parse().ok().map(Duration::from_secs)
                }
                None if matches!(directive.as_str(), "no-store" | "no-cache") => {
                    Some(Duration::ZERO)
                }
                _ => None,
            }
        })
        .min()
        .map(|lifetime| lifetime.saturating_sub(age(answer)))
}

#[cfg(test)]
#[path = "discovery_tests.rs"]
mod tests;
