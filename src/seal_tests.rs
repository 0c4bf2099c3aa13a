//! The purposes, contexts and secrets under which sealed values open.

use super::*;
use crate::secret::from_base64url;

const SECRET: &str = "a cookie secret of more than 32 bytes";
const OTHER_SECRET: &str = "another cookie secret of 32 bytes or more";
const CONTEXT: Context = [7; 16];
const PURPOSES: [CookiePurpose; 6] = [
    CookiePurpose::Ticket,
    CookiePurpose::Attempt,
    CookiePurpose::StepUp,
    CookiePurpose::Value,
    CookiePurpose::Page,
    CookiePurpose::Form,
];
const ROWS: [RowPurpose; 3] = [RowPurpose::Session, RowPurpose::Grant, RowPurpose::Cache];

fn key_ring(secrets: &[&str]) -> KeyRing {
    let secrets: Vec<_> = secrets.iter().map(|secret| Secret::from(*secret)).collect();
    KeyRing::new(&secrets, &[b"client", b"https://id.example", b"https://app.example"]).unwrap()
}

fn opens(
    keys: &KeyRing,
    purpose: CookiePurpose,
    context: &Context,
    sealed: &[u8],
) -> Option<(Vec<u8>, KeyAge)> {
    keys.open_cookie(purpose, context, &mut sealed.to_vec())
        .map(|(plain, age)| (plain.to_vec(), age))
}

#[test]
fn a_sealed_value_opens_for_its_purpose_and_context_only() {
    let keys = key_ring(&[SECRET]);
    for purpose in PURPOSES {
        let sealed = keys.seal_cookie(purpose, &CONTEXT, b"plain").unwrap();
        assert_eq!(sealed.len(), 5 + OVERHEAD);
        for other in PURPOSES {
            assert_eq!(opens(&keys, other, &CONTEXT, &sealed).is_some(), other == purpose);
        }
        assert!(opens(&keys, purpose, &[8; 16], &sealed).is_none());
        for row in ROWS {
            assert!(keys.open_row(row, &CONTEXT, &[0; 32], &sealed).is_none());
        }
    }
}

#[test]
fn a_named_row_is_found_by_its_name_purpose_and_secret_only() {
    let rows = |secrets: &[&str], name: &str| key_ring(secrets).named_rows(RowPurpose::Cache, name);
    let [own] = &rows(&[SECRET], "ada")[..] else { panic!() };
    for other in
        [&rows(&[SECRET], "bob")[0], &rows(&[OTHER_SECRET], "ada")[0], &rows(&[SECRET], "")[0]]
    {
        assert!(other.id != own.id && other.key != own.key);
    }
    assert_ne!(key_ring(&[SECRET]).named_rows(RowPurpose::Grant, "ada")[0].id, own.id);
    let rotated = rows(&[OTHER_SECRET, SECRET], "ada");
    assert!(rotated.len() == 2 && rotated[1].id == own.id && rotated[1].key == own.key);
}

#[test]
fn a_row_opens_with_its_purpose_id_and_ticket_key_only() {
    let keys = key_ring(&[SECRET]);
    for purpose in ROWS {
        let sealed = keys.seal_row(purpose, &[1; 16], &[2; 32], b"plain").unwrap();
        assert_eq!(keys.open_row(purpose, &[1; 16], &[2; 32], &sealed).unwrap(), b"plain");
        let other =
            if purpose == RowPurpose::Session { RowPurpose::Grant } else { RowPurpose::Session };
        assert!(keys.open_row(other, &[1; 16], &[2; 32], &sealed).is_none());
        assert!(keys.open_row(purpose, &[0; 16], &[2; 32], &sealed).is_none());
        assert!(keys.open_row(purpose, &[1; 16], &[0; 32], &sealed).is_none());
        for cookie in PURPOSES {
            assert!(opens(&keys, cookie, &[1; 16], &sealed).is_none());
        }
    }
}

#[test]
fn another_application_opens_nothing() {
    let secrets = [Secret::from(SECRET)];
    let keys = KeyRing::new(&secrets, &[b"ab", b"c"]).unwrap();
    let sealed = keys.seal_cookie(CookiePurpose::Ticket, &CONTEXT, b"plain").unwrap();
    let row = keys.seal_row(RowPurpose::Session, &[1; 16], &[2; 32], b"plain").unwrap();
    for binding in
        [&[b"a".as_slice(), b"bc"][..], &[b"abc"], &[b"ab", b"c", b""], &[b"c", b"ab"], &[]]
    {
        let other = KeyRing::new(&secrets, binding).unwrap();
        assert!(opens(&other, CookiePurpose::Ticket, &CONTEXT, &sealed).is_none());
        assert!(other.open_row(RowPurpose::Session, &[1; 16], &[2; 32], &row).is_none());
    }
}

