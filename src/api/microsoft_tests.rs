//! Access tokens of External ID, Azure AD B2C and AD FS, and of one tenant at the metadata of
//! another: which pass, and for what reason the others are refused.

use serde_json::{Value, json};

use super::test_api::{APP, OTHER_TID, TID, TestApi, changed, entra, merge, signed, v1, v2};
use crate::{
    authority::{Authority, B2cPolicies},
    config::ApiConfig,
    protocol::test_support::{NOW, Signer, answer, key_set},
};

/// The discovery document of a provider of Microsoft's.
fn published(base: &str, issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
    })
}

/// An API at a provider of Microsoft's, whose document and keys name `issuer`.
fn api(authority: Authority, base: &str, issuer: &str) -> TestApi {
    let mut key = Signer::shared().jwk("k1");
    key["issuer"] = json!(issuer);
    let keys = json!({"keys": [key]});
    TestApi::at(ApiConfig::new(authority, APP), published(base, issuer), keys)
}

const B2C: &str = "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_in";

/// An API at a B2C user flow, whose keys name no issuer.
fn b2c_api(issuer: &str) -> TestApi {
    let authority = Authority::b2c("contoso", B2cPolicies::new("B2C_1_in")).unwrap();
    TestApi::at(ApiConfig::new(authority, APP), published(B2C, issuer), key_set())
}

/// The rows of a table: members that change in a good token (`null` leaves one out), and the reason
/// of the refusal.
async fn judge(api: &TestApi, good: &Value, rows: &[(Value, Option<&str>)]) {
    for (change, reason) in rows {
        let mut claims = changed(good.clone(), |claims| merge(claims, change));
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let token = signed("JWT", &claims);
        match reason {
            None => assert_eq!(api.takes(&token).await, "person Notes.Read", "{change}"),
            Some(reason) => {
                let told = api.with_token(&token).await;
                assert_eq!(
                    (told.status.as_u16(), told.reason().as_str()),
                    (401, *reason),
                    "{change}"
                );
            }
        }
    }
}

/// An empty `oid` would be one key for all users of a tenant; a line feed would reach logs.
#[tokio::test]
async fn an_empty_or_unprintable_id_of_a_user_is_no_id() {
    let api = TestApi::entra(|config| config);
    for (oid, sub, reason) in [
        (json!(""), json!("s-1"), None),
        (json!(""), json!(""), Some("token_subject")),
        (json!("o-1"), json!(""), None),
        (json!("o\n1"), json!("s-1"), None),
        (json!("o\n1"), json!(""), Some("token_subject")),
        (json!("o-1"), json!("s\n1"), Some("token_subject")),
        (json!(7), json!("s-1"), Some("token_malformed")),
    ] {
        let token = entra(v2(), |claims| merge(claims, &json!({"oid": oid, "sub": sub})));
        match reason {
            Some(reason) => api.refuses(&token, reason).await,
            None => {
                let key = api.key_of(&token).await;
                assert!(key.ends_with("-1"), "{oid} {sub}: {key:?}");
            }
        }
    }
}

#[tokio::test]
async fn external_id_issues_under_the_host_of_its_tenant_and_nowhere_else() {
    let issuer = format!("https://{TID}.ciamlogin.com/{TID}/v2.0");
    let base = "https://contoso.ciamlogin.com/contoso.onmicrosoft.com";
    let api = api(Authority::external_id("contoso").unwrap(), base, &issuer);
    let good = changed(v2(), |claims| claims["iss"] = json!(issuer));
    let of = |iss: String| json!({"iss": iss});
    judge(
        &api,
        &good,
        &[
            (json!({}), None),
            (json!({"aud": format!("api://{APP}")}), None),
            // Not of this tenant: each part of the issuer, and `tid`, with the key of the tenant.
            (
                of(format!("https://{OTHER_TID}.ciamlogin.com/{OTHER_TID}/v2.0")),
                Some("token_key_issuer"),
            ),
            (of(format!("https://{OTHER_TID}.ciamlogin.com/{TID}/v2.0")), Some("token_key_issuer")),
            (of(format!("https://{TID}.ciamlogin.com/{OTHER_TID}/v2.0")), Some("token_key_issuer")),
            (json!({"tid": OTHER_TID}), Some("token_issuer")),
            // The issuer names the tenant, and is compared with that of the document.
            (json!({"tid": null}), None),
            // The same tenant id at the workforce endpoints, in both versions.
            (of(format!("https://login.microsoftonline.com/{TID}/v2.0")), Some("token_key_issuer")),
            (of(format!("https://sts.windows.net/{TID}/")), Some("token_key_issuer")),
            (of(format!("{issuer}/")), Some("token_key_issuer")),
            (
                of(issuer.replace("ciamlogin.com", "ciamlogin.com.evil.example")),
                Some("token_key_issuer"),
            ),
            (json!({"scp": null}), Some("token_kind")),
            (json!({"aud": "https://graph.microsoft.com"}), Some("token_audience")),
        ],
    )
    .await;
}

