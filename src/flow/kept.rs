//! Sessions that are kept as values: opened, compared with what this process knows, written back.

use std::sync::Arc;

use super::{exchanges::Exchanges, steps::renewed, web_auth::WebAuth};
use crate::{
    client::Client,
    clock::Clock,
    config::{ReturnPath, ValidConfig},
    error::Error,
    protocol::Provider,
    session::{Contents, Context, Entered, Held, Values, WebSession},
    tokens::{CacheLimits, Grants},
    user::{Application, User},
};

/// What belongs to sessions that are kept as values.
pub(super) struct Kept {
    pub(super) bound_to: Context,
    pub(super) values: Arc<Values>,
    pub(super) grants: Grants,
    pub(super) application: Arc<Application>,
    pub(super) exchanges: Exchanges<Arc<SignIn>>,
}

impl Kept {
    pub(super) fn new(config: &ValidConfig, provider: &Provider, client: &Client, clock: &Arc<dyn Clock>) -> Self {
        let values = Arc::new(Values::new());
        let refresher = Arc::new(provider.clone());
        let store = Arc::clone(&values) as _;
        let grants = Grants::new(store, refresher, Arc::clone(clock), None, config.session_end(), CacheLimits::default());
        Self {
            bound_to: Contents::bound_to(&[config.redirect_uri().as_str().as_bytes()]),
            application: Arc::new(Application::new(config, grants.clone(), client.clone(), Arc::clone(clock))),
            exchanges: Exchanges::new(),
            values,
            grants,
        }
    }
}

/// A sign-in as it was completed.
pub(super) struct SignIn {
    pub(super) held: Arc<Held>,
    pub(super) next: ReturnPath,
}

/// Somebody who is signed in, while a call works with them.
pub(super) struct Known {
    pub(super) held: Arc<Held>,
    pub(super) entered: Entered,
    pub(super) user: User,
}

/// Somebody who is signed in now, and the value that says so.
pub(super) struct Live {
    pub(super) contents: Contents,
    pub(super) known: Known,
}

impl WebAuth {
    /// Who is signed in, without asking whether they still are at the provider.
    pub(super) fn known(&self, contents: &Contents) -> Option<Known> {
        let held = contents.held.clone()?;
        let entered = self.kept().values.enter(&held)?;
        let user = self.user_of(&held, &entered);
        Some(Known { held, entered, user })
    }

    pub(super) fn open(&self, session: &WebSession) -> Contents {
        let mut contents = Contents::open(self.keys(), &self.kept().bound_to, session);
        let now = self.clock().now();
        contents.held = contents.held.filter(|held| now < held.record.expires);
        contents
    }

    pub(super) fn keep(&self, session: &mut WebSession, contents: &mut Contents) -> Result<(), Error> {
        *session = contents.seal(self.keys(), &self.kept().bound_to, self.clock().now())?;
        Ok(())
    }

    /// The session, renewed if that is due. One that has ended leaves the value as it is: what another request has stored meanwhile must not be replaced by a copy that is older.
    pub(super) async fn live(&self, session: &mut WebSession) -> Result<Option<Live>, Error> {
        let contents = self.open(session);
        let Some(known) = self.known(&contents) else { return Ok(None) };
        let due = known.held.record.renew_at.is_some()
            && known.entered.record().and_then(|record| record.renew_at()).is_some_and(|at| at <= self.clock().now());
        let goes_on = if due {
            renewed(&self.kept().grants, &known.entered.grant).await.map(|renewed| renewed.is_some())
        } else {
            Ok(true)
        };
        match goes_on {
            Ok(true) => self.update(session, contents, known).map(Some),
            Ok(false) => Ok(None),
            Err(error) => {
                self.update(session, contents, known)?;
                Err(error)
            }
        }
    }

    /// Writes into the value what has become known since it was opened.
    pub(super) fn update(&self, session: &mut WebSession, mut contents: Contents, mut known: Known) -> Result<Live, Error> {
        let record = known.entered.record().filter(|record| record.generation() != known.held.grant.generation());
        if let Some(grant) = record {
            known.held = Arc::new(Held { id: known.held.id, record: known.held.record.clone(), grant });
            known.user = self.user_of(&known.held, &known.entered);
            contents.held = Some(Arc::clone(&known.held));
            self.keep(session, &mut contents)?;
        }
        Ok(Live { contents, known })
    }

    /// The person with the claims of now.
    pub(super) fn user_of(&self, held: &Held, entered: &Entered) -> User {
        let user = User::new(held.record.clone(), entered.grant.clone(), Arc::clone(&self.kept().application));
        let renewed = entered.record().and_then(|record| Some(record.claims()?.get().into()));
        renewed.map_or_else(|| user.clone(), |claims| user.with_claims(claims))
    }
}
