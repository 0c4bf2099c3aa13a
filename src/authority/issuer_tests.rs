//! The issuers of documents, tokens and signing keys that each authority accepts.

use super::*;
use crate::authority::B2cPolicies;

const CONTOSO: &str = "f645ad92-e38d-4d1a-b510-d1b09a74a8ca";
const FABRIKAM: &str = "775527ff-9a37-4307-8b3d-cc311f58d925";
const COMMON: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";

fn issuer(tenant: &str) -> String {
    COMMON.replace(TEMPLATE, tenant)
}

fn kind(outcome: Result<(), Error>) -> Option<ErrorKind> {
    outcome.err().map(|error| error.kind())
}

fn accepts(authority: &Authority, issuer: &str) -> bool {
    authority.check_metadata_issuer(issuer).is_ok()
}

// C-411: ID token's tid missing on a multi-tenant authority
/// Also a token of a foreign tenant and one with a swapped `tid`.
#[test]
fn a_token_is_of_the_tenant_that_its_issuer_names() {
    let common = Authority::entra("common").unwrap();
    let check = |tenants: &Tenants, iss: &str, tid: Option<&str>| {
        kind(common.check_token_issuer(tenants, COMMON, &TokenIssuer { iss, tid }))
    };
    let only = Tenants::only([CONTOSO]).unwrap();
    assert_eq!(check(&only, &issuer(CONTOSO), Some(CONTOSO)), None);
    assert_eq!(check(&only, &issuer(FABRIKAM), Some(FABRIKAM)), Some(ErrorKind::TenantNotAllowed));
    assert_eq!(check(&only, &issuer(FABRIKAM), Some(CONTOSO)), Some(ErrorKind::TokenIssuer));
    assert_eq!(check(&Tenants::any(), &issuer(FABRIKAM), Some(FABRIKAM)), None);
    assert_eq!(check(&Tenants::any(), &issuer(CONTOSO), None), Some(ErrorKind::TokenIssuer));
    let single = Authority::entra(CONTOSO).unwrap();
    for tid in [FABRIKAM, "", "contoso.com"] {
        let token = TokenIssuer { iss: &issuer(CONTOSO), tid: Some(tid) };
        assert_eq!(
            kind(single.check_token_issuer(&Tenants::any(), &issuer(CONTOSO), &token)),
            Some(ErrorKind::TokenIssuer),
            "{tid:?}"
        );
    }
}

#[test]
fn googles_older_issuer_is_accepted_for_google_only() {
    let google = "https://accounts.google.com";
    for (authority, iss, outcome) in [
        (google, "https://accounts.google.com", None),
        (google, "accounts.google.com", None),
        (google, "http://accounts.google.com", Some(ErrorKind::TokenIssuer)),
        (google, "accounts.google.com/", Some(ErrorKind::TokenIssuer)),
        ("https://id.example.com", "accounts.google.com", Some(ErrorKind::TokenIssuer)),
        ("https://id.example.com", "id.example.com", Some(ErrorKind::TokenIssuer)),
    ] {
        let at = Authority::oidc(authority).unwrap();
        let token = TokenIssuer { iss, tid: None };
        let told = at.check_token_issuer(&Tenants::any(), authority, &token);
        assert_eq!(kind(told), outcome, "{authority} {iss}");
        assert_eq!(at.canonical_issuer(iss, authority) == authority, outcome.is_none());
    }
}

#[test]
fn a_tenant_by_name_is_checked_against_the_list_too() {
    let named = Authority::entra("contoso.com").unwrap();
    let (contoso, fabrikam) = (issuer(CONTOSO), issuer(FABRIKAM));
    let only = Tenants::only([CONTOSO]).unwrap();
    assert!(accepts(&named, &contoso) && accepts(&named, &fabrikam) && !accepts(&named, COMMON));
    let check = |metadata: &str, iss: &str| {
        kind(named.check_token_issuer(&only, metadata, &TokenIssuer { iss, tid: None }))
    };
    assert_eq!(check(&contoso, &contoso), None);
    assert_eq!(check(&fabrikam, &fabrikam), Some(ErrorKind::TenantNotAllowed));
    assert_eq!(check(&contoso, &fabrikam), Some(ErrorKind::TokenIssuer));
}