#[tokio::test]
async fn b2c_takes_the_tokens_of_one_user_flow_by_tfp_or_acr_and_by_both_issuers() {
    let by_tenant = format!("https://contoso.b2clogin.com/{TID}/v2.0/");
    let by_flow = |flow: &str| format!("https://contoso.b2clogin.com/tfp/{TID}/{flow}/v2.0/");
    let now = NOW.as_seconds();
    let claims = |issuer: &str| {
        json!({
            "iss": issuer, "exp": now + 600, "nbf": now, "iat": now, "aud": APP, "oid": "o-1",
            "sub": "o-1",
            "tfp": "B2C_1_in", "scp": "Notes.Read", "azp": "client", "ver": "1.0",
        })
    };
    let same = [
        (json!({}), None),
        // Names of user flows have no letter case; old policies write `acr` in place of `tfp`.
        (json!({"tfp": "b2c_1_IN"}), None),
        (json!({"tfp": null, "acr": "b2c_1_in"}), None),
        // Another user flow of the same tenant, which signs with the same keys.
        (json!({"tfp": "B2C_1_edit"}), Some("token_mismatch")),
        (json!({"tfp": "B2C_1_in2"}), Some("token_mismatch")),
        (json!({"tfp": null, "acr": "b2c_1_edit"}), Some("token_mismatch")),
        (json!({"tfp": "B2C_1_edit", "acr": "B2C_1_in"}), Some("token_mismatch")),
        (json!({"tfp": null}), Some("token_mismatch")),
        (json!({"tfp": ""}), Some("token_mismatch")),
        (json!({"tfp": ["B2C_1_in"]}), Some("token_malformed")),
        (json!({"TFP": "B2C_1_edit"}), Some("token_malformed")),
        (json!({"scp": null}), Some("token_kind")),
        (json!({"azp": null}), Some("token_kind")),
        (json!({"aud": OTHER_TID}), Some("token_audience")),
        (json!({"iss": "https://contoso.b2clogin.com/tfp/"}), Some("token_issuer")),
        (
            json!({"iss": format!("https://contoso.b2clogin.com/{OTHER_TID}/v2.0/")}),
            Some("token_issuer"),
        ),
        (
            json!({"iss": format!("https://fabrikam.b2clogin.com/{TID}/v2.0/")}),
            Some("token_issuer"),
        ),
        (
            json!({"iss": format!("https://login.microsoftonline.com/{TID}/v2.0")}),
            Some("token_issuer"),
        ),
        (json!({"iss": by_flow("b2c_1_edit")}), Some("token_issuer")),
    ];
    for issuer in [by_tenant, by_flow("b2c_1_in")] {
        judge(&b2c_api(&issuer), &claims(&issuer), &same).await;
    }
}

