//! [`SpoilAccessToken`]: the faults of an access token.

use serde_json::{Map, Value, json};

use super::{
    draft::Draft,
    keys::ProviderKey,
    spoil::{Spoil, spoils},
    spoil_id_token,
    state::ProviderState,
    tenant::FOREIGN_TENANT,
};
use crate::{
    clock::UnixTime,
    error::Error,
    secret::{base64url, random},
};

spoils! {
    /// A fault or oddity of an access token, for
    /// [`DevProvider::spoil_next_access_token`](super::DevProvider::spoil_next_access_token) and
    /// [`DevAccessToken::spoilt`](super::DevAccessToken::spoilt).
    ///
    /// Everything else about the token is correct, including its signature, unless the fault
    /// concerns it. The verdict is for an API with bearer tokens; "another" values are well-formed.
    pub enum SpoilAccessToken {
        // RFC 9068 section 4, RFC 7519 section 4.1.1.
        /// `iss` is another provider's.
        IssuerOther = Refuse,
        /// `iss` has an additional slash at its end.
        IssuerWithSlash = Refuse,
        /// No `iss`.
        IssuerMissing = Refuse,
        /// `iss` is a number.
        IssuerNumber = Refuse,
        /// `iss` occurs twice, the second time with another provider's value.
        IssuerTwice = Refuse,
        /// `tid` is an unknown tenant. Providers without tenants give the claim no meaning.
        TenantOther = Either,

        /// `aud` is another API.
        AudienceOther = Refuse,
        /// No `aud`.
        AudienceMissing = Refuse,
        /// `aud` is an empty list.
        AudienceEmpty = Refuse,
        /// `aud` is a number.
        AudienceNumber = Refuse,
        /// `aud` is null.
        AudienceNull = Refuse,
        /// `aud` begins with this API's name, and is longer.
        AudienceLonger = Refuse,
        /// `aud` occurs twice, the second time with another API.
        AudienceTwice = Refuse,
        /// `aud` lists this API alone.
        AudienceList = Accept,
        /// `aud` lists this API and another (RFC 7519 section 4.1.3).
        AudienceExtra = Accept,

        // RFC 7519 sections 4.1.4 to 4.1.6.
        /// `exp` passed an hour ago.
        ExpiryPast = Refuse,
        /// No `exp`, which RFC 9068 section 2.2 requires.
        ExpiryMissing = Refuse,
        /// `exp` is a string of digits.
        ExpiryString = Refuse,
        /// `exp` is null.
        ExpiryNull = Refuse,
        /// `exp` has a fraction.
        ExpiryFraction = Accept,
        /// `nbf` is in an hour.
        NotBeforeFuture = Refuse,
        /// `nbf` is in 30 seconds, which a clock difference explains.
        NotBeforeSoon = Accept,
        /// `nbf` is a string of digits.
        NotBeforeString = Refuse,
        /// `iat` is in an hour. RFC 7519 section 4.1.6 has no rule.
        IssuedAtFuture = Either,
        /// `iat` is a string of digits.
        IssuedAtString = Refuse,
        /// `sub` is a number.
        SubjectNumber = Refuse,

        // RFC 6749 section 3.3, RFC 8693 section 4.2.
        /// The scopes are a number.
        ScopeNumber = Refuse,
        /// The scopes are null.
        ScopeNull = Refuse,
        /// The scopes are an object.
        ScopeObject = Refuse,
        /// The scopes occur twice, the second time with other values.
        ScopeTwice = Refuse,
        /// The scopes are a list, as some providers write them.
        ScopeList = Either,
        /// Neither scopes nor app roles. A token of Microsoft then gives no right; a token of
        /// another provider may be accepted where the API requires no scope.
        NoRights = Either,
        /// `roles` is a number.
        RolesNumber = Refuse,

        // Tokens of another kind (RFC 8725 section 3.12).
        /// An ID token whose audience is this API.
        IdToken = Refuse,
        /// A logout token (OpenID Connect Back-Channel Logout section 2.4).
        LogoutToken = Refuse,
        /// A DPoP proof (RFC 9449 section 4.2).
        DpopProof = Refuse,
        /// A client assertion (RFC 7523 section 3).
        ClientAssertion = Refuse,
        /// A security event (RFC 8417).
        SecurityEvent = Refuse,
        /// A signed introspection response (RFC 9701 section 5).
        IntrospectionAnswer = Refuse,
        /// A signed authorization request (RFC 9101).
        RequestObject = Refuse,
        /// Bound to a key by `cnf`, so that it is not a bearer token (RFC 9449 section 6).
        BoundToKey = Refuse,
        /// Bound to a certificate by `cnf` (RFC 8705 section 3.1).
        BoundToCertificate = Refuse,
        /// `cnf` is null: present, and not understood.
        BoundNull = Refuse,

        // RFC 8725.
        /// `alg` is `none` and the signature empty.
        AlgorithmNone = Refuse,
        /// `alg` is `nOnE` and the signature empty.
        AlgorithmNoneMixedCase = Refuse,
        /// `alg` is `none`, with a valid signature.
        AlgorithmNoneSigned = Refuse,
        /// No `alg`, with a valid signature.
        AlgorithmMissing = Refuse,
        /// HS256 with the public key's PEM as the secret.
        AlgorithmHs256PublicKey = Refuse,
        /// `alg` occurs twice, the second time as `none`.
        AlgorithmTwice = Refuse,
        /// The signature has a wrong bit.
        SignatureWrong = Refuse,
        /// The signature is empty, although `alg` names a real algorithm.
        SignatureEmpty = Refuse,
        /// The signature part is missing, with its dot.
        SignatureMissing = Refuse,
        /// The claims were changed (`sub`) after signing.
        PayloadChanged = Refuse,
        /// `kid` names no key of the set.
        KeyUnknown = Refuse,
        /// No `kid`: usable only if the key set has one suitable key.
        KeyIdMissing = Either,
        /// Signed with a key that was never published, under the `kid` of the right one.
        KeyWrong = Refuse,
        /// Signed with a key that was never published and is embedded in the header as `jwk`.
        KeyEmbedded = Refuse,
        /// Signed with a key that was never published, with a `jku` that points to it.
        KeyUrl = Refuse,
        /// Signed with a key that was never published, with its certificate as `x5c`.
        CertificateEmbedded = Refuse,
        /// Signed correctly, with the `jwk` of another key, which a verifier must ignore.
        KeyBeside = Either,
        /// An unknown critical header (RFC 7515 section 4.1.11).
        CriticalHeader = Refuse,
        /// `crit` is an empty list (RFC 7515 section 4.1.11 forbids it).
        CriticalEmpty = Either,

        // Malformed tokens.
        /// One word.
        NotAJwt = Refuse,
        /// Five parts, as in an encrypted token (RFC 7516).
        FiveParts = Refuse,
        /// Base64 with padding.
        Padded = Refuse,
        /// The header is not JSON.
        HeaderNotJson = Refuse,
        /// The payload is signed correctly, but is not JSON.
        PayloadNotJson = Refuse,
        /// The payload is signed correctly, but is a list.
        PayloadList = Refuse,
        /// Two mebibytes long: too long for a header.
        Oversized = Refuse,
    }
}

