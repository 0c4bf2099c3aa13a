//! [`RequireForTools`]: the guard of an MCP server, by the name of the tool that a request calls.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, header::CONTENT_ENCODING, request::Parts};
use http_body::Body;
use serde_json::{Map, Value};
use tower_layer::Layer;
use tower_service::Service;

use super::{answer::RefusedMessage, bearer, caller::ApiCaller, guard::RequireAccess};
use crate::{
    error::{Error, ErrorKind, shown},
    http_message::{BoxError, BoxedResponse, IdentityBody, read_body, take_ready},
    json,
};

/// The method of JSON-RPC that calls a tool.
const CALL: &str = "tools/call";

/// The default length limit of a message in bytes, which is that of the crate `rmcp`.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// A guard for an MCP server over streamable HTTP that has one guard for each of its tools.
///
/// All tools of an MCP server have one URL; the name of the tool is in the body of the request.
/// This guard reads the body once, checks the caller of `tools/call` by the guard of the tool, and
/// passes the same bytes on. A caller without the scopes gets the challenge that MCP clients act
/// on: 403 with `insufficient_scope`, all scopes of the tool, and the URL of the API's metadata.
/// The body is a JSON-RPC error, whose `message` clients show.
///
/// - A tool without a guard is refused with 403, unless there is one
///   [for the others](RequireForTools::with_other_tools). The guard of a tool for every caller with
///   a valid token is [`require_caller`](crate::require_caller).
/// - Messages other than `tools/call`, such as `initialize` and `tools/list`, need a valid token
///   and nothing more.
/// - A body that is not a message of JSON-RPC, or that two parsers could read differently, is
///   refused with 400.
///
/// It has to be inside of an [`ApiLayer`](crate::ApiLayer), which verifies the token and writes the
/// challenges. Without that layer every request is refused with 401.
///
/// ```
/// # #[cfg(feature = "axum")]
/// # fn routes<S>(mcp: S) -> axum::Router
/// # where
/// #     S: tower_service::Service<axum::extract::Request, Error = std::convert::Infallible>
/// #         + Clone + Send + Sync + 'static,
/// #     S::Response: axum::response::IntoResponse,
/// #     S::Future: Send + 'static,
/// # {
/// use axum::Router;
/// use tower_identity::{api::require_for_tools, require_scopes};
///
/// Router::new().route_service("/mcp", mcp).route_layer(require_for_tools([
///     ("list_notes", require_scopes("Notes.Read")),
///     ("add_note", require_scopes(["Notes.Read", "Notes.Write"])),
/// ]))
/// # }
/// ```
pub fn require_for_tools<Name: Into<String>>(
    tools: impl IntoIterator<Item = (Name, RequireAccess)>,
) -> RequireForTools {
    let tools = tools.into_iter().map(|(name, guard)| (name.into(), guard)).collect();
    RequireForTools { rules: Arc::new(Rules { tools, others: None, body_limit: BODY_LIMIT }) }
}

/// The guard that [`require_for_tools`] makes: a layer for the route of an MCP server.
#[derive(Clone, Debug)]
#[must_use = "a guard does nothing until it is put around routes"]
pub struct RequireForTools {
    rules: Arc<Rules>,
}

#[derive(Clone, Debug)]
struct Rules {
    /// Name and guard of each tool. Several guards of one name all have to admit the caller.
    tools: Vec<(String, RequireAccess)>,
    others: Option<RequireAccess>,
    body_limit: usize,
}

impl RequireForTools {
    /// Sets the guard of all tools that have none of their own. By default these tools are refused.
    pub fn with_other_tools(self, guard: RequireAccess) -> Self {
        self.with(|rules| rules.others = Some(guard))
    }

    /// Sets the length limit of a message in bytes; a longer one is refused with 413. The default
    /// is 4 MiB.
    pub fn with_body_limit(self, bytes: usize) -> Self {
        self.with(|rules| rules.body_limit = bytes)
    }

    fn with(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(Arc::make_mut(&mut self.rules));
        self
    }
}

impl Rules {
    /// Reads the body of a request, and checks the caller by the guards of the tools that it calls.
    ///
    /// # Errors
    ///
    /// `TokenMissing`; `RequestTooLarge`; `RequestInvalid`; the kinds of [`RequireAccess::check`].
    async fn admit<B>(&self, head: &Parts, body: B) -> Result<Bytes, Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        // Before the body is read: only callers with a token may use memory.
        let caller = head.extensions.get::<ApiCaller>().ok_or_else(bearer::missing)?;
        // A decompressor inside would hand other bytes on than the ones that are read here. Every
        // header counts, because it may read another one of several.
        if head.headers.get_all(CONTENT_ENCODING).iter().any(|encoding| encoding != "identity") {
            return Err(invalid("it has a `Content-Encoding`, which is not supported").into());
        }
        let body = read_body(body, self.body_limit).await?;
        match called_tools(&body)
            .and_then(|tools| tools.iter().try_for_each(|tool| self.check(tool, caller)))
        {
            Ok(()) => Ok(body),
            Err(error) => Err(Refusal { error, id: id_of(&body) }),
        }
    }

    fn check(&self, tool: &str, caller: &ApiCaller) -> Result<(), Error> {
        let mut own = self.tools.iter().filter(|(name, _)| name == tool).peekable();
        if own.peek().is_some() {
            return own.try_for_each(|(_, guard)| guard.check(caller));
        }
        match &self.others {
            Some(guard) => guard.check(caller),
            None => Err(Error::new(
                ErrorKind::Forbidden,
                format!("the tool {} has no guard (`require_for_tools`)", shown(tool)),
            )),
        }
    }
}

