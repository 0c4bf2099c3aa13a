//! The groups of a user from Microsoft Graph (`/me/transitiveMemberOf`), for users in more groups
//! than a token holds ("groups overage").
//!
//! - The host of Graph follows from the cloud of the authority. The URLs in `_claim_sources` are
//!   never requested: the access token would be sent to a host that the token names.
//! - The list comes in pages. `@odata.nextLink` is followed within the same origin and for a
//!   limited number of pages.
//! - Only the ids are kept, and nothing of a response is logged.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::Value;
use url::Url;

use super::{
    channel::bearer_request,
    error_answer,
    json::{self, Object},
};
use crate::{
    error::{Error, ErrorKind, ProviderError},
    secret::Secret,
};

/// The greatest number of pages. Graph puts up to 999 groups on a page, and may put fewer.
pub(super) const MAX_PAGES: usize = 20;
/// The greatest number of groups that are read.
pub(super) const MAX_GROUPS: usize = 10_000;
/// The greatest number of groups in a session: as many as fit a store with rows of 64 KiB.
pub(super) const MAX_SESSION_GROUPS: usize = 1_000;

const MAX_ID_BYTES: usize = 255;
const MAX_LINK_BYTES: usize = 8 * 1024;

/// The permissions of which each allows to read the user's own groups.
const PERMISSIONS: [&str; 6] = [
    "User.Read",
    "User.Read.All",
    "GroupMember.Read.All",
    "Group.Read.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];

/// Whether the claims announce more groups than they hold: by `_claim_names` (OpenID Connect Core
/// section 5.6.2) in the code flow, by `hasgroups` in others. A `groups` claim beside them is
/// incomplete.
pub(crate) fn is_overage(hasgroups: bool, claim_names: Option<&Value>) -> bool {
    hasgroups || claim_names.is_some_and(|names| names.get("groups").is_some())
}

/// [`is_overage`] for a set of claims.
pub(super) fn lacks_groups(claims: &Object) -> bool {
    let hasgroups =
        claims.get("hasgroups").is_some_and(|value| *value == Value::Bool(true) || value == "true");
    is_overage(hasgroups, claims.get("_claim_names"))
}

/// Replaces `groups` by the complete list and removes the announcement that groups are missing.
pub(super) fn complete(claims: &mut Object, groups: Vec<String>) {
    claims.remove("hasgroups");
    if let Some(Value::Object(names)) = claims.get_mut("_claim_names") {
        names.remove("groups");
    }
    claims.insert("groups".to_owned(), groups.into_iter().map(Value::String).collect());
}

/// The scope to request for an access token for the Graph at the base URL `graph`.
pub(super) fn scope(graph: &str) -> String {
    format!("{graph}/User.Read")
}

/// Whether an access token with these scopes is for the Graph at `graph` and allows to read groups.
/// A scope without a resource belongs to Graph.
pub(super) fn suffices(graph: &str, scopes: &str) -> bool {
    scopes.split_ascii_whitespace().any(|scope| {
        let own =
            scope.strip_prefix(graph).and_then(|name| name.strip_prefix('/')).unwrap_or(scope);
        PERMISSIONS.iter().any(|permission| permission.eq_ignore_ascii_case(own))
    })
}

/// The URL of the first page.
pub(super) fn first_page(graph: &str) -> Result<Url, Error> {
    Url::parse(&format!("{graph}/v1.0/me/transitiveMemberOf?$select=id&$top=999"))
        .map_err(|_| failed("the base URL of Microsoft Graph is invalid"))
}

/// The request for a page.
pub(super) fn request(page: &Url, access_token: &Secret) -> Result<Request<Bytes>, Error> {
    bearer_request(page, access_token, ErrorKind::GroupsUnavailable)
}

/// Adds the groups of a page to `groups`, and returns the URL of the next page.
///
/// # Errors
///
/// [`ErrorKind::GroupsUnavailable`], with [`Error::provider`] if Graph refused the request;
/// [`ErrorKind::ProviderUnreachable`].
pub(super) fn read_page(
    answer: &Response<Bytes>,
    page: &Url,
    groups: &mut Vec<String>,
) -> Result<Option<Url>, Error> {
    let status = answer.status();
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Err(error_answer::http_error(answer));
    }
    let object = json::object(answer.body());
    if status != StatusCode::OK {
        let code = object
            .ok()
            .and_then(|object| Some(object.get("error")?.get("code")?.as_str()?.to_owned()));
        let error = error_answer::code_in(answer, code.as_deref().unwrap_or_default());
        let provider =
            ProviderError { error, status: Some(status.as_u16()), ..ProviderError::default() };
        return Err(Error::from_provider(ErrorKind::GroupsUnavailable, provider));
    }
    let object = object.map_err(|refused| failed(refused.as_str()))?;
    let Some(Value::Array(entries)) = object.get("value") else {
        return Err(failed("the page has no `value`"));
    };
    for entry in entries {
        let is_group = entry.get("@odata.type").is_none_or(|kind| kind == "#microsoft.graph.group");
        let id = entry
            .get("id")
            .and_then(Value::as_str)
            .filter(|id| !id.is_empty() && id.len() <= MAX_ID_BYTES);
        match (is_group, id) {
            // Directory roles and administrative units.
            (false, _) => {}
            (true, Some(_)) if groups.len() >= MAX_GROUPS => {
                return Err(failed("the user is in more than 10,000 groups"));
            }
            (true, Some(id)) => groups.push(id.to_owned()),
            // An incomplete list would satisfy a rule such as "not in group x".
            (true, None) => return Err(failed("a group on the page has no `id`")),
        }
    }
    next_page(&object, page)
}

