//! A program signs its user in with the browser of the machine.

use std::time::Duration;

use http::{Method, StatusCode};
use tokio::{io::AsyncWriteExt as _, sync::oneshot, task::JoinHandle};
use tower_identity::{
    Authority, ClientCredential, Error, ErrorKind, IdentityConfig, SignInOptions,
    client::{AcquiredTokens, Client},
    config::ResponseMode,
    desktop::InteractiveSignIn,
    dev::{DevClient, DevProvider, DevTenant, Endpoint},
    pages::{Page, PageRenderer, PageRequest, RenderedPage},
};
use url::Url;

use crate::{app::time_passes, browser::Browser};

type Waiting = JoinHandle<Result<AcquiredTokens, Error>>;

/// A program that waits, and the URL that it has handed to the browser.
async fn begin(
    client: &Client,
    options: SignInOptions,
    change: impl FnOnce(InteractiveSignIn) -> InteractiveSignIn,
) -> (Waiting, String) {
    let (sender, opened) = oneshot::channel();
    let sign_in = InteractiveSignIn::new(client, |url| sender.send(url.to_owned()).unwrap());
    let sign_in = change(sign_in);
    let waiting = tokio::spawn(async move { sign_in.acquire(&options).await });
    (waiting, opened.await.unwrap())
}