/// The metadata of one tenant, as with `Authority::entra` and a GUID.
#[tokio::test]
async fn a_token_of_another_tenant_is_refused_at_the_metadata_of_one_tenant_in_both_versions() {
    let issuer = format!("https://login.microsoftonline.com/{TID}/v2.0");
    let base = format!("https://login.microsoftonline.com/{TID}");
    let api = api(Authority::entra(TID).unwrap(), &base, &issuer);
    assert_eq!(api.takes(&entra(v1(), |_| ())).await, "person Notes.Read");
    assert_eq!(api.takes(&entra(v2(), |_| ())).await, "person Notes.Read");
    let other_1 = format!("https://sts.windows.net/{OTHER_TID}/");
    let other_2 = format!("https://login.microsoftonline.com/{OTHER_TID}/v2.0");
    for (version, change) in [
        (v1(), json!({"iss": other_1, "tid": OTHER_TID})),
        (v1(), json!({"iss": other_1})),
        (v1(), json!({"tid": OTHER_TID})),
        (v1(), json!({"iss": issuer})),
        (v2(), json!({"iss": other_2, "tid": OTHER_TID})),
        (v2(), json!({"iss": other_2})),
        (v2(), json!({"tid": OTHER_TID})),
        (v2(), json!({"iss": format!("https://sts.windows.net/{TID}/")})),
    ] {
        let told = api.with_token(&entra(version, |claims| merge(claims, &change))).await;
        let reason = told.reason();
        assert_eq!(told.status.as_u16(), 401, "{change}");
        let expected = ["token_key_issuer", "token_issuer", "token_mismatch"];
        assert!(expected.contains(&reason.as_str()), "{change}: {reason}");
    }
}

/// Microsoft's example of an access token of Azure AD B2C, which repeats the `nonce` of the
/// request, and the ID token beside it, which names neither client nor scope.
#[tokio::test]
async fn an_access_token_of_b2c_may_have_a_nonce_and_an_id_token_of_b2c_is_refused() {
    let issuer = format!("https://contoso.b2clogin.com/{TID}/v2.0/");
    let api = b2c_api(&issuer);
    let now = NOW.as_seconds();
    let claims = json!({
        "iss": issuer, "exp": now + 600, "nbf": now, "iat": now, "aud": APP, "oid": "o-1",
        "sub": "o-1", "name": "David", "tfp": "B2C_1_in", "nonce": "anyRandomValue", "scp": "read",
        "azp": "38307aee-303c-4fff-8087-d8d2", "ver": "1.0",
    });
    assert_eq!(api.takes(&signed("JWT", &claims)).await, "person read");
    let other_policy = changed(claims.clone(), |claims| claims["tfp"] = json!("B2C_1_edit"));
    api.refuses(&signed("JWT", &other_policy), "token_mismatch").await;
    for missing in [&["scp"][..], &["azp"], &["scp", "azp"]] {
        let id_token = changed(claims.clone(), |claims| {
            claims.as_object_mut().unwrap().retain(|name, _| !missing.contains(&name.as_str()));
        });
        api.refuses(&signed("JWT", &id_token), "token_kind").await;
    }
}

fn of_adfs() -> Value {
    let now = NOW.as_seconds();
    json!({
        "aud": "microsoft:identityserver:https://api.example",
        "iss": "http://fs.example.com/adfs/services/trust", "iat": now, "exp": now + 600,
        "apptype": "Public", "appid": "client", "scp": "Notes.Read", "sub": "ada", "ver": "1.0",
        "auth_time": "2026-11-27T03:42:00.000Z",
    })
}

fn adfs() -> TestApi {
    TestApi::adfs(|config| config.add_audience("https://api.example"))
}

#[tokio::test]
async fn ad_fs_has_an_issuer_of_access_tokens_and_its_own_spelling_of_audiences() {
    let (api, claims) = (adfs(), of_adfs());
    assert_eq!(api.takes(&signed("JWT", &claims)).await, "person Notes.Read");
    let foreign =
        changed(claims, |claims| claims["iss"] = json!("http://other.example/adfs/services/trust"));
    api.refuses(&signed("JWT", &foreign), "token_issuer").await;
}

