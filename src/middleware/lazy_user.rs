//! [`LazyUser`]: the lazy handle on public paths.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

#[cfg(feature = "axum")]
use http::request::Parts;
use http::{Extensions, Request, Uri, uri::PathAndQuery};

use super::{admit::Admitted, flow::Flow};
use crate::{
    api::ApiCaller,
    client::AppTokens,
    error::Error,
    http_message::{RequestHead, RequestSummary, original_uri},
    session::{Roll, Session},
    user::User,
};

/// A handle that looks the signed-in user up when it is asked: the layer puts it into the
/// extensions of requests to public paths, where nothing is looked up otherwise.
///
/// With feature `axum` the extractor `Option<User>` uses it. Elsewhere:
///
/// ```
/// use http::Request;
/// use tower_identity::{Error, LazyUser, User};
///
/// async fn greeting<B>(request: &Request<B>) -> Result<String, Error> {
///     let Some(lazy) = request.extensions().get::<LazyUser>().cloned() else {
///         return Ok("Hello".into());
///     };
///     let user = lazy.user(request).await?;
///     Ok(user.map_or("Hello".into(), |user| format!("Hello {}", user.display_name())))
/// }
/// ```
///
/// Once asked, the response gets `Cache-Control: private, no-store` unless the handler set another.
#[derive(Clone)]
pub struct LazyUser(Arc<Lazy>);

struct Lazy {
    flow: Arc<Flow>,
    /// The page, where every page is public by default: it may be one that does not exist.
    page: Option<PathAndQuery>,
    /// Whether the path accepts requests with effects from every origin.
    accepts_cross_site: bool,
    /// Boxed, because most requests have none.
    seen: OnceLock<Box<LookUp>>,
}

/// A look-up of the user, which may have failed.
pub(super) struct LookUp {
    pub(super) summary: RequestSummary,
    /// The outcome of the first one that did not fail.
    found: OnceLock<Option<Admitted>>,
}

impl LookUp {
    /// The session that was found.
    pub(super) fn session(&self) -> Option<&Arc<Session>> {
        Some(&self.found.get()?.as_ref()?.session)
    }

    /// The rolled ticket of that session, if there is one.
    pub(super) fn roll(&self) -> Option<&Arc<Roll>> {
        self.found.get()?.as_ref()?.roll.as_ref()
    }
}

/// The user of a request, for guards and extractors.
pub(super) enum RequestUser {
    /// No layer is around this route.
    NoLayer,
    /// No user is signed in.
    Nobody,
    /// This user. `is_looked_up`: on a public path, where the extensions have a handle alone.
    User { user: User, is_looked_up: bool },
    /// The look-up failed, or the layer cannot have a user for this request.
    Unknown(Error),
}

impl RequestUser {
    /// The user of the request with these extensions; `head` is its head, for the handle of a
    /// public path.
    pub(super) fn of<'r, H>(
        extensions: &'r Extensions,
        head: H,
    ) -> impl Future<Output = Self> + Send
    where
        H: FnOnce(&LazyUser) -> RequestHead<'r>,
    {
        let known = if let Some(user) = extensions.get::<User>() {
            Ok(Self::User { user: user.clone(), is_looked_up: false })
        } else if extensions.get::<ApiCaller>().is_some() {
            Ok(Self::Unknown(Error::for_sessions_alone()))
        } else if let Some(lazy) = extensions.get::<LazyUser>() {
            Err((lazy, head(lazy)))
        } else {
            Ok(Self::NoLayer)
        };
        async move {
            let (lazy, head) = match known {
                Ok(known) => return known,
                Err(handle) => handle,
            };
            match lazy.look(head).await {
                Ok(Some(user)) => Self::User { user, is_looked_up: true },
                Ok(None) => Self::Nobody,
                Err(error) => Self::Unknown(error),
            }
        }
    }
}