// C-318: key rotation: cookie under the previous key
#[test]
fn the_first_secret_seals_and_all_open() {
    let before = key_ring(&[SECRET]);
    let after = key_ring(&[OTHER_SECRET, SECRET]);
    let sealed = before.seal_cookie(CookiePurpose::Ticket, &CONTEXT, b"plain").unwrap();
    let row = before.seal_row(RowPurpose::Session, &[1; 16], &[2; 32], b"plain").unwrap();
    assert_eq!(
        opens(&before, CookiePurpose::Ticket, &CONTEXT, &sealed),
        Some((b"plain".to_vec(), KeyAge::Current))
    );
    assert_eq!(
        opens(&after, CookiePurpose::Ticket, &CONTEXT, &sealed),
        Some((b"plain".to_vec(), KeyAge::Older))
    );
    assert!(after.open_row(RowPurpose::Session, &[1; 16], &[2; 32], &row).is_some());
    let sealed = after.seal_cookie(CookiePurpose::Ticket, &CONTEXT, b"plain").unwrap();
    assert_eq!(opens(&before, CookiePurpose::Ticket, &CONTEXT, &sealed), None);
    assert_eq!(
        opens(&key_ring(&[OTHER_SECRET]), CookiePurpose::Ticket, &CONTEXT, &sealed)
            .map(|(_, age)| age),
        Some(KeyAge::Current)
    );
}

#[test]
fn whatever_was_changed_or_cut_does_not_open() {
    let keys = key_ring(&[SECRET]);
    let cookie = keys.seal_cookie(CookiePurpose::Ticket, &CONTEXT, b"plain").unwrap();
    let row = keys.seal_row(RowPurpose::Session, &CONTEXT, &[2; 32], b"plain").unwrap();
    let assert_does_not_open = |sealed: &[u8]| {
        assert!(opens(&keys, CookiePurpose::Ticket, &CONTEXT, sealed).is_none());
        assert!(keys.open_row(RowPurpose::Session, &CONTEXT, &[2; 32], sealed).is_none());
    };
    for sealed in [cookie, row] {
        for length in 0..sealed.len() {
            assert_does_not_open(&sealed[..length]);
        }
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_does_not_open(&flipped);
        }
        assert_does_not_open(&[&sealed[..], &[0]].concat());
    }
}

#[test]
fn an_unknown_version_does_not_open() {
    let keys = key_ring(&[SECRET]);
    let sealed = keys.seal_cookie(CookiePurpose::Ticket, &CONTEXT, b"plain").unwrap();
    for version in (0..=u8::MAX).filter(|version| *version != VERSION) {
        let mut other = sealed.clone();
        other[0] = version;
        assert!(opens(&keys, CookiePurpose::Ticket, &CONTEXT, &other).is_none());
    }
}

#[test]
fn the_key_of_a_row_is_what_hkdf_expands() {
    let keys = key_ring(&[SECRET]);
    let row = keys.seal_row(RowPurpose::Grant, &[1; 16], &[2; 32], b"plain").unwrap();
    let extracted =
        Salt::new(HKDF_SHA256, b"tower-identity cookie secret 1").extract(SECRET.as_bytes());
    let parts = ["client", "https://id.example", "https://app.example"];
    let binding = parts
        .iter()
        .flat_map(|part| [&(part.len() as u64).to_be_bytes(), part.as_bytes()].concat());
    let root: [u8; 32] =
        expand(&extracted, &[b"application", &binding.collect::<Vec<_>>()]).unwrap();
    let key: [u8; 32] =
        expand(&Prk::new_less_safe(HKDF_SHA256, &root), &[&[4], &[1; 16], &[2; 32]]).unwrap();
    let id = key_id(&row).unwrap();
    let mut sealed = row;
    assert_eq!(open(&id, &aead_key(&key).unwrap(), 4, &[1; 16], &mut sealed).unwrap(), b"plain");
}

#[test]
fn the_same_plain_value_is_never_sealed_the_same() {
    // Each seal has a random nonce.
    let keys = key_ring(&[SECRET]);
    let [a, b] =
        [(); 2].map(|()| keys.seal_cookie(CookiePurpose::Ticket, &CONTEXT, b"plain").unwrap());
    assert_ne!(a, b);
}

#[test]
fn an_empty_list_of_secrets_is_an_error() {
    assert!(KeyRing::new(&[], &[]).is_err());
}

/// Browsers and stores keep sealed values across releases: a change of the format needs a new
/// version.
#[test]
fn values_sealed_by_version_1_open() {
    let keys = key_ring(&[SECRET]);
    let cookie = from_base64url(COOKIE_OF_VERSION_1).unwrap();
    assert_eq!(
        opens(&keys, CookiePurpose::Ticket, &CONTEXT, &cookie),
        Some((b"plain".to_vec(), KeyAge::Current))
    );
    let row = from_base64url(ROW_OF_VERSION_1).unwrap();
    assert_eq!(keys.open_row(RowPurpose::Session, &[1; 16], &[2; 32], &row).unwrap(), b"plain");
}

const COOKIE_OF_VERSION_1: &str = "AT8p1UZoZnkT22hLy2doPEaRN1eC8fTSsRAG-cd1cxmQsqQP_zQ";
const ROW_OF_VERSION_1: &str = "AT8p1UYEsrmSFdUO0IqLsUQj0XoZ6lGfKXk1NDz4tQYYkefq_hY";
