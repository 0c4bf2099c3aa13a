//! Sessions that are kept as values: opened, compared with what this process knows, written back.

use std::sync::Arc;

use super::WebAuth;
use crate::{
    client::Client,
    clock::Clock,
    config::ReturnPath,
    error::Error,
    session::{Context, LoginInUse, SessionValue, StoredLogin, Values, WebSession},
    sign_in::{DevicePolls, Exchanges, RelyingParty},
    tokens::{GrantRef, Grants},
    user::{Application, User},
};

/// What belongs to sessions that are kept as values.
pub(super) struct ValueSessions {
    pub(super) bound_to: Context,
    pub(super) values: Arc<Values>,
    pub(super) grants: Grants,
    pub(super) application: Arc<Application>,
    pub(super) exchanges: Exchanges<Arc<CompletedSignIn>>,
    pub(super) device_polls: DevicePolls<Arc<CompletedSignIn>>,
}

impl ValueSessions {
    pub(super) fn new(
        relying_party: &RelyingParty,
        client: &Client,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let config = relying_party.config();
        let values = Arc::new(Values::new());
        let refresher = Arc::new(relying_party.provider().clone());
        let store = Arc::clone(&values) as _;
        let grants = Grants::new(store, refresher, Arc::clone(clock), None, config.session_end());
        Self {
            bound_to: SessionValue::bound_to(&[config.redirect_uri().as_bytes()]),
            application: Arc::new(Application::new(
                config,
                grants.clone(),
                client.clone(),
                Arc::clone(clock),
            )),
            exchanges: Exchanges::new(),
            device_polls: DevicePolls::new(),
            values,
            grants,
        }
    }
}

/// A sign-in as it was completed.
pub(super) struct CompletedSignIn {
    pub(super) held: Arc<StoredLogin>,
    pub(super) next: ReturnPath,
}

/// Somebody who is signed in, while a call works with them.
pub(super) struct CurrentLogin {
    pub(super) held: Arc<StoredLogin>,
    pub(super) entered: LoginInUse,
    pub(super) user: User,
}

impl WebAuth {
    /// Who is signed in, as far as is known here, without asking whether they still are at the
    /// provider.
    pub(super) fn known(&self, contents: &SessionValue) -> Option<CurrentLogin> {
        let mut held = contents.held.clone()?;
        let entered = self.sessions().values.enter(&held)?;
        let record = entered.record()?;
        if record.generation() != held.grant.generation() {
            held =
                Arc::new(StoredLogin { id: held.id, record: held.record.clone(), grant: record });
        }
        let user = self.user_of(&held, &entered.grant);
        Some(CurrentLogin { held, entered, user })
    }

    pub(super) fn open(&self, session: &WebSession) -> SessionValue {
        let mut contents = SessionValue::open(self.keys(), &self.sessions().bound_to, session);
        let now = self.clock().now();
        let most = self.config().absolute_timeout();
        contents.held =
            contents.held.filter(|held| now < held.record.expires.min(held.record.created + most));
        if let Some(held) = &contents.held
            && let Err(error) = held.record.check(self.config())
        {
            tracing::info!(reason = error.reason(), %error, "a session is not accepted under the settings of now: signed out");
            contents.held = None;
        }
        contents
    }

    /// Writes the value anew, with what this process knows now: while a call was waiting another
    /// may have refreshed the session, or ended it.
    pub(super) fn keep(
        &self,
        session: &mut WebSession,
        contents: &mut SessionValue,
    ) -> Result<(), Error> {
        contents.held = self.known(contents).map(|known| known.held);
        *session = contents.seal(self.keys(), &self.sessions().bound_to, self.clock().now())?;
        Ok(())
    }

    /// The session, renewed if that is due. One that has ended leaves the value as it is: what
    /// another request has stored meanwhile must not be replaced by a copy that is older.
    pub(super) async fn live(&self, session: &mut WebSession) -> Result<Option<User>, Error> {
        let contents = self.open(session);
        let Some(known) = self.known(&contents) else { return Ok(None) };
        let renews = known.held.record.renew_at.is_some();
        let due = renews && known.held.grant.renew_at().is_some_and(|at| at <= self.clock().now());
        let goes_on = if due {
            self.sessions()
                .grants
                .renewed(&known.entered.grant)
                .await
                .map(|renewed| renewed.is_some())
        } else {
            Ok(true)
        };
        let user = self.update(session, contents).await?;
        match goes_on {
            Ok(true) => Ok(user),
            Ok(false) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes into the value what has become known since it was opened, and says who is signed in
    /// now. What goes on in the background has to be in it, too: nobody comes back for it, and with
    /// its old refresh token the value would be worth nothing after a restart.
    pub(super) async fn update(
        &self,
        session: &mut WebSession,
        mut contents: SessionValue,
    ) -> Result<Option<User>, Error> {
        if let Some(known) = self.known(&contents) {
            self.sessions().grants.settled(&known.entered.grant).await;
        }
        let opened = contents.held.as_ref().map(|held| held.grant.generation());
        let Some(known) = self.known(&contents) else { return Ok(None) };
        if opened != Some(known.held.grant.generation()) || contents.is_under_older_secret {
            self.keep(session, &mut contents)?;
        }
        Ok(Some(known.user))
    }

    /// The person with the claims of now.
    pub(super) fn user_of(&self, held: &StoredLogin, grant: &GrantRef) -> User {
        let mut record = held.record.clone();
        if let Some(renewed) = held.grant.claims() {
            record.claims = renewed.get().into();
        }
        record.user(grant.clone(), Arc::clone(&self.sessions().application))
    }
}
