//! The browser of the tests of this module, with the application that it uses.

use aws_lc_rs::digest::{SHA256, digest};
use reqwest::{StatusCode, header, redirect::Policy};
use serde_json::Value;
use url::Url;

use super::*;
use crate::secret::{base64url, from_base64url};

pub(super) const VERIFIER: &str = "a-verifier-of-at-least-43-characters-0123456789";

pub(super) const REDIRECT: &str = "http://localhost:3000/auth/callback";

/// A browser with one cookie, together with the application that it uses.
#[derive(Clone, Debug)]
pub(super) struct TestBrowser {
    pub(super) http: reqwest::Client,
    issuer: String,
    secret: String,
    cookie: Option<String>,
}

/// A response with its body.
#[derive(Debug)]
pub(super) struct TestResponse {
    pub(super) status: StatusCode,
    pub(super) headers: header::HeaderMap,
    pub(super) body: String,
}

impl TestResponse {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// A parameter of the redirect URL.
    pub(super) fn sent_back(&self, name: &str) -> Option<String> {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        let url = Url::parse(self.header("location")).unwrap();
        url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }

    /// The value of a hidden field of a form.
    pub(super) fn field(&self, name: &str) -> String {
        let start = self
            .body
            .split_once(&format!("name=\"{name}\" value=\""))
            .expect("the field is in the page")
            .1;
        start.split_once('"').unwrap().0.to_owned()
    }
}

impl TestBrowser {
    pub(super) fn new(provider: &DevProvider) -> Self {
        Self {
            http: reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap(),
            issuer: provider.issuer().to_owned(),
            secret: provider.client_secret().expose().to_owned(),
            cookie: None,
        }
    }

    pub(super) async fn send(
        &mut self,
        request: reqwest::RequestBuilder,
    ) -> Result<TestResponse, reqwest::Error> {
        let request = match &self.cookie {
            Some(cookie) => request.header(header::COOKIE, cookie),
            None => request,
        };
        let response = request.send().await?;
        if let Some(cookie) = response.headers().get(header::SET_COOKIE) {
            self.cookie = cookie.to_str().unwrap().split(';').next().map(ToOwned::to_owned);
        }
        let response = TestResponse {
            status: response.status(),
            headers: response.headers().clone(),
            body: response.text().await?,
        };
        // RFC 9110 section 15.5.2: every answer with this status has a challenge.
        let challenge = response.header("www-authenticate");
        assert!(response.status != StatusCode::UNAUTHORIZED || challenge.contains('='));
        Ok(response)
    }

    pub(super) async fn get(&mut self, path: &str) -> TestResponse {
        let request = self.http.get(format!("{}{path}", self.issuer));
        self.send(request).await.unwrap()
    }

    pub(super) async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> TestResponse {
        let request = self.http.post(format!("{}{path}", self.issuer)).form(form);
        self.send(request).await.unwrap()
    }

    /// A valid authorization request with these parameters set, or left out if they are empty.
    pub(super) async fn authorize(&mut self, changed: &[(&str, &str)]) -> TestResponse {
        let challenge = base64url(digest(&SHA256, VERIFIER.as_bytes()).as_ref());
        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", "quickstart"),
            ("redirect_uri", REDIRECT),
            ("scope", "openid profile email offline_access"),
            ("state", "a state"),
            ("nonce", "a nonce"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in changed {
            parameters.retain(|(known, _)| known != name);
            parameters.push((name, value));
        }
        parameters.retain(|(_, value)| !value.is_empty());
        let url =
            Url::parse_with_params(&format!("{}/authorize", self.issuer), parameters).unwrap();
        let request = self.http.get(url);
        self.send(request).await.unwrap()
    }

    /// A click on a page.
    pub(super) async fn click(
        &mut self,
        page: &TestResponse,
        name: &str,
        value: &str,
    ) -> TestResponse {
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        let id = page.field("id");
        self.post("/interaction", &[("id", &id), (name, value)]).await
    }

    /// A valid token request with the client's secret in the form, changed like the authorization
    /// request.
    pub(super) async fn token(&mut self, changed: &[(&str, &str)]) -> TestResponse {
        let secret = self.secret.clone();
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("client_id", "quickstart"),
            ("client_secret", &secret),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        for (name, value) in changed {
            form.retain(|(known, _)| known != name);
            form.push((name, value));
        }
        form.retain(|(_, value)| !value.is_empty());
        self.post("/token", &form).await
    }

    pub(super) async fn refresh(&mut self, token: &str) -> TestResponse {
        self.token(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("code_verifier", ""),
            ("redirect_uri", ""),
        ])
        .await
    }

    pub(super) async fn user_info(&mut self, token: &str) -> TestResponse {
        let request = self.http.get(format!("{}/userinfo", self.issuer)).bearer_auth(token);
        self.send(request).await.unwrap()
    }

    /// The code of a sign-in that needs no page.
    pub(super) async fn code(&mut self) -> String {
        self.authorize(&[]).await.sent_back("code").expect("a code")
    }
}

pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

pub(super) fn part(jwt: &str, index: usize) -> Value {
    serde_json::from_slice(&from_base64url(jwt.split('.').nth(index).unwrap()).unwrap()).unwrap()
}

/// A provider that signs Ada in without a page, and a browser.
pub(super) async fn with_ada() -> (DevProvider, TestBrowser) {
    let provider = DevProvider::start().await.unwrap();
    provider.sign_in_as("ada").unwrap();
    let browser = TestBrowser::new(&provider);
    (provider, browser)
}