/// The length of an `id` that a refusal repeats, in bytes.
const LONGEST_ID: usize = 256;

/// A refused request, and the `id` of its message if that could be read.
struct Refusal {
    error: Error,
    id: Option<Value>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, id: None }
    }
}

/// The `id` of a message (JSON-RPC 2.0 section 4: a string or a number). A batch has none, and one
/// that is too long for a refusal counts as none.
fn id_of(body: &[u8]) -> Option<Value> {
    let id = json::value(body).ok()?.get("id")?.clone();
    (id.is_number() || id.as_str().is_some_and(|id| id.len() <= LONGEST_ID)).then_some(id)
}

/// The names of the tools that a body calls: one, or several in a batch, which MCP had until
/// 2025-06-18.
pub(super) fn called_tools(body: &[u8]) -> Result<Vec<String>, Error> {
    // A GET for the stream of events, or the DELETE of a session.
    if body.is_empty() {
        return Ok(Vec::new());
    }
    // A repeated member is refused at every level: the server could read the other one.
    match json::value(body).map_err(|error| invalid(error.as_str()))? {
        Value::Array(messages) => {
            messages.iter().filter_map(|message| called_tool(message).transpose()).collect()
        }
        message => Ok(called_tool(&message)?.into_iter().collect()),
    }
}

/// The name of the tool that a message calls, if it calls one.
fn called_tool(message: &Value) -> Result<Option<String>, Error> {
    let Value::Object(members) = message else {
        return Err(invalid("it is not a JSON object"));
    };
    refuse_lookalikes(members, &["method", "params"])?;
    match members.get("method") {
        Some(Value::String(method)) if method == CALL => {}
        // Another request, or the client's answer to one.
        Some(Value::String(_)) | None => return Ok(None),
        Some(_) => return Err(invalid("`method` is not text")),
    }
    let Some(Value::Object(params)) = members.get("params") else {
        return Err(invalid("`tools/call` has no object `params`"));
    };
    refuse_lookalikes(params, &["name"])?;
    match params.get("name") {
        Some(Value::String(name)) => Ok(Some(name.clone())),
        _ => Err(invalid("`params` of `tools/call` has no text `name`")),
    }
}

/// Refuses a member whose name differs from one of these in letter case only: a parser that ignores
/// letter case, as Go's does, reads it as that member.
fn refuse_lookalikes(members: &Map<String, Value>, names: &[&str]) -> Result<(), Error> {
    let is_lookalike = |key: &&String| {
        let upper = key.to_uppercase();
        names.iter().any(|name| key != name && upper == name.to_uppercase())
    };
    match members.keys().find(is_lookalike) {
        Some(key) => Err(invalid(format!(
            "the member {} differs from {} in letter case only",
            shown(key),
            names.join(" or ")
        ))),
        None => Ok(()),
    }
}

fn invalid(detail: impl fmt::Display) -> Error {
    Error::new(ErrorKind::RequestInvalid, format!("the body is not a message of MCP: {detail}"))
}

impl<S> Layer<S> for RequireForTools {
    type Service = RequireForToolsService<S>;

    fn layer(&self, inner: S) -> RequireForToolsService<S> {
        RequireForToolsService { inner, rules: Arc::clone(&self.rules) }
    }
}

/// The service that [`RequireForTools`] makes.
#[derive(Clone, Debug)]
pub struct RequireForToolsService<S> {
    inner: S,
    rules: Arc<Rules>,
}

impl<S, B, R> Service<Request<B>> for RequireForToolsService<S>
where
    S: Service<Request<IdentityBody<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = BoxedResponse<R, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut ready = take_ready(&mut self.inner);
        let rules = Arc::clone(&self.rules);
        let (head, body) = request.into_parts();
        Box::pin(async move {
            match rules.admit(&head, body).await {
                Ok(body) => ready.call(Request::from_parts(head, IdentityBody::own(body))).await,
                Err(Refusal { error, id }) => {
                    let mut response = error.into_response_with(R::default());
                    response.extensions_mut().insert(RefusedMessage(id));
                    Ok(response)
                }
            }
        })
    }
}
