//! Who is signed in.

mod account_hint;
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
use serde_json::{Map, Value};
use tokio::sync::OnceCell;

pub(crate) use self::{application::Application, claims::Rights};
use self::{claims::Names, failed_token::FailedToken};
pub use self::{groups::Groups, key::UserKey, tokens::Tokens};
use crate::{
    client::AppTokens,
    clock::UnixTime,
    error::Error,
    tokens::{GrantRef, Grants, Person},
};

/// A person whose sign-in was verified.
///
/// Only the layer makes one, or [`WebAuth`](crate::WebAuth). Handlers find it in the request's
/// extensions behind protection (`Extension<User>`), or, with feature `axum`, as an extractor:
/// `User` where somebody must be signed in, `Option<User>` where nobody needs to be. Clones share
/// one allocation.
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
/// authorities, [`issuer`](Self::issuer) and [`subject`](Self::subject) elsewhere. Never the e-mail
/// address or the user name: both can change, and in other tenants anybody can claim them.
#[derive(Clone)]
pub struct User(Arc<UserParts>);

struct UserParts {
    person: Person,
    claims: Box<str>,
    home_account_id: Option<Box<str>>,
    names: OnceLock<Names>,
    rights: OnceLock<Rights>,
    parsed: OnceLock<Map<String, Value>>,
    all_groups: OnceCell<Vec<String>>,
    grant: GrantRef,
    application: Arc<Application>,
    failed_token: FailedToken,
}

impl User {
    /// The user of a grant. Nothing is read of the claims, which are a JSON object, before they are
    /// asked for.
    pub(crate) fn new(
        person: Person,
        claims: Box<str>,
        home_account_id: Option<Box<str>>,
        grant: GrantRef,
        application: Arc<Application>,
    ) -> Self {
        Self(Arc::new(UserParts {
            person,
            claims,
            home_account_id,
            names: OnceLock::new(),
            rights: OnceLock::new(),
            parsed: OnceLock::new(),
            all_groups: OnceCell::new(),
            grant,
            application,
            failed_token: FailedToken::default(),
        }))
    }

    /// The same person with the claims of a renewal.
    pub(crate) fn with_claims(&self, claims: Box<str>) -> Self {
        let UserParts { person, home_account_id, grant, application, .. } = &*self.0;
        let (person, home_account_id) = (person.clone(), home_account_id.clone());
        Self::new(person, claims, home_account_id, grant.clone(), Arc::clone(application))
    }

