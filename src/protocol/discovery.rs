//! What the provider publishes about itself: its metadata and its keys (OpenID Connect Discovery 1.0 section 4, OpenID Connect Core section 10.1.1).
//!
//! Both are fetched when first needed and kept as [`cache`](super::cache) says. Beyond that:
//!
//! - the metadata's `issuer` may not change while the process runs: the new document is refused and the old one stays;
//! - the keys come from the metadata's `jwks_uri`; where that changes, the next one to need them waits for the new ones;
//! - both are a GET without redirects, answered with 200.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Response, header::CACHE_CONTROL};
use tracing::{field::Empty, info_span};

use super::{
    cache::{Cached, Fetched},
    channel::{Channel, observed},
    jwks::Keys,
    metadata::Metadata,
};
use crate::{
    authority::Authority,
    clock::Clock,
    error::{Error, ErrorKind},
};

/// The published documents of one authority. Clones share them.
#[derive(Clone)]
pub(super) struct Discovery {
    authority: Authority,
    channel: Channel,
    metadata: Arc<Cached<Metadata>>,
    keys: Arc<Cached<Keys>>,
}

impl Discovery {
    pub(super) fn new(authority: Authority, channel: Channel, clock: &Arc<dyn Clock>) -> Self {
        let (metadata, keys) = (Cached::new(Arc::clone(clock)), Cached::new(Arc::clone(clock)));
        Self { authority, channel, metadata, keys }
    }

    /// The metadata.
    pub(super) async fn metadata(&self) -> Result<Arc<Metadata>, Error> {
        self.metadata
            .get(|known| {
                let span = info_span!("identity.discovery", authority = %self.authority.name(), outcome = Empty, reason = Empty);
                observed(span, self.clone().fetch_metadata(known))
            })
            .await
    }

    /// The keys.
    pub(super) async fn keys(&self, metadata: &Arc<Metadata>) -> Result<Arc<Keys>, Error> {
        self.keys.get(|_| self.fetch_keys(metadata)).await
    }

    /// Newer keys than `known`, which lack one that a token names; `known` itself if it is too early to ask again.
    pub(super) async fn newer_keys(&self, metadata: &Arc<Metadata>, known: &Arc<Keys>) -> Result<Arc<Keys>, Error> {
        self.keys.newer_than(known, |_| self.fetch_keys(metadata)).await
    }

    async fn fetch_metadata(self, known: Option<Arc<Metadata>>) -> Result<Fetched<Metadata>, Error> {
        let answer = self.channel.document("the discovery document", self.authority.metadata_url()).await?;
        let metadata = Metadata::parse(answer.body(), &self.authority)?;
        if let Some(known) = known {
            if known.issuer != metadata.issuer {
                return Err(Error::new(ErrorKind::ProviderMisconfigured, "the discovery document: `issuer` has changed"));
            }
            if known.jwks_uri != metadata.jwks_uri {
                self.keys.expire();
            }
        }
        Ok(Fetched { value: metadata, max_age: max_age(&answer) })
    }

    fn fetch_keys(&self, metadata: &Arc<Metadata>) -> impl Future<Output = Result<Fetched<Keys>, Error>> + Send + 'static {
        let span = info_span!("identity.keys", authority = %self.authority.name(), outcome = Empty, reason = Empty);
        let (channel, metadata) = (self.channel.clone(), Arc::clone(metadata));
        observed(span, async move {
            let answer = channel.document("the key set", &metadata.jwks_uri).await?;
            Ok(Fetched { value: Keys::parse(answer.body())?, max_age: max_age(&answer) })
        })
    }
}

/// How long the answer may be kept, as its `Cache-Control` says (RFC 9111 section 5.2.2): what must not be stored lives as short as possible.
fn max_age(answer: &Response<Bytes>) -> Option<Duration> {
    let lines = answer.headers().get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .filter_map(|directive| {
            let directive = directive.trim().to_ascii_lowercase();
            match directive.split_once('=') {
                Some(("max-age", seconds)) => seconds.trim_matches('"').parse().ok().map(Duration::from_secs),
                None if matches!(directive.as_str(), "no-store" | "no-cache") => Some(Duration::ZERO),
                _ => None,
            }
        })
        .min()
}
