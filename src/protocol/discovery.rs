//! The provider's published documents: its metadata and its key set (OpenID Connect Discovery
//! section 4, OpenID Connect Core section 10.1.1).
//!
//! Both are fetched when they are first needed and cached ([`cache`](super::cache)). Beyond that:
//!
//! - Metadata is kept for a day. Keys are kept as long as `Cache-Control` of their response says,
//!   between five minutes and a day.
//! - `issuer` must not change while the process runs: a document with another one is refused and
//!   the old document stays in use.
//! - Keys come from `jwks_uri` of the metadata. If it changes, the cached keys expire.
//! - Both are fetched by GET and need status 200, possibly after redirects within the origin.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Response, header::CACHE_CONTROL};
use tracing::{field::Empty, info_span};

use super::{
    cache::{Cached, Fetched},
    channel::{Channel, observed},
    jwks::JwkSet,
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
    metadata: Arc<Cached<Metadata>>,
    keys: Arc<Cached<JwkSet>>,
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

    /// A newer document than `known`; `known` itself if it is too early to fetch again.
    pub(super) async fn newer_metadata(
        &self,
        known: &Arc<Metadata>,
    ) -> Result<Arc<Metadata>, Error> {
        self.metadata
            .newer_than(known, |known| {
                let span = info_span!("identity.discovery", authority = %self.authority.name(), outcome = Empty, reason = Empty);
                observed(span, self.clone().fetch_metadata(known))
            })
            .await
    }

    /// The key set.
    pub(super) async fn keys(&self, metadata: &Arc<Metadata>) -> Result<Arc<JwkSet>, Error> {
        self.keys.get(|_| self.fetch_keys(metadata)).await
    }

    /// A newer key set than `known`; `known` itself if it is too early to fetch again.
    pub(super) async fn newer_keys(
        &self,
        metadata: &Arc<Metadata>,
        known: &Arc<JwkSet>,
    ) -> Result<Arc<JwkSet>, Error> {
        self.keys.newer_than(known, |_| self.fetch_keys(metadata)).await
    }

    async fn fetch_metadata(
        self,
        known: Option<Arc<Metadata>>,
    ) -> Result<Fetched<Metadata>, Error> {
        let answer =
            self.channel.document("the discovery document", self.authority.metadata_url()).await?;
        let metadata = Metadata::parse(answer.body(), &self.authority)?;
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
            if known.jwks_uri != metadata.jwks_uri {
                self.keys.expire();
            }
        }
        Ok(Fetched { value: metadata, max_age: None })
    }

    fn fetch_keys(
        &self,
        metadata: &Arc<Metadata>,
    ) -> impl Future<Output = Result<Fetched<JwkSet>, Error>> + Send + 'static {
        let span = info_span!("identity.keys", authority = %self.authority.name(), outcome = Empty, reason = Empty);
        let (channel, metadata) = (self.channel.clone(), Arc::clone(metadata));
        observed(span, async move {
            let answer = channel.document("the key set", &metadata.jwks_uri).await?;
            let keys = JwkSet::parse(answer.body())?;
            for unusable in keys.unusable() {
                tracing::debug!(usable = keys.len(), "left out of the key set: {unusable}");
            }
            Ok(Fetched { value: keys, max_age: max_age(&answer) })
        })
    }
}

