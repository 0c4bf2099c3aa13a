//! The writing of ID tokens, with or without a fault.

use std::time::Duration;

use base64_simd::STANDARD;
use serde_json::{Map, Value, json};

use super::{
    draft::{Draft, signed},
    jwt,
    keys::ProviderKey,
    quirk::Quirk,
    spoil::{FaultOrder, Spoil},
    state::ProviderState,
};
use crate::{
    clock::UnixTime,
    config::Algorithm,
    error::Error,
    secret::{Secret, base64url},
};

const HOUR: Duration = Duration::from_secs(3600);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
const OTHER_CLIENT: &str = "another-client";

/// Writes the ID token with these claims and the ordered fault.
pub(super) fn write(
    state: &ProviderState,
    key: ProviderKey,
    claims: Map<String, Value>,
    order: Option<FaultOrder<Spoil, Map<String, Value>>>,
    now: UnixTime,
) -> Result<String, Error> {
    let mut draft = Draft::new(key, "JWT", claims);
    state.quirks.header(&mut draft.header);
    match order {
        None => sign(state, draft),
        Some(FaultOrder::Change(change)) => {
            change(&mut draft.claims);
            sign(state, draft)
        }
        Some(FaultOrder::Spoil(spoil)) => carry_out(state, draft, spoil, now),
    }
}

/// Signs an ID token without a fault.
fn sign(state: &ProviderState, mut draft: Draft) -> Result<String, Error> {
    if state.quirks.has(Quirk::SecretSignature) {
        let secret = client_secret(state, &draft);
        return Ok(draft.hmac(secret.expose().as_bytes()));
    }
    draft.signed()
}

/// The secret of the client that the token is for.
fn client_secret(state: &ProviderState, draft: &Draft) -> Secret {
    let client = state.client(&draft.text("aud"));
    client.and_then(|client| client.secret.clone()).unwrap_or_default()
}

/// Writes the token with a named fault.
pub(super) fn carry_out(
    state: &ProviderState,
    mut draft: Draft,
    spoil: Spoil,
    now: UnixTime,
) -> Result<String, Error> {
    spoil_claims(&mut draft, spoil, now);
    spoil_header(state, &mut draft, spoil)?;
    spoil_shape(state, draft, spoil)
}