impl SpoilAccessToken {
    /// The fault of [`Spoil`] that is the same in ID tokens.
    const fn as_in_id_tokens(self) -> Option<Spoil> {
        Some(match self {
            Self::IssuerOther => Spoil::IssuerOther,
            Self::IssuerWithSlash => Spoil::IssuerWithSlash,
            Self::IssuerMissing => Spoil::IssuerMissing,
            Self::IssuerNumber => Spoil::IssuerNumber,
            Self::IssuerTwice => Spoil::IssuerTwice,
            Self::AudienceOther => Spoil::AudienceOther,
            Self::AudienceMissing => Spoil::AudienceMissing,
            Self::AudienceEmpty => Spoil::AudienceEmpty,
            Self::AudienceNumber => Spoil::AudienceNumber,
            Self::AudienceTwice => Spoil::AudienceTwice,
            Self::AudienceList => Spoil::AudienceList,
            Self::ExpiryPast => Spoil::ExpiryPast,
            Self::ExpiryMissing => Spoil::ExpiryMissing,
            Self::ExpiryString => Spoil::ExpiryString,
            Self::ExpiryNull => Spoil::ExpiryNull,
            Self::ExpiryFraction => Spoil::ExpiryFraction,
            Self::NotBeforeFuture => Spoil::NotBeforeFuture,
            Self::NotBeforeSoon => Spoil::NotBeforeSoon,
            Self::NotBeforeString => Spoil::NotBeforeString,
            Self::IssuedAtFuture => Spoil::IssuedAtFuture,
            Self::IssuedAtString => Spoil::IssuedAtString,
            Self::SubjectNumber => Spoil::SubjectNumber,
            Self::AlgorithmNone => Spoil::AlgorithmNone,
            Self::AlgorithmNoneMixedCase => Spoil::AlgorithmNoneMixedCase,
            Self::AlgorithmNoneSigned => Spoil::AlgorithmNoneSigned,
            Self::AlgorithmMissing => Spoil::AlgorithmMissing,
            Self::AlgorithmHs256PublicKey => Spoil::AlgorithmHs256PublicKey,
            Self::SignatureWrong => Spoil::SignatureWrong,
            Self::SignatureEmpty => Spoil::SignatureEmpty,
            Self::SignatureMissing => Spoil::SignatureMissing,
            Self::PayloadChanged => Spoil::PayloadChanged,
            Self::KeyUnknown => Spoil::KeyUnknown,
            Self::KeyIdMissing => Spoil::KeyIdMissing,
            Self::KeyWrong => Spoil::KeyWrong,
            Self::KeyEmbedded => Spoil::KeyEmbedded,
            Self::KeyUrl => Spoil::KeyUrl,
            Self::CriticalHeader => Spoil::CriticalHeader,
            Self::NotAJwt => Spoil::NotAJwt,
            Self::FiveParts => Spoil::FiveParts,
            Self::Padded => Spoil::Padded,
            Self::HeaderNotJson => Spoil::HeaderNotJson,
            Self::PayloadNotJson => Spoil::PayloadNotJson,
            Self::PayloadList => Spoil::PayloadList,
            Self::Oversized => Spoil::Oversized,
            _ => return None,
        })
    }
}