/// AD FS sends `sub` only if a rule issues it.
#[tokio::test]
async fn users_whom_ad_fs_does_not_identify_share_no_key_not_even_that_of_the_application() {
    let api = adfs();
    let issuer = "http://fs.example.com/adfs/services/trust";
    let without = |jti: &str| {
        let claims = changed(of_adfs(), |claims| {
            claims["jti"] = json!(jti);
            claims.as_object_mut().unwrap().remove("sub");
        });
        signed("JWT", &claims)
    };
    let (one, other) = (without("1"), without("2"));
    assert_eq!(api.takes(&one).await, "person Notes.Read");
    let (key, of_other) = (api.key_of(&one).await, api.key_of(&other).await);
    assert_ne!(key, of_other);
    for key in [&key, &of_other] {
        assert!(!key.ends_with(" client") && *key != format!("{issuer} "), "{key}");
    }
    assert_eq!(api.key_of(&one).await, key, "the same token");
    let application = changed(of_adfs(), |claims| {
        let members = claims.as_object_mut().unwrap();
        members.remove("sub");
        members.remove("scp");
        members.insert("roles".into(), json!(["Notes.All"]));
    });
    let key = api.key_of(&signed("JWT", &application)).await;
    assert_eq!(key, format!("{issuer} client"));
}

/// A reader that skips what it does not understand would take an agent for a person.
#[tokio::test]
async fn facets_that_cannot_be_parsed_are_refused() {
    let api = TestApi::entra(|config| config);
    let with = |value: &Value| entra(v2(), |claims| claims["xms_act_fct"] = value.clone());
    for value in [
        json!("3\t11"),
        json!("3\n11"),
        json!("\"11\""),
        json!("[11]"),
        json!("11.0"),
        json!("x"),
        json!(11.0),
        json!(-11),
        json!(["x"]),
        json!([11.0]),
        json!({}),
        json!(true),
    ] {
        api.refuses(&with(&value), "token_malformed").await;
    }
    for value in [json!("3, 11"), json!("11"), json!(11), json!([3, "11"])] {
        assert_eq!(api.takes(&with(&value)).await, "person_through_agent Notes.Read", "{value}");
    }
}

/// An API at B2C whose policies have keys and issuers of their own, as custom policies can have.
fn api_of_policies(change: impl FnOnce(ApiConfig) -> ApiConfig) -> TestApi {
    let policies = B2cPolicies::new("B2C_1_in")
        .with_edit_profile("B2C_1_edit")
        .with_reset_password("B2C_1_reset");
    let config = ApiConfig::new(Authority::b2c("contoso", policies).unwrap(), APP);
    let api = TestApi::at(change(config), json!({}), json!({}));
    api.http.answer_with(|request| {
        let path = request.uri().path();
        let policy = path.split('/').nth(2).unwrap().to_ascii_lowercase();
        let base = format!("https://contoso.b2clogin.com/contoso.onmicrosoft.com/{policy}");
        let keys = json!({"keys": [policy_signer(&policy).jwk(&format!("key of {policy}"))]});
        Ok(answer(
            200,
            match path.ends_with("/keys") {
                true => keys,
                false => published(&base, &policy_issuer(&policy)),
            },
        ))
    });
    api
}

fn policy_issuer(policy: &str) -> String {
    match policy {
        "b2c_1a_custom" => format!("https://contoso.b2clogin.com/tfp/{TID}/{policy}/v2.0/"),
        _ => format!("https://contoso.b2clogin.com/{TID}/v2.0/"),
    }
}

/// User flows share the keys of their tenant; a custom policy can have its own.
fn policy_signer(policy: &str) -> &'static Signer {
    static CUSTOM: std::sync::LazyLock<Signer> =
        std::sync::LazyLock::new(|| Signer::new(crate::config::Algorithm::Rs256));
    if policy == "b2c_1a_custom" { &CUSTOM } else { Signer::shared() }
}

fn of_policy(policy: &str, claim: &str) -> String {
    let now = NOW.as_seconds();
    let mut claims = json!({
        "iss": policy_issuer(&policy.to_ascii_lowercase()), "exp": now + 600, "nbf": now,
        "iat": now, "aud": APP, "oid": "o-1", "sub": "o-1", "scp": "Notes.Read", "azp": "client",
        "ver": "1.0",
    });
    claims[claim] = json!(policy);
    let lower = policy.to_ascii_lowercase();
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": format!("key of {lower}")});
    policy_signer(&lower).sign(&header, &claims)
}

