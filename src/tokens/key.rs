//! What makes two token requests the same: [`TokenKey`], and the canonical [`Scopes`] in it.

use std::{
    borrow::Cow,
    fmt,
    hash::{Hash, Hasher},
};

use crate::{
    codec,
    error::{Error, ErrorKind},
    strings::StringList,
};

/// Scopes that ask for claims (OpenID Connect Core section 5.4) or a refresh token rather than for
/// a right at an API, so a token answer need not name them, or not by these names: the last two are
/// what Google calls `email` and `profile`.
const WITHOUT_RIGHTS: [&str; 8] = [
    "address",
    "email",
    "offline_access",
    "openid",
    "phone",
    "profile",
    "https://www.googleapis.com/auth/userinfo.email",
    "https://www.googleapis.com/auth/userinfo.profile",
];

/// More than any provider takes in an address, and few enough to compare.
const MAX_SCOPE_BYTES: usize = 4096;

/// A set of scopes in canonical form: sorted, each once, one space between them.
///
/// A scope holds no space, so two sets have the same text only if they are the same set.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Scopes(Box<str>);

impl Scopes {
    /// The scopes that a caller asks for; a string with spaces counts as several (RFC 6749 section
    /// 3.3).
    ///
    /// # Errors
    ///
    /// `request_invalid` if a scope has a character that the specification does not allow, or all
    /// together are too long.
    pub(crate) fn asked<I: IntoIterator<Item: AsRef<str>>>(scopes: I) -> Result<Self, Error> {
        let allowed = |byte: u8| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
        let (mut text, mut is_canonical) = (String::new(), true);
        for scope in scopes {
            let scope = scope.as_ref();
            // Nearly always there is one, and it is one word.
            let is_word = scope.bytes().all(allowed);
            if !is_word && !scope.bytes().all(|byte| byte == b' ' || allowed(byte)) {
                return Err(Error::new(
                    ErrorKind::RequestInvalid,
                    "a scope has a character that RFC 6749 does not allow",
                ));
            }
            is_canonical &= is_word && text.is_empty();
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(scope);
        }
        let canonical = if is_canonical {
            Self(text.into())
        } else {
            Self::sorted(text.split(' ').filter(|word| !word.is_empty()).collect())
        };
        if canonical.0.len() > MAX_SCOPE_BYTES {
            return Err(Error::new(
                ErrorKind::RequestInvalid,
                "the scopes are longer than 4,096 bytes",
            ));
        }
        Ok(canonical)
    }

    /// The scopes that a provider says it granted, whatever characters it uses.
    pub(crate) fn granted(scope: &str) -> Self {
        Self::sorted(scope.split_ascii_whitespace().collect())
    }

    fn sorted(mut words: Vec<&str>) -> Self {
        words.sort_unstable();
        words.dedup();
        Self(words.join(" ").into())
    }

    /// The value of the `scope` parameter.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|scope| !scope.is_empty())
    }

    /// Those that are rights at an API, which a token answer has to name for the token to carry
    /// them.
    pub(crate) fn rights(&self) -> impl Iterator<Item = &str> {
        self.iter().filter(|scope| !WITHOUT_RIGHTS.contains(scope))
    }

    pub(crate) fn contains(&self, scope: &str) -> bool {
        self.iter().any(|own| own == scope)
    }

    /// The rights in it that are none of these.
    pub(super) fn rights_without(&self, known: &[&str]) -> Self {
        Self::sorted(self.rights().filter(|right| !known.contains(right)).collect())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl codec::Value for Scopes {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok().map(Self::granted)
    }
}

/// Everything that changes which token a request of one grant gets. The grant itself stands for the
/// account and the client.
///
/// A new parameter that changes an answer belongs in here: the cache, the flights and the throttle
/// compare nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TokenKey {
    /// Every scope asked for.
    scopes: Scopes,
    /// Another tenant than that of the sign-in.
    tenant: Option<Box<str>>,
    /// The resource indicator (RFC 8707).
    resource: Option<Box<str>>,
    /// The claims that the client itself always asks for, as they are sent: other text is another
    /// request.
    claims: Option<Box<str>>,
    /// How the token is presented.
    scheme: Scheme,
}

/// The authentication scheme of a token (RFC 9110 section 11.1). A record that knows another one is
/// not read: its tokens must not be sent as bearer tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scheme {
    /// RFC 6750.
    #[default]
    Bearer,
}

impl Scheme {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
        }
    }
}