/// Writes the access token with this fault, or with the one that is ordered for the next token.
pub(super) fn write(
    state: &mut ProviderState,
    key: ProviderKey,
    typ: &str,
    claims: Map<String, Value>,
    spoil: Option<SpoilAccessToken>,
    now: UnixTime,
) -> Result<String, Error> {
    let mut draft = Draft::new(key, typ, claims);
    let Some(spoil) = spoil.or_else(|| state.spoils.access_tokens.pop_front()) else {
        return draft.signed();
    };
    if let Some(same) = spoil.as_in_id_tokens() {
        return spoil_id_token::carry_out(state, draft, same, now);
    }
    spoil_claims(&mut draft, spoil);
    spoil_kind(&mut draft, spoil, now);
    spoil_header(state, &mut draft, spoil)?;
    draft.signed()
}

const OTHER_API: &str = "https://another-api.example";

/// The claims that distinguish an access token.
const RIGHTS: [&str; 9] =
    ["scp", "scope", "roles", "client_id", "azp", "appid", "azpacr", "appidacr", "idtyp"];

fn spoil_claims(draft: &mut Draft, spoil: SpoilAccessToken) {
    use SpoilAccessToken as S;
    let audience = draft.text("aud");
    let scopes = if draft.claims.contains_key("scope") { "scope" } else { "scp" };
    match spoil {
        S::TenantOther => draft.set("tid", FOREIGN_TENANT),
        S::AudienceNull => draft.set("aud", Value::Null),
        S::AudienceLonger => draft.set("aud", format!("{audience}.another-api.example")),
        S::AudienceExtra => draft.set("aud", json!([OTHER_API, audience])),
        S::ScopeNumber => draft.set(scopes, 1),
        S::ScopeNull => draft.set(scopes, Value::Null),
        S::ScopeObject => draft.set(scopes, json!({ "Notes.Read": true })),
        S::ScopeTwice => {
            draft.claims.entry(scopes).or_insert_with(|| "/".into());
            draft.twice = Some((scopes, "Everything.ReadWrite".into()));
        }
        S::ScopeList => {
            let list: Vec<String> = draft.text(scopes).split(' ').map(ToOwned::to_owned).collect();
            draft.set(scopes, list);
        }
        S::NoRights => draft.claims.retain(|name, _| !["scp", "scope", "roles"].contains(&&**name)),
        S::RolesNumber => draft.set("roles", 1),
        // RFC 7800 section 3: the sender has to prove that it holds the key. A plain bearer request
        // does not.
        S::BoundToKey => draft.set("cnf", json!({ "jkt": base64url(&[7; 32]) })),
        S::BoundToCertificate => draft.set("cnf", json!({ "x5t#S256": base64url(&[7; 32]) })),
        S::BoundNull => draft.set("cnf", Value::Null),
        _ => {}
    }
}