fn spoil_claims(draft: &mut Draft, spoil: Spoil, now: UnixTime) {
    use Spoil as S;
    let (before, later) = (|by| (now - by).as_seconds(), |by| (now + by).as_seconds());
    let (issuer, client, subject) = (draft.text("iss"), draft.text("aud"), draft.text("sub"));
    match spoil {
        S::IssuerOther => draft.set("iss", "https://another-issuer.example"),
        S::IssuerWithSlash => draft.set("iss", format!("{issuer}/")),
        S::IssuerNumber => draft.set("iss", 1),
        S::IssuerTwice => draft.twice = Some(("iss", "https://another-issuer.example".into())),
        S::AudienceOther => draft.set("aud", OTHER_CLIENT),
        S::AudienceEmpty => draft.set("aud", json!([])),
        S::AudienceNumber => draft.set("aud", 1),
        S::AudienceTwice => draft.twice = Some(("aud", OTHER_CLIENT.into())),
        S::AudienceList => draft.set("aud", json!([client])),
        S::AudienceExtra => {
            draft.set("aud", json!([client, OTHER_CLIENT]));
            draft.set("azp", client);
        }
        S::AudienceExtraWithoutAzp => draft.set("aud", json!([client, OTHER_CLIENT])),
        S::AuthorizedPartyOther => draft.set("azp", OTHER_CLIENT),
        S::SubjectOther => draft.set("sub", "another-person"),
        S::SubjectOtherCase => draft.set("sub", swap_case(&subject)),
        S::SubjectEmpty => draft.set("sub", ""),
        S::SubjectNumber => draft.set("sub", 1),
        S::SubjectTooLong => draft.set("sub", "s".repeat(256)),
        S::SubjectTwice => draft.twice = Some(("sub", "another-person".into())),
        S::ExpiryPast => {
            // Issued before it expired, so that `exp` alone is wrong.
            draft.set("iat", before(2 * HOUR));
            draft.set("exp", before(HOUR));
        }
        S::ExpiryString => draft.set("exp", draft.number("exp").to_string()),
        S::ExpiryNull => draft.set("exp", Value::Null),
        S::ExpiryFraction => draft.set("exp", fraction(draft.number("exp"))),
        S::ExpiryHuge => draft.set("exp", 1e300),
        S::NotBeforeFuture => draft.set("nbf", later(HOUR)),
        S::NotBeforeSoon => draft.set("nbf", later(Duration::from_secs(30))),
        S::NotBeforeString => draft.set("nbf", before(HOUR).to_string()),
        S::IssuedAtFuture => draft.set("iat", later(HOUR)),
        S::IssuedAtString => draft.set("iat", draft.number("iat").to_string()),
        S::IssuedAtNull => draft.set("iat", Value::Null),
        S::IssuedAtOld => draft.set("iat", before(WEEK)),
        S::NonceOther => draft.set("nonce", "another-nonce"),
        S::NonceEmpty => draft.set("nonce", ""),
        S::NonceNumber => draft.set("nonce", 1),
        S::NonceTwice => draft.twice = Some(("nonce", "another-nonce".into())),
        S::AccessTokenHashOther => {
            draft.set("at_hash", jwt::half_hash(draft.key.algorithm, "another access token"))
        }
        S::AccessTokenHashNumber => draft.set("at_hash", 1),
        S::AuthTimeOld => draft.set("auth_time", before(WEEK)),
        S::AuthTimeZero => draft.set("auth_time", 0),
        S::AuthTimeString => draft.set("auth_time", draft.number("auth_time").to_string()),
        S::AuthTimeNegative => draft.set("auth_time", -1),
        S::AuthTimeFraction => draft.set("auth_time", fraction(draft.number("auth_time"))),
        S::AcrOther => draft.set("acr", "another-acr"),
        S::Oversized => draft.set("padding", "x".repeat(2 * 1024 * 1024)),
        S::IssuerMissing => drop(draft.claims.remove("iss")),
        S::AudienceMissing => drop(draft.claims.remove("aud")),
        S::SubjectMissing => drop(draft.claims.remove("sub")),
        S::ExpiryMissing => drop(draft.claims.remove("exp")),
        S::IssuedAtMissing => drop(draft.claims.remove("iat")),
        S::NonceMissing => drop(draft.claims.remove("nonce")),
        S::AccessTokenHashMissing => drop(draft.claims.remove("at_hash")),
        S::AuthTimeMissing => drop(draft.claims.remove("auth_time")),
        S::AcrMissing => drop(draft.claims.remove("acr")),
        _ => {}
    }
}

#[allow(clippy::cast_precision_loss, reason = "a time of today is exact in an f64")]
fn fraction(seconds: i64) -> f64 {
    seconds as f64 + 0.5
}

fn swap_case(text: &str) -> String {
    let swap = |letter: char| {
        if letter.is_ascii_lowercase() {
            letter.to_ascii_uppercase()
        } else {
            letter.to_ascii_lowercase()
        }
    };
    text.chars().map(swap).collect()
}

