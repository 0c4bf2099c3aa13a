//! [`ValueSessions`]: opens a [`WebSession`], compares it with the state of this process, and
//! writes it back.

use std::sync::Arc;

use super::WebAuth;
use crate::{
    client::Client,
    config::ReturnPath,
    error::Error,
    protocol::Provider,
    seal::Context,
    session::{LoginInUse, SessionValue, StoredLogin, Values, WebSession},
    sign_in::{DevicePolls, Exchanges},
    tokens::{GrantRef, Grants},
    user::{Application, User},
};

/// The state of this process for sessions that the application stores as values.
pub(super) struct ValueSessions {
    /// The seal's context: values of another redirect URI do not open.
    pub(super) bound_to: Context,
    pub(super) values: Arc<Values>,
    pub(super) grants: Grants,
    pub(super) application: Arc<Application>,
    pub(super) exchanges: Exchanges<Arc<CompletedSignIn>>,
    pub(super) device_polls: DevicePolls<Arc<CompletedSignIn>>,
}

impl ValueSessions {
    pub(super) fn new(provider: &Provider, client: &Client) -> Self {
        let (config, clock) = (provider.config(), provider.clock());
        let values = Arc::new(Values::new(Arc::clone(clock)));
        let (store, refresher) = (Arc::clone(&values) as _, Arc::new(provider.clone()));
        let grants = Grants::new(store, refresher, Arc::clone(clock), None, config.session_end());
        let application = Application::new(provider.clone(), grants.clone(), client.clone());
        Self {
            bound_to: SessionValue::bound_to(&[config.redirect_uri().as_bytes()]),
            application: Arc::new(application),
            exchanges: Exchanges::new(),
            device_polls: DevicePolls::new(),
            values,
            grants,
        }
    }
}

/// A completed sign-in, which concurrent deliveries of one response share.
pub(super) struct CompletedSignIn {
    pub(super) login: Arc<StoredLogin>,
    pub(super) next: ReturnPath,
}

/// The login of a value during a call, with the newest grant of this process.
pub(super) struct CurrentLogin {
    pub(super) login: Arc<StoredLogin>,
    pub(super) in_use: LoginInUse,
    pub(super) user: User,
}

impl WebAuth {
    /// The login in a value; `None` if there is none, or if this process has seen it end. The
    /// provider is not asked.
    pub(super) fn known(&self, contents: &SessionValue) -> Option<CurrentLogin> {
        let mut login = contents.login.clone()?;
        let in_use = self.sessions().values.enter(&login)?;
        let record = in_use.record()?;
        // This process has refreshed the grant since the value was stored.
        if record.generation() != login.grant.generation() {
            login =
                Arc::new(StoredLogin { id: login.id, record: login.record.clone(), grant: record });
        }
        let user = self.user_of(&login, &in_use.grant);
        Some(CurrentLogin { login, in_use, user })
    }

    /// Opens a value, without a login that has expired or does not meet the present configuration.
    pub(super) fn open(&self, session: &WebSession) -> SessionValue {
        let mut contents = SessionValue::open(self.keys(), &self.sessions().bound_to, session);
        let now = self.clock().now();
        let most = self.config().absolute_timeout();
        contents.login = contents
            .login
            .filter(|login| now < login.record.expires.min(login.record.created + most));
        if let Some(login) = &contents.login
            && let Err(error) = login.record.check(self.config())
        {
            tracing::info!(
                reason = error.reason(), %error,
                "a session does not meet the present configuration: signed out"
            );
            contents.login = None;
        }
        contents
    }

    /// Seals the value again with the newest login of this process. While this call waited, another
    /// one may have refreshed or ended the session.
    pub(super) fn keep(
        &self,
        session: &mut WebSession,
        contents: &mut SessionValue,
    ) -> Result<(), Error> {
        contents.login = self.known(contents).map(|known| known.login);
        *session = contents.seal(self.keys(), &self.sessions().bound_to, self.clock().now())?;
        Ok(())
    }

    /// The signed-in user, with claims renewed if they are due. If the session has ended, the value
    /// does not change: an older copy must not overwrite a value that another request has stored
    /// meanwhile.
    pub(super) async fn live(&self, session: &mut WebSession) -> Result<Option<User>, Error> {
        let contents = self.open(session);
        let Some(known) = self.known(&contents) else { return Ok(None) };
        let renews = known.login.record.renew_at.is_some();
        let due = renews && known.login.grant.renew_at().is_some_and(|at| at <= self.clock().now());
        let goes_on = if due {
            self.sessions()
                .grants
                .renewed(&known.in_use.grant)
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

    /// Writes changes since the value was opened into it, and returns the signed-in user.
    ///
    /// It waits for refreshes in the background. Their new refresh token must be in the value,
    /// because with the old one the session would be lost after a restart.
    pub(super) async fn update(
        &self,
        session: &mut WebSession,
        mut contents: SessionValue,
    ) -> Result<Option<User>, Error> {
        if let Some(known) = self.known(&contents) {
            self.sessions().grants.settled(&known.in_use.grant).await;
        }
        let opened = contents.login.as_ref().map(|login| login.grant.generation());
        let Some(known) = self.known(&contents) else { return Ok(None) };
        if opened != Some(known.login.grant.generation()) || contents.is_under_older_secret {
            self.keep(session, &mut contents)?;
        }
        Ok(Some(known.user))
    }

    /// The user with the newest claims.
    pub(super) fn user_of(&self, login: &StoredLogin, grant: &GrantRef) -> User {
        let application = Arc::clone(&self.sessions().application);
        let user = login.record.clone().user(grant.clone(), application);
        match login.grant.claims() {
            Some(renewed) => user.with_claims(renewed),
            None => user,
        }
    }
}