impl codec::Value for Scheme {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_str().as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        (bytes == Self::Bearer.as_str().as_bytes()).then_some(Self::Bearer)
    }
}

codec::record!(TokenKey { 1 scopes, 2 tenant, 3 resource, 4 claims, 5 scheme });

impl Hash for TokenKey {
    /// Few writes: the scopes, and what else there is, each behind a byte that no text has. That
    /// decides how fast a token is found, not whether.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { scopes, tenant, resource, claims, scheme: _ } = self;
        state.write(scopes.as_str().as_bytes());
        for (mark, text) in [(0xf8, tenant), (0xf9, resource), (0xfa, claims)] {
            if let Some(text) = text {
                state.write_u8(mark);
                state.write(text.as_bytes());
            }
        }
    }
}

impl TokenKey {
    pub(crate) fn new(scopes: Scopes) -> Self {
        Self { scopes, ..Self::default() }
    }

    pub(crate) fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    pub(crate) fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    pub(crate) fn resource(&self) -> Option<&str> {
        self.resource.as_deref()
    }

    pub(crate) fn claims(&self) -> Option<&str> {
        self.claims.as_deref()
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whether a token for `other` could serve this request, as far as everything but the scopes
    /// goes.
    pub(crate) fn differs_only_in_scopes(&self, other: &Self) -> bool {
        let Self { scopes: _, tenant, resource, claims, scheme } = self;
        *tenant == other.tenant
            && *resource == other.resource
            && *claims == other.claims
            && *scheme == other.scheme
    }

    /// Bytes of text in it, for the limits of the cache.
    pub(crate) fn len(&self) -> usize {
        let Self { scopes, tenant, resource, claims, scheme: _ } = self;
        scopes.as_str().len()
            + [tenant, resource, claims].into_iter().flatten().map(|text| text.len()).sum::<usize>()
    }
}

/// A request for an access token: its scopes, and everything else that changes which token answers
/// it.
///
/// ```
/// use tower_identity::client::TokenRequest;
///
/// let request = TokenRequest::new(["User.Read", "Mail.Read"])?.with_tenant("f645ad92-e38d-4d1a-b510-d1b09a74a8ca");
/// assert_eq!(request, TokenRequest::new(["Mail.Read User.Read"])?.with_tenant("f645ad92-e38d-4d1a-b510-d1b09a74a8ca"));
/// # Ok::<_, tower_identity::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenRequest {
    pub(super) key: TokenKey,
    pub(super) past_cache: PastCache,
}

/// Whether what the cache holds may answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PastCache {
    /// The cache answers if it can.
    No,
    /// The provider is asked in any case.
    Forced,
    /// An API asked for these claims (JSON): the provider is asked with them, and its answer
    /// replaces the entry.
    Challenge(Box<str>),
}

impl From<TokenKey> for TokenRequest {
    fn from(key: TokenKey) -> Self {
        Self { key, past_cache: PastCache::No }
    }
}

impl TokenRequest {
    /// A token with (at least) these scopes; without any, one with the scopes of the sign-in.
    ///
    /// # Errors
    ///
    /// `request_invalid` if a scope is not one (RFC 6749 section 3.3).
    pub fn new<Kind>(scopes: impl StringList<Kind>) -> Result<Self, Error> {
        Scopes::asked(scopes.items()).map(|scopes| TokenKey::new(scopes).into())
    }

