//! Single requests with exactly the cookies that a test chooses, for requests that no browser makes
//! by itself.

use axum::http::{HeaderMap, Method, StatusCode};

use crate::{app::App, browser::html};

/// The headers of a browser's navigation.
pub const NAVIGATION: &[(&str, &str)] =
    &[("sec-fetch-dest", "document"), ("sec-fetch-mode", "navigate"), ("sec-fetch-site", "none")];

/// A client that keeps no cookies and follows no redirects.
pub struct Raw {
    base: String,
    http: reqwest::Client,
}

/// What holds for every response of the layer: no 401 without a challenge (RFC 9110 section
/// 15.5.2), and one `Set-Cookie` for each name (RFC 6265 section 4.1.1).
pub fn assert_well_formed(status: StatusCode, headers: &HeaderMap) {
    // Every response that the layer itself makes has this header. Others are those of handlers and
    // of providers.
    if !headers.contains_key("x-content-type-options") {
        return;
    }
    let is_challenged = headers.contains_key("www-authenticate");
    assert!(status != StatusCode::UNAUTHORIZED || is_challenged, "401 without a challenge");
    let cookies = headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
    let mut names: Vec<&str> = cookies.filter_map(|cookie| cookie.split('=').next()).collect();
    names.sort_unstable();
    assert!(names.is_sorted_by(|one, next| one != next), "a cookie is set twice: {names:?}");
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn location(&self) -> &str {
        assert!(self.status.is_redirection(), "{} {}", self.status, self.body);
        self.header("location")
    }

    /// The sign-in that begins with this response.
    pub fn begun(&self) -> Begun {
        Begun {
            attempt: self.attempt().expect("no attempt began"),
            provider: self.location().to_owned(),
        }
    }

    pub fn set_cookies(&self) -> Vec<&str> {
        self.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// The pair `name=value` of the session cookie, if one is set.
    pub fn session(&self) -> Option<String> {
        self.pairs().find(|pair| is_session(pair))
    }

    /// The pair `name=value` of the attempt cookie, if one is set.
    pub fn attempt(&self) -> Option<String> {
        self.pairs().find(|pair| is_attempt(pair))
    }

    /// The pairs of the cookies that a browser would keep.
    fn pairs(&self) -> impl Iterator<Item = String> {
        let pairs = self
            .set_cookies()
            .into_iter()
            .map(|cookie| cookie.split(';').next().unwrap().to_owned());
        pairs.filter(|pair| !pair.ends_with('=')).collect::<Vec<_>>().into_iter()
    }
}

/// Whether a cookie (its name, or name and value) is that of an attempt: its name ends in the
/// number of a slot.
pub fn is_attempt(cookie: &str) -> bool {
    let name = cookie.split('=').next().unwrap();
    name.contains("identity-")
        && name.contains('.')
        && name.ends_with(|last: char| last.is_ascii_digit())
}

/// Whether a cookie is that of a session.
pub fn is_session(cookie: &str) -> bool {
    let name = cookie.split('=').next().unwrap();
    name.contains("identity-") && !name.contains('.')
}

/// A sign-in that has begun.
pub struct Begun {
    /// The pair of its cookie.
    pub attempt: String,
    /// The URL of the redirect.
    pub provider: String,
}

impl Begun {
    /// The `state`.
    pub fn state(&self) -> String {
        let url = url::Url::parse(&self.provider).unwrap();
        url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned()
    }
}

impl Raw {
    pub fn of(app: &App) -> Self {
        Self::at(&app.url)
    }

    /// A client for the application at another address.
    pub fn at(base: &str) -> Self {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Self { base: base.to_owned(), http }
    }

    /// Opens a path of the application, or a URL.
    pub async fn open(&self, path: &str, cookies: &str) -> Answer {
        self.send(Method::GET, path, cookies, NAVIGATION, "").await
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        cookies: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let address =
            if path.starts_with('/') { format!("{}{path}", self.base) } else { path.to_owned() };
        let mut request = self.http.request(method, address).body(body.to_owned());
        if !cookies.is_empty() {
            request = request.header("cookie", cookies);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        assert_well_formed(status, &headers);
        Answer { status, headers, body: answer.text().await.unwrap() }
    }

    /// Opens a protected page without a session.
    pub async fn begin(&self, path: &str, cookies: &str) -> Begun {
        self.open(path, cookies).await.begun()
    }

    /// The provider's authorization response to it, without its pages: path and query of the
    /// callback.
    pub async fn answer(&self, begun: &Begun) -> String {
        let answer = self.open(&begun.provider, "").await;
        let url = url::Url::parse(answer.location()).unwrap();
        url[url::Position::BeforePath..].to_owned()
    }

    /// The authorization response in response mode `form_post`: path and form body.
    pub async fn form(&self, begun: &Begun) -> (String, String) {
        let page = self.open(&begun.provider, "").await;
        let form = html::forms(&page.body).remove(0);
        let path = url::Url::parse(&form.action).unwrap().path().to_owned();
        (
            path,
            url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(&form.fields)
                .finish(),
        )
    }

    /// Completes a sign-in, and returns the session cookie.
    pub async fn sign_in(&self) -> String {
        let begun = self.begin("/me", "").await;
        let callback = self.answer(&begun).await;
        self.open(&callback, &begun.attempt).await.session().expect("nobody is signed in")
    }

    /// The name on the public home page.
    pub async fn who(&self, cookies: &str) -> String {
        self.open("/", cookies).await.body
    }
}