#[test]
fn personal_accounts_come_through_common_and_consumers_only() {
    let personal = issuer(PERSONAL);
    let token = TokenIssuer { iss: &personal, tid: Some(PERSONAL) };
    let check = |tenant: &str, metadata: &str, token: &TokenIssuer<'_>| {
        kind(Authority::entra(tenant).unwrap().check_token_issuer(&Tenants::any(), metadata, token))
    };
    assert_eq!(check("common", COMMON, &token), None);
    assert_eq!(check("consumers", &personal, &token), None);
    assert_eq!(check("consumers", COMMON, &token), None);
    assert_eq!(check("organizations", COMMON, &token), Some(ErrorKind::TenantNotAllowed));
    let work = TokenIssuer { iss: &issuer(CONTOSO), tid: Some(CONTOSO) };
    assert_eq!(check("consumers", COMMON, &work), Some(ErrorKind::TenantNotAllowed));
}

// MSAL-006: Sovereign authority `https://login.microsoftonline.us/common`; aliases are needed
/// A real key set of the public cloud holds keys of the US government's, under the very same
/// `issuer`.
#[test]
fn a_key_of_another_cloud_signs_nothing() {
    let token = TokenIssuer { iss: &issuer(CONTOSO), tid: Some(CONTOSO) };
    let check = |authority: &Authority, issuer: Option<&str>, cloud: Option<&str>| {
        kind(authority.check_key(COMMON, &KeyIssuer { issuer, cloud_instance_name: cloud }, &token))
    };
    let common = Authority::entra("common").unwrap();
    assert_eq!(check(&common, Some(COMMON), Some("microsoftonline.com")), None);
    assert_eq!(check(&common, Some(COMMON), None), None);
    assert_eq!(
        check(&common, Some(COMMON), Some("microsoftonline.us")),
        Some(ErrorKind::TokenKeyIssuer)
    );
    assert_eq!(
        check(&common, Some(COMMON), Some("sovcloud-identity.fr")),
        Some(ErrorKind::TokenKeyIssuer)
    );
    assert_eq!(
        check(&common, Some(&issuer(PERSONAL)), Some("microsoftonline.com")),
        Some(ErrorKind::TokenKeyIssuer)
    );
    assert_eq!(check(&common, None, Some("microsoftonline.com")), Some(ErrorKind::TokenKeyIssuer));
    assert_eq!(check(&common, Some(" "), None), Some(ErrorKind::TokenKeyIssuer));
    let local = Authority::parse("http://127.0.0.1:9/common").unwrap();
    assert_eq!(check(&local, Some(COMMON), Some("127.0.0.1")), None);
    assert_eq!(
        check(&local, Some(COMMON), Some("microsoftonline.com")),
        Some(ErrorKind::TokenKeyIssuer)
    );
}

#[test]
fn a_key_without_an_issuer_will_do_where_the_key_set_is_one_tenants() {
    let b2c = Authority::b2c("contoso", B2cPolicies::new("B2C_1_susi")).unwrap();
    let iss = format!("https://contoso.b2clogin.com/{CONTOSO}/v2.0/");
    let token = TokenIssuer { iss: &iss, tid: None };
    assert_eq!(kind(b2c.check_key(&iss, &KeyIssuer::default(), &token)), None);
    let other =
        KeyIssuer { issuer: Some("https://contoso.b2clogin.com/x"), cloud_instance_name: None };
    assert_eq!(kind(b2c.check_key(&iss, &other, &token)), Some(ErrorKind::TokenKeyIssuer));
}

// MSAL-006: Sovereign authority `https://login.microsoftonline.us/common`; aliases are needed
#[test]
fn a_document_speaks_for_its_own_authority_only() {
    let common = Authority::entra("common").unwrap();
    assert!(accepts(&common, COMMON));
    for foreign in [
        "https://login.microsoftonline.us/{tenantid}/v2.0",
        "https://login.windows.net/{tenantid}/v2.0",
        "http://login.microsoftonline.com/{tenantid}/v2.0",
        "https://login.microsoftonline.com/{tenantid}/v2.0/",
        "https://login.microsoftonline.com.evil.com/{tenantid}/v2.0",
        "https://login.microsoftonline.com/{tenantid}",
        "https://login.microsoftonline.com/{tenantid}{tenantid}/v2.0",
        "https://sts.windows.net/{tenantid}/",
        &issuer(CONTOSO),
        "",
    ] {
        assert!(!accepts(&common, foreign), "{foreign}");
    }
    assert!(!accepts(&Authority::entra(CONTOSO).unwrap(), COMMON));
    let china = Authority::parse("https://login.chinacloudapi.cn/common").unwrap();
    assert!(accepts(&china, "https://login.partner.microsoftonline.cn/{tenantid}/v2.0"));
    let local = Authority::parse("http://127.0.0.1:9/common").unwrap();
    assert!(
        accepts(&local, "http://127.0.0.1:9/{tenantid}/v2.0")
            && !accepts(&local, COMMON)
            && !accepts(&local, "http://127.0.0.1:8/{tenantid}/v2.0")
    );
}