    /// The scopes that were asked for.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &str> {
        self.key.scopes().iter()
    }

    /// In another tenant than that of the sign-in, by its GUID. The default is that of the sign-in;
    /// for the application itself, that of the authority.
    #[must_use]
    pub fn with_tenant(mut self, tenant: &str) -> Self {
        self.key.tenant = Some(tenant.to_ascii_lowercase().into());
        self
    }

    /// For this resource (RFC 8707). The default is what the scopes say. Entra has scopes instead.
    #[must_use]
    pub fn with_resource(mut self, resource: &str) -> Self {
        self.key.resource = Some(resource.into());
        self
    }

    /// With claims (a JSON object) that the application itself asks for. A token is kept for
    /// requests with the same ones. The default is none.
    #[must_use]
    pub fn with_client_claims(mut self, claims: &str) -> Self {
        self.key.claims = Some(claims.into());
        self
    }

    /// Asks the provider even if the cache could answer. The default is to ask the cache.
    #[must_use]
    pub fn forced(mut self) -> Self {
        self.past_cache = PastCache::Forced;
        self
    }

    /// Asks the provider, past the cache, with the claims (a JSON object) that an API wants: those
    /// of its `WWW-Authenticate: Bearer error="insufficient_claims", claims="…"`, decoded. What the
    /// provider gives replaces what is kept for this request.
    #[must_use]
    pub fn with_challenge(mut self, claims: &str) -> Self {
        self.past_cache = PastCache::Challenge(claims.into());
        self
    }

    /// The request as it is made of a grant whose sign-in had these scopes, in this tenant.
    pub(super) fn of(&self, sign_in: &Scopes, tid: Option<&str>) -> Cow<'_, Self> {
        let names_home = self
            .key
            .tenant
            .as_deref()
            .zip(tid)
            .is_some_and(|(tenant, tid)| tenant.eq_ignore_ascii_case(tid));
        if !self.key.scopes.is_empty() && !names_home {
            return Cow::Borrowed(self);
        }
        let mut request = self.clone();
        if request.key.scopes.is_empty() {
            request.key.scopes = sign_in.clone();
        }
        if names_home {
            request.key.tenant = None;
        }
        Cow::Owned(request)
    }

    /// A token with these scopes.
    pub(crate) fn of_scopes(scopes: Scopes) -> Self {
        TokenKey::new(scopes).into()
    }

    /// Whether it names neither scope nor resource.
    pub(crate) fn asks_for_nothing(&self) -> bool {
        self.key.scopes.is_empty() && self.key.resource.is_none()
    }

    /// The tenant that it names.
    pub(crate) fn tenant(&self) -> Option<&str> {
        self.key.tenant()
    }

    /// What the API's challenge asks for.
    pub(crate) fn challenge(&self) -> Option<&str> {
        match &self.past_cache {
            PastCache::Challenge(claims) => Some(claims),
            PastCache::No | PastCache::Forced => None,
        }
    }
}

/// What a refresh is for. Refreshes of one grant that are for the same are one flight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum RefreshKind {
    /// New claims.
    Renewal,
    /// An access token.
    Token(TokenRequest),
}

impl RefreshKind {
    /// The same without what the provider does not see.
    pub(super) fn as_sent(&self) -> Self {
        match self {
            Self::Token(request) if request.past_cache == PastCache::Forced => {
                Self::Token(TokenRequest { past_cache: PastCache::No, ..request.clone() })
            }
            kind => kind.clone(),
        }
    }

    /// Whether it asks in another tenant than that of the sign-in, where the same person has other
    /// identifiers.
    pub(super) fn is_elsewhere(&self) -> bool {
        matches!(self, Self::Token(request) if request.tenant().is_some())
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Renewal => "renewal",
            Self::Token(_) => "access_token",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_a_sorted_set() {
        for same in [vec!["b", "a"], vec!["a b"], vec![" a  b ", "a"], vec!["a", "", "b"]] {
            assert_eq!(Scopes::asked(same).unwrap().as_str(), "a b");
        }
        assert_ne!(
            Scopes::asked(["a"]).unwrap(),
            Scopes::asked(["A"]).unwrap(),
            "RFC 6749 section 3.3: case-sensitive"
        );
        assert!(Scopes::asked(["", " "]).unwrap().is_empty());
        assert_eq!(Scopes::asked([""]).unwrap().iter().count(), 0);
    }

    #[test]
    fn what_is_no_scope_is_refused() {
        for refused in ["a\"b", "a\\b", "ä", "a\tb", "a\nb", "a\u{7f}"] {
            assert_eq!(
                Scopes::asked([refused]).unwrap_err().kind(),
                ErrorKind::RequestInvalid,
                "{refused:?}"
            );
        }
        assert!(
            Scopes::asked([
                "https://graph.microsoft.com/.default",
                "!#$%&'()*+,-./:;<=>?@[]^_`{|}~"
            ])
            .is_ok()
        );
        assert!(Scopes::asked(["a".repeat(4097)]).is_err());
        assert!(Scopes::asked(["a".repeat(4096)]).is_ok());
    }

    #[test]
    fn a_provider_may_write_scopes_as_it_likes() {
        assert_eq!(
            Scopes::granted("b\ta  b\u{e4}").iter().collect::<Vec<_>>(),
            ["a", "b", "b\u{e4}"]
        );
        assert!(Scopes::granted("").is_empty());
    }

    #[test]
    fn claims_are_compared_as_they_are_sent() {
        let with = |claims| TokenRequest::new(["a"]).unwrap().with_client_claims(claims).key;
        assert_ne!(with(r#"{"n":18446744073709551617}"#), with(r#"{"n":18446744073709551618}"#));
    }
}
