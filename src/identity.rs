//! [`Identity`]: the lazy handle on public paths.

use std::{fmt, sync::Arc};

use http::HeaderMap;
use tokio::sync::OnceCell;

use crate::{
    error::Error,
    flow::{Admission, Flow},
    session::Roll,
    user::User,
};

/// Finds out who is signed in, when asked: the layer puts it into the extensions of requests to public paths, where nothing is looked up otherwise.
///
/// With feature `axum` the extractor `Option<User>` uses it. Elsewhere:
///
/// ```
/// use http::Request;
/// use tower_identity::{Error, Identity, User};
///
/// async fn greeting<B>(request: &Request<B>) -> Result<String, Error> {
///     let Some(identity) = request.extensions().get::<Identity>().cloned() else { return Ok("Hello".into()) };
///     let user = identity.user(request.headers()).await?;
///     Ok(user.map_or("Hello".into(), |user| format!("Hello {}", user.display_name())))
/// }
/// ```
///
/// Once asked, the response gets `Cache-Control: private, no-store` unless the handler set another.
#[derive(Clone)]
pub struct Identity(Arc<Lazy>);

struct Lazy {
    flow: Arc<Flow>,
    seen: OnceCell<Seen>,
}

struct Seen {
    user: Option<User>,
    roll: Option<Arc<Roll<User>>>,
}

impl Identity {
    pub(crate) fn new(flow: Arc<Flow>) -> Self {
        Self(Arc::new(Lazy { flow, seen: OnceCell::new() }))
    }

    /// Who is signed in, by the session cookie of the request that this handle came with. Looks only once.
    ///
    /// # Errors
    ///
    /// `StoreUnavailable` or `RenewalFailed`: it cannot be known at the moment. On a public page that is best treated as nobody.
    pub async fn user(&self, headers: &HeaderMap) -> Result<Option<User>, Error> {
        let seen = self
            .0
            .seen
            .get_or_try_init(|| async {
                Ok::<_, Error>(match self.0.flow.admit(headers).await? {
                    Admission::In(user, roll) => Seen { user: Some(user), roll },
                    Admission::Out => Seen { user: None, roll: None },
                })
            })
            .await?;
        Ok(seen.user.clone())
    }

    /// `None` if nobody asked; otherwise the rolled ticket, if any.
    pub(crate) fn seen(&self) -> Option<Option<Arc<Roll<User>>>> {
        self.0.seen.get().map(|seen| seen.roll.clone())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}