#[test]
fn external_id_answers_with_the_guid_in_host_and_path() {
    let by_guid = format!("https://{CONTOSO}.ciamlogin.com/{CONTOSO}/v2.0");
    let by_name = format!("https://contoso.ciamlogin.com/{CONTOSO}/v2.0");
    let foreign = format!("https://{FABRIKAM}.ciamlogin.com/{FABRIKAM}/v2.0");
    let mixed = format!("https://{FABRIKAM}.ciamlogin.com/{CONTOSO}/v2.0");
    let own = Authority::external_id("contoso").unwrap();
    assert!(accepts(&own, &by_guid) && accepts(&own, &by_name) && !accepts(&own, &mixed));
    let custom = Authority::external_id_custom_domain("login.contoso.com", CONTOSO).unwrap();
    assert!(
        accepts(&custom, &by_guid) && accepts(&custom, &by_name) && !accepts(&custom, &foreign)
    );
    assert!(
        !accepts(&custom, &issuer(CONTOSO)) && !accepts(&custom, "https://contoso.ciamlogin.com")
    );
    let evil = format!("https://evil.example/x.ciamlogin.com/{CONTOSO}/v2.0");
    assert!(!accepts(&custom, &evil));
    let local = Authority::external_id_custom_domain("http://127.0.0.1:9", CONTOSO).unwrap();
    assert!(accepts(&local, &format!("http://127.0.0.1:9/{CONTOSO}/v2.0")));
    assert!(accepts(&local, &format!("http://{CONTOSO}.localhost:9/{CONTOSO}/v2.0")));
    assert!(!accepts(&local, &format!("http://{CONTOSO}.localhost:8/{CONTOSO}/v2.0")));
    assert!(!accepts(&local, &format!("http://{FABRIKAM}.localhost:9/{FABRIKAM}/v2.0")));
    assert!(
        !accepts(&local, &by_guid)
            && !accepts(&custom, &format!("http://{CONTOSO}.localhost/{CONTOSO}/v2.0"))
    );
    let token = TokenIssuer { iss: &by_guid, tid: Some(FABRIKAM) };
    assert_eq!(
        kind(custom.check_token_issuer(&Tenants::any(), &by_guid, &token)),
        Some(ErrorKind::TokenIssuer)
    );
}

#[test]
fn a_b2c_token_is_of_the_policy_that_was_asked() {
    let b2c = Authority::b2c("contoso", B2cPolicies::new("B2C_1_susi")).unwrap();
    let tfp = |policy: &str| format!("https://contoso.b2clogin.com/tfp/{CONTOSO}/{policy}/v2.0/");
    assert!(accepts(&b2c, &tfp("b2c_1_susi")) && !accepts(&b2c, &tfp("b2c_1_reset")));
    assert!(!accepts(&b2c, "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_susi/v2.0"));
    assert!(!accepts(&b2c, &format!("https://fabrikam.b2clogin.com/{CONTOSO}/v2.0/")));
    assert_eq!(kind(b2c.check_policy(Some("b2c_1_SUSI"), None)), None);
    assert_eq!(kind(b2c.check_policy(None, Some("B2C_1_susi"))), None);
    assert_eq!(
        kind(b2c.check_policy(Some("B2C_1_reset"), Some("B2C_1_susi"))),
        Some(ErrorKind::TokenMismatch)
    );
    assert_eq!(kind(b2c.check_policy(None, None)), Some(ErrorKind::TokenMismatch));
    assert_eq!(
        kind(b2c.for_policy("B2C_1_reset").unwrap().check_policy(Some("B2C_1_reset"), None)),
        None
    );
    assert_eq!(kind(Authority::entra("common").unwrap().check_policy(None, None)), None);
}

#[test]
fn a_tenant_in_the_wrong_cloud_is_noticed() {
    let public = Authority::entra(CONTOSO).unwrap();
    assert!(public.check_metadata_cloud(Some("microsoftonline.com")).is_ok());
    let error = public.check_metadata_cloud(Some("microsoftonline.us")).unwrap_err();
    assert!(error.to_string().contains("another cloud"), "{error}");
    assert!(
        Authority::oidc("https://op.example.com")
            .unwrap()
            .check_metadata_cloud(Some("anything"))
            .is_ok()
    );
}

