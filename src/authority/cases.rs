//! Checks each row of `issuers.json` against the rules of this module.

use serde::Deserialize;
use url::Url;

use super::{Authority, KeyIssuer, Tenants, TokenIssuer, cloud::Cloud};

/// Rows whose verdict here differs from that of a relying party which only compares (`strict_rp`),
/// with the reason. A row that agrees must not be listed.
const OTHERWISE: &[(&str, &str)] = &[
    ("ISS-014", V1),
    ("ISS-016", V1),
    ("ISS-019", V1),
    ("ISS-021", V1),
    ("ISS-034", V1),
    (
        "ISS-036",
        "an authority without a version means v2.0 here (ISS-200), so its v2.0 document and token \
         are no change of version",
    ),
    ("ISS-038", V1),
    ("ISS-044", V1),
    ("ISS-048", GUID),
    ("ISS-050", GUID),
    ("ISS-052", GUID),
    ("ISS-053", GUID),
    ("ISS-056", GUID),
    ("ISS-058", GUID),
    ("ISS-061", GUID),
    ("ISS-064", GUID),
    (
        "ISS-107",
        "a slash at the end does not change the URL of the document (Discovery section 4.1), and \
         MSAL ignores it as well",
    ),
    ("ISS-133", "the authority is completed with /v2.0 (MSAL-009) and then equals the issuer"),
    ("ISS-154", B2C),
    ("ISS-155", B2C),
    (
        "ISS-210",
        "one form for every authority: /v2.0 is appended here too, because the URL of the document \
         needs it (MSAL-009)",
    ),
    (
        "ISS-221",
        "the separate rule that the row asks for: organizations excludes personal accounts",
    ),
    (
        "ISS-070",
        "Google's older issuer stands for its issuer, for Google only, as the row's `expected` \
         says",
    ),
];
const V1: &str =
    "ID tokens come from the v2.0 endpoints only, so a v1.0 or v1.1 document is refused";
const GUID: &str =
    "only a GUID is put into the template: anything else could build another tenant's address";
const B2C: &str = "a B2C authority is an explicit choice, and its document never has the URL of \
                   the policy as issuer";

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    kind: String,
    expected: String,
    strict_rp: Option<String>,
    authority: Option<String>,
    metadata_issuer: Option<String>,
    valid_issuers: Option<Vec<String>>,
    allowed_tenants: Option<Vec<String>>,
    token_iss: Option<String>,
    token_tid: Option<String>,
    last_known_good_issuer: Option<String>,
    #[serde(default)]
    lkg_expired: bool,
    key_issuer: Option<String>,
    metadata_cloud_instance_name: Option<String>,
    key_cloud_instance_name: Option<String>,
    endpoint_url: Option<String>,
    host_a: Option<String>,
    host_b: Option<String>,
    expected_authority: Option<String>,
    tenant_id: Option<String>,
}

/// The verdict of this crate on a row: the first check that refuses, if any.
fn verdict(row: &Row) -> Result<(), String> {
    match row.kind.as_str() {
        "token_issuer" => {
            let document = row
                .metadata_issuer
                .as_deref()
                .or_else(|| row.valid_issuers.as_ref()?.first().map(String::as_str))
                .unwrap();
            let authority = authority(row, document)?;
            if row.authority.is_some() {
                authority.check_metadata_issuer(document).map_err(text)?;
            }
            authority.check_token_issuer(&tenants(row), document, &token(row)).map_err(text)
        }
        "last_known_good" => last_known_good(row),
        "signing_key_issuer" => {
            let document = row.metadata_issuer.as_deref().or(row.token_iss.as_deref()).unwrap();
            let key = KeyIssuer { issuer: row.key_issuer.as_deref(), cloud_instance_name: None };
            authority(row, document)?.check_key(document, &key, &token(row)).map_err(text)
        }
        "cloud_instance" => {
            let issuer =
                "https://login.microsoftonline.com/f645ad92-e38d-4d1a-b510-d1b09a74a8ca/v2.0";
            let authority = Authority::parse(issuer).map_err(text)?;
            authority
                .check_metadata_cloud(row.metadata_cloud_instance_name.as_deref())
                .map_err(text)?;
            let key = KeyIssuer {
                issuer: Some(issuer),
                cloud_instance_name: row.key_cloud_instance_name.as_deref(),
            };
            authority.check_key(issuer, &key, &TokenIssuer { iss: issuer, tid: None }).map_err(text)
        }
        "metadata_issuer" => authority(row, "")?
            .check_metadata_issuer(row.metadata_issuer.as_deref().unwrap())
            .map_err(text),
        "endpoint_cloud" => {
            let authority = authority(row, "")?;
            let Some(url) = &row.endpoint_url else { return Ok(()) };
            authority.check_endpoint("token_endpoint", &Url::parse(url).unwrap()).map_err(text)
        }
        "same_cloud_hosts" => {
            let cloud = |host: &Option<String>| {
                let url = Url::parse(&format!("https://{}", host.as_deref()?)).ok()?;
                Cloud::of(url.host_str()?).map(|(cloud, _)| cloud.name)
            };
            match (cloud(&row.host_a), cloud(&row.host_b)) {
                (Some(a), Some(b)) if a == b => Ok(()),
                clouds => Err(format!("{clouds:?}")),
            }
        }
        "authority_normalise" => normalised(row),
        kind => panic!("{}: unknown kind {kind}", row.id),
    }
}

