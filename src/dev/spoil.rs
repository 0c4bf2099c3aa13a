//! [`Spoil`]: the faults of an ID token, and [`Verdict`], the required reaction to a fault.

use std::{collections::VecDeque, fmt};

/// The behaviour that the specifications require of a relying party for a faulty response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// The response must be refused.
    Refuse,
    /// It must be refused if the request had `max_age` (OpenID Connect Core section 3.1.3.7 point
    /// 13); otherwise both are allowed.
    RefuseWithMaxAge,
    /// It must be refused if a certain `acr` is required (point 12); otherwise both are allowed.
    RefuseWithAcr,
    /// It must be refused if the person is already known: at renewals, and when UserInfo is read
    /// (sections 12.2 and 5.3.2); otherwise both are allowed.
    RefuseForKnownPerson,
    /// It must be accepted: unusual, but allowed.
    Accept,
    /// Both are allowed: the specifications leave it open, or a setting decides. The fault's
    /// documentation names the section.
    Either,
}

/// Declares an enum with a list of its values.
macro_rules! listed_enum {
    ($(#[$doc:meta])* pub enum $name:ident {
        $($(#[$variant_doc:meta])* $variant:ident,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// All values, for tests of each.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
        }
    };
}
pub(super) use listed_enum;

/// Declares an enum of faults with a verdict on each.
macro_rules! spoils {
    ($(#[$doc:meta])* pub enum $name:ident {
        $($(#[$variant_doc:meta])* $variant:ident = $verdict:ident,)*
    }) => {
        $crate::dev::spoil::listed_enum! {
            $(#[$doc])* pub enum $name { $($(#[$variant_doc])* $variant,)* }
        }

        impl $name {
            /// The behaviour that the specifications require of a relying party.
            #[must_use]
            pub const fn verdict(self) -> $crate::dev::Verdict {
                match self { $(Self::$variant => $crate::dev::Verdict::$verdict,)* }
            }
        }
    };
}
pub(super) use spoils;

spoils! {
    /// A fault or oddity of the next ID token, for
    /// [`DevProvider::spoil_next_id_token`](super::DevProvider::spoil_next_id_token).
    ///
    /// Everything else about the token is correct, including its signature, unless the fault
    /// concerns it. "Another" values are well-formed.
    pub enum Spoil {
        // OpenID Connect Core section 3.1.3.7 point 2.
        /// `iss` is another provider's.
        IssuerOther = Refuse,
        /// `iss` has a slash at its end.
        IssuerWithSlash = Refuse,
        /// No `iss`.
        IssuerMissing = Refuse,
        /// `iss` is a number.
        IssuerNumber = Refuse,
        /// `iss` occurs twice, the second time with another provider's value.
        IssuerTwice = Refuse,

        // Points 3 to 5.
        /// `aud` is another client.
        AudienceOther = Refuse,
        /// No `aud`.
        AudienceMissing = Refuse,
        /// `aud` is an empty list.
        AudienceEmpty = Refuse,
        /// `aud` is a number.
        AudienceNumber = Refuse,
        /// `aud` occurs twice, the second time with another client.
        AudienceTwice = Refuse,
        /// `aud` lists this client alone.
        AudienceList = Accept,
        /// `aud` lists this client and another, `azp` is this client.
        AudienceExtra = Refuse,
        /// `aud` lists this client and another, without `azp`.
        AudienceExtraWithoutAzp = Refuse,
        /// `azp` is another client. Section 2 encourages clients without extensions to ignore the
        /// claim; points 4 and 5 say SHOULD.
        AuthorizedPartyOther = Either,

        // Section 2.
        /// `sub` is another person's.
        SubjectOther = RefuseForKnownPerson,
        /// `sub` is the person's, but in another letter case.
        SubjectOtherCase = RefuseForKnownPerson,
        /// No `sub`.
        SubjectMissing = Refuse,
        /// `sub` is the empty string.
        /// Section 2 gives a maximum length only.
        SubjectEmpty = Either,
        /// `sub` is a number.
        SubjectNumber = Refuse,
        /// `sub` has 256 characters, one more than allowed.
        /// Section 2 limits the provider; it does not ask clients to check the length.
        SubjectTooLong = Either,
        /// `sub` occurs twice, the second time with another person's value.
        /// RFC 7519 section 4 lets a reader refuse it or use the last one.
        SubjectTwice = Either,

        // Points 9 and 10, RFC 7519 section 4.1.
        /// `exp` passed an hour ago.
        ExpiryPast = Refuse,
        /// No `exp`.
        ExpiryMissing = Refuse,
        /// `exp` is a string of digits.
        ExpiryString = Refuse,
        /// `exp` is null.
        ExpiryNull = Refuse,
        /// `exp` has a fraction.
        ExpiryFraction = Accept,
        /// `exp` is 1e300.
        ExpiryHuge = Either,
        /// `nbf` is in an hour.
        NotBeforeFuture = Refuse,
        /// `nbf` is in 30 seconds, which a clock difference explains.
        NotBeforeSoon = Accept,
        /// `nbf` is a string of digits.
        NotBeforeString = Refuse,
        /// `iat` is in an hour.
        /// Point 10 lets clients refuse tokens from long ago; RFC 7519 section 4.1.6 has no rule.
        IssuedAtFuture = Either,
        /// No `iat`.
        IssuedAtMissing = Refuse,
        /// `iat` is a string of digits.
        IssuedAtString = Refuse,
        /// `iat` is null.
        IssuedAtNull = Refuse,
        /// `iat` is a week ago.
        IssuedAtOld = Either,

        // Point 11.
        /// `nonce` has another value.
        NonceOther = Refuse,
        /// No `nonce`.
        NonceMissing = Refuse,
        /// `nonce` is the empty string.
        NonceEmpty = Refuse,
        /// `nonce` is a number.
        NonceNumber = Refuse,
        /// `nonce` occurs twice, the second time with another value.
        NonceTwice = Refuse,

        // Section 3.1.3.6.
        /// `at_hash` is that of another access token.
        /// Section 3.1.3.8: in the code flow a client may validate it.
        AccessTokenHashOther = Either,
        /// `at_hash` is a number.
        /// See the previous fault.
        AccessTokenHashNumber = Either,
        /// No `at_hash`, which the code flow does not require.
        AccessTokenHashMissing = Accept,

        // Points 12 and 13.
        /// `auth_time` is a week ago.
        AuthTimeOld = RefuseWithMaxAge,
        /// No `auth_time`.
        AuthTimeMissing = RefuseWithMaxAge,
        /// `auth_time` is 0.
        AuthTimeZero = RefuseWithMaxAge,
        /// `auth_time` is a string.
        AuthTimeString = RefuseWithMaxAge,
        /// `auth_time` is -1.
        AuthTimeNegative = RefuseWithMaxAge,
        /// `auth_time` has a fraction.
        AuthTimeFraction = Accept,
        /// `acr` is not among the requested values.
        AcrOther = RefuseWithAcr,
        /// No `acr`.
        AcrMissing = RefuseWithAcr,

        // Points 6 to 8, RFC 8725.
        /// `alg` is `none` and the signature empty.
        AlgorithmNone = Refuse,
        /// `alg` is `nOnE` and the signature empty.
        AlgorithmNoneMixedCase = Refuse,
        /// `alg` is `none`, with a valid signature.
        AlgorithmNoneSigned = Refuse,
        /// No `alg`, with a valid signature.
        AlgorithmMissing = Refuse,
        /// A valid signature with the right key and an algorithm that the metadata does not list
        /// (for EC keys: a wrong name).
        AlgorithmOther = Refuse,
        /// HS256 with the public key's PEM as the secret.
        AlgorithmHs256PublicKey = Refuse,
        /// HS256 with the client secret.
        AlgorithmHs256ClientSecret = Refuse,
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

        // RFC 8725 section 3.11, RFC 9068, OpenID Connect Back-Channel Logout section 2.4.
        /// `typ` is `logout+jwt`.
        /// RFC 8725 section 3.11 is about tokens whose type was made explicit; ID tokens have none.
        TypeLogoutToken = Either,
        /// `typ` is `at+jwt`.
        /// See the previous fault.
        TypeAccessToken = Either,
        /// No `typ`.
        TypeMissing = Accept,
        /// An unknown critical header (RFC 7515 section 4.1.11).
        CriticalHeader = Refuse,

        // Malformed tokens.
        /// One word.
        NotAJwt = Refuse,
        /// The empty string.
        Empty = Refuse,
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
        /// Two mebibytes long.
        /// No specification says how long a token may be.
        Oversized = Either,
    }
}

/// An order for a future response: a named fault, or a function that changes it.
pub(super) enum FaultOrder<S, T> {
    Spoil(S),
    Change(Box<dyn FnOnce(&mut T) + Send>),
}

impl<S: fmt::Debug, T> fmt::Debug for FaultOrder<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spoil(spoil) => spoil.fmt(f),
            Self::Change(_) => f.write_str("Change"),
        }
    }
}

/// The queue of orders for one kind of response.
pub(super) type Orders<S, T> = VecDeque<FaultOrder<S, T>>;
