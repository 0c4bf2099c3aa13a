//! [`Attempt`]: the state of one sign-in between the authorization request and its response.

use std::time::Duration;

use aws_lc_rs::hkdf::{HKDF_SHA256, Prk};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::{device_code::DeviceCode, fallback::Fallbacks};
use crate::{
    clock::UnixTime,
    codec,
    config::{Prompt, SignInOptions},
    error::{Error, ErrorKind},
    secret::{base64url, expand, fingerprint, random},
    tokens::{Person, RecordId},
};

/// The reason for which a person is sent to the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To sign in, without an expected person.
    SignIn,
    /// To extend the sign-in of the current person: scopes, claims, a stronger or more recent
    /// authentication, or new tokens in the place of lost ones.
    StepUp,
    /// To edit the profile at B2C. The response starts no session.
    EditProfile,
    /// To choose a new password at B2C. The response starts no session.
    ResetPassword,
    /// To read the claims of the current person again, without showing a page.
    ReadClaims,
}

impl Purpose {
    const ALL: [Self; 5] =
        [Self::SignIn, Self::StepUp, Self::EditProfile, Self::ResetPassword, Self::ReadClaims];

    /// Whether the purpose uses a B2C policy other than the sign-in policy.
    pub(crate) fn is_policy(self) -> bool {
        matches!(self, Self::EditProfile | Self::ResetPassword)
    }
}

/// A hash of several texts. It recognises a repeated step-up, or a repeated authorization response,
/// without storing the texts.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// The fingerprint of these texts, in this order.
    pub(crate) fn new(parts: &[&str]) -> Self {
        Self(fingerprint("cause", parts.iter().map(|part| part.as_bytes())))
    }
}

/// The person that a response is expected to be about, as hashes of `iss` and `sub`, and of `tid`
/// and `oid` (or else `sub`) at providers with tenants.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct PersonKey {
    subject: [u8; 16],
    object: Option<[u8; 8]>,
}

impl PersonKey {
    /// The hashes for a person.
    pub(crate) fn of(person: &Person) -> Self {
        // A B2C policy can leave `oid` out. Then `sub` is the only identifier of the person in that
        // tenant.
        let id = person.oid.as_ref().or_else(|| person.tid.as_ref().map(|_| &person.sub));
        let object = id.map(|oid| {
            let tid = person.tid.as_deref().unwrap_or_default();
            let [a, b, c, d, e, f, g, h, ..] =
                fingerprint("object", [tid.as_bytes(), oid.as_bytes()]);
            [a, b, c, d, e, f, g, h]
        });
        Self {
            subject: fingerprint("subject", [person.iss.as_bytes(), person.sub.as_bytes()]),
            object,
        }
    }

    /// Whether `person` is the same directory object: one person under any policy of one tenant.
    pub(crate) fn is_object(&self, person: &Person) -> bool {
        self.object.is_some() && self.object == Self::of(person).object
    }

    /// Whether `person` is the expected one: `iss` and `sub` are equal, and the directory's IDs
    /// are equal if both have them.
    pub(crate) fn is(&self, person: &Person) -> bool {
        let other = Self::of(person);
        // A refreshed ID token may lack `oid`; a missing value is no contradiction.
        self.subject == other.subject
            && (self.object.is_none() || other.object.is_none() || self.object == other.object)
    }
}

/// The state of a sign-in in progress. It is stored in an encrypted cookie; authority, client ID,
/// redirect URI and response mode are bound to the encryption key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) purpose: Purpose,
    /// Whether the provider was asked to show no page (`prompt=none`).
    pub(crate) silent: bool,
    /// The kinds of refusal before it in the same sign-in.
    pub(crate) fallbacks: Fallbacks,
    /// The number of attempts that were lost before. It is also part of the URL, so that a browser
    /// which blocks cookies cannot loop.
    pub(crate) retry: u8,
    pub(crate) created: UnixTime,
    /// The page to return to. An unsuitable path is replaced by the home page.
    pub(crate) return_path: String,
    /// The scopes of a request that names scopes of its own, separated by spaces; `None` means
    /// those of the configuration.
    pub(crate) scopes: Option<String>,
    /// The requested scopes if they are fewer than those of the configuration: without those that
    /// the provider does not list, or has refused.
    pub(crate) fewer_scopes: Option<String>,
    /// The B2C policy, if it is not the configured sign-in policy.
    pub(crate) policy: Option<String>,
    /// The maximum age of the authentication (`max_age`), in seconds.
    pub(crate) max_age: Option<u32>,
    /// The requested authentication context classes (`acr_values`), separated by spaces.
    pub(crate) acr: Option<String>,
    /// The authentication context that the ID token must prove (`acrs`).
    pub(crate) auth_context: Option<String>,
    /// The other options of this sign-in: the configured ones are not stored.
    pub(crate) own: Option<Box<OwnOptions>>,
    /// The requested step-up, and earlier ones for the same page, for the loop guard.
    pub(crate) step_ups: Vec<Fingerprint>,
    /// The session in which the attempt started; deleted when the new session replaces it.
    pub(crate) started_from: Option<RecordId>,
    pub(crate) expected: Option<PersonKey>,
    /// The number of consecutive sessions that were lost right after the sign-in.
    pub(crate) lost: u8,
    /// How often this sign-in led to a password reset.
    pub(crate) resets: u8,
    /// The codes of a sign-in by device code.
    pub(crate) device: Option<Box<DeviceCode>>,
    pub(crate) seed: Zeroizing<[u8; 32]>,
}