impl LazyUser {
    /// Most requests to public paths end without a look-up, so nothing of the request is kept
    /// that the look-up can read from the request itself.
    #[inline]
    pub(super) fn new(flow: &Arc<Flow>, uri: &Uri, extensions: &Extensions) -> Self {
        let page = || original_uri(uri, extensions).path_and_query().cloned();
        Self(Arc::new(Lazy {
            flow: Arc::clone(flow),
            page: flow.is_public_by_default().then(page).flatten(),
            accepts_cross_site: flow.config.cross_site().accepts_at(uri.path()),
            seen: OnceLock::new(),
        }))
    }

    /// The signed-in user, by the session cookie of `request`, which is the one that this handle
    /// came with. Only the first call looks it up.
    ///
    /// The other headers of the request, its method and its path decide the answer to the client if
    /// a handler passes on an [`Error`] of this user's tokens.
    ///
    /// # Errors
    ///
    /// - `StoreUnavailable` or `RenewalFailed`: it cannot be known at the moment.
    /// - `CrossSite`: a page of another origin caused the request, which can have effects and has a
    ///   session's cookie; see
    ///   [`with_cross_site_requests`](crate::IdentityConfig::with_cross_site_requests).
    ///
    /// On a public page both are best treated as signed out.
    pub fn user<B>(
        &self,
        request: &Request<B>,
    ) -> impl Future<Output = Result<Option<User>, Error>> + Send {
        self.look(self.head(request))
    }

    /// The head of a request, for [`RequestUser::of`].
    pub(super) fn head<'r, B>(&self, request: &'r Request<B>) -> RequestHead<'r> {
        RequestHead::of(request, self.0.flow.cookies(request.headers()))
    }

    /// The same, of its parts.
    #[cfg(feature = "axum")]
    pub(super) fn head_of<'r>(&self, parts: &'r Parts) -> RequestHead<'r> {
        RequestHead::of_parts(parts, self.0.flow.cookies(&parts.headers))
    }

    async fn look(&self, head: RequestHead<'_>) -> Result<Option<User>, Error> {
        let Lazy { flow, accepts_cross_site, seen, .. } = &*self.0;
        // Before the look-up, which can fail: a page that shows nobody because the user cannot be
        // known depends on the request all the same (rule 14).
        let seen = seen.get_or_init(|| {
            let summary = RequestSummary::of_head(&head, flow.config.cross_site());
            Box::new(LookUp { summary, found: OnceLock::new() })
        });
        if seen.found.get().is_none() {
            if let Some(page) = seen.summary.other_page.as_ref()
                && !accepts_cross_site
                && head.cookies.has_session()
            {
                return Err(page.refusal());
            }
            let found = flow.admit(&head.cookies).await?;
            if found.is_none() && head.cookies.has_session() {
                Box::pin(flow.report_ends(&head.cookies, || head.parts())).await;
            }
            // Of two that ask at the same time the first one's answer counts.
            seen.found.get_or_init(|| found);
        }
        Ok(seen.session().map(|session| session.user.clone()))
    }

    /// The application itself as a source of tokens, without regard to the user: it shares its
    /// cache with [`Tokens::for_app`](crate::Tokens::for_app).
    ///
    /// Outside of requests, [`client::Client`](crate::client::Client) does the same with a cache of
    /// its own.
    #[must_use]
    pub fn app_tokens(&self) -> AppTokens {
        self.0.flow.client.app_tokens()
    }

    /// The application has no such page.
    #[cold]
    pub(super) fn not_found(&self) {
        self.0.flow.not_found(self.0.page.as_ref());
    }

    /// The page failed, and its handler had not asked.
    #[cold]
    pub(super) fn failed_unasked(&self) {
        self.0.flow.failed_unasked();
    }

    /// The look-up; `None` if there was none.
    pub(super) fn seen(&self) -> Option<&LookUp> {
        self.0.seen.get().map(|seen| &**seen)
    }
}

impl fmt::Debug for LazyUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyUser").finish_non_exhaustive()
    }
}
