//! A good token of each form, with one thing changed: what passes, as which caller, and what is
//! refused.

use serde_json::{Value, json};

use super::test_api::{APP, OTHER_TID, TID, TestApi, changed, claims, merge, signed, v1, v2};
use crate::protocol::test_support::{CLIENT_ID, ISSUER, NOW, Signer};

/// Changes in a good token (`"-"` leaves a claim out), and the kind of the caller or the reason of
/// the refusal.
type Rows<'a> = &'a [(Value, &'a str)];

/// A value with these members changed.
fn with(good: &Value, change: &Value) -> Value {
    changed(good.clone(), |value| {
        merge(value, change);
        value.as_object_mut().unwrap().retain(|_, member| member != "-");
    })
}

async fn judge(api: impl Fn() -> TestApi, typ: &str, good: &Value, rows: Rows<'_>) {
    let passing = api().with_token(&signed(typ, good)).await;
    assert_eq!(passing.status.as_u16(), 200, "{passing:?}");
    for (change, verdict) in rows {
        let answer = api().with_token(&signed(typ, &with(good, change))).await;
        assert_eq!(answer.verdict(), *verdict, "{change}");
    }
}

#[tokio::test]
async fn version_2_of_entra() {
    let seconds = NOW.as_seconds();
    judge(
        || TestApi::entra(|config| config),
        "JWT",
        &v2(),
        &[
            (json!({"azp": "-"}), "token_kind"),
            (json!({"azp": "-", "client_id": "client"}), "token_kind"),
            (json!({"azp": "-", "appid": "client"}), "person"),
            (json!({"appid": "other"}), "token_malformed"),
            (json!({"AZP": "other"}), "token_malformed"),
            (json!({"scp": "-", "scope": "Notes.Read"}), "token_kind"),
            (json!({"scp": ["Notes.Read"]}), "person"),
            (json!({"scp": "-", "roles": "R"}), "application"),
            (json!({"roles": ["R"]}), "person"),
            (json!({"roles": ["R"], "idtyp": "app"}), "application"),
            (json!({"idtyp": "app"}), "token_kind"),
            (json!({"idtyp": "User"}), "token_malformed"),
            (json!({"tid": OTHER_TID}), "token_key_issuer"),
            (json!({"tid": "-"}), "token_key_issuer"),
            (json!({"tid": TID.to_uppercase()}), "token_key_issuer"),
            (json!({"tid": "{tenantid}"}), "token_key_issuer"),
            (
                json!({"iss": format!("https://login.microsoftonline.com/{TID}/v2.0/")}),
                "token_key_issuer",
            ),
            (json!({"iss": "https://login.microsoftonline.com/common/v2.0"}), "token_key_issuer"),
            (json!({"iss": format!("https://sts.windows.net/{TID}/")}), "token_mismatch"),
            (json!({"ver": "1.0"}), "token_mismatch"),
            (json!({"aud": format!("api://{APP}/")}), "person"),
            (json!({"aud": APP.to_uppercase()}), "token_audience"),
            (json!({"aud": "00000003-0000-0000-c000-000000000000"}), "token_audience"),
            (json!({"aud": "-", "token_use": "access", "client_id": APP}), "token_audience"),
            (json!({"cnf": {"kid": "x", "xms_ksl": "sw"}}), "token_kind"),
            (json!({"nonce": "n"}), "token_kind"),
            (json!({"at_hash": "x"}), "token_kind"),
            (json!({"exp": seconds - 60}), "token_expired"),
            (json!({"exp": seconds - 59}), "person"),
            (json!({"nbf": seconds + 61}), "token_not_yet_valid"),
            (json!({"iat": seconds + 61}), "token_not_yet_valid"),
            (json!({"gty": ["client_credentials"]}), "person"),
        ],
    )
    .await;
}

#[tokio::test]
async fn version_1_of_entra() {
    judge(
        || TestApi::entra(|config| config),
        "JWT",
        &v1(),
        &[
            (json!({"appid": "-"}), "token_kind"),
            (json!({"appid": ""}), "token_malformed"),
            (json!({"azp": "other"}), "token_malformed"),
            (json!({"azp": "client"}), "person"),
            (json!({"scp": "-"}), "token_kind"),
            (json!({"scp": "/"}), "token_kind"),
            (json!({"scp": "/", "roles": ["R"]}), "application"),
            (json!({"ver": "2.0"}), "token_mismatch"),
            (json!({"iss": format!("https://sts.windows.net/{OTHER_TID}/")}), "token_key_issuer"),
            (json!({"iss": format!("https://sts.windows.net/{TID}")}), "token_key_issuer"),
            (json!({"iss": format!("http://sts.windows.net/{TID}/")}), "token_key_issuer"),
            (json!({"aud": APP}), "person"),
            (json!({"aud": format!("API://{APP}")}), "token_audience"),
            (json!({"aud": [format!("api://{APP}"), "https://graph.microsoft.com"]}), "person"),
            (json!({"oid": "-", "sub": "-"}), "token_subject"),
            (json!({"appidacr": "2", "azpacr": "1"}), "token_malformed"),
        ],
    )
    .await;
}

#[tokio::test]
async fn rfc_9068_and_older_forms_of_generic_providers() {
    let rows: Rows<'_> = &[
        (json!({"azp": "app"}), "person"),
        (json!({"azp": "web"}), "token_malformed"),
        (json!({"azp": ""}), "token_malformed"),
        (json!({"azp": null}), "token_malformed"),
        (json!({"sub": "app"}), "application"),
        (json!({"sub": "app@clients"}), "application"),
        (json!({"sub": "app@clients", "sid": "1"}), "token_subject"),
        (json!({"sub": "App"}), "person"),
        (json!({"sub": "client:app"}), "application"),
        (json!({"sub": "client:app", "sid": "1"}), "token_subject"),
        (json!({"sub": "client:App"}), "person"),
        (json!({"sub": "user:app"}), "person"),
        (json!({"sub": "-"}), "application"),
        (json!({"sub": "-", "amr": ["pwd"]}), "person"),
        (json!({"sub": ""}), "token_subject"),
        (json!({"sub": null}), "token_malformed"),
        (json!({"sub": "-", "client_id": "-"}), "token_malformed"),
        (json!({"gty": "client-credentials"}), "application"),
        (json!({"gty": ["password", "client-credentials"]}), "token_malformed"),
        (json!({"typ": "Refresh"}), "token_kind"),
        (json!({"typ": "Bearer"}), "person"),
        (json!({"token_use": "id"}), "token_kind"),
        (json!({"token_use": "access"}), "person"),
        (json!({"aud": "-"}), "token_audience"),
        (json!({"aud": []}), "token_audience"),
        (json!({"aud": [CLIENT_ID, 7]}), "token_audience"),
        (json!({"aud": {"0": CLIENT_ID}}), "token_audience"),
        (json!({"iss": format!("{ISSUER}/")}), "token_issuer"),
        (json!({"iss": [ISSUER]}), "token_issuer"),
        (json!({"exp": "-"}), "token_malformed"),
        (json!({"exp": "9999999999"}), "token_malformed"),
        (json!({"cnf": {}}), "token_kind"),
        (json!({"events": null}), "token_kind"),
        (json!({"act": {"sub": "other"}}), "person"),
        (json!({"may_act": {"sub": "other"}}), "person"),
        (json!({"acr": ["gold"]}), "token_malformed"),
        (json!({"acrs": {"c1": true}}), "token_malformed"),
    ];
    judge(TestApi::plain, "at+jwt", &claims(), rows).await;
    judge(TestApi::plain, "JWT", &claims(), rows).await;
    let typed: Rows<'_> =
        &[(json!({"jti": 1}), "token_malformed"), (json!({"scope": "-"}), "person")];
    judge(TestApi::plain, "at+jwt", &claims(), typed).await;
    let untyped: Rows<'_> = &[
        (json!({"scope": "-", "client_id": "-", "azp": "app"}), "token_kind"),
        (json!({"nonce": "n"}), "token_kind"),
        (json!({"scope": "", "client_id": "-", "azp": "app"}), "token_kind"),
        (json!({"scope": "-", "client_id": "-", "mode": "access"}), "person"),
        (json!({"scope": "-", "client_id": "-", "mode": "refresh"}), "token_kind"),
        (json!({"mode": "access", "at_hash": "h"}), "token_kind"),
        (json!({"mode": 7}), "person"),
        (json!({"scope": "-", "client_id": "-", "cid": "app", "sub": "app"}), "application"),
    ];
    judge(TestApi::plain, "JWT", &claims(), untyped).await;
}