codec::record!(Attempt {
    1 purpose,
    2 silent,
    3 retry,
    4 created,
    5 return_path,
    6 scopes,
    7 policy,
    8 max_age,
    9 acr,
    10 auth_context,
    11 step_ups,
    12 started_from,
    13 expected,
    14 lost,
    15 resets,
    16 device,
    17 seed,
    18 fewer_scopes,
    19 fallbacks,
    20 own,
});

codec::record!(PersonKey { 1 subject, 2 object });

impl codec::Value for Purpose {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| bytes == [*purpose as u8])
    }
}

impl codec::Value for Fingerprint {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        codec::Value::read(bytes).map(Self)
    }
}

impl Attempt {
    /// A new attempt with a random seed.
    ///
    /// # Errors
    ///
    /// `Internal`: the operating system gives no random bytes.
    pub(crate) fn new(
        purpose: Purpose,
        return_path: impl Into<String>,
        now: UnixTime,
    ) -> Result<Self, Error> {
        Ok(Self {
            purpose,
            silent: false,
            fallbacks: Fallbacks::default(),
            retry: 0,
            created: now,
            return_path: return_path.into(),
            scopes: None,
            fewer_scopes: None,
            policy: None,
            max_age: None,
            acr: None,
            auth_context: None,
            own: None,
            step_ups: Vec::new(),
            started_from: None,
            expected: None,
            lost: 0,
            resets: 0,
            device: None,
            seed: Zeroizing::new(random()?),
        })
    }

    /// The ID of this attempt, derived from its seed.
    pub(crate) fn id(&self) -> [u8; 16] {
        fingerprint("attempt id", [&self.seed[..]])
    }

    /// The options with which the attempt started, for a request that asks for no less.
    pub(crate) fn options(&self) -> SignInOptions {
        let words = |text: &Option<String>| {
            text.iter().flat_map(|text| text.split(' ')).map(str::to_owned).collect::<Vec<_>>()
        };
        let mut options =
            SignInOptions::new().with_scopes(words(&self.scopes)).with_acr_values(words(&self.acr));
        options.auth_context.clone_from(&self.auth_context);
        options.max_age = self.max_age.map(|seconds| Duration::from_secs(seconds.into()));
        if let Some(own) = &self.own {
            own.add_to(&mut options);
        }
        options
    }

    /// The scopes of the request as it was sent, separated by spaces; `None` means those of the
    /// configuration.
    pub(crate) fn sent_scopes(&self) -> Option<&str> {
        let of_device = self.device.as_ref().and_then(|code| code.scopes.as_deref());
        of_device.or(self.scopes.as_deref()).or(self.fewer_scopes.as_deref())
    }

    /// A secret of 43 base64url characters (256 bits), derived from the seed and a label: another
    /// value for each attempt and label.
    ///
    /// # Errors
    ///
    /// `Internal`: the derivation fails, which does not happen for 32 bytes.
    pub(crate) fn derive(&self, label: &str) -> Result<String, Error> {
        // The seed is already uniformly random, so HKDF's extract step is not needed (RFC 5869
        // section 3.3).
        let key = Prk::new_less_safe(HKDF_SHA256, &self.seed[..]);
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(
            expand(&key, &[b"attempt ", label.as_bytes()])
                .ok_or_else(|| Error::new(ErrorKind::Internal, "a value could not be derived"))?,
        );
        Ok(base64url(&bytes[..]))
    }
}