/// While the present document is broken, the last good one decides.
fn last_known_good(row: &Row) -> Result<(), String> {
    let authority = authority(row, "")?;
    assert!(
        authority.check_metadata_issuer(row.metadata_issuer.as_deref().unwrap()).is_err(),
        "{}: the broken document must not replace the good one",
        row.id
    );
    let good =
        row.last_known_good_issuer.as_deref().filter(|_| !row.lkg_expired).ok_or("expired")?;
    authority.check_metadata_issuer(good).map_err(text)?;
    authority.check_token_issuer(&tenants(row), good, &token(row)).map_err(text)
}

/// The address of the authority is the expected one.
fn normalised(row: &Row) -> Result<(), String> {
    let authority = match &row.tenant_id {
        Some(tenant) => {
            Authority::at_instance(row.authority.as_deref().unwrap(), tenant).map_err(text)?
        }
        None => authority(row, "")?,
    };
    let (is, expected) = (authority.to_string(), row.expected_authority.as_deref().unwrap());
    if is == expected { Ok(()) } else { Err(format!("{is} is not {expected}")) }
}

#[allow(clippy::needless_pass_by_value, reason = "the shape that map_err needs")]
fn text(error: impl ToString) -> String {
    error.to_string()
}

/// The row's authority; for a row without one, the authority of such a document.
fn authority(row: &Row, document: &str) -> Result<Authority, String> {
    match row.authority.as_deref() {
        Some("(manual, common)") => Authority::entra("common"),
        Some("(manual, consumers)") => Authority::entra("consumers"),
        Some(authority) => Authority::parse(authority),
        None if document.starts_with("https://login.windows-ppe.net") => {
            Authority::entra_unlisted_cloud("https://login.windows-ppe.net/common")
        }
        None if document.contains("{tenantid}") => Authority::entra("common"),
        None => Authority::parse(document),
    }
    .map_err(text)
}

fn tenants(row: &Row) -> Tenants {
    row.allowed_tenants
        .as_ref()
        .map_or_else(Tenants::any, |tenants| Tenants::only(tenants).unwrap())
}

fn token(row: &Row) -> TokenIssuer<'_> {
    TokenIssuer { iss: row.token_iss.as_deref().unwrap_or_default(), tid: row.token_tid.as_deref() }
}

/// All rows with an ID `ISS-…`.
#[test]
fn every_issuer_case_has_its_verdict() {
    let cases: Cases = serde_json::from_str(include_str!("issuers.json")).unwrap();
    assert!(cases.cases.len() > 100);
    let mut wrong = Vec::new();
    for row in &cases.cases {
        let wanted = row.strict_rp.as_ref().unwrap_or(&row.expected) == "ok";
        let verdict = verdict(row);
        let listed = OTHERWISE.iter().find(|(id, _)| *id == row.id);
        if (verdict.is_ok() == wanted) == listed.is_some() {
            wrong.push(format!("{}: {verdict:?}, wanted {wanted}, {listed:?}", row.id));
        }
    }
    let unknown = OTHERWISE.iter().filter(|(id, _)| !cases.cases.iter().any(|row| row.id == *id));
    wrong.extend(unknown.map(|(id, _)| format!("{id} is listed and does not exist")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The rows on v1.0 tokens: the document is refused; the comparison itself is strict.
#[test]
fn a_v1_document_is_refused_and_not_only_its_tokens() {
    let guid = "f645ad92-e38d-4d1a-b510-d1b09a74a8ca";
    let issuer = format!("https://sts.windows.net/{guid}/");
    let authority = Authority::entra(guid).unwrap();
    assert!(authority.check_metadata_issuer(&issuer).is_err());
    assert!(
        authority
            .check_token_issuer(
                &Tenants::any(),
                &issuer,
                &TokenIssuer { iss: &issuer, tid: Some(guid) }
            )
            .is_ok()
    );
}

/// A generic provider never gets the looser comparison of MSAL (`expected`), except for the final
/// slash.
#[test]
fn a_generic_provider_is_compared_to_the_letter_but_for_a_slash_at_the_end() {
    let without_slash = |text: &str| text.strip_suffix('/').unwrap_or(text).to_owned();
    let cases: Cases = serde_json::from_str(include_str!("issuers.json")).unwrap();
    let rows = cases.cases.iter().filter(|row| row.kind == "metadata_issuer");
    for row in rows {
        let (authority, issuer) =
            (row.authority.as_deref().unwrap(), row.metadata_issuer.as_deref().unwrap());
        if let Ok(oidc) = Authority::oidc(authority)
            && !oidc.is_microsoft()
        {
            let same = without_slash(authority) == without_slash(issuer);
            assert_eq!(oidc.check_metadata_issuer(issuer).is_ok(), same, "{}", row.id);
        }
    }
}