/// How long `Cache-Control` lets a response be kept (RFC 9111 section 5.2.2); the shortest of
/// several directives. `no-store` and `no-cache` count as zero, which the cache raises to its
/// minimum: fetching keys for every token would let tokens flood the provider.
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
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        authority::Authority,
        clock::ManualClock,
        error::ErrorKind,
        protocol::{
            http::HttpError,
            testing::{
                A_WHILE, FakeHttp, ISSUER, NOW, answer, authority, document, key_set, published,
                settle,
            },
        },
    };

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn discovery(http: &Arc<FakeHttp>) -> (Discovery, ManualClock) {
        let clock = ManualClock::at(NOW);
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        (Discovery::new(authority(), Channel::new(Arc::clone(http) as _), &shared), clock)
    }

    const WELL_KNOWN: &str = "/.well-known/openid-configuration";

    /// C-221
    #[tokio::test]
    async fn the_well_known_address_hangs_off_the_issuers_path() {
        let issuer = format!("{ISSUER}/tenant/1");
        let mut document = document();
        document["issuer"] = json!(issuer);
        let http = FakeHttp::new(move |request| {
            assert_eq!(request.uri().to_string(), format!("{ISSUER}/tenant/1{WELL_KNOWN}"));
            Ok(answer(200, &document))
        });
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW));
        let discovery =
            Discovery::new(Authority::oidc(&issuer).unwrap(), Channel::new(http), &clock);
        assert_eq!(discovery.metadata().await.unwrap().issuer, issuer);
    }

    /// C-232
    #[tokio::test]
    async fn a_hundred_first_requests_are_one_of_each() {
        let http = FakeHttp::publishing(document(), key_set());
        let (discovery, _) = discovery(&http);
        http.hold();
        let asking: Vec<_> = (0..100)
            .map(|_| {
                let discovery = discovery.clone();
                tokio::spawn(async move { discovery.keys(&discovery.metadata().await?).await })
            })
            .collect();
        settle().await;
        http.release();
        for asked in asking {
            assert_eq!(asked.await.unwrap().unwrap().len(), 1);
        }
        assert_eq!((http.count(WELL_KNOWN), http.count("/keys")), (1, 1));
    }

    /// C-226
    #[tokio::test]
    async fn a_provider_that_is_down_is_a_passing_error() {
        let http = FakeHttp::new(|_| Err(HttpError::new("no connection")));
        let (discovery, clock) = discovery(&http);
        for _ in 0..100 {
            assert_eq!(
                discovery.metadata().await.unwrap_err().kind(),
                ErrorKind::ProviderUnreachable
            );
        }
        assert_eq!(http.count(WELL_KNOWN), 1, "an outage is no reason for a flood");
        http.answer_with(|request| Ok(published(request, &document(), &key_set())));
        clock.advance(A_WHILE);
        assert!(discovery.metadata().await.is_ok());
    }

    /// MSAL-016
    #[tokio::test]
    async fn the_status_tells_an_outage_from_a_mistake() {
        for (status, kind) in [
            (500, ErrorKind::ProviderUnreachable),
            (503, ErrorKind::ProviderUnreachable),
            (429, ErrorKind::ProviderUnreachable),
            (404, ErrorKind::ProviderMisconfigured),
            (401, ErrorKind::ProviderMisconfigured),
            (302, ErrorKind::ProviderMisconfigured),
            (204, ErrorKind::ProviderMisconfigured),
        ] {
            let http = FakeHttp::new(move |_| Ok(answer(status, document())));
            assert_eq!(discovery(&http).0.metadata().await.unwrap_err().kind(), kind, "{status}");
        }
    }

    /// C-153, C-230: also where a client of the user's own does not bound it.
    #[tokio::test]
    async fn an_answer_that_is_too_large_is_refused() {
        let http =
            FakeHttp::new(|_| Ok(answer(200, format!("{}{}", document(), " ".repeat(1 << 20)))));
        let error = discovery(&http).0.metadata().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AnswerTooLarge);
        assert!(
            error.to_string().contains("the discovery document: the response is larger than 1 MiB"),
            "{error}"
        );
        assert!(!error.user_message().contains("cannot be reached"));
    }

    /// A client of the user's own that never answers must not hold everybody up for ever.
    #[tokio::test]
    async fn a_client_that_never_gives_up_is_given_up() {
        let http = FakeHttp::publishing(document(), key_set());
        http.hold();
        let (mut discovery, _) = discovery(&http);
        discovery.channel = discovery.channel.with_timeout(Duration::from_millis(1));
        assert_eq!(discovery.metadata().await.unwrap_err().kind(), ErrorKind::ProviderUnreachable);
    }

    /// C-229
    #[tokio::test]
    async fn a_document_that_changes_its_issuer_is_refused_and_the_old_one_stays() {
        let http = FakeHttp::publishing(document(), key_set());
        let (discovery, clock) = discovery(&http);
        let known = discovery.metadata().await.unwrap();
        http.answer_with(|request| {
            let mut changed = document();
            changed["issuer"] = json!("https://evil.example");
            changed["token_endpoint"] = json!("https://evil.example/token");
            Ok(published(request, &changed, &key_set()))
        });
        for _ in 0..5 {
            clock.advance(3 * DAY);
            assert_eq!(discovery.metadata().await.unwrap(), known);
            settle().await;
        }
        assert!(http.count(WELL_KNOWN) > 2);
    }

    /// C-193
    #[tokio::test]
    async fn a_broken_key_set_does_not_replace_a_good_one() {
        let http = FakeHttp::publishing(document(), key_set());
        let (discovery, clock) = discovery(&http);
        let metadata = discovery.metadata().await.unwrap();
        let known = discovery.keys(&metadata).await.unwrap();
        for broken in [json!("<html>"), json!({}), json!({"keys": "x"})] {
            http.answer_with(move |request| Ok(published(request, &document(), &broken)));
            clock.advance(3 * DAY);
            assert!(Arc::ptr_eq(&discovery.keys(&metadata).await.unwrap(), &known));
        }
        assert_eq!(http.count("/keys"), 4);
        let http = FakeHttp::publishing(document(), json!({}));
        let (discovery, _) = self::discovery(&http);
        let metadata = discovery.metadata().await.unwrap();
        assert_eq!(
            discovery.keys(&metadata).await.unwrap_err().kind(),
            ErrorKind::ProviderMisconfigured
        );
    }

    #[tokio::test]
    async fn keys_follow_the_document_to_another_address() {
        let http = FakeHttp::publishing(document(), json!({"keys": []}));
        let (discovery, clock) = discovery(&http);
        discovery.keys(&discovery.metadata().await.unwrap()).await.unwrap();
        http.answer_with(|request| match request.uri().path() {
            "/keys/2" => Ok(answer(200, key_set())),
            _ => {
                let mut moved = document();
                moved["jwks_uri"] = json!(format!("{ISSUER}/keys/2"));
                Ok(published(request, &moved, &Value::Null))
            }
        });
        clock.advance(2 * DAY);
        assert_eq!(discovery.keys(&discovery.metadata().await.unwrap()).await.unwrap().len(), 1);
    }

    /// C-205
    #[test]
    fn cache_control_is_read() {
        let said = |values: &[&str]| {
            let mut answer = answer(200, "");
            for value in values {
                answer.headers_mut().append(CACHE_CONTROL, value.parse().unwrap());
            }
            max_age(&answer).map(|age| age.as_secs())
        };
        assert_eq!(said(&["public, max-age=3600, must-revalidate"]), Some(3600));
        assert_eq!(said(&["Max-Age=\"60\""]), Some(60));
        assert_eq!(said(&["private", "max-age=60"]), Some(60));
        assert_eq!(said(&["no-cache, max-age=60"]), Some(0));
        assert_eq!(said(&["no-store"]), Some(0));
        for nothing in [
            "",
            "public",
            "max-age",
            "max-age=",
            "max-age=-1",
            "max-age=1.5",
            "s-maxage=60",
            "max-age=99999999999999999999999",
        ] {
            assert_eq!(said(&[nothing]), None, "{nothing}");
        }
    }
}
