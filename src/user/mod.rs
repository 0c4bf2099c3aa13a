//! [`User`]: the signed-in person, their claims and their tokens.

mod application;
mod claims;
mod failed_token;
mod groups;
mod key;
mod tokens;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, value::RawValue};
use tokio::sync::OnceCell;

use self::failed_token::FailedToken;
pub(crate) use self::{
    application::Application,
    claims::{Names, Rights},
};
pub use self::{
    groups::Groups,
    key::{InvalidUserKey, UserKey},
    tokens::Tokens,
};
use crate::{
    authority::{Authority, PERSONAL},
    client::AppTokens,
    clock::UnixTime,
    error::Error,
    protocol::with_names_of,
    secret::{base64url, fingerprint},
    sign_in::{AccountHint, CurrentUser},
    tokens::{GrantRef, Grants, Person},
};

/// The signed-in person, from a verified ID token.
///
/// Only the layer and [`WebAuth`](crate::WebAuth) create it. On protected paths it is in the
/// request's extensions (`Extension<User>`). With feature `axum` it is an extractor: `User`
/// requires a signed-in person, `Option<User>` does not. Clones share one allocation.
///
/// ```
/// use tower_identity::User;
///
/// # #[cfg(feature = "axum")]
/// async fn me(user: User) -> String {
///     format!("Hello {}", user.display_name())
/// }
/// ```
///
/// # Security
///
/// To recognise a person again, store their [`key`](Self::key): tenant and object id at Microsoft's
/// authorities, [`issuer`](Self::issuer) and [`subject`](Self::subject) elsewhere. Never use the
/// e-mail address or the user name: both can change, and another tenant can assign them to anybody.
#[derive(Clone)]
pub struct User(Arc<UserParts>);

struct UserParts {
    person: Person,
    /// The claims as a JSON object.
    claims: Box<str>,
    home_account_id: Option<Box<str>>,
    // Parts of the claims, parsed when they are first read.
    names: OnceLock<Names>,
    rights: OnceLock<Rights>,
    parsed: OnceLock<Map<String, Value>>,
    /// The groups from Microsoft Graph.
    all_groups: OnceCell<Vec<String>>,
    /// When the session began.
    started: UnixTime,
    grant: GrantRef,
    application: Arc<Application>,
    failed_token: FailedToken,
}

impl User {
    /// The user of a grant, whose session began at `started`. `claims` is a JSON object, which is
    /// parsed on demand; `names` are those in it, if they are known.
    pub(crate) fn new(
        person: Person,
        claims: Box<str>,
        names: Option<Names>,
        home_account_id: Option<Box<str>>,
        started: UnixTime,
        grant: GrantRef,
        application: Arc<Application>,
    ) -> Self {
        Self(Arc::new(UserParts {
            person,
            claims,
            home_account_id,
            names: names.map_or_else(OnceLock::new, OnceLock::from),
            rights: OnceLock::new(),
            parsed: OnceLock::new(),
            all_groups: OnceCell::new(),
            started,
            grant,
            application,
            failed_token: FailedToken::default(),
        }))
    }

    /// The same person with renewed claims, and with the names of the present ones if these lack
    /// every name.
    pub(crate) fn with_claims(&self, claims: &RawValue) -> Self {
        let claims = Box::<str>::from(with_names_of(claims, &self.0.claims));
        let UserParts { person, home_account_id, started, grant, application, .. } = &*self.0;
        let (person, home_account_id) = (person.clone(), home_account_id.clone());
        let (grant, application) = (grant.clone(), Arc::clone(application));
        Self::new(person, claims, None, home_account_id, *started, grant, application)
    }

