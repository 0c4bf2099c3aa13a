//! The members of discovery documents.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    config::{ClientCredential, IdentityConfig},
    protocol::test_support::{authority, config, document, metadata},
};

fn problem(document: &Value) -> String {
    let error = Metadata::parse(document.to_string().as_bytes(), &authority()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ProviderMisconfigured);
    error.to_string()
}

fn rejects(name: &str, value: Value) {
    let mut document = document();
    document[name] = value;
    let problem = problem(&document);
    assert!(problem.contains(name), "{problem}");
}

/// A default scope is requested only if the provider lists it.
#[test]
fn default_scopes_are_those_of_the_document() {
    let asked = |config: IdentityConfig, offered: Value| {
        let config = config.build().unwrap();
        let metadata = metadata(|document| document["scopes_supported"] = offered);
        metadata.scopes_of(&config, config.sign_in()).join(" ")
    };
    let all = "openid profile email offline_access";
    for (offered, wanted) in [
        (json!(null), all),
        (json!(["openid", "profile", "email", "offline_access", "phone"]), all),
        (json!(["openid", "email", "profile"]), "openid profile email"),
        (json!(["openid", "offline_access"]), "openid offline_access"),
        (json!([]), "openid"),
    ] {
        assert_eq!(asked(config(), offered.clone()), wanted, "{offered}");
    }
    let few = || json!(["openid"]);
    assert_eq!(
        asked(config().with_scopes(["offline_access", "read"]), few()),
        "openid offline_access read",
        "named"
    );
    assert_eq!(
        asked(config().with_openid_scopes(["openid", "email"]), few()),
        "openid email",
        "named"
    );
    // Without a list of scopes that of the grants decides about `offline_access`, where it is
    // there: its default (Discovery section 3) says nothing.
    let by_grants = |scopes: Value, grants: Value| {
        let config = config().build().unwrap();
        let metadata = metadata(|document| {
            document["scopes_supported"] = scopes;
            document["grant_types_supported"] = grants;
        });
        metadata.scopes_of(&config, config.sign_in()).join(" ")
    };
    for (scopes, grants, wanted) in [
        (json!(null), json!(["authorization_code"]), "openid profile email"),
        (json!(null), json!(["authorization_code", "refresh_token"]), all),
        (json!(null), json!("authorization_code refresh_token"), all),
        (json!(null), json!([]), all),
        (json!(null), json!(null), all),
        (json!(null), json!({}), all),
        (json!(["openid", "offline_access"]), json!(["implicit"]), "openid offline_access"),
    ] {
        assert_eq!(by_grants(scopes.clone(), grants.clone()), wanted, "{scopes} {grants}");
    }
    // B2C lists `openid` alone and takes them all.
    let base = "https://login.microsoftonline.com/f645ad92-e38d-4d1a-b510-d1b09a74a8ca";
    let document = json!({
        "issuer": format!("{base}/v2.0"), "authorization_endpoint": format!("{base}/a"),
        "token_endpoint": format!("{base}/t"),
        "jwks_uri": format!("{base}/k"), "scopes_supported": ["openid"],
        "grant_types_supported": ["authorization_code"],
    });
    let authority = Authority::parse(base).unwrap();
    let metadata = Metadata::parse(document.to_string().as_bytes(), &authority).unwrap();
    let entra =
        IdentityConfig::new(authority, "client-id").with_credential(ClientCredential::none());
    let entra = entra.with_base_url("https://app.example").unwrap().build().unwrap();
    assert_eq!(
        metadata.scopes_of(&entra, entra.sign_in()),
        ["openid", "profile", "offline_access"]
    );
}