/// Turns the token into one of another kind. Issuer, audience and times stay correct, unless that
/// kind has others.
fn spoil_kind(draft: &mut Draft, spoil: SpoilAccessToken, now: UnixTime) {
    use SpoilAccessToken as S;
    let client = ["client_id", "azp", "appid"]
        .into_iter()
        .map(|name| draft.text(name))
        .find(|client| !client.is_empty())
        .unwrap_or_default();
    let (typ, more) = match spoil {
        S::IdToken => {
            let hash = base64url(&[7; 16]);
            ("JWT", json!({ "nonce": "n-0S6_WzA2Mj", "at_hash": hash, "auth_time": now }))
        }
        S::LogoutToken => {
            let events = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
            ("logout+jwt", json!({ "events": events, "sid": "08a5019c-17e1-4977" }))
        }
        S::DpopProof => ("dpop+jwt", json!({ "htm": "GET", "htu": "https://api.example/notes" })),
        S::ClientAssertion => ("JWT", json!({ "iss": client, "sub": client })),
        S::SecurityEvent => {
            ("secevent+jwt", json!({ "events": { "https://events.example/changed": {} } }))
        }
        S::IntrospectionAnswer => (
            "token-introspection+jwt",
            json!({ "token_introspection": { "active": true, "scope": "Notes.Read" } }),
        ),
        S::RequestObject => {
            ("oauth-authz-req+jwt", json!({ "response_type": "code", "scope": "openid" }))
        }
        _ => return,
    };
    // Without the rights of an access token, so that only the kind decides (RFC 8725 section 3.12).
    draft.claims.retain(|name, _| !RIGHTS.contains(&name.as_str()));
    draft.header.insert("typ".to_owned(), typ.into());
    if let Value::Object(more) = more {
        draft.claims.extend(more);
    }
}

fn spoil_header(
    state: &ProviderState,
    draft: &mut Draft,
    spoil: SpoilAccessToken,
) -> Result<(), Error> {
    use SpoilAccessToken as S;
    let mut set = |name: &str, value: Value| drop(draft.header.insert(name.to_owned(), value));
    match spoil {
        S::AlgorithmTwice => draft.header_twice = Some(("alg", "none".into())),
        S::KeyBeside => set("jwk", state.keys.impostor()?.jwk()),
        S::CertificateEmbedded => {
            draft.key = state.keys.impostor()?;
            let der = base64_simd::STANDARD.encode_to_string(random::<256>()?);
            draft.header.insert("x5c".to_owned(), json!([der]));
        }
        S::CriticalEmpty => set("crit", json!([])),
        _ => {}
    }
    Ok(())
}