#[tokio::test]
async fn ad_fs() {
    let now = NOW.as_seconds();
    let good = json!({
        "aud": format!("microsoft:identityserver:{CLIENT_ID}"), "sub": "ada", "ver": "1.0",
        "iss": "http://fs.example.com/adfs/services/trust", "iat": now, "exp": now + 600,
        "apptype": "Public", "appid": "client", "scp": "Notes.Read",
    });
    judge(
        || TestApi::adfs(|config| config),
        "JWT",
        &good,
        &[
            (json!({"iss": "https://fs.example.com/adfs"}), "person"),
            (json!({"iss": "http://fs.example.com/adfs/services/trust/"}), "token_issuer"),
            (json!({"aud": CLIENT_ID}), "person"),
            (json!({"aud": "microsoft:identityserver:"}), "token_audience"),
            (json!({"aud": "-", "token_use": "access", "client_id": CLIENT_ID}), "token_audience"),
            (json!({"sub": "-"}), "person"),
            (json!({"sub": "-", "scp": "-"}), "application"),
            (json!({"sub": "client"}), "application"),
            (json!({"appid": "-", "azp": "client"}), "person"),
            (json!({"appid": ""}), "token_malformed"),
            (json!({"scp": "-", "appid": "-"}), "token_kind"),
        ],
    )
    .await;
}

/// What is in the header chooses neither the key nor the kind of the token.
#[tokio::test]
async fn headers() {
    let api = TestApi::plain;
    for (change, verdict) in [
        (json!({"typ": "at+JWT"}), "person"),
        (json!({"typ": "application/at+jwt"}), "person"),
        (json!({"typ": "-"}), "person"),
        (json!({"typ": ""}), "token_kind"),
        (json!({"typ": "jwt"}), "person"),
        (json!({"typ": "id_token+jwt"}), "token_kind"),
        (json!({"typ": "token-introspection+jwt"}), "token_kind"),
        (json!({"typ": null}), "token_malformed"),
        (json!({"typ": 7}), "token_malformed"),
        (json!({"kid": "-"}), "person"),
        (json!({"kid": ""}), "token_key_unknown"),
        (json!({"kid": null}), "token_malformed"),
        (json!({"kid": {"kid": "k1"}}), "token_malformed"),
        (json!({"alg": null}), "token_malformed"),
        (json!({"alg": "none"}), "token_algorithm"),
        (json!({"alg": "HS256"}), "token_algorithm"),
        (json!({"jwk": Signer::shared().jwk("k1"), "kid": "mine"}), "token_key_unknown"),
        (json!({"crit": ["exp"]}), "token_malformed"),
    ] {
        let header = with(&json!({"alg": "RS256", "kid": "k1", "typ": "JWT"}), &change);
        let answer = api().with_token(&Signer::shared().sign(&header, &claims())).await;
        assert_eq!(answer.verdict(), verdict, "{change}");
    }
}