/// A policy that is named nowhere may be without the second factor of the others. For the one for a
/// forgotten password a user's mailbox can be enough.
#[tokio::test]
async fn an_api_at_b2c_takes_the_tokens_of_the_sign_in_policy_alone() {
    let api = api_of_policies(|config| config);
    for policy in ["B2C_1_in", "b2c_1_IN"] {
        for claim in ["tfp", "acr"] {
            assert_eq!(api.takes(&of_policy(policy, claim)).await, "person Notes.Read", "{policy}");
        }
    }
    for policy in ["B2C_1A_custom", "B2C_1_other", "B2C_1_edit", "B2C_1_reset"] {
        let token = of_policy(policy, "tfp");
        api.refuses(&token, "token_mismatch").await;
        let error = api.error_of(&token).await;
        for part in [policy, "\"B2C_1_in\""] {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert!(error.contains("IDENTITY_API_B2C_POLICIES"), "{error}");
    }
    // No key of a policy is fetched that the configuration does not name.
    assert_eq!(api.http.count("/contoso.onmicrosoft.com/B2C_1A_custom/discovery/v2.0/keys"), 0);
}

#[tokio::test]
async fn an_api_at_b2c_takes_the_tokens_of_further_policies_by_a_setting() {
    let more = api_of_policies(|config| config.with_b2c_policies(["B2C_1A_Custom", "B2C_1_reset"]));
    for policy in ["B2C_1_in", "B2C_1_reset", "B2C_1A_custom", "b2c_1a_CUSTOM"] {
        assert_eq!(more.takes(&of_policy(policy, "tfp")).await, "person Notes.Read", "{policy}");
    }
    // One user has one key, whatever policy issued the token.
    let key = more.key_of(&of_policy("B2C_1_in", "tfp")).await;
    assert_eq!(more.key_of(&of_policy("B2C_1_reset", "tfp")).await, key);
    more.refuses(&of_policy("B2C_1_edit", "tfp"), "token_mismatch").await;
}

/// The policy of the token chooses document and keys. They decide whether it is of that policy.
#[tokio::test]
async fn a_token_that_names_another_policy_than_its_key_and_issuer_is_refused() {
    let api = api_of_policies(|config| config.with_b2c_policies(["B2C_1A_Custom", "B2C_1_edit"]));
    let now = NOW.as_seconds();
    let of = |signer: &str, kid: &str, iss: &str, more: Value| {
        let mut claims = json!({
            "iss": policy_issuer(iss), "exp": now + 600, "iat": now, "aud": APP, "oid": "o-1",
            "sub": "o-1", "scp": "Notes.Read", "azp": "client", "ver": "1.0",
        });
        merge(&mut claims, &more);
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": format!("key of {kid}")});
        policy_signer(signer).sign(&header, &claims)
    };
    let (custom, flow) = ("b2c_1a_custom", "b2c_1_in");
    let tfp = |policy: &str| json!({"tfp": policy});
    api.takes(&of(custom, custom, custom, tfp(custom))).await;
    for (token, reason) in [
        (of(flow, custom, custom, tfp(custom)), "token_signature"),
        (of(flow, flow, custom, tfp(custom)), "token_key_unknown"),
        (of(flow, flow, flow, tfp(custom)), "token_key_unknown"),
        (of(custom, custom, flow, tfp(custom)), "token_issuer"),
        (of(custom, custom, custom, tfp(flow)), "token_key_unknown"),
        (of(flow, flow, custom, tfp(flow)), "token_issuer"),
        (of(flow, flow, flow, json!({"tfp": "B2C_1_x", "acr": flow})), "token_mismatch"),
        (of(flow, flow, flow, json!({"tfp": ["B2C_1_in"]})), "token_malformed"),
        (of(flow, flow, flow, json!({"tfp": null, "acr": flow})), "token_malformed"),
        (of(flow, flow, flow, json!({"tfp": ""})), "token_mismatch"),
        (of(flow, flow, flow, json!({"aud": "x", "tfp": "B2C_1_x"})), "token_audience"),
        (of(flow, flow, flow, json!({})), "token_mismatch"),
    ] {
        api.refuses(&token, reason).await;
    }
}
