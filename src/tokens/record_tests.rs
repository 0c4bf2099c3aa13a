use super::super::test_support::*;
use super::*;
use crate::{codec::Value as _, protocol::ClaimsOfPerson};

fn record(change: impl FnOnce(&mut TokenSet)) -> GrantRecord {
    let provider = FakeProvider::new(crate::clock::ManualClock::at(START));
    let store = FakeStore::default();
    sign_in(&store, &provider, &grant(1), START, change);
    (*store.record(&grant(1)).unwrap()).clone()
}

#[test]
fn a_record_is_read_as_it_was_written() {
    let by = identity(ada(), "renewed", START + seconds(7200));
    let issued = TokenSet {
        access_token: Some("other".into()),
        scope: Some("c b".into()),
        refresh_in: Some(seconds(99)),
        ..TokenSet::default()
    };
    let record = record(|_| {});
    let (record, _) = record.renewed(TokenKey::new(Scopes::granted("b")), issued, Some(&by), START);
    let (failing, renew_at) = (RenewalFailures { since: START, attempts: 3 }, START + seconds(9));
    let record = record.failed(failing, renew_at);
    let read = GrantRecord::read(&codec::encode(&record)).unwrap();
    assert!(read.person() == record.person());
    assert_eq!(
        (read.scopes(), read.refresh_token(), read.id_token()),
        (record.scopes(), record.refresh_token(), record.id_token())
    );
    assert_eq!(read.claims().unwrap().get(), r#"{"name":"renewed"}"#);
    assert_eq!(
        (read.renew_at(), read.failing(), read.generation()),
        (Some(renew_at), Some(failing), 3)
    );
    let token = read.tokens().find(&TokenKey::new(Scopes::granted("c")), |_| true).unwrap();
    assert_eq!(
        (token.secret.expose(), token.refresh_at, token.from_sign_in),
        ("other", Some(START + seconds(99)), false)
    );
    assert!(read.tokens().find(&read.sign_in_key(), |_| true).unwrap().from_sign_in);
}

#[test]
fn a_token_without_expires_in_is_renewed_soon_or_used_for_an_hour_and_never_after_its_exp() {
    let jwt = |exp: i64| {
        let claims = serde_json::json!({"exp": START.as_seconds() + exp}).to_string();
        Secret::from(format!("e.{}.s", crate::secret::base64url(claims.as_bytes())))
    };
    for (token, expires_in, renewable, otherwise) in [
        (Secret::from("opaque"), None, 600, 3600),
        (jwt(60), None, 60, 60),
        (jwt(1200), None, 600, 1200),
        (jwt(86_400), None, 600, 3600),
        (jwt(-60), None, 0, 0),
        (jwt(60), Some(900), 900, 900),
    ] {
        for (refresh_token, life) in [("r", renewable), ("", otherwise)] {
            let record = record(|issued| {
                issued.access_token = Some(token.clone());
                issued.refresh_token = Some(refresh_token.into());
                issued.expires_in = expires_in.map(seconds);
            });
            let token = record.tokens().exact(&record.sign_in_key()).unwrap();
            assert_eq!(token.expires_at, START + seconds(life), "{expires_in:?}");
        }
    }
}

#[test]
fn a_record_that_is_broken_is_none() {
    let written = codec::encode(&record(|_| {}));
    for broken in [&b""[..], b"{}", &written[1..], &written[..written.len() - 1]] {
        assert!(GrantRecord::read(broken).is_none(), "{broken:?}");
    }
}

/// The session's record has the names of the sign-in; those of a renewal are here alone.
#[test]
fn the_names_of_a_renewal_outlive_one_without_names() {
    let renewed = |record: &GrantRecord, claims: &str, from_user_info| {
        let json = RawValue::from_string(claims.to_owned()).unwrap();
        let claims = ClaimsOfPerson { json, from_user_info };
        let by = VerifiedClaims { claims, ..identity(ada(), "", START) };
        let issued = TokenSet::default();
        record.renewed(record.sign_in_key(), issued, Some(&by), START).0
    };
    let first = record(|_| {});
    let thin = renewed(&first, r#"{"acr":"1"}"#, false);
    assert_eq!(thin.claims().unwrap().get(), r#"{"acr":"1"}"#);
    let named = renewed(&thin, r#"{"acr":"1","name":"Ada"}"#, true);
    let next = renewed(&named, r#"{"acr":"2"}"#, false);
    assert_eq!(next.claims().unwrap().get(), r#"{"acr":"2","name":"Ada"}"#);
    assert_eq!((thin.is_from_user_info(), next.is_from_user_info()), (false, true));
    let read = GrantRecord::read(&codec::encode(&next)).unwrap();
    assert!(read.is_from_user_info());
}

#[test]
fn an_id_token_over_four_kilobytes_is_not_stored() {
    let record = record(|_| {});
    let by = VerifiedClaims {
        id_token: "i".repeat(MAX_ID_TOKEN_BYTES + 1).into(),
        ..identity(ada(), "renewed", START)
    };
    let (next, _) = record.renewed(record.sign_in_key(), TokenSet::default(), Some(&by), START);
    assert_eq!(next.id_token(), record.id_token());
    assert!(next.claims().is_some());
}

#[test]
fn a_record_is_little_larger_than_its_tokens() {
    let record = record(|_| {});
    let tokens = "access-0refresh-0-1id-0".len();
    let bytes = codec::encode(&record).len() - tokens;
    assert!(bytes < 150, "{bytes}");
}