/// The URL of the page after this one.
fn next_page(object: &json::Object, page: &Url) -> Result<Option<Url>, Error> {
    match json::present(object, "@odata.nextLink") {
        None => Ok(None),
        // The next request carries the access token, so it must go to the same origin.
        Some(Value::String(link)) if link.len() <= MAX_LINK_BYTES => match Url::parse(link) {
            Ok(next)
                if next.origin() == page.origin()
                    && next.username().is_empty()
                    && next.password().is_none() =>
            {
                Ok(Some(next))
            }
            _ => Err(failed("`@odata.nextLink` is not a URL of the same origin")),
        },
        Some(_) => Err(failed("`@odata.nextLink` is not a string of at most 8 KiB")),
    }
}

pub(super) fn failed(detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::GroupsUnavailable, detail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::protocol::test_support::answer;

    const GRAPH: &str = "https://graph.microsoft.com";

    fn read(
        status: u16,
        body: impl std::fmt::Display,
    ) -> Result<(Vec<String>, Option<String>), Error> {
        let mut groups = Vec::new();
        let next = read_page(&answer(status, body), &first_page(GRAPH).unwrap(), &mut groups)?;
        Ok((groups, next.map(String::from)))
    }

    fn refused(body: &Value) {
        assert_eq!(
            read(200, body).unwrap_err().kind(),
            ErrorKind::GroupsUnavailable,
            "{body:.200}"
        );
    }

    #[test]
    fn a_page_is_read_and_leads_to_the_next() {
        let request = request(&first_page(GRAPH).unwrap(), &"t0ken".into()).unwrap();
        assert_eq!(
            request.uri(),
            "https://graph.microsoft.com/v1.0/me/transitiveMemberOf?$select=id&$top=999"
        );
        assert!(request.headers()["authorization"].is_sensitive());
        let next = "https://graph.microsoft.com/v1.0/me/transitiveMemberOf?$skiptoken=x";
        let page = json!({"@odata.nextLink": next, "value": [
            {"@odata.type": "#microsoft.graph.group", "id": "g1"},
            {"@odata.type": "#microsoft.graph.directoryRole", "id": "r1"}, {"id": "g2"},
        ]});
        assert_eq!(read(200, &page).unwrap(), (vec!["g1".into(), "g2".into()], Some(next.into())));
        assert_eq!(read(200, json!({"value": []})).unwrap(), (Vec::new(), None));
    }

    // C-399: _claim_sources endpoint on a foreign host
    #[test]
    fn the_token_is_not_sent_to_another_host() {
        for link in [
            "https://evil.example/v1.0/me",
            "https://graph.microsoft.com.evil.example/",
            "https://graph.microsoft.us/v1.0/me",
            "http://graph.microsoft.com/v1.0/me",
            "https://graph.microsoft.com:8443/v1.0/me",
            "https://a:b@graph.microsoft.com/v1.0/me",
            "//evil.example/",
            "/v1.0/me",
            "",
            &format!("https://graph.microsoft.com/{}", "x".repeat(MAX_LINK_BYTES)),
        ] {
            refused(&json!({"value": [], "@odata.nextLink": link}));
        }
        refused(&json!({"value": [], "@odata.nextLink": 7}));
    }

    #[test]
    fn an_incomplete_list_is_refused() {
        for value in [
            json!(null),
            json!({}),
            json!("g1"),
            json!([{"id": 1}]),
            json!([{}]),
            json!(["g1"]),
            json!([{"id": ""}]),
        ] {
            refused(&json!({"value": value}));
        }
        refused(&json!({"value": [{"id": "g".repeat(MAX_ID_BYTES + 1)}]}));
        refused(&json!({"value": vec![json!({"id": "g"}); MAX_GROUPS + 1]}));
        refused(&json!([]));
    }

    #[test]
    fn a_refusal_has_its_code_and_an_outage_is_temporary() {
        let message = "ada@contoso.com may not";
        let denied = json!({"error": {"code": "Authorization_RequestDenied", "message": message}});
        let error = read(403, denied).unwrap_err();
        assert_eq!(
            (error.kind(), error.provider().unwrap().status),
            (ErrorKind::GroupsUnavailable, Some(403))
        );
        let text = error.to_string();
        assert!(text.contains("Authorization_RequestDenied") && !text.contains("ada"), "{text}");
        for status in [429, 500, 503] {
            assert_eq!(read(status, "").unwrap_err().kind(), ErrorKind::ProviderUnreachable);
        }
        for status in [201, 302, 400, 401, 404] {
            assert_eq!(read(status, "<html>").unwrap_err().kind(), ErrorKind::GroupsUnavailable);
        }
    }

    #[test]
    fn a_token_suffices_if_it_is_graphs_and_reads_groups() {
        for scopes in [
            "openid User.Read",
            "user.read",
            "https://graph.microsoft.com/GroupMember.Read.All",
            "x Directory.Read.All",
        ] {
            assert!(suffices(GRAPH, scopes), "{scopes}");
        }
        for scopes in [
            "",
            "openid profile",
            "User.ReadBasic.All",
            "api://x/User.Read",
            "https://graph.microsoft.us/User.Read",
        ] {
            assert!(!suffices(GRAPH, scopes), "{scopes}");
        }
        assert!(suffices(GRAPH, &scope(GRAPH)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_page_or_none(
            status in 100_u16..600,
            body in prop::collection::vec(any::<u8>(), 0..300)
        ) {
            let mut answer = Response::new(Bytes::from(body));
            *answer.status_mut() = StatusCode::from_u16(status).unwrap();
            let _ = read_page(&answer, &first_page(GRAPH).unwrap(), &mut Vec::new());
        }
    }
}