// C-222: issuer differs by trailing slash, case or port
#[test]
fn a_generic_issuer_differs_by_case_and_port() {
    let oidc = Authority::oidc("https://op.example.com").unwrap();
    assert!(accepts(&oidc, "https://op.example.com"));
    for other in [
        "https://op.example.com//",
        "https://op.example.com/tenant",
        "https://op.example.com/tenant/",
        "https://OP.example.com",
        "https://op.example.com:443",
        "http://op.example.com",
        "op.example.com",
    ] {
        assert!(!accepts(&oidc, other), "{other}");
    }
}

#[test]
fn a_final_slash_of_a_generic_issuer_leads_to_the_same_document() {
    let well_known = "/.well-known/openid-configuration";
    for issuer in ["https://op.example.com", "https://op.example.com/application/o/app"] {
        let slashed = format!("{issuer}/");
        for told in [issuer, &slashed, &format!("{issuer}{well_known}")] {
            let oidc = Authority::oidc(told).unwrap();
            assert!(accepts(&oidc, issuer) && accepts(&oidc, &slashed), "{told}");
            assert_eq!(oidc.metadata_url().as_str(), format!("{issuer}{well_known}"));
        }
    }
}

#[test]
fn tokens_have_the_issuer_of_the_document_to_the_letter() {
    let oidc = Authority::oidc("https://op.example.com").unwrap();
    let check = |metadata_issuer: &str, iss: &str| {
        oidc.check_token_issuer(&Tenants::any(), metadata_issuer, &TokenIssuer { iss, tid: None })
            .is_ok()
    };
    assert!(check("https://op.example.com/", "https://op.example.com/"));
    assert!(!check("https://op.example.com/", "https://op.example.com"));
    assert!(!check("https://op.example.com", "https://op.example.com/"));
}

/// No setting of the application makes document and tokens agree, so the message names both.
#[test]
fn the_error_of_a_slash_that_only_document_or_token_has_shows_both_values() {
    let oidc = Authority::oidc("https://op.example.com").unwrap();
    let told = |metadata_issuer: &str, iss: &str| {
        let token = TokenIssuer { iss, tid: None };
        oidc.check_token_issuer(&Tenants::any(), metadata_issuer, &token).unwrap_err().to_string()
    };
    let (with, without) = ("https://op.example.com/", "https://op.example.com");
    for text in [told(with, without), told(without, with)] {
        assert!(text.contains("slash at their end"), "{text}");
        assert!(text.contains("\"https://op.example.com\""), "{text}");
        assert!(text.contains("\"https://op.example.com/\""), "{text}");
        assert!(text.contains("correct the issuer at the provider"), "{text}");
    }
    assert!(!told(without, "https://op.example.com/a").contains("slash"));
}

/// The provider that does not know of the TLS in front of it is more often met than one without.
#[test]
fn a_document_with_http_for_https_is_told_as_a_mistake_of_the_provider() {
    let authority = Authority::oidc("https://id.example.com/realms/x").unwrap();
    let told = |issuer: &str| authority.check_metadata_issuer(issuer).unwrap_err().to_string();
    let of_scheme = told("http://id.example.com/realms/x/");
    assert!(of_scheme.contains("X-Forwarded-Proto"), "{of_scheme}");
    assert!(!of_scheme.contains("exactly as the document"), "{of_scheme}");
    let other = told("http://id.example.com/realms/y");
    assert!(other.contains("exactly as the document"), "{other}");
}

/// A list that no user satisfies is found at the start.
#[test]
fn a_list_of_tenants_lets_some_user_sign_in() {
    let check = |authority: &str, tenants: &[&str]| {
        let authority = Authority::entra(authority).unwrap();
        authority.check_tenants(Some(&Tenants::only(tenants).unwrap())).map(|_| ())
    };
    let error = check("organizations", &[PERSONAL]).unwrap_err().to_string();
    assert!(error.contains("IDENTITY_TENANTS") && error.contains("`common`"), "{error}");
    assert!(check("organizations", &[PERSONAL, CONTOSO]).is_ok());
    assert!(check("common", &[PERSONAL]).is_ok() && check("consumers", &[PERSONAL]).is_ok());
    assert!(check("consumers", &[CONTOSO]).is_err() && check(CONTOSO, &[FABRIKAM]).is_err());
}