    /// The provider that says who this is (`iss`).
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.person.iss
    }

    /// Who this is at the provider, for this application (`sub`): never reassigned, compared byte
    /// by byte.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.person.sub
    }

    /// What to store to recognise this person again.
    #[must_use]
    pub fn key(&self) -> UserKey {
        let person = self.person();
        match &person.tid {
            Some(tid) => UserKey::new(tid, person.oid.as_ref().unwrap_or(&person.sub)),
            None => UserKey::new(&person.iss, &person.sub),
        }
    }

    /// The person within the tenant (`oid`), the same for every application there. `None` at
    /// providers other than Microsoft's, and where a B2C policy does not tell it.
    #[must_use]
    pub fn object_id(&self) -> Option<&str> {
        self.person().oid.as_deref()
    }

    /// The tenant that the person signed in to, by its GUID (`tid`; for B2C the tenant of the
    /// issuer). `None` at providers other than Microsoft's.
    #[must_use]
    pub fn tenant_id(&self) -> Option<&str> {
        self.person().tid.as_deref()
    }

    /// The account in its home tenant, as the caches of Microsoft's libraries (MSAL) call it.
    ///
    /// Microsoft's token endpoint tells it beside the tokens: `{uid}.{utid}`, for B2C with the
    /// policy in the first half. For a guest these are not [`object_id`](Self::object_id) and
    /// [`tenant_id`](Self::tenant_id). Where nothing was told, as by AD FS and every other
    /// provider, it is the subject.
    #[must_use]
    pub fn home_account_id(&self) -> &str {
        self.0.home_account_id.as_deref().unwrap_or_else(|| self.subject())
    }

    /// Whether this is an account of somewhere else that was invited into the tenant. Only Entra ID
    /// has guests.
    ///
    /// The optional claim `acct` decides where the application asks for it; otherwise the account's
    /// home tenant, and who signed it in (`idp`).
    #[must_use]
    pub fn is_guest(&self) -> bool {
        self.0.application.is_entra
            && self.tenant_id().is_some_and(|tid| self.rights().is_guest(tid, self.told_home()))
    }

    /// The account's own tenant, as far as the token endpoint told.
    fn told_home(&self) -> Option<&str> {
        self.0.home_account_id.as_deref().and_then(|id| Some(id.rsplit_once('.')?.1))
    }

    /// The account's own tenant at Entra ID; where nobody told, the one that the person signed in
    /// to.
    pub(crate) fn home_tenant(&self) -> Option<&str> {
        self.told_home().or_else(|| self.tenant_id()).filter(|_| self.0.application.is_entra)
    }

    /// The full name (`name`).
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.names().name.0.as_deref()
    }

    /// The name to sign in with: `preferred_username`, else `upn` (AD FS). It can change: show it,
    /// and decide nothing by it.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        let names = self.names();
        names.preferred_username.0.as_deref().or(names.upn.0.as_deref())
    }

    /// The e-mail address (`email`), whether the provider has verified it or not. It can change.
    ///
    /// `None` where the provider does not tell it: the scope `email` was not asked for (at
    /// Microsoft's providers it is not by default:
    /// [`with_openid_scopes`](crate::IdentityConfig::with_openid_scopes),
    /// `IDENTITY_OPENID_SCOPES`), not granted, or the ID token has a name and the address is
    /// at the UserInfo endpoint alone ([`with_user_info`](crate::IdentityConfig::with_user_info),
    /// `IDENTITY_USER_INFO=at_sign_in`). A debug event says so.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        let email = self.names().email.0.as_deref();
        if email.is_none() {
            tracing::debug!(
                "there is no `email` claim: the scope `email` was not asked for (`with_openid_scopes`, IDENTITY_OPENID_SCOPES) or \
                 not granted, or it is at the UserInfo endpoint alone (`with_user_info`, IDENTITY_USER_INFO=at_sign_in)"
            );
        }
        email
    }

    /// Whether the provider says that it has verified the e-mail address: `email_verified`; at
    /// Entra ID the optional claim `xms_edov` alone, because administrators there write any address
    /// into an account.
    #[must_use]
    pub fn is_email_verified(&self) -> bool {
        self.names().is_email_verified(self.0.application.is_entra)
    }

    /// Something to greet the person with: the name, else the given name, the user name, the e-mail
    /// address, the subject.
    #[must_use]
    pub fn display_name(&self) -> &str {
        let names = self.names();
        [&names.name, &names.given_name, &names.preferred_username, &names.upn, &names.email]
            .into_iter()
            .find_map(|text| text.0.as_deref())
            .unwrap_or_else(|| self.subject())
    }

    /// The roles in this application (`roles` and `role`, as lists or alone).
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.rights().roles
    }

    /// Whether the person has the role, letter by letter.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles().iter().any(|has| has == role)
    }

    /// The groups that the sign-in named (`groups`), or that there are too many for a token.
    ///
    /// ```
    /// use tower_identity::{Groups, User};
    ///
    /// fn may_edit(user: &User) -> bool {
    ///     match user.groups() {
    ///         Groups::Listed(groups) => !groups.iter().any(|group| group == "readers-only"),
    ///         // `user.tokens().groups()` would ask Microsoft Graph.
    ///         Groups::TooMany => false,
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn groups(&self) -> Groups<'_> {
        let rights = self.rights();
        if rights.overage { Groups::TooMany } else { Groups::Listed(&rights.groups) }
    }

    /// When the person last proved who they are (`auth_time`), where the provider tells. At Entra
    /// ID it is an optional claim.
    #[must_use]
    pub fn auth_time(&self) -> Option<UnixTime> {
        self.rights().auth_time
    }

    /// Whether the sign-in met this authentication context: at Microsoft's authorities one of
    /// `acrs`, elsewhere also the `acr`.
    #[must_use]
    pub fn has_auth_context(&self, context: &str) -> bool {
        let rights = self.rights();
        rights.acrs.iter().any(|met| met == context)
            || (!self.0.application.is_microsoft && rights.acr.iter().any(|met| met == context))
    }

    /// Whether the person proved who they are within `max_age`, give or take what clocks may
    /// differ.
    pub(crate) fn is_recent(&self, max_age: Duration) -> bool {
        let application = &self.0.application;
        let (now, leeway) = (application.clock.now(), application.leeway);
        self.auth_time().is_some_and(|time| now <= time + max_age + leeway && time <= now + leeway)
    }

    /// One claim.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.all_claims().get(name)
    }

    /// Every claim of the ID token, and those of UserInfo where it was asked. Parsed when first
    /// called.
    #[must_use]
    pub fn all_claims(&self) -> &Map<String, Value> {
        self.0.parsed.get_or_init(|| serde_json::from_str(&self.0.claims).unwrap_or_default())
    }

    /// The claims as a type of your own.
    ///
    /// # Errors
    ///
    /// The claims do not fit the type.
    ///
    /// ```
    /// #[derive(serde::Deserialize)]
    /// struct Ours {
    ///     department: String,
    /// }
    ///
    /// fn department(user: &tower_identity::User) -> Option<String> {
    ///     user.claims::<Ours>().ok().map(|claims| claims.department)
    /// }
    /// ```
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0.claims)
    }

    /// The path of a link with which the person edits their profile; `None` unless the authority is
    /// B2C and has a policy for it.
    ///
    /// `?return_to=` names the page to come back to; the default is home. Afterwards the claims are
    /// those of the new profile, unless the provider's own session has ended meanwhile.
    #[must_use]
    pub fn edit_profile_path(&self) -> Option<&str> {
        self.0.application.edit_profile.as_deref()
    }

    /// The path of a link with which the person chooses a new password; `None` unless the authority
    /// is B2C and has a policy for it.
    ///
    /// It takes `?return_to=` too, and people who are not signed in: they sign in afterwards.
    #[must_use]
    pub fn reset_password_path(&self) -> Option<&str> {
        self.0.application.reset_password.as_deref()
    }

    /// When the session ends at the latest, however it is used (absolute lifetime, by the server's
    /// clock).
    #[must_use]
    pub fn session_expires(&self) -> UnixTime {
        self.0.grant.expires_at()
    }

    /// The handle that gets access tokens for this person.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        Tokens::of(self.clone())
    }

    /// Those that the token has no room for, asked for once.
    pub(crate) async fn all_groups(&self) -> Result<Vec<String>, Error> {
        let groups = self.0.all_groups.get_or_try_init(|| self.grants().groups(self.grant()));
        groups.await.cloned().inspect_err(|error| self.token_failed(error))
    }

    /// Remembers that a token of this person could not be had.
    #[cold]
    pub(crate) fn token_failed(&self, error: &Error) {
        self.0.failed_token.set(error, self.0.application.clock.now());
    }

    /// The failure of a token just now that a sign-in remedies, if there was one. It is forgotten.
    #[cold]
    pub(crate) fn take_failed_token(&self) -> Option<Error> {
        self.0.failed_token.take(self.0.application.clock.now())
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

    pub(crate) fn person(&self) -> &Person {
        &self.0.person
    }

    /// The claims as they came.
    #[cfg(test)]
    pub(crate) fn raw_claims(&self) -> &str {
        &self.0.claims
    }

    fn names(&self) -> &Names {
        self.0.names.get_or_init(|| serde_json::from_str(&self.0.claims).unwrap_or_default())
    }

    fn rights(&self) -> &Rights {
        self.0.rights.get_or_init(|| {
            serde_json::from_str(&self.0.claims).unwrap_or_else(|_| {
                tracing::warn!(
                    "the claims of a session cannot be read: no roles, and the groups are not known"
                );
                Rights::unreadable()
            })
        })
    }
}

/// Two values are equal if they are the same person: issuer and subject, and at Microsoft's
/// authorities tenant and object id, too, since B2C can be told to give everybody the same subject.
impl PartialEq for User {
    fn eq(&self, other: &Self) -> bool {
        self.person() == other.person()
    }
}

impl Eq for User {}

impl fmt::Debug for User {
    /// Personal data stays out of logs: nothing but the type.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").finish_non_exhaustive()
    }
}
