//! The guards of an MCP server's tools: what a body calls, and who may call it.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tower_layer::Layer as _;

use super::{
    RequireForTools, require_caller, require_for_tools, require_scopes,
    test_api::{TestApi, token},
};
use crate::http_message::IdentityBody;

type Body = Full<Bytes>;

fn guard() -> RequireForTools {
    require_for_tools([
        ("list_notes", require_scopes("Notes.Read")),
        ("add_note", require_scopes(["Notes.Read", "Notes.Write"]).or_app_roles("Notes.All")),
    ])
}

fn api() -> TestApi {
    TestApi::with(|config| config.with_resource("http://localhost/mcp").unwrap())
}

/// Status, challenge and body of the answer to a body; the server behind answers with what it read.
async fn post(
    api: &TestApi,
    guard: &RequireForTools,
    scopes: Option<&str>,
    body: impl Into<Bytes>,
) -> (StatusCode, String, String) {
    post_encoded(api, guard, &[], scopes, body).await
}

/// As [`post`], with a `Content-Encoding` header for each of these values.
async fn post_encoded(
    api: &TestApi,
    guard: &RequireForTools,
    encodings: &[&str],
    scopes: Option<&str>,
    body: impl Into<Bytes>,
) -> (StatusCode, String, String) {
    let mut request = Request::post("/mcp");
    for encoding in encodings {
        request = request.header("content-encoding", *encoding);
    }
    if let Some(scopes) = scopes {
        let token = token(|claims| claims["scope"] = json!(scopes));
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let inner = tower::service_fn(|request: Request<IdentityBody<Body>>| async move {
        let read = request.into_body().collect().await.unwrap().to_bytes();
        Ok::<_, Infallible>(Response::new(Full::new(read)))
    });
    let service = api.layer.layer(guard.layer(inner));
    let answer = service.oneshot(request.body(Full::new(body.into())).unwrap()).await.unwrap();
    let (head, body) = answer.into_parts();
    let challenge = head.headers.get("www-authenticate");
    let challenge = challenge.map_or("", |value| value.to_str().unwrap()).to_owned();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, challenge, String::from_utf8_lossy(&body).into_owned())
}

fn call(tool: &str) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool}}).to_string()
}

fn reason(body: &str) -> String {
    let document: Value = serde_json::from_str(body).unwrap();
    assert_eq!(document["jsonrpc"], "2.0", "{document}");
    document["error"]["data"]["reason"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_tool_is_called_by_those_whom_its_own_guard_lets_pass() {
    let (api, guard) = (api(), guard());
    for (scopes, tool, expected) in [
        ("Notes.Read", "list_notes", 200),
        ("Notes.Read", "add_note", 403),
        ("Notes.Write", "list_notes", 403),
        ("Notes.Write", "add_note", 403),
        ("Notes.Read Notes.Write", "list_notes", 200),
        ("Notes.Read Notes.Write", "add_note", 200),
    ] {
        let (status, _, body) = post(&api, &guard, Some(scopes), call(tool)).await;
        assert_eq!(status.as_u16(), expected, "{scopes} {tool}: {body}");
        assert!(expected != 200 || body == call(tool), "the server reads the same bytes: {body}");
    }
}

#[tokio::test]
async fn the_challenge_of_a_refused_call_has_all_scopes_of_the_tool_and_the_metadata_url() {
    let (status, challenge, body) = post(&api(), &guard(), Some("other"), call("add_note")).await;
    assert_eq!((status, reason(&body).as_str()), (StatusCode::FORBIDDEN, "insufficient_scope"));
    for part in [
        r#"Bearer error="insufficient_scope""#,
        r#"scope="Notes.Read Notes.Write""#,
        r#"resource_metadata="http://localhost/.well-known/oauth-protected-resource/mcp""#,
    ] {
        assert!(challenge.contains(part), "{challenge}");
    }
}

/// Clients of MCP show the `message` of a JSON-RPC error with any status, and nothing else.
#[tokio::test]
async fn a_refused_call_is_answered_with_a_json_rpc_error_that_has_a_sentence() {
    let api = api();
    let refused = async |body: String| -> Value {
        let (status, _, answer) = post(&api, &guard(), Some("other"), body).await;
        assert!(status.is_client_error(), "{answer}");
        serde_json::from_str(&answer).unwrap()
    };
    let answer = refused(call("add_note")).await;
    let sentence = "The access token does not allow this. It needs: Notes.Read, Notes.Write.";
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(1), &json!(-32003)));
    assert_eq!(answer["error"]["message"], sentence);
    assert_eq!(answer["error"]["data"]["scopes"], json!(["Notes.Read", "Notes.Write"]));
    let answer = refused(call("drop_notes").replace("\"id\":1", "\"id\":\"a\"")).await;
    assert_eq!((&answer["id"], &answer["error"]["data"]["status"]), (&json!("a"), &json!(403)));
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("no access"), "{message}");
    // JSON-RPC 2.0 section 5: `null` where the `id` cannot be read.
    for body in ["{".to_owned(), format!("[{}]", call("add_note")), call("x").replace("1", "{}")] {
        assert_eq!(refused(body).await["id"], json!(null));
    }
    let long = call("add_note").replace("\"id\":1", &format!("\"id\":\"{}\"", "a".repeat(257)));
    assert_eq!(refused(long).await["id"], json!(null));
    assert_eq!(refused("{".to_owned()).await["error"]["code"], json!(-32600));
}

