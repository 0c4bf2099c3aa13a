//! [`TokenRequest`], its cache key [`TokenKey`], and the canonical [`Scopes`] in them.

use std::{
    borrow::Cow,
    fmt,
    hash::{Hash, Hasher},
};

use super::parameters::ExtraParameters;
use crate::{
    codec,
    config::is_openid_scope,
    error::{Error, ErrorKind},
    protocol::TokenParams,
    strings::StringList,
};

/// Google's names of the scopes `email` and `profile`.
const GOOGLE_OPENID_SCOPES: [&str; 2] = [
    "https://www.googleapis.com/auth/userinfo.email",
    "https://www.googleapis.com/auth/userinfo.profile",
];

/// Whether a scope is a right at an API. Those for claims and for a refresh token are not, and a
/// token response need not repeat them.
fn is_right(scope: &str) -> bool {
    !is_openid_scope(scope) && !GOOGLE_OPENID_SCOPES.contains(&scope)
}

/// The longest scopes of one request, in bytes: more than fits into the URL of any provider.
const MAX_SCOPE_BYTES: usize = 4096;

/// A set of scopes in canonical form: sorted, without duplicates, one space between them.
///
/// A scope holds no space, so two sets have the same text only if they are the same set.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Scopes(Box<str>);

impl Scopes {
    /// The scopes of a request; a string with spaces counts as several (RFC 6749 section 3.3).
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
            // The usual request has one scope without spaces, and needs no sorting.
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
        // A longer URL is refused by providers and proxies; the limit also bounds the cache key.
        if canonical.0.len() > MAX_SCOPE_BYTES {
            return Err(Error::new(
                ErrorKind::RequestInvalid,
                "the scopes are longer than 4,096 bytes",
            ));
        }
        Ok(canonical)
    }

    /// The scopes of a token response. Their characters are not checked: providers use others than
    /// RFC 6749 allows.
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

    /// The scopes that are rights at an API. A token has only those that its response names.
    pub(crate) fn rights(&self) -> impl Iterator<Item = &str> {
        self.iter().filter(|scope| is_right(scope))
    }

    pub(crate) fn contains(&self, scope: &str) -> bool {
        self.iter().any(|own| own == scope)
    }

    /// The rights of this set without the `known` ones.
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

/// The scope that requests a refresh token (OpenID Connect Core section 11).
pub(crate) const OFFLINE_ACCESS: &str = "offline_access";

/// The cache key of a token: every parameter that changes which token a request of one grant gets
/// (security rule 12). Account and client are those of the grant.
///
/// A new parameter that changes the response belongs here, because cache, flights and throttle
/// compare nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TokenKey {
    /// The requested scopes.
    pub(super) scopes: Scopes,
    /// The tenant, if it is another one than that of the sign-in.
    pub(super) tenant: Option<Box<str>>,
    /// The resource indicator (RFC 8707).
    pub(super) resource: Option<Box<str>>,
    /// The claims (JSON) that the client itself requests. They are compared as text, since that is
    /// what is sent.
    pub(super) claims: Option<Box<str>>,
    /// The authentication scheme of the token.
    pub(super) scheme: Scheme,
    /// The parameters that the crate does not know.
    pub(super) extra: Option<ExtraParameters>,
}

/// The authentication scheme of a token (RFC 9110 section 11.1). A record with an unknown scheme is
/// not read, because its tokens must not be sent as bearer tokens.
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

codec::record!(TokenKey { 1 scopes, 2 tenant, 3 resource, 4 claims, 5 scheme, 6 extra });

impl Hash for TokenKey {
    /// Writes the scopes, and the other texts that are set, each after a byte that does not occur
    /// in UTF-8. Fewer writes make the look-up faster; equality compares every field.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { scopes, tenant, resource, claims, scheme: _, extra: _ } = self;
        let texts = [tenant.as_deref(), resource.as_deref(), claims.as_deref(), self.extra()];
        state.write(scopes.as_str().as_bytes());
        for (mark, text) in (0xf8..).zip(texts) {
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

    /// The parameters that the crate does not know, form-encoded.
    pub(crate) fn extra(&self) -> Option<&str> {
        self.extra.as_ref().map(ExtraParameters::as_str)
    }

    /// Whether this key is equal to `other` except for the scopes.
    pub(crate) fn differs_only_in_scopes(&self, other: &Self) -> bool {
        let Self { scopes: _, tenant, resource, claims, scheme, extra } = self;
        *tenant == other.tenant
            && *resource == other.resource
            && *claims == other.claims
            && *scheme == other.scheme
            && *extra == other.extra
    }

    /// Length of its texts in bytes, for the limits of the cache.
    pub(crate) fn len(&self) -> usize {
        let Self { scopes, tenant, resource, claims, scheme: _, extra: _ } = self;
        let texts = [tenant.as_deref(), resource.as_deref(), claims.as_deref(), self.extra()];
        scopes.as_str().len() + texts.into_iter().flatten().map(str::len).sum::<usize>()
    }
}

/// A request for an access token: its scopes, and everything else that changes which token answers
/// it.
///
/// ```
/// use tower_identity::client::TokenRequest;
///
/// let request = TokenRequest::new(["read", "write"])?.with_resource("https://api.example");
/// let same = TokenRequest::new(["write read"])?.with_resource("https://api.example");
/// assert_eq!(request, same);
/// # Ok::<_, tower_identity::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenRequest {
    pub(crate) key: TokenKey,
    pub(super) cache_bypass: CacheBypass,
}