fn spoil_header(state: &ProviderState, draft: &mut Draft, spoil: Spoil) -> Result<(), Error> {
    use Spoil as S;
    let mut set = |name: &str, value: Value| drop(draft.header.insert(name.to_owned(), value));
    match spoil {
        S::AlgorithmNone | S::AlgorithmNoneSigned => set("alg", "none".into()),
        S::AlgorithmNoneMixedCase => set("alg", "nOnE".into()),
        S::AlgorithmMissing => drop(draft.header.remove("alg")),
        S::AlgorithmOther => {
            let name = draft.key.algorithm.as_str();
            let other = if name == "RS256" { Algorithm::Ps256 } else { Algorithm::Rs256 };
            set("alg", other.as_str().into());
            // An RSA key makes a valid signature with any RSA algorithm; an EC key has one
            // algorithm only (RFC 7518 section 3.4), so there the name alone is wrong.
            if name.starts_with("RS") || name.starts_with("PS") {
                draft.key.algorithm = other;
            }
        }
        S::KeyUnknown => set("kid", "unknown".into()),
        S::KeyIdMissing => drop(draft.header.remove("kid")),
        S::KeyWrong => draft.key = state.keys.impostor()?,
        S::KeyEmbedded => {
            draft.key = state.keys.impostor()?;
            // RFC 8725 section 3.8: the key has to belong to the issuer. One that a token brings
            // along does not.
            draft.header.insert("jwk".into(), draft.key.jwk());
        }
        S::KeyUrl => {
            draft.key = state.keys.impostor()?;
            // RFC 8725 section 3.10: a verifier must not follow the URL either, which an attacker
            // chooses.
            draft.header.insert("jku".into(), "https://another-issuer.example/keys".into());
        }
        S::TypeLogoutToken => set("typ", "logout+jwt".into()),
        S::TypeAccessToken => set("typ", "at+jwt".into()),
        S::TypeMissing => drop(draft.header.remove("typ")),
        S::CriticalHeader => {
            set("crit", json!(["https://another-issuer.example/critical"]));
            set("https://another-issuer.example/critical", true.into());
        }
        _ => {}
    }
    Ok(())
}

/// Signs the token, or applies a fault of the signature.
fn spoil_shape(state: &ProviderState, mut draft: Draft, spoil: Spoil) -> Result<String, Error> {
    use Spoil as S;
    let header = draft.header_text();
    Ok(match spoil {
        S::AlgorithmNone | S::AlgorithmNoneMixedCase | S::SignatureEmpty => {
            format!("{}.", draft.message())
        }
        S::SignatureMissing => draft.message(),
        S::AlgorithmHs256PublicKey => {
            // RFC 8725 section 2.1: the attacker knows the public key, so its text must not be a
            // valid secret.
            let der = STANDARD.encode_to_string(draft.key.public_bytes());
            let pem =
                format!("-----BEGIN RSA PUBLIC KEY-----\n{der}\n-----END RSA PUBLIC KEY-----\n");
            draft.hmac(pem.as_bytes())
        }
        S::AlgorithmHs256ClientSecret => {
            let secret = client_secret(state, &draft);
            draft.hmac(secret.expose().as_bytes())
        }
        S::SignatureWrong => {
            let message = draft.message();
            let mut signature = draft.key.sign(message.as_bytes())?;
            if let Some(byte) = signature.last_mut() {
                // The last byte: verifiers that compare a part of the signature miss it.
                *byte ^= 1;
            }
            format!("{message}.{}", base64url(&signature))
        }
        S::PayloadChanged => {
            // The signature of the right claims, under other claims.
            let signed = draft.signed()?;
            let signature = signed
                .rsplit_once('.')
                .map(|(_, signature)| signature.to_owned())
                .unwrap_or_default();
            draft.set("sub", "another-person");
            format!("{}.{signature}", draft.message())
        }
        S::NotAJwt => "token".to_owned(),
        S::Empty => String::new(),
        S::FiveParts => format!("{}.a.b.c.d", base64url(br#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#)),
        S::Padded => {
            let padded = |text: &str| base64_simd::URL_SAFE.encode_to_string(text);
            // Additional spaces until the length requires padding.
            let mut payload = draft.payload();
            while payload.len().is_multiple_of(3) {
                payload.push(' ');
            }
            signed(&draft.key, &format!("{}.{}", padded(&header), padded(&payload)))?
        }
        S::HeaderNotJson => signed(&draft.key, &jwt::message("header", &draft.payload()))?,
        S::PayloadNotJson => signed(&draft.key, &jwt::message(&header, "payload"))?,
        S::PayloadList => {
            signed(&draft.key, &jwt::message(&header, &format!("[{}]", draft.payload())))?
        }
        _ => draft.signed()?,
    })
}
