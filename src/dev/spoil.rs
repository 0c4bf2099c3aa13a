//! The faults of an ID token.

use std::{collections::VecDeque, fmt};

/// The behaviour that the specifications require of a relying party for a faulty response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// Refuse it, always.
    Refuse,
    /// Refuse it if the request had `max_age` (OpenID Connect Core section 3.1.3.7 point 13);
    /// otherwise either.
    RefuseWithMaxAge,
    /// Refuse it if a certain `acr` is required (point 12); otherwise either.
    RefuseWithAcr,
    /// Refuse it if the person is known already: at renewals and when UserInfo is read (sections
    /// 12.2 and 5.3.2); otherwise either.
    RefuseForKnownPerson,
    /// Accept it: odd, but allowed.
    Accept,
    /// Either: the specifications leave it open, or a setting decides. If it is not obvious, the
    /// switch names the section. This crate refuses what no setting accepts.
    Either,
}

/// Declares an enum of faults with a verdict on each.
macro_rules! spoils {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $verdict:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// All values, for tests of each.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

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
    /// Everything else about the token is right, its signature included, unless the switch is about
    /// it. "Another" values are well-formed.
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
        /// `iss` twice, the second time another provider's.
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
        /// `aud` twice, the second time another client.
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
        /// `sub` is the person's, but with other letter case.
        SubjectOtherCase = RefuseForKnownPerson,
        /// No `sub`.
        SubjectMissing = Refuse,
        /// `sub` is the empty string.
        /// Section 2 gives a length that it must not exceed, and no other.
        SubjectEmpty = Either,
        /// `sub` is a number.
        SubjectNumber = Refuse,
        /// `sub` has 256 characters, one more than allowed.
        /// Section 2 binds the provider; no client is told to count.
        SubjectTooLong = Either,
        /// `sub` twice, the second time another person's.
        /// RFC 7519 section 4 lets a reader refuse it or take the last one.
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
        /// `nbf` is in 30 seconds, which a difference of clocks explains.
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
        /// `nonce` is another one.
        NonceOther = Refuse,
        /// No `nonce`.
        NonceMissing = Refuse,
        /// `nonce` is the empty string.
        NonceEmpty = Refuse,
        /// `nonce` is a number.
        NonceNumber = Refuse,
        /// `nonce` twice, the second time another one.
        NonceTwice = Refuse,

        // Section 3.1.3.6.
        /// `at_hash` is that of another access token.
        /// Section 3.1.3.8: in the code flow a client may validate it.
        AccessTokenHashOther = Either,
        /// `at_hash` is a number.
        /// As for the previous one.
        AccessTokenHashNumber = Either,
        /// No `at_hash`, which the code flow does not ask for.
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
        /// `acr` is not among those asked for.
        AcrOther = RefuseWithAcr,
        /// No `acr`.
        AcrMissing = RefuseWithAcr,

        // Points 6 to 8, RFC 8725.
        /// `alg` is `none` and the signature empty.
        AlgorithmNone = Refuse,
        /// `alg` is `nOnE` and the signature empty.
        AlgorithmNoneMixedCase = Refuse,
        /// `alg` is `none`, with a good signature.
        AlgorithmNoneSigned = Refuse,
        /// No `alg`, with a good signature.
        AlgorithmMissing = Refuse,
        /// A good signature of the right key by an algorithm that the metadata does not name (for
        /// EC keys: a wrong name).
        AlgorithmOther = Refuse,
        /// HS256 with the public key's PEM as the secret.
        AlgorithmHs256PublicKey = Refuse,
        /// HS256 with the client secret.
        AlgorithmHs256ClientSecret = Refuse,
        /// The signature has a wrong bit.
        SignatureWrong = Refuse,
        /// The signature is empty, although `alg` names a real algorithm.
        SignatureEmpty = Refuse,
        /// The part for the signature is missing with its dot.
        SignatureMissing = Refuse,
        /// The claims were changed (`sub`) after signing.
        PayloadChanged = Refuse,
        /// `kid` names no key of the set.
        KeyUnknown = Refuse,
        /// No `kid`: usable only where one key is in question.
        KeyIdMissing = Either,
        /// Signed with a key that was never published, under the `kid` of the right one.
        KeyWrong = Refuse,
        /// Signed with a key that was never published, which the header brings along in `jwk`.
        KeyEmbedded = Refuse,
        /// Signed with a key that was never published, with a `jku` that points to it.
        KeyUrl = Refuse,

        // RFC 8725 section 3.11, RFC 9068, OpenID Connect Back-Channel Logout section 2.4.
        /// `typ` is `logout+jwt`.
        /// RFC 8725 section 3.11 is about tokens whose type was made explicit; ID tokens have none.
        TypeLogoutToken = Either,
        /// `typ` is `at+jwt`.
        /// As for the previous one.
        TypeAccessToken = Either,
        /// No `typ`.
        TypeMissing = Accept,
        /// An unknown critical header (RFC 7515 section 4.1.11).
        CriticalHeader = Refuse,

        // Not even that.
        /// One word.
        NotAJwt = Refuse,
        /// The empty string.
        Empty = Refuse,
        /// Five parts, as of an encrypted token.
        FiveParts = Refuse,
        /// Base64 with padding.
        Padded = Refuse,
        /// The header is not JSON.
        HeaderNotJson = Refuse,
        /// The payload, well signed, is not JSON.
        PayloadNotJson = Refuse,
        /// The payload, well signed, is a list.
        PayloadList = Refuse,
        /// Two mebibytes of it.
        /// No specification says how long a token may be.
        Oversized = Either,
    }
}

/// An order for a coming response: a named fault `T`, or a function that changes it.
pub(super) enum Order<S, T> {
    Spoil(S),
    Change(Box<dyn FnOnce(&mut T) + Send>),
}

impl<S: fmt::Debug, T> fmt::Debug for Order<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spoil(spoil) => spoil.fmt(f),
            Self::Change(_) => f.write_str("Change"),
        }
    }
}

/// The orders for one kind of response, in their order.
pub(super) type Orders<S, T> = VecDeque<Order<S, T>>;
