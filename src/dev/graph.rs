//! The imitated Microsoft Graph: the signed-in user and their groups.
//!
//! It accepts access tokens that were issued for it. Lists come in pages, linked by
//! `@odata.nextLink`.

use axum::response::Response;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use super::{
    entra_issue::EntraResource,
    person::DevPerson,
    reply,
    request::EndpointRequest,
    server::Server,
    state::ProviderState,
    switches::Failure,
    tenant::{DevTenant, object_id},
};
use crate::error::Error;

/// The number of groups on a page if the request has no `$top`.
const PAGE: usize = 100;

/// The permissions of which each allows reading the user's own groups.
const GROUP_SCOPES: [&str; 6] = [
    "User.Read",
    "User.Read.All",
    "GroupMember.Read.All",
    "Group.Read.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];

/// The user of the access token of a request.
struct GraphCaller {
    person: String,
    tenant: DevTenant,
    scopes: Vec<String>,
}

fn caller(
    server: &Server,
    state: &ProviderState,
    incoming: &EndpointRequest,
) -> Option<GraphCaller> {
    let token = incoming.bearer()?;
    let entry = state
        .access_tokens
        .find(token)
        .filter(|entry| !entry.revoked && server.now() < entry.expires)?;
    let grant = state.grants.find(&entry.grant).filter(|grant| !grant.revoked)?;
    // A token for another API is not accepted (RFC 9068 section 4).
    if entry.resource != Some(EntraResource::Graph) {
        return None;
    }
    let scopes =
        entry.scopes.iter().map(|scope| super::entra_issue::consent_key(server, scope)).collect();
    Some(GraphCaller { person: grant.person.clone(), tenant: entry.tenant?, scopes })
}

fn refused(status: StatusCode, code: &str, message: &str) -> Response {
    let mut response =
        reply::private_json(status, &json!({ "error": { "code": code, "message": message } }));
    // RFC 6750 section 3: a 401 has a challenge with a parameter. Graph's realm has no name.
    if status == StatusCode::UNAUTHORIZED {
        reply::set(&mut response, header::WWW_AUTHENTICATE, "Bearer realm=\"\"");
    }
    response
}

/// The failure that a test ordered, with the body that Graph's own failures have.
pub(super) fn failure(failure: &Failure) -> Response {
    let plain = reply::failure(failure);
    let code = match (failure, plain.status()) {
        (Failure::RetryAfter { .. } | Failure::Status(_), StatusCode::TOO_MANY_REQUESTS) => {
            "TooManyRequests"
        }
        (Failure::RetryAfter { .. } | Failure::Status(_), StatusCode::SERVICE_UNAVAILABLE) => {
            "serviceNotAvailable"
        }
        _ => return plain,
    };
    let mut response = refused(plain.status(), code, "Please retry later, as the test asked for.");
    let pause = plain.headers().get(header::RETRY_AFTER);
    if let Some(pause) = pause.and_then(|pause| pause.to_str().ok()) {
        reply::set(&mut response, header::RETRY_AFTER, pause);
    }
    response
}

/// Handles a request to Graph.
pub(super) fn graph(server: &Server, incoming: &EndpointRequest) -> Result<Response, Error> {
    let state = server.state();
    let Some(caller) = caller(server, &state, incoming) else {
        return Ok(refused(
            StatusCode::UNAUTHORIZED,
            "InvalidAuthenticationToken",
            "There is no valid access token for Graph.",
        ));
    };
    let Some(person) = state.person(&caller.person) else {
        return Ok(refused(
            StatusCode::NOT_FOUND,
            "Request_ResourceNotFound",
            "This person does not exist any more.",
        ));
    };
    let path = incoming.path.strip_prefix("/graph/v1.0").unwrap_or_default();
    let groups =
        ["/me/transitiveMemberOf/microsoft.graph.group", "/me/transitiveMemberOf", "/me/memberOf"]
            .contains(&path);
    let ids = path == "/me/getMemberObjects" || path == "/me/getMemberGroups";
    if !groups && !ids && path != "/me" {
        return Ok(refused(
            StatusCode::BAD_REQUEST,
            "BadRequest",
            "This small Graph knows nothing of that.",
        ));
    }
    // The actions compute a list and are POST; the navigations read one and are GET.
    if incoming.method != if ids { Method::POST } else { Method::GET } {
        let mut response = refused(
            StatusCode::METHOD_NOT_ALLOWED,
            "Request_BadRequest",
            "The method is not that of this call.",
        );
        reply::set(&mut response, header::ALLOW, if ids { "POST" } else { "GET, HEAD" });
        return Ok(response);
    }
    // 403 and not 401: the token is valid, and another sign-in alone would not help.
    if !GROUP_SCOPES.iter().any(|scope| caller.scopes.iter().any(|granted| granted == scope)) {
        return Ok(refused(
            StatusCode::FORBIDDEN,
            "Authorization_RequestDenied",
            "The permissions of the token do not allow that.",
        ));
    }
    Ok(match path {
        "/me" => user(server, person, &caller.tenant),
        _ => page(server, incoming, path, &person.groups, ids),
    })
}

/// The signed-in user, with some of the properties that Graph returns by default.
fn user(server: &Server, person: &DevPerson, tenant: &DevTenant) -> Response {
    reply::private_json(
        StatusCode::OK,
        &json!({
            "@odata.context": server.url("/graph/v1.0/$metadata#users/$entity"),
            "id": object_id(person, tenant), "displayName": person.name,
            "userPrincipalName": person.username,
            "mail": person.email,
        }),
    )
}

/// One page of groups: their IDs alone, or objects.
fn page(
    server: &Server,
    incoming: &EndpointRequest,
    path: &str,
    groups: &[String],
    ids: bool,
) -> Response {
    let number =
        |name: &str| incoming.query.first(name).and_then(|text| text.parse::<usize>().ok());
    let from = number("$skiptoken").unwrap_or_default();
    let size = number("$top").filter(|size| (1..=999).contains(size)).unwrap_or(PAGE);
    // `getMemberObjects` and similar actions return the whole list at once.
    let size = if ids { groups.len().max(1) } else { size };
    let value: Vec<Value> = groups
        .iter()
        .skip(from)
        .take(size)
        .map(|id| {
            if ids {
                json!(id)
            } else {
                json!({ "@odata.type": "#microsoft.graph.group", "id": id })
            }
        })
        .collect();
    let context = server.url("/graph/v1.0/$metadata#directoryObjects");
    let mut body = json!({ "@odata.context": context, "value": value });
    let next = from.saturating_add(size);
    if next < groups.len()
        && let Some(members) = body.as_object_mut()
    {
        // The next page has the parameters of this one: clients follow the link as it is.
        let kept = incoming.query.0.iter().filter(|(name, _)| name != "$skiptoken");
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(kept)
            .append_pair("$skiptoken", &next.to_string())
            .finish();
        members.insert(
            "@odata.nextLink".to_owned(),
            server.url(&format!("/graph/v1.0{path}?{query}")).into(),
        );
    }
    reply::private_json(StatusCode::OK, &body)
}
