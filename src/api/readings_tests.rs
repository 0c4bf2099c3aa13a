//! Claims and header members that two readers could read differently: which application it is,
//! whether a person or an application calls, whether the token is for this API.

use serde_json::{Value, json};

use super::{
    require_scopes,
    test_api::{TestApi, changed, claims, merge, signed},
};

/// The claims of RFC 9068, changed, without the claims that are `"-"`.
fn with(more: &Value) -> Value {
    changed(claims(), |claims| {
        merge(claims, more);
        claims.as_object_mut().unwrap().retain(|_, value| value != "-");
    })
}

/// Zitadel writes no scopes into JWT: no guard for scopes ever admits them.
#[tokio::test]
async fn the_refusal_of_a_token_without_any_scope_says_that_it_has_none() {
    let error_of = async |more: &Value| {
        let api = TestApi::plain().guarded(require_scopes("Notes.Read"));
        let told = api.with_token(&signed("JWT", &with(more))).await;
        assert_eq!((told.status.as_u16(), told.reason().as_str()), (403, "insufficient_scope"));
        told.error.unwrap()
    };
    let without = error_of(&json!({"scope": "-"})).await;
    for part in ["no scope at all", "with_introspection", "IDENTITY_INTROSPECTION", "Zitadel"] {
        assert!(without.contains(part), "{part}: {without}");
    }
    let other = error_of(&json!({"scope": "Other"})).await;
    assert!(!other.contains("no scope at all") && other.contains("Other"), "{other}");
}