/// Whether a cached token may answer a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CacheBypass {
    /// A cached token may answer.
    No,
    /// The provider is always asked.
    Forced,
    /// The provider is asked with the claims (JSON) of an API's challenge, and the new token
    /// replaces the cached one.
    Challenge(Box<str>),
}

impl From<TokenKey> for TokenRequest {
    fn from(key: TokenKey) -> Self {
        Self { key, cache_bypass: CacheBypass::No }
    }
}

impl TokenRequest {
    /// A request for a token with at least these scopes; without any, for one with the scopes of
    /// the sign-in.
    ///
    /// # Errors
    ///
    /// `request_invalid` if a scope is malformed (RFC 6749 section 3.3).
    pub fn new<Kind>(scopes: impl StringList<Kind>) -> Result<Self, Error> {
        Scopes::asked(scopes.items()).map(|scopes| TokenKey::new(scopes).into())
    }

    /// The requested scopes.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &str> {
        self.key.scopes().iter()
    }

    /// Requests the token in another tenant, by its GUID. The default is the tenant of the sign-in;
    /// for the application itself, that of the authority.
    #[must_use]
    pub fn with_tenant(mut self, tenant: &str) -> Self {
        // GUIDs and domain names are case-insensitive; the cache key must not be.
        self.key.tenant = Some(tenant.to_ascii_lowercase().into());
        self
    }

    /// Requests the token for this resource (RFC 8707). The default is the resource of the scopes,
    /// also if the text is empty. Entra names resources in scopes only.
    #[must_use]
    pub fn with_resource(mut self, resource: &str) -> Self {
        // RFC 6749 section 3.1: a parameter without a value counts as omitted.
        self.key.resource = (!resource.is_empty()).then(|| resource.into());
        self
    }

    /// Requests the token with these claims (a JSON object). It is cached for requests with the
    /// same text. The default is none.
    #[must_use]
    pub fn with_client_claims(mut self, claims: &str) -> Self {
        self.key.claims = Some(claims.into());
        self
    }

    /// Adds a parameter to the token request (and to the device authorization request) that the
    /// crate does not know, such as Auth0's `audience`. A second value of a name replaces the
    /// first. The token is cached for requests with the same parameters.
    ///
    /// Where the token is requested, `RequestInvalid` refuses the parameters of the protocol and
    /// those that have a method here, and control characters. Values count as secrets: they are in
    /// no error and no log.
    ///
    /// ```
    /// use tower_identity::client::TokenRequest;
    ///
    /// let request = TokenRequest::new(["read:notes"])?;
    /// let with_audience = request.clone().add_parameter("audience", "https://notes.example");
    /// assert_ne!(with_audience, request);
    /// # Ok::<_, tower_identity::Error>(())
    /// ```
    #[must_use]
    pub fn add_parameter(mut self, name: &str, value: &str) -> Self {
        self.key.extra = Some(self.key.extra.unwrap_or_default().with(name, value));
        self
    }

    /// Requests a token for this path of a federated managed identity (`fmi_path`, Entra ID only),
    /// in [`Client::for_app`](crate::client::Client::for_app).
    #[must_use]
    pub fn with_fmi_path(self, path: &str) -> Self {
        self.add_parameter("fmi_path", path)
    }

    /// Asks the provider even if a cached token could answer. The default is to use the cache.
    #[must_use]
    pub fn forced(mut self) -> Self {
        self.cache_bypass = CacheBypass::Forced;
        self
    }

    /// Asks the provider, past the cache, with the claims (a JSON object) of an API's challenge:
    /// those of `WWW-Authenticate: Bearer error="insufficient_claims", claims="…"`, decoded. The
    /// new token replaces the cached one.
    #[must_use]
    pub fn with_challenge(mut self, claims: &str) -> Self {
        self.cache_bypass = CacheBypass::Challenge(claims.into());
        self
    }

    /// The request completed for a grant: without scopes it gets those of the sign-in, and the
    /// sign-in's own tenant counts as none.
    pub(super) fn completed_for(&self, sign_in: &Scopes, tid: Option<&str>) -> Cow<'_, Self> {
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
        // The home tenant and no tenant give the same token: one cache entry.
        if names_home {
            request.key.tenant = None;
        }
        Cow::Owned(request)
    }

    /// A request for a token with these scopes.
    pub(crate) fn of_scopes(scopes: Scopes) -> Self {
        TokenKey::new(scopes).into()
    }

    /// Whether it has neither scopes nor a resource.
    pub(crate) fn asks_for_nothing(&self) -> bool {
        self.key.scopes.is_empty() && self.key.resource.is_none()
    }

    /// Whether it has parameters that the crate does not know.
    pub(crate) fn has_parameters(&self) -> bool {
        self.key.extra.is_some()
    }

    /// The requested tenant.
    pub(crate) fn tenant(&self) -> Option<&str> {
        self.key.tenant()
    }

    /// The parameters of the token request, with these scopes.
    pub(crate) fn params<'a>(&'a self, scopes: &'a str) -> TokenParams<'a> {
        TokenParams {
            scopes,
            resource: self.key.resource(),
            client_claims: self.key.claims(),
            challenge: self.challenge(),
            extra: self.key.extra().unwrap_or_default(),
            user: None,
        }
    }

    /// The value of the `scope` parameter.
    pub(crate) fn scope_value(&self) -> &str {
        self.key.scopes().as_str()
    }

    /// Whether nothing but its scopes says which token answers it.
    pub(crate) fn has_only_scopes(&self) -> bool {
        self.key.differs_only_in_scopes(&TokenKey::default())
    }

    /// The same request with other scopes.
    pub(crate) fn with_scopes(&self, scopes: Scopes) -> Self {
        let mut request = self.clone();
        request.key.scopes = scopes;
        request
    }

    /// The same request with these scopes, which are those of the sign-in.
    pub(crate) fn signing_in_with(&self, scopes: Scopes) -> Self {
        let request = Self::from(TokenKey { scopes, ..self.key.clone() });
        match self.challenge() {
            Some(claims) => request.with_challenge(claims),
            None => request,
        }
    }

    /// The claims (JSON) of the API's challenge.
    pub(crate) fn challenge(&self) -> Option<&str> {
        match &self.cache_bypass {
            CacheBypass::Challenge(claims) => Some(claims),
            CacheBypass::No | CacheBypass::Forced => None,
        }
    }
}

