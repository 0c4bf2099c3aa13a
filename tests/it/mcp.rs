//! The example of an MCP server, with the clients of two SDKs: from the first 401 to a tool, and
//! from there to a tool that needs more scopes. A scanner judges what it answers besides.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use rmcp::{
    RoleClient, ServiceExt as _,
    model::CallToolRequestParams,
    service::RunningService,
    transport::{
        StreamableHttpClientTransport,
        auth::{
            AuthClient, AuthorizationCallback, AuthorizationManager, AuthorizationRequest,
            OAuthState,
        },
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde_json::{Value, json};
use tower_identity::dev::{DevClient, DevProvider, DevTenant};

use crate::{
    browser::{Browser, Tab},
    example::{Example, answer},
};

type Client = AuthClient<reqwest::Client>;

fn transport(client: &Client, server: &str) -> StreamableHttpClientTransport<Client> {
    let config = StreamableHttpClientTransportConfig::with_uri(server);
    StreamableHttpClientTransport::with_client(client.clone(), config)
}

/// Where the browser is after Ada has signed in and agreed.
async fn signed_in(tab: &mut Tab, address: &str) -> String {
    tab.open(address).await;
    answer(tab, "ada").await;
    tab.page().url.to_string()
}

async fn call(
    client: &RunningService<RoleClient, ()>,
    tool: &'static str,
) -> Result<String, rmcp::ServiceError> {
    let arguments = json!({"text": "Water the plants"}).as_object().unwrap().clone();
    let answer =
        client.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await?;
    Ok(serde_json::to_value(&answer).unwrap()["content"][0]["text"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn the_mcp_server_leads_the_client_of_rmcp_from_a_401_to_its_tools() {
    let example = Example::start("mcp");
    let server = format!("{}/mcp", example.url);
    let callback = format!("{}/callback", example.url);
    let mut tab = Browser::new().tab();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();

    // 401: the challenge says where the metadata is.
    let stranger = AuthorizationManager::new(&server).await.unwrap();
    let stranger = AuthClient::new(http.clone(), stranger);
    let refused = ().serve(transport(&stranger, &server)).await.unwrap_err();
    let challenge = refused.auth_challenge().expect("a challenge").to_owned();
    let metadata = format!("{}/.well-known/oauth-protected-resource/mcp", example.url);
    assert!(
        challenge.contains(&format!(r#"resource_metadata="{metadata}""#))
            && !challenge.contains("error"),
        "{challenge}"
    );

    // From there to the provider, and back with a token.
    let mut state = OAuthState::new(&server, Some(http.clone())).await.unwrap();
    let request = AuthorizationRequest::new(&callback)
        .with_preregistered_client("mcp-client")
        .with_initial_scope_selection()
        .with_challenge(challenge);
    state.start_authorization(request).await.unwrap();
    let address = state.get_authorization_url().await.unwrap();
    assert!(
        address
            .contains(&format!("{}%2FNotes.Read", server.replace('/', "%2F").replace(':', "%3A"))),
        "{address}"
    );
    let back = signed_in(&mut tab, &address).await;
    state.handle_callback_url(&back).await.unwrap();
    let client = AuthClient::new(http, state.into_authorization_manager().unwrap());
    let running = ().serve(transport(&client, &server)).await.unwrap();
    let tools = running.list_all_tools().await.unwrap();
    assert_eq!(
        tools.iter().map(|tool| &*tool.name).collect::<Vec<_>>(),
        ["add_note", "list_notes"]
    );
    assert_eq!(call(&running, "list_notes").await.unwrap(), "");

    // 403: all scopes of the tool, and a sign-in with them.
    let refused = call(&running, "add_note").await.unwrap_err();
    let challenge = refused.auth_challenge().expect("a challenge").to_owned();
    let scopes = format!("{server}/Notes.Read {server}/Notes.Write");
    assert!(
        challenge.contains(r#"error="insufficient_scope""#)
            && challenge.contains(&format!(r#"scope="{scopes}""#))
            && challenge.contains(&metadata),
        "{challenge}"
    );
    let address = client.auth_manager.lock().await.request_scope_upgrade(&scopes).await.unwrap();
    let back = AuthorizationCallback::from_redirect_url(&signed_in(&mut tab, &address).await);
    let back = back.unwrap();
    let manager = client.auth_manager.lock().await;
    manager
        .exchange_code_for_token_with_issuer(&back.code, &back.csrf_token, back.issuer.as_deref())
        .await
        .unwrap();
    drop(manager);
    assert_eq!(call(&running, "add_note").await.unwrap(), "added");
    assert!(call(&running, "list_notes").await.unwrap().starts_with("Water the plants (by "));

    // A tool without a guard.
    let refused = call(&running, "drop_notes").await.unwrap_err().to_string();
    assert!(refused.contains("403"), "{refused}");

    // A page of another origin, and one of this machine.
    let token = client.auth_manager.lock().await.get_access_token().await.unwrap();
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}});
    for (origin, is_allowed) in [
        ("https://evil.example", false),
        ("null", false),
        ("http://localhost:6274", true),
        (example.url.as_str(), true),
    ] {
        let request = reqwest::Client::builder().no_proxy().build().unwrap().post(&server);
        let request = request.bearer_auth(&token).header("origin", origin);
        let request = request.header("accept", "application/json, text/event-stream").json(&list);
        let status = request.send().await.unwrap().status().as_u16();
        assert_eq!(status != 403, is_allowed, "{origin}: {status}");
    }
}

/// `tests/run mcp` installs what it needs.
#[tokio::test]
#[ignore = "it needs Node.js and the packages of tests/mcp"]
async fn the_mcp_server_leads_the_typescript_client_from_a_401_to_its_tools() {
    let example = Example::start("mcp");
    let server = format!("{}/mcp", example.url);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mcp/client.mjs");
    let mut process = Command::new("node")
        .arg(script)
        .args([&server, &format!("{}/callback", example.url)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Node.js is missing: run `tests/run mcp`, which installs it");
    let mut input = process.stdin.take().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut tab = Browser::new().tab();
    let (mut asked, mut told) = (Vec::new(), Vec::new());
    for line in lines.by_ref() {
        match line.strip_prefix("open ") {
            Some(address) => {
                asked.push(address.to_owned());
                writeln!(input, "{}", signed_in(&mut tab, address).await).unwrap();
            }
            None => told.push(line),
        }
    }
    assert!(process.wait().unwrap().success(), "{told:?}: run `tests/run mcp`");
    assert_eq!(told[..3], ["tools add_note list_notes", "list_notes ", "add_note added"]);
    assert!(told[3].starts_with("list_notes Learn to fly (by "), "{told:?}");
    assert_eq!(told[4..], ["drop_notes 403"]);
    let writes = |address: &String| address.contains("Notes.Write");
    assert_eq!(asked.iter().map(writes).collect::<Vec<_>>(), [false, true], "{asked:?}");
}

/// The checks of a server that mcp-authlab has made.
struct Scan(Vec<Value>);

impl Scan {
    async fn of(server: &str, options: &[&str]) -> Self {
        let scanner = std::env::var("MCP_AUTHLAB")
            .expect("MCP_AUTHLAB is the command mcp-authlab: tests/run mcp sets it");
        let output = tokio::process::Command::new(scanner)
            .args(["scan", server, "--no-login", "--format", "json"])
            .args(options)
            .output()
            .await
            .unwrap();
        let said: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        Self(said["results"].as_array().unwrap().clone())
    }

    fn with(&self, status: &str) -> Vec<&str> {
        let found = self.0.iter().filter(|check| check["status"] == status);
        found.map(|check| check["id"].as_str().unwrap()).collect()
    }
}

/// `tests/run mcp` installs mcp-authlab.
#[tokio::test]
#[ignore = "it needs Python and the package of tests/mcp"]
async fn the_mcp_server_passes_the_scan_of_mcp_authlab() {
    let provider = DevProvider::start().await.unwrap();
    // The URL of the server is a setting of it, so that the port is chosen first.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = free.local_addr().unwrap();
    drop(free);
    let server = format!("http://localhost:{}/mcp", listen.port());
    let _example = Example::start_as(
        "mcp",
        &[
            ("LISTEN", &listen.to_string()),
            ("IDENTITY_OIDC_AUTHORITY", provider.issuer()),
            ("IDENTITY_CLIENT_ID", "notes"),
            ("IDENTITY_RESOURCE", &server),
        ],
    );
    let token = |audience: &str| provider.access_token("ada", audience, "Notes.Read").unwrap();
    let (own, foreign) = (token(&server), token("https://other.example/mcp"));
    let tokens = ["--token", own.expose(), "--foreign-token", foreign.expose()];
    let scan = Scan::of(&server, &[&tokens[..], &["--tool", "add_note"]].concat()).await;
    for bad in ["fail", "error"] {
        assert_eq!(scan.with(bad), [""; 0], "{:?}", scan.0);
    }
    // No TLS on loopback. The development provider registers no clients, as Entra does not.
    assert_eq!(scan.with("warn"), ["TLS-01", "ASM-05"]);
    // A sign-in of the scanner's own, and the sessions of MCP, which the example has not.
    let left_out = ["ASF-01", "ASF-02", "ASF-03", "ASF-04", "ASF-05", "ASF-06", "SESS-01"];
    assert_eq!(scan.with("skip"), [&left_out[..], &["SESS-02"]].concat());

    // The imitated Entra announces neither PKCE nor `iss`, as Microsoft's documents do not.
    let example = Example::start("mcp");
    let scan = Scan::of(&format!("{}/mcp", example.url), &[]).await;
    assert_eq!(scan.with("fail"), ["ASM-04"], "{:?}", scan.0);
    assert_eq!(scan.with("warn"), ["TLS-01", "ASM-05", "ASM-06"]);
    assert_eq!(scan.with("error"), [""; 0]);
}

/// AADSTS9010010, which MCP clients get where the Application ID URI is not the URL that they use.
#[tokio::test]
async fn the_imitated_entra_takes_no_resource_but_the_one_that_the_scopes_name() {
    let client = DevClient::public("mcp-client").with_any_loopback_redirect();
    let server = DevClient::public("notes").with_resource("http://localhost/mcp");
    let builder = DevProvider::builder().entra().with_client(client).with_client(server);
    let provider = builder.start().await.unwrap();
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap();
    let asked = async |resource: &str, scope: &str| {
        let tenant = DevTenant::CONTOSO;
        let base = format!("http://{}/{}/oauth2/v2.0", provider.address(), tenant.id());
        let mut address = url::Url::parse(&format!("{base}/authorize")).unwrap();
        address.query_pairs_mut().extend_pairs([
            ("client_id", "mcp-client"),
            ("redirect_uri", "http://localhost/callback"),
            ("response_type", "code"),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
            ("scope", scope),
            ("resource", resource),
        ]);
        let answer = http.get(address).send().await.unwrap();
        let location = answer.headers().get("location");
        location.is_some_and(|to| to.to_str().unwrap().contains("AADSTS9010010"))
    };
    let (resource, scope) = ("http://localhost/mcp", "http://localhost/mcp/Notes.Read");
    assert!(!asked(resource, scope).await);
    assert!(!asked(resource, &format!("openid offline_access {scope}")).await);
    for other in ["http://localhost/mcp/", "http://localhost", "http://LOCALHOST/mcp", "notes"] {
        assert!(asked(other, scope).await, "{other}");
    }
    for scope in ["openid", "User.Read", "api://notes/Notes.Read"] {
        assert!(asked(resource, scope).await, "{scope}");
    }
}