// C-045: random per-run endpoints in metadata
#[test]
fn endpoints_are_those_of_the_document() {
    let metadata = metadata(|document| {
        for name in ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"] {
            document[name] = json!(format!("https://other.example/{name}-7f3a?x=1"));
        }
    });
    assert_eq!(
        metadata.authorization_endpoint().unwrap().as_str(),
        "https://other.example/authorization_endpoint-7f3a?x=1"
    );
    assert_eq!(
        metadata.token_endpoint().unwrap().as_str(),
        "https://other.example/token_endpoint-7f3a?x=1"
    );
    assert_eq!(
        metadata.userinfo_endpoint.unwrap().as_str(),
        "https://other.example/userinfo_endpoint-7f3a?x=1"
    );
}

// C-046: random jwks_uri per run
#[test]
fn keys_are_where_the_document_says() {
    let metadata =
        metadata(|document| document["jwks_uri"] = json!("https://other.example/certs/42"));
    assert_eq!(metadata.jwks_uri().unwrap().as_str(), "https://other.example/certs/42");
}

// C-225: authorization_endpoint or token_endpoint missing
#[test]
fn a_missing_member_is_named() {
    let absent = [json!(null), json!("")];
    let wrong = [json!(1), json!([]), json!("not a url")];
    let mut without = document();
    without.as_object_mut().unwrap().remove("issuer");
    assert!(problem(&without).contains("`issuer`"));
    for name in ["issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"] {
        for value in &wrong {
            let mut document = document();
            document[name] = value.clone();
            assert!(problem(&document).contains(name), "{}", problem(&document));
        }
    }
    for value in absent {
        for name in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
            let metadata = metadata(|document| document[name] = value.clone());
            let endpoints =
                [metadata.authorization_endpoint(), metadata.token_endpoint(), metadata.jwks_uri()];
            let missing: Vec<String> = endpoints
                .into_iter()
                .filter_map(Result::err)
                .map(|error| error.to_string())
                .collect();
            assert_eq!(missing.len(), 1, "{missing:?}");
            assert!(missing[0].contains(&format!("`{name}` is missing")), "{missing:?}");
            assert!(metadata.check_sign_in().is_err());
        }
    }
}

// C-222: issuer differs by trailing slash, case or port
#[test]
fn another_issuer_is_refused() {
    for issuer in [
        "https://id.example//",
        "https://ID.example",
        "https://id.example:443",
        "https://id.example/tenant",
        "https://evil.example",
    ] {
        let mut document = document();
        document["issuer"] = json!(issuer);
        problem(&document);
    }
}

// C-224: issuer or any endpoint http://
// C-208: jwks_uri is http or on an unexpected host for a Microsoft authority
#[test]
fn every_endpoint_is_https() {
    for address in [
        "http://id.example/x",
        "http://localhost/x",
        "ftp://id.example/x",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "/relative",
        "https://user:secret@id.example/x",
        "https://id.example/x#fragment",
    ] {
        for name in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
            rejects(name, json!(address));
        }
        for name in [
            "userinfo_endpoint",
            "end_session_endpoint",
            "introspection_endpoint",
            "device_authorization_endpoint",
        ] {
            let metadata = metadata(|document| document[name] = json!(address));
            let all = [
                &metadata.userinfo_endpoint,
                &metadata.end_session_endpoint,
                &metadata.introspection_endpoint,
                &metadata.device_authorization_endpoint,
            ];
            assert!(
                !all.into_iter()
                    .flatten()
                    .any(|url| url.path() != "/userinfo" && url.path() != "/logout"),
                "{name} {address}"
            );
            assert_eq!(
                metadata.left_out.iter().map(|left_out| left_out.member).collect::<Vec<_>>(),
                [name],
                "{address}"
            );
            assert!(
                metadata.missing(name).contains(name)
                    && !metadata.missing(name).contains("is missing"),
                "{address}"
            );
        }
    }
}