    /// The issuer of the ID token (`iss`): the provider's identifier.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.person.iss
    }

    /// The identifier of the person at the provider for this application (`sub`). It is never
    /// reassigned. Compare it exactly.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.person.sub
    }

    /// The identifier to store, to recognise this person again.
    #[must_use]
    pub fn key(&self) -> UserKey {
        let person = self.person();
        match &person.tid {
            Some(tid) => UserKey::new(tid, person.oid.as_ref().unwrap_or(&person.sub)),
            None => UserKey::new(&person.iss, &person.sub),
        }
    }

    /// The identifier of the person in the tenant (`oid`), equal for all applications. `None` at
    /// providers other than Microsoft's, and if a B2C policy does not send it.
    #[must_use]
    pub fn object_id(&self) -> Option<&str> {
        self.person().oid.as_deref()
    }

    /// The GUID of the tenant that the person signed in to (`tid`; at B2C the tenant in the
    /// issuer). `None` at providers other than Microsoft's.
    #[must_use]
    pub fn tenant_id(&self) -> Option<&str> {
        self.person().tid.as_deref()
    }

    /// The identifier of the account in its home tenant, as in the caches of Microsoft's libraries
    /// (MSAL).
    ///
    /// It is `{uid}.{utid}` from `client_info` in Microsoft's token response; at B2C the policy is
    /// part of the first half. For a guest the halves differ from [`object_id`](Self::object_id)
    /// and [`tenant_id`](Self::tenant_id). Without `client_info`, as at AD FS and at all other
    /// providers, it is the subject.
    #[must_use]
    pub fn home_account_id(&self) -> &str {
        self.0.home_account_id.as_deref().unwrap_or_else(|| self.subject())
    }

    /// Whether the account is a guest: an account from elsewhere that was invited into the tenant.
    /// Always `false` at authorities other than Entra ID.
    ///
    /// The optional claim `acct` decides if the application is registered to get it; otherwise the
    /// account's home tenant and its identity provider (`idp`).
    #[must_use]
    pub fn is_guest(&self) -> bool {
        self.authority().is_entra()
            && self.tenant_id().is_some_and(|tid| self.rights().is_guest(tid, self.utid()))
    }

    /// The home tenant in `client_info` (`utid`), if the token response had one.
    fn utid(&self) -> Option<&str> {
        self.0.home_account_id.as_deref().and_then(|id| Some(id.rsplit_once('.')?.1))
    }

    /// The account's home tenant at Entra ID: `utid`, otherwise the tenant that the person signed
    /// in to. `None` at other authorities.
    pub(crate) fn home_tenant(&self) -> Option<&str> {
        self.utid().or_else(|| self.tenant_id()).filter(|_| self.authority().is_entra())
    }

    /// The account at Entra ID: the optional claim `login_hint`, otherwise the user name. `None` at
    /// other authorities.
    fn account_hint(&self) -> Option<AccountHint> {
        let is_personal = self.home_tenant()? == PERSONAL;
        let hint = self.claim("login_hint").and_then(|hint| hint.as_str());
        let login = hint.or_else(|| self.username()).map(str::to_owned);
        Some(AccountHint { login, is_personal })
    }

    /// This user, for a sign-in that starts.
    pub(crate) fn at_sign_in(&self) -> CurrentUser<'_> {
        CurrentUser { person: self.person(), account: self.account_hint() }
    }

    /// The full name (`name`).
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.names().name.as_deref()
    }

    /// The sign-in name: `preferred_username`, otherwise `upn` (AD FS). It can change: display it,
    /// but do not base decisions on it.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        let names = self.names();
        names.preferred_username.as_deref().or(names.upn.as_deref())
    }

    /// The e-mail address (`email`), verified or not. It can change.
    ///
    /// `None`, with a debug event, if the provider did not send it:
    ///
    /// - The scope `email` was not requested or not granted. At Microsoft's providers it is not
    ///   requested by default: add it by [`with_scopes`](crate::IdentityConfig::with_scopes)
    ///   (`IDENTITY_SCOPE=email`).
    /// - The address is not in the ID token but only at the UserInfo endpoint, see
    ///   [`with_user_info`](crate::IdentityConfig::with_user_info)
    ///   (`IDENTITY_USER_INFO=at_sign_in`).
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        let email = self.names().email.as_deref();
        if email.is_none() {
            tracing::debug!(
                "there is no `email` claim: the scope `email` was not requested (`with_scopes`, \
                 IDENTITY_SCOPE=email) or not granted, or the claim is only at the UserInfo \
                 endpoint (`with_user_info`, IDENTITY_USER_INFO=at_sign_in)"
            );
        }
        email
    }

    /// Whether the provider has verified the e-mail address: `email_verified` or `xms_edov`. At
    /// Entra ID only the optional claim `xms_edov` counts, because administrators can write any
    /// address into an account.
    #[must_use]
    pub fn is_email_verified(&self) -> bool {
        self.names().is_email_verified(self.authority().is_entra())
    }

    /// A name to display: the first of full name, given name, user name, e-mail address and subject
    /// that there is.
    #[must_use]
    pub fn display_name(&self) -> &str {
        let names = self.names();
        [&names.name, &names.given_name, &names.preferred_username, &names.upn, &names.email]
            .into_iter()
            .find_map(|text| text.as_deref())
            .unwrap_or_else(|| self.subject())
    }

    /// The roles of the person in this application (claims `roles` and `role`).
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.rights().roles
    }

    /// Whether the person has this role, compared exactly.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles().iter().any(|has| has == role)
    }

    /// The groups of the person (claim `groups`), or the fact that there are too many for a token.
    ///
    /// ```
    /// use tower_identity::{Groups, User};
    ///
    /// fn may_edit(user: &User) -> bool {
    ///     match user.groups() {
    ///         Groups::Listed(groups) => !groups.iter().any(|group| group == "readers-only"),
    ///         // `user.tokens().groups()` would read them from Microsoft Graph.
    ///         Groups::TooMany => false,
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn groups(&self) -> Groups<'_> {
        let rights = self.rights();
        if rights.overage { Groups::TooMany } else { Groups::Listed(&rights.groups) }
    }

    /// When the person last authenticated (`auth_time`), by the provider's clock. `None` if the
    /// provider does not send it; at Entra ID it is an optional claim.
    #[must_use]
    pub fn auth_time(&self) -> Option<UnixTime> {
        self.rights().auth_time
    }

    /// Whether the sign-in met this authentication context: it is one of `acrs`, or, at authorities
    /// other than Microsoft's, the `acr`.
    #[must_use]
    pub fn has_auth_context(&self, context: &str) -> bool {
        let rights = self.rights();
        rights.acrs.iter().any(|met| met == context)
            || (!self.authority().is_microsoft() && rights.acr.iter().any(|met| met == context))
    }

    /// Whether the person authenticated within `max_age`, with the configured leeway for clocks. An
    /// unknown time is not recent.
    pub(crate) fn is_recent(&self, max_age: Duration) -> bool {
        let provider = &self.0.application.provider;
        let (now, leeway) = (provider.now(), provider.config().clock_leeway());
        // A time in the future would be recent for too long, so it is not accepted either.
        self.auth_time().is_some_and(|time| now <= time + max_age + leeway && time <= now + leeway)
    }

    /// The claim with this name.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.all_claims().get(name)
    }

    /// All claims of the ID token, and those of the UserInfo response if the configuration requests
    /// it. They are parsed on the first call.
    #[must_use]
    pub fn all_claims(&self) -> &Map<String, Value> {
        self.0.parsed.get_or_init(|| serde_json::from_str(&self.0.claims).unwrap_or_default())
    }

    /// The claims, deserialized into a type of your own.
    ///
    /// # Errors
    ///
    /// The claims do not match the type.
    ///
    /// ```
    /// #[derive(serde::Deserialize)]
    /// struct StaffClaims {
    ///     department: String,
    /// }
    ///
    /// fn department(user: &tower_identity::User) -> Option<String> {
    ///     user.claims::<StaffClaims>().ok().map(|claims| claims.department)
    /// }
    /// ```
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0.claims)
    }

    /// The path of the page on which the person edits their profile, for a link. `None` unless the
    /// authority is B2C with a policy for it.
    ///
    /// The query parameter `return_to` is the page to return to; the default is the home page.
    /// Afterwards the claims are those of the new profile, unless the provider's own session has
    /// ended meanwhile.
    #[must_use]
    pub fn edit_profile_path(&self) -> Option<&str> {
        self.0.application.edit_profile.as_deref()
    }

    /// The path of the page on which the person sets a new password, for a link. `None` unless the
    /// authority is B2C with a policy for it.
    ///
    /// It has the query parameter `return_to` as well. It also works for people who are not signed
    /// in; they sign in afterwards.
    #[must_use]
    pub fn reset_password_path(&self) -> Option<&str> {
        self.0.application.reset_password.as_deref()
    }

    /// The time of the sign-in that the session began with, by the server's clock. A further
    /// sign-in of the same browser begins another session; a renewal of the claims does not.
    ///
    /// The provider may have recognised the person by a session of its own:
    /// [`auth_time`](Self::auth_time) is the time of the last authentication there.
    #[must_use]
    pub fn session_started(&self) -> UnixTime {
        self.0.started
    }

    /// The absolute end of the session, by the server's clock. It may end earlier, by its idle
    /// time.
    #[must_use]
    pub fn session_expires(&self) -> UnixTime {
        self.0.grant.expires_at()
    }

    /// A name of the session, the same for all of its requests in all processes: to find the
    /// connections of a browser that signs out, and to connect the lines of an audit log.
    ///
    /// A further sign-in of the same browser, also one for a consent, begins another session. The
    /// name is a hash of a random number. It opens nothing, and may be stored and logged:
    /// [the guide](crate::guide::events) has an audit log.
    #[must_use]
    pub fn session_id(&self) -> String {
        let record = self.0.grant.session().bytes();
        base64url(&fingerprint("session id", [record.as_slice()]))
    }

    /// Whether the session goes on: `false` after a sign-out in any process, after its absolute
    /// end, and when another sign-in has taken its place. For work that outlives its request, such
    /// as a WebSocket: [the guide](crate::guide::front_ends#a-connection-that-stays-open) shows it.
    ///
    /// It reads the session's record, refreshes nothing, and is no activity: it does not put off
    /// the end by the idle time, and does not see that end either, which is written in the
    /// browser's cookie. With [`WebAuth`](crate::WebAuth), whose sessions have no record, it knows
    /// the sign-outs of this process alone.
    ///
    /// # Errors
    ///
    /// `StoreUnavailable`: it cannot be known at the moment.
    pub async fn has_session(&self) -> Result<bool, Error> {
        self.grants().has_session(self.grant()).await
    }

    /// The handle that gets access tokens for this person.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        Tokens::of(self.clone())
    }

    /// The groups from Microsoft Graph. They are requested once per user and kept.
    pub(crate) async fn all_groups(&self) -> Result<Vec<String>, Error> {
        let groups = self.0.all_groups.get_or_try_init(|| async {
            let provider = &self.0.application.provider;
            let scope = provider.groups_scope().await?;
            let token = self.tokens().for_user(scope.as_str()).await?;
            provider.groups(token.secret()).await
        });
        groups.await.cloned().inspect_err(|error| self.token_failed(error))
    }

    /// Remembers that a token of this person could not be had.
    #[cold]
    pub(crate) fn token_failed(&self, error: &Error) {
        self.0.failed_token.set(error, self.0.application.provider.now());
    }

    /// The failure of a token just now that a sign-in remedies, if there was one. It is forgotten.
    #[cold]
    pub(crate) fn take_failed_token(&self) -> Option<Error> {
        self.0.failed_token.take(self.0.application.provider.now())
    }

    pub(crate) fn grant(&self) -> &GrantRef {
        &self.0.grant
    }

    pub(crate) fn grants(&self) -> &Grants {
        &self.0.application.grants
    }

    pub(crate) fn app_tokens(&self) -> AppTokens {
        self.0.application.client.app_tokens()
    }

    fn authority(&self) -> &Authority {
        self.0.application.provider.authority()
    }

    pub(crate) fn person(&self) -> &Person {
        &self.0.person
    }

    /// The claims as JSON text.
    #[cfg(test)]
    pub(crate) fn raw_claims(&self) -> &str {
        &self.0.claims
    }

    fn names(&self) -> &Names {
        self.0.names.get_or_init(|| Names::of(&self.0.claims))
    }

    fn rights(&self) -> &Rights {
        self.0.rights.get_or_init(|| {
            serde_json::from_str(&self.0.claims).unwrap_or_else(|_| {
                // Fail closed (security rule 15).
                tracing::warn!(
                    "the claims of a session cannot be read: no roles, and the groups are unknown"
                );
                Rights::unreadable()
            })
        })
    }
}

/// Two values are equal if they are the same person: equal issuer and subject, and at Microsoft's
/// authorities also equal tenant and object id, because a B2C policy can give all people the same
/// subject.
impl PartialEq for User {
    fn eq(&self, other: &Self) -> bool {
        self.person() == other.person()
    }
}

impl Eq for User {}

impl fmt::Debug for User {
    /// The type name only: personal data stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").finish_non_exhaustive()
    }
}