/// The options of one sign-in, over the configured ones, that the attempt has no member of its own
/// for. With them a sign-in that is repeated asks for no less than the first time.
///
/// A hint can be personal data: it is in the sealed attempt only.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct OwnOptions {
    prompt: Vec<Prompt>,
    login_hint: Option<String>,
    domain_hint: Option<String>,
    claims: Option<String>,
    ui_locales: Vec<String>,
    /// Extra parameters, form-encoded.
    parameters: Option<String>,
}

codec::record!(OwnOptions {
    1 prompt,
    2 login_hint,
    3 domain_hint,
    4 claims,
    5 ui_locales,
    6 parameters,
});

impl codec::Value for Prompt {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_str().as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok()?.parse().ok()
    }
}

impl OwnOptions {
    /// Those of the options that a request was made of; `None` if there are none, as with most
    /// sign-ins. `keeps_silence`: whether `prompt=none` is kept.
    pub(super) fn of(options: &SignInOptions, keeps_silence: bool) -> Option<Box<Self>> {
        let mut prompt = options.prompt.clone();
        // The request left it out, because a silent one was refused before.
        prompt.retain(|prompt| keeps_silence || *prompt != Prompt::None);
        let parameters = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&options.parameters)
            .finish();
        let own = Self {
            prompt,
            login_hint: options.login_hint.clone(),
            domain_hint: options.domain_hint.clone(),
            claims: options.claims.clone(),
            ui_locales: options.ui_locales.clone(),
            parameters: (!parameters.is_empty()).then_some(parameters),
        };
        (own != Self::default()).then(|| Box::new(own))
    }

    /// Sets the options of a repetition.
    pub(super) fn add_to(&self, options: &mut SignInOptions) {
        let parameters = self.parameters.as_deref().unwrap_or_default();
        options.prompt.clone_from(&self.prompt);
        options.login_hint.clone_from(&self.login_hint);
        options.domain_hint.clone_from(&self.domain_hint);
        options.claims.clone_from(&self.claims);
        options.ui_locales.clone_from(&self.ui_locales);
        options.parameters = form_urlencoded::parse(parameters.as_bytes()).into_owned().collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Value as _, encode};

    fn person(iss: &str, sub: &str, tid: Option<&str>, oid: Option<&str>) -> Person {
        Person {
            iss: iss.into(),
            sub: sub.into(),
            tid: tid.map(Into::into),
            oid: oid.map(Into::into),
        }
    }

    #[test]
    fn the_expected_person_is_identified_by_issuer_and_subject() {
        let ada = person("i", "ada", Some("t"), Some("o"));
        let expected = PersonKey::of(&ada);
        assert!(expected.is(&ada));
        assert!(expected.is(&person("i", "ada", None, None)));
        assert!(PersonKey::of(&person("i", "ada", None, None)).is(&ada));
        for other in [
            person("i", "bob", Some("t"), Some("o")),
            person("j", "ada", Some("t"), Some("o")),
            person("i", "ada", Some("t"), Some("p")),
            person("i", "ada", Some("u"), Some("o")),
            person("ia", "da", Some("t"), Some("o")),
        ] {
            assert!(!expected.is(&other), "{} {}", other.iss, other.sub);
        }
    }

    #[test]
    fn fingerprints_differ_by_every_part() {
        let step_up = Fingerprint::new(&["consent", "graph", "User.Read"]);
        assert!(step_up == Fingerprint::new(&["consent", "graph", "User.Read"]));
        for other in [
            &["step-up", "graph", "User.Read"][..],
            &["consent", "graphUser", ".Read"],
            &["consent", "graph"],
            &[],
        ] {
            assert!(step_up != Fingerprint::new(other));
        }
    }

    #[test]
    fn options_come_back_as_they_were_and_a_damaged_record_does_not() {
        let options = SignInOptions::new()
            .with_prompt(Prompt::SelectAccount)
            .with_login_hint("ada@example.com")
            .with_domain_hint("example.com")
            .with_claims("{\"id_token\":{}}")
            .with_ui_locales(["de", "fr-CH"])
            .add_parameter("a b", "c&d=é")
            .add_parameter("empty", "");
        let own = OwnOptions::of(&options, false).unwrap();
        let bytes = encode(&own);
        let read = OwnOptions::read(&bytes).unwrap();
        assert!(read == *own);
        let mut repeated = SignInOptions::new();
        read.add_to(&mut repeated);
        assert_eq!(repeated, options);

        assert!(OwnOptions::of(&SignInOptions::new().with_scopes(["a"]), true).is_none());
        assert!(OwnOptions::read(&[1, 4, b'n', b'o', b'p', b'e']).is_none(), "no such prompt");
        assert!(OwnOptions::read(&[2, 1, 0xff]).is_none());
    }
}