// MSAL-019: Public-cloud authority; document's token, authorization or device endpoint is in
//   another cloud or on an attacker host; the client starts
#[test]
fn a_microsoft_document_sends_nobody_to_another_cloud() {
    let authority = Authority::entra("organizations").unwrap();
    let base = "https://login.microsoftonline.com";
    let document = || {
        json!({
            "issuer": format!("{base}/{{tenantid}}/v2.0"),
            "authorization_endpoint": format!("{base}/organizations/oauth2/v2.0/authorize"),
            "token_endpoint": format!("{base}/organizations/oauth2/v2.0/token"),
            "jwks_uri": format!("{base}/organizations/discovery/v2.0/keys"),
            "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
            "cloud_instance_name": "microsoftonline.com",
        })
    };
    let parse = |document: Value| {
        Metadata::parse(document.to_string().as_bytes(), &authority)
            .map_err(|error| error.to_string())
    };
    assert!(parse(document()).is_ok());
    for name in [
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "device_authorization_endpoint",
        "end_session_endpoint",
    ] {
        for host in
            ["login.microsoftonline.us", "evil.example", "login.microsoftonline.com.evil.example"]
        {
            let mut document = document();
            document[name] = json!(format!("https://{host}/x"));
            assert!(parse(document).unwrap_err().contains(name), "{name} at {host}");
        }
    }
    let mut elsewhere = document();
    elsewhere["cloud_instance_name"] = json!("microsoftonline.us");
    assert!(parse(elsewhere).is_err());
}

// MSAL-020: Discovery document with no `device_authorization_endpoint`; the client starts
#[test]
fn what_is_optional_may_be_missing_null_or_empty() {
    for value in [json!(null), json!("")] {
        let metadata = metadata(|document| {
            for name in [
                "userinfo_endpoint",
                "end_session_endpoint",
                "introspection_endpoint",
                "device_authorization_endpoint",
            ] {
                document[name] = value.clone();
            }
            document["token_endpoint_auth_methods_supported"] = json!(null);
            document["authorization_response_iss_parameter_supported"] = json!(null);
            document["x_unknown"] = json!({"anything": [1, 2]});
        });
        assert_eq!((metadata.userinfo_endpoint, metadata.end_session_endpoint), (None, None));
        assert!(!metadata.authorization_response_iss);
    }
}

#[test]
fn optional_members_of_no_use_are_left_out_and_one_text_is_a_list() {
    let metadata = metadata(|document| {
        document["introspection_endpoint"] = json!(["https://id.example/introspect"]);
        document["id_token_signing_alg_values_supported"] = json!("RS256 ES256");
        document["userinfo_signing_alg_values_supported"] = json!(["RS256", 1, null]);
        document["token_endpoint_auth_methods_supported"] = json!({});
        document["token_endpoint_auth_signing_alg_values_supported"] = json!("RS256");
        document["authorization_response_iss_parameter_supported"] = json!("yes");
    });
    let left_out: Vec<&str> = metadata.left_out.iter().map(|left_out| left_out.member).collect();
    assert_eq!(
        left_out,
        [
            "introspection_endpoint",
            "token_endpoint_auth_methods_supported",
            "authorization_response_iss_parameter_supported"
        ]
    );
    assert_eq!(metadata.id_token_algorithms.as_deref().unwrap(), ["RS256", "ES256"]);
    assert_eq!(metadata.userinfo_algorithms.as_deref().unwrap(), ["RS256"]);
    assert_eq!(metadata.token_endpoint_auth_algorithms.as_deref().unwrap(), [Algorithm::Rs256]);
    assert_eq!(
        (metadata.token_endpoint_auth_methods, metadata.authorization_response_iss),
        (None, false)
    );
}

#[test]
fn a_promise_of_the_issuer_as_text_is_a_promise() {
    for (said, promised) in
        [(json!("true"), true), (json!("false"), false), (json!(1), true), (json!(true), true)]
    {
        let metadata = metadata(|document| {
            document["authorization_response_iss_parameter_supported"] = said.clone()
        });
        assert_eq!(
            (metadata.authorization_response_iss, metadata.left_out.len()),
            (promised, 0),
            "{said}"
        );
    }
}