fn parameter(url: &str, name: &str) -> Option<String> {
    let url = Url::parse(url).unwrap();
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

async fn at(provider: &DevProvider, mode: ResponseMode) -> Client {
    provider.sign_in_as("ada").unwrap();
    let config = provider.config("http://localhost").unwrap();
    Client::new(config.with_response_mode(mode)).unwrap()
}

#[tokio::test]
async fn a_program_signs_its_user_in_by_the_browser() {
    for mode in [ResponseMode::Query, ResponseMode::FormPost] {
        let provider = DevProvider::start().await.unwrap();
        let client = at(&provider, mode).await;
        let options = SignInOptions::new().with_scopes(["notes.read"]).with_login_hint("ada");
        let (waiting, url) = begin(&client, options, |sign_in| sign_in).await;
        let redirect_uri = parameter(&url, "redirect_uri").unwrap();
        assert!(redirect_uri.starts_with("http://127.0.0.1:"), "{redirect_uri}");
        assert_eq!(parameter(&url, "login_hint").as_deref(), Some("ada"));
        assert_eq!(parameter(&url, "code_challenge_method").as_deref(), Some("S256"));

        let mut tab = Browser::new().tab();
        let page = tab.open(&url).await;
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        assert!(page.body.contains("<h1>You are signed in</h1>"), "{}", page.body);
        assert_eq!(page.header("cache-control"), "private, no-store");
        assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
        let acquired = waiting.await.unwrap().unwrap();
        assert!(acquired.token().is_some() && acquired.id_token().is_some());
        assert_eq!(client.accounts().len(), 1);
        // The port is closed: a second answer finds nothing.
        assert!(reqwest::get(&redirect_uri).await.is_err());
    }
}

#[tokio::test]
async fn entra_gets_the_redirect_uri_whose_port_it_ignores() {
    let provider = DevProvider::builder().entra().start().await.unwrap();
    let client = at(&provider, ResponseMode::Query).await;
    let (waiting, url) = begin(&client, SignInOptions::new(), |sign_in| sign_in).await;
    let redirect_uri = parameter(&url, "redirect_uri").unwrap();
    let port = redirect_uri.strip_prefix("http://localhost:").unwrap();
    assert!(port.parse::<u16>().is_ok(), "{redirect_uri}");
    let answered = Browser::new().tab().open(&url).await.status;
    assert_eq!(answered, StatusCode::OK);
    waiting.await.unwrap().unwrap();
}

/// RFC 8252 section 7.3: the program is registered without the port that it finds free.
#[tokio::test]
async fn a_program_is_registered_with_its_path_and_without_its_port() {
    for is_entra in [false, true] {
        // Entra ID ignores the port of the name as well.
        let host = if is_entra { "localhost" } else { "127.0.0.1" };
        let builder = DevProvider::builder().with_client(
            DevClient::public("native").with_redirect_uri(format!("http://{host}/callback")),
        );
        let provider = if is_entra { builder.entra() } else { builder }.start().await.unwrap();
        provider.sign_in_as("ada").unwrap();
        let authority = if is_entra {
            provider.entra_authority(DevTenant::CONTOSO.id()).unwrap()
        } else {
            Authority::parse(provider.issuer()).unwrap()
        };
        let config = IdentityConfig::new(authority, "native");
        let client = Client::new(config.with_credential(ClientCredential::none())).unwrap();
        for (path, status) in [("callback", StatusCode::OK), ("other", StatusCode::BAD_REQUEST)] {
            let uri = format!("http://{host}/{path}");
            let there = |sign_in: InteractiveSignIn| sign_in.with_redirect_uri(uri);
            let (waiting, url) = begin(&client, SignInOptions::new(), there).await;
            let mut tab = Browser::new().tab();
            let page = tab.open(&url).await;
            assert_eq!(page.status, status, "{url}: {}", page.body);
            if path == "callback" {
                waiting.await.unwrap().unwrap();
            } else {
                assert!(page.body.contains("redirect_uri is not registered"), "{}", page.body);
                waiting.abort();
            }
        }
    }
}

#[tokio::test]
async fn an_answer_of_another_sign_in_is_refused_and_the_next_one_counts() {
    let provider = DevProvider::start().await.unwrap();
    let client = at(&provider, ResponseMode::Query).await;
    let with_path =
        |sign_in: InteractiveSignIn| sign_in.with_redirect_uri("http://localhost/signed-in");
    let (waiting, url) = begin(&client, SignInOptions::new(), with_path).await;
    let redirect_uri = parameter(&url, "redirect_uri").unwrap();
    let http = reqwest::Client::new();
    let get = async |url: String| http.get(url).send().await.unwrap();
    for foreign in ["", "?code=c&state=forged", "?error=access_denied", "?code=a&code=b"] {
        let refused = get(format!("{redirect_uri}{foreign}")).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{foreign}");
        assert!(!refused.text().await.unwrap().contains("forged"));
    }
    let elsewhere = redirect_uri.replace("/signed-in", "/favicon.ico");
    assert_eq!(get(elsewhere).await.status(), StatusCode::NOT_FOUND);
    let deleted = http.request(Method::DELETE, &redirect_uri).send().await.unwrap();
    assert_eq!(deleted.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(deleted.headers()["allow"], "GET, POST");
    let long = http.post(&redirect_uri).form(&[("code", "x".repeat(100_000))]).send().await;
    assert_eq!(long.unwrap().status(), StatusCode::BAD_REQUEST);
    // A connection that sends nothing does not hold the others up.
    let port = Url::parse(&redirect_uri).unwrap().port().unwrap();
    let _idle = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut browser = Browser::new().tab();
    assert_eq!(browser.open(&url).await.status, StatusCode::OK);
    waiting.await.unwrap().unwrap();
}

/// Any program or user of the machine can connect.
#[tokio::test]
async fn connections_without_a_request_do_not_keep_the_browser_out() {
    let provider = DevProvider::start().await.unwrap();
    let client = at(&provider, ResponseMode::Query).await;
    let limit = |sign_in: InteractiveSignIn| sign_in.with_time_limit(Duration::from_secs(30));
    let (waiting, url) = begin(&client, SignInOptions::new(), limit).await;
    let port = Url::parse(&parameter(&url, "redirect_uri").unwrap()).unwrap().port().unwrap();
    let mut held = Vec::new();
    for begun in [
        "",
        "GET /?code",
        "POST / HTTP/1.1\r\nContent-Length: 9\r\nContent-Type: \
                  application/x-www-form-urlencoded\r\n\r\ncode",
    ] {
        for _ in 0..60 {
            let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            stream.write_all(begun.as_bytes()).await.unwrap();
            held.push(stream);
        }
    }
    assert_eq!(Browser::new().tab().open(&url).await.status, StatusCode::OK);
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_user_who_declines_sees_it_in_the_language_of_the_browser() {
    let provider = DevProvider::start().await.unwrap();
    let client = at(&provider, ResponseMode::Query).await;
    let (waiting, url) = begin(&client, SignInOptions::new(), |sign_in| sign_in).await;
    let redirect_uri = parameter(&url, "redirect_uri").unwrap();
    let state = parameter(&url, "state").unwrap();
    let iss = provider.issuer();
    let answer = format!("{redirect_uri}?error=access_denied&state={state}&iss={iss}");
    let http = reqwest::Client::new();
    let page = http.get(answer).header("accept-language", "de").send().await.unwrap();
    assert_eq!(page.headers()["content-language"], "de");
    assert!(page.text().await.unwrap().contains("<h1>Anmeldung fehlgeschlagen</h1>"));
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::AccessDenied);
}

#[derive(Debug)]
struct OwnPages;

impl PageRenderer for OwnPages {
    fn render(&self, page: &Page, _: &PageRequest<'_>) -> RenderedPage {
        RenderedPage {
            html: format!("<p>{}", page.title),
            content_security_policy: "default-src 'none';\r\n  frame-ancestors 'none'\n".into(),
            language: Some("en-GB".into()),
        }
    }
}

#[tokio::test]
async fn a_page_of_the_programs_own_is_shown_whatever_the_lines_of_its_policy() {
    let provider = DevProvider::start().await.unwrap();
    let client = at(&provider, ResponseMode::Query).await;
    let own = |sign_in: InteractiveSignIn| sign_in.with_pages(OwnPages);
    let (waiting, url) = begin(&client, SignInOptions::new(), own).await;
    let mut tab = Browser::new().tab();
    let page = tab.open(&url).await;
    assert_eq!((page.status, page.body.as_str()), (StatusCode::OK, "<p>You are signed in"));
    let policy = "default-src 'none'; frame-ancestors 'none'";
    assert_eq!(page.header("content-security-policy"), policy);
    assert_eq!(page.header("content-language"), "en-GB");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_sign_in_ends_at_its_time_limit_and_with_its_future() {
    let provider = DevProvider::start().await.unwrap();
    let client = at(&provider, ResponseMode::Query).await;
    let at_once = |sign_in: InteractiveSignIn| sign_in.with_time_limit(Duration::ZERO);
    let (waiting, _) = begin(&client, SignInOptions::new(), at_once).await;
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::AttemptExpired);

    let (waiting, url) = begin(&client, SignInOptions::new(), |sign_in| sign_in).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    assert!(reqwest::get(parameter(&url, "redirect_uri").unwrap()).await.is_err());
}

/// The time limit is that of the user. An answer in time is completed, however long the provider
/// takes for the tokens.
#[tokio::test]
async fn an_answer_within_the_time_limit_is_completed_after_it() {
    let provider = DevProvider::start().await.unwrap();
    let client = at(&provider, ResponseMode::Query).await;
    let limit = |sign_in: InteractiveSignIn| sign_in.with_time_limit(Duration::from_secs(6));
    let (waiting, url) = begin(&client, SignInOptions::new(), limit).await;
    let mut hold = provider.hold_next(Endpoint::Token);
    let page = tokio::spawn(async move {
        let mut tab = Browser::new().tab();
        tab.open(&url).await.status
    });
    hold.arrived().await;
    time_passes(Duration::from_secs(7)).await;
    hold.release();
    waiting.await.unwrap().unwrap();
    assert_eq!(page.await.unwrap(), StatusCode::OK);
    assert_eq!(client.accounts().len(), 1);
}

#[tokio::test]
async fn a_redirect_uri_of_another_machine_is_refused_before_anything_is_opened() {
    let provider = DevProvider::start().await.unwrap();
    let client = at(&provider, ResponseMode::Query).await;
    let others = ["https://127.0.0.1", "http://app.example", "custom:/callback", "http://[::1]/?a"];
    for other in others {
        let sign_in = InteractiveSignIn::new(&client, |_| panic!("nothing is opened"));
        let error = sign_in.with_redirect_uri(other).acquire(&SignInOptions::new()).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::RequestInvalid, "{other}");
    }
}