#[tokio::test]
async fn a_tool_without_a_guard_is_refused_unless_there_is_one_for_the_others() {
    let api = api();
    for tool in ["drop_notes", "List_notes", "list_notes ", "list\u{2215}notes", ""] {
        let (status, challenge, body) =
            post(&api, &guard(), Some("Notes.Read Notes.Write"), call(tool)).await;
        assert_eq!((status, reason(&body).as_str()), (StatusCode::FORBIDDEN, "forbidden"));
        assert!(!body.contains("page") && !body.contains("signed in"), "{body}");
        assert_eq!(challenge, "", "no other token would help");
        let open = guard().with_other_tools(require_caller());
        assert_eq!(post(&api, &open, Some("x"), call(tool)).await.0, StatusCode::OK, "{tool}");
    }
}

#[tokio::test]
async fn all_guards_of_one_name_count() {
    let twice = require_for_tools([
        ("list_notes", require_scopes("Notes.Read")),
        ("list_notes", require_scopes("Notes.Write")),
    ]);
    let call = call("list_notes");
    for (scopes, expected) in [("Notes.Read", 403), ("Notes.Write", 403)] {
        let (status, ..) = post(&api(), &twice, Some(scopes), call.clone()).await;
        assert_eq!(status.as_u16(), expected, "{scopes}");
    }
    let (status, ..) = post(&api(), &twice, Some("Notes.Read Notes.Write"), call).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn other_messages_need_a_token_and_nothing_more() {
    let (api, guard) = (api(), guard());
    for body in [
        "",
        r#"{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}"#,
        r#"{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}"#,
        r#"{"jsonrpc": "2.0", "method": "notifications/initialized"}"#,
        r#"{"jsonrpc": "2.0", "id": 1, "result": {"name": "add_note"}}"#,
        r#"[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]"#,
    ] {
        let (status, _, read) = post(&api, &guard, Some("other"), body).await;
        assert_eq!((status, read.as_str()), (StatusCode::OK, body));
        assert_eq!(post(&api, &guard, None, body).await.0, StatusCode::UNAUTHORIZED, "{body}");
    }
}

/// However a call is written, it is one; and what could be read in two ways is none.
#[tokio::test]
async fn no_spelling_of_a_body_calls_a_tool_past_its_guard() {
    let (api, guard) = (api(), guard());
    let (listed, added) = (call("list_notes"), call("add_note"));
    for body in [
        added.clone(),
        format!(" \n{added}\n"),
        added.replace("tools/call", "tools\\u002fcall"),
        added.replace("\"method\"", "\"meth\\u006fd\""),
        added.replace("add_note", "\\u0061dd_note"),
        format!("[{added}]"),
        format!("[{listed}, {added}]"),
    ] {
        let (status, ..) = post(&api, &guard, Some("Notes.Read"), body.clone()).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{body}");
    }
    let twice = |text: &str| added.replacen('{', &format!("{{{text},"), 1);
    for body in [
        twice(r#""method": "ping""#),
        twice(r#""params": {"name": "list_notes"}"#),
        added.replace("\"name\"", "\"name\": \"list_notes\", \"name\""),
        added.replace("\"add_note\"", "7"),
        added.replace("\"name\"", "\"tool\""),
        added.replace("{\"name\":\"add_note\"}", "[\"add_note\"]"),
        added.replace("\"tools/call\"", "[\"tools/call\"]"),
        format!("{listed}{added}"),
        format!("[[{added}]]"),
        format!("\u{feff}{added}"),
        added[..added.len() - 1].to_owned(),
        // `serde_json` reads it as the JSON in the text, if a crate has enabled `raw_value`.
        json!({"$serde_json::private::RawValue": added}).to_string(),
        // A parser that ignores letter case reads the other member.
        twice(r#""Method": "ping""#),
        listed.replacen('{', r#"{"METHOD": "tools/call","#, 1),
        listed.replace("\"name\"", "\"Name\": \"add_note\", \"name\""),
        listed.replacen('{', r#"{"param\u017f": {"name": "add_note"},"#, 1),
        "add_note".to_owned(),
        "null".to_owned(),
        format!("{}{}", "[".repeat(200), "]".repeat(200)),
    ] {
        let (status, challenge, answer) =
            post(&api, &guard, Some("Notes.Read"), body.clone()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!((reason(&answer).as_str(), challenge.as_str()), ("request_invalid", ""));
    }
    let utf_16: Vec<u8> = added.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (status, ..) = post(&api, &guard, Some("Notes.Read"), utf_16).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_body_with_a_content_encoding_is_refused_also_where_a_second_header_has_it() {
    let (api, guard) = (api(), guard());
    for (encodings, expected) in [
        (&["identity"][..], 200),
        (&["identity", "identity"], 200),
        (&["gzip"], 400),
        (&["identity, gzip"], 400),
        (&["identity", "gzip"], 400),
        (&["gzip", "identity"], 400),
    ] {
        let call = call("list_notes");
        let (status, _, body) =
            post_encoded(&api, &guard, encodings, Some("Notes.Read"), call).await;
        assert_eq!(status.as_u16(), expected, "{encodings:?}: {body}");
    }
}

#[tokio::test]
async fn a_body_is_read_up_to_its_limit_and_for_callers_with_a_token_alone() {
    let api = api();
    let short = guard().with_body_limit(100);
    let (call, long) = (call("list_notes"), call(&"x".repeat(200)));
    assert_eq!(post(&api, &short, Some("Notes.Read"), call.clone()).await.0, StatusCode::OK);
    let (status, _, body) = post(&api, &short, Some("Notes.Read"), long.clone()).await;
    assert_eq!(
        (status, reason(&body).as_str()),
        (StatusCode::PAYLOAD_TOO_LARGE, "request_too_large")
    );

    // Without the layer of the API outside, too: nothing is read.
    let inner = tower::service_fn(|_: Request<IdentityBody<Body>>| async move {
        Ok::<_, Infallible>(Response::new(Body::default()))
    });
    let request = Request::post("/mcp").body(Full::new(Bytes::from(long))).unwrap();
    let answer = short.layer(inner).oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}