#[test]
fn a_byte_order_mark_in_front_of_the_document_is_left_out() {
    assert!(Metadata::parse(format!("\u{feff}{}", document()).as_bytes(), &authority()).is_ok());
}

#[test]
fn what_is_no_document_is_refused() {
    for document in [
        "",
        "null",
        "[]",
        "\"\"",
        "<html>",
        r#"{"issuer":"https://id.example","issuer":"https://id.example"}"#,
    ] {
        let error = Metadata::parse(document.as_bytes(), &authority()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ProviderMisconfigured, "{document}");
    }
}

// C-158: no alg configured or advertised
// C-159: alg differs from client setting or from metadata list
#[test]
fn algorithms_are_those_that_the_provider_lists_and_a_setting_narrows_them() {
    use Algorithm::{EdDsa, Es256, Es512, Ps256, Rs256, Rs512};
    let allowed = |configured: Option<&[Algorithm]>, listed: Value| {
        metadata(|document| document["id_token_signing_alg_values_supported"] = listed)
            .allowed_algorithms(configured)
    };
    for nothing in [json!(null), json!([]), json!({}), json!(7)] {
        assert_eq!(
            allowed(None, nothing.clone()).unwrap(),
            [Rs256],
            "nothing is said: RS256 alone"
        );
        assert_eq!(allowed(Some(&[Es256]), nothing).unwrap(), [Es256], "then the setting says it");
    }
    assert_eq!(
        allowed(None, json!(["none", "HS256", "RS256", "ES256", "X"])).unwrap(),
        [Rs256, Es256]
    );
    assert_eq!(
        allowed(None, json!(["ES512", "EdDSA", "Ed25519", "RS512"])).unwrap(),
        [Es512, EdDsa, Rs512]
    );
    assert_eq!(allowed(None, json!("ES256")).unwrap(), [Es256], "one text instead of a list");
    let several = [Es256, EdDsa, Ps256];
    assert_eq!(
        allowed(Some(&several), json!(["Ed25519", "PS256", "RS256"])).unwrap(),
        several,
        "the setting counts"
    );
    for listed in [json!(["ES256"]), json!(["none"]), json!(["HS256"])] {
        assert_eq!(allowed(Some(&[Rs256]), listed).unwrap(), [Rs256], "documents can be wrong");
    }
    for listed in [json!(["none"]), json!(["HS256", "none"]), json!(["ES256K"]), json!(["rs256"])] {
        let error = allowed(None, listed.clone()).unwrap_err();
        assert!(
            error.to_string().contains(listed[0].as_str().unwrap())
                && error.to_string().contains("RS256"),
            "{error}"
        );
    }
}

#[test]
fn a_signed_user_info_answer_may_have_the_algorithms_of_id_tokens_where_none_are_listed_for_it() {
    let allowed = |id_token: Value, user_info: Value| {
        let metadata = metadata(|document| {
            document["id_token_signing_alg_values_supported"] = id_token;
            document["userinfo_signing_alg_values_supported"] = user_info;
        });
        metadata.allowed_user_info_algorithms(None).ok()
    };
    assert_eq!(allowed(json!(["ES256"]), json!(null)), Some(vec![Algorithm::Es256]));
    assert_eq!(allowed(json!(["ES256"]), json!(["EdDSA"])), Some(vec![Algorithm::EdDsa]));
    assert_eq!(allowed(json!(null), json!(null)), Some(vec![Algorithm::Rs256]));
    assert_eq!(allowed(json!(["ES256"]), json!(["none", "HS256"])), None);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = Metadata::parse(&bytes, &authority());
    }

    #[test]
    fn arbitrary_members_never_panic(
        name in "issuer|token_endpoint|jwks_uri|id_token_signing_alg_values_supported",
        value in ".{0,40}",
    ) {
        let mut document = document();
        document[name] = json!(value);
        let _ = Metadata::parse(document.to_string().as_bytes(), &authority());
    }
}