/// The purpose of a refresh. Refreshes of one grant with the same purpose share one flight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum RefreshKind {
    /// New claims for the session.
    Renewal,
    /// An access token.
    Token(TokenRequest),
}

impl RefreshKind {
    /// The same purpose as the provider sees it: a forced request is sent like any other.
    pub(super) fn as_sent(&self) -> Self {
        match self {
            // The parameters on the wire are the same, so both share the throttle.
            Self::Token(request) if request.cache_bypass == CacheBypass::Forced => {
                Self::Token(TokenRequest { cache_bypass: CacheBypass::No, ..request.clone() })
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
    fn a_malformed_scope_is_refused() {
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
    fn parameters_are_a_sorted_set_of_names_whose_values_are_not_shown() {
        let plain = || TokenRequest::new(["a"]).unwrap();
        let one = plain().add_parameter("b", "2&c=3").add_parameter("a", "1");
        let same =
            plain().add_parameter("a", "0").add_parameter("a", "1").add_parameter("b", "2&c=3");
        assert_eq!(one, same);
        assert_ne!(
            one,
            plain().add_parameter("a", "1").add_parameter("b", "2").add_parameter("c", "3")
        );
        assert_ne!(plain().add_parameter("a", ""), plain());
        assert_eq!(plain().with_fmi_path("/p"), plain().add_parameter("fmi_path", "/p"));
        let shown = format!("{:?}", plain().add_parameter("key", "s3cr3t"));
        assert!(shown.contains("key") && !shown.contains("s3cr3t"), "{shown}");
    }

    #[test]
    fn a_cache_from_before_parameters_is_read() {
        use codec::Value as _;
        // Scopes, resource and scheme, as a version without field 6 wrote them.
        let earlier = b"\x01\x01a\x03\x01r\x05\x06Bearer";
        let key = TokenRequest::new(["a"]).unwrap().with_resource("r").key;
        assert_eq!(TokenKey::read(earlier), Some(key));
        let with_parameter = TokenRequest::new(["a"]).unwrap().add_parameter("p", "v").key;
        let mut written = Vec::new();
        with_parameter.write(&mut written);
        assert_eq!(TokenKey::read(&written), Some(with_parameter));
    }

    #[test]
    fn claims_are_compared_as_they_are_sent() {
        let with = |claims| TokenRequest::new(["a"]).unwrap().with_client_claims(claims).key;
        assert_ne!(with(r#"{"n":18446744073709551617}"#), with(r#"{"n":18446744073709551618}"#));
    }
}
