//! Requests and tokens that scanners, careless clients and other libraries send, and the answer
//! that the specification of each demands.

use http::{Method, Request, StatusCode, Version};
use serde_json::{Value, json};

use super::test_api::{TestApi, changed, claims, token};
use crate::{
    config::{Algorithm, Preflight},
    protocol::test_support::{CLIENT_ID, NOW, Signer, document},
    secret::base64url,
};

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// A token whose payload is this text, which need not be what a serializer writes.
fn of_text(payload: &str) -> String {
    Signer::shared().sign_text(r#"{"alg":"RS256","kid":"k1","typ":"at+jwt"}"#, payload)
}

/// A good token with other members in its header.
fn headed(header: &Value) -> String {
    Signer::shared().sign(header, &claims())
}

/// RFC 9110 section 11.4: `auth-scheme 1*SP token68`. A header that begins with `Bearer` and has
/// another form is malformed; it does not count as a request without a token.
#[tokio::test]
async fn each_way_to_write_the_header_has_its_answer() {
    let api = TestApi::plain();
    let good = token(|_| ());
    for (written, status) in [
        (vec![format!("Bearer {good}")], 200),
        (vec![format!("bearer {good}")], 200),
        (vec![format!("bEARER    {good}")], 200),
        (vec![format!("Bearer {good}  ")], 200),
        (vec![format!("Bearer\t{good}")], 400),
        (vec![format!("Bearer \t{good}")], 400),
        (vec![format!("Bearer {good}\t")], 400),
        (vec![format!("Bearer:{good}")], 400),
        (vec![format!("Bearer: {good}")], 400),
        (vec![format!("Bearer={good}")], 400),
        (vec![format!("Bearer,{good}")], 400),
        (vec![format!("Bearer/{good} ")], 400),
        (vec![format!("Bearer={good} ")], 400),
        (vec![format!("Bearer \"{good}\"")], 400),
        (vec![format!("Bearer <{good}>")], 400),
        (vec![format!("Bearer token={good}")], 400),
        (vec![format!("Bearer Bearer {good}")], 400),
        (vec![format!("Bearer {good} {good}")], 400),
        (vec!["Bearer".into()], 400),
        (vec!["Bearer    ".into()], 400),
        (vec!["".into()], 400),
        (vec![bearer(&good), bearer(&good)], 400),
        (vec!["Basic YTpi".into(), bearer(&good)], 400),
        // Other schemes, and names that only begin like this one.
        (vec![format!("BearerToken {good}")], 401),
        (vec![format!("Bearer_ {good}")], 401),
        (vec![format!("Token {good}")], 401),
        (vec!["Basic YTpi".into()], 401),
        (vec![good.clone()], 401),
    ] {
        let written: Vec<&str> = written.iter().map(String::as_str).collect();
        let told = api.get("/notes", &written).await;
        assert_eq!(told.status.as_u16(), status, "{:?}", written[0].replace(&good, "…"));
        let said = match status {
            200 => "",
            400 => r#"Bearer error="invalid_request""#,
            _ => r#"Bearer realm="#,
        };
        assert!(told.challenge().starts_with(said), "{told:?}");
    }
}

/// A name, a token, and the reason of its refusal.
type TokenCase = (&'static str, String, Option<&'static str>);

async fn judge(cases: impl IntoIterator<Item = TokenCase>) {
    let api = TestApi::plain();
    for (name, token, reason) in cases {
        let told = api.with_token(&token).await;
        match reason {
            None => assert_eq!(told.status, StatusCode::OK, "{name}: {told:?}"),
            Some(reason) => {
                assert_eq!((told.status.as_u16(), told.reason().as_str()), (401, reason), "{name}");
                assert!(told.challenge().contains(r#"error="invalid_token""#), "{name}");
            }
        }
    }
}

/// RFC 7515 section 4, RFC 7797, RFC 8725 section 3.1.
#[tokio::test]
async fn each_way_to_write_the_header_of_a_token_has_its_verdict() {
    let with = |name: &str, value: Value| {
        headed(&changed(json!({"alg": "RS256", "kid": "k1", "typ": "at+jwt"}), |header| {
            header[name] = value
        }))
    };
    let at = |alg: &str| with("alg", json!(alg));
    judge([
        (
            "unencoded payload",
            headed(&json!({"alg": "RS256", "kid": "k1", "b64": false, "crit": ["b64"]})),
            Some("token_malformed"),
        ),
        ("b64 that says nothing new", with("b64", json!(true)), Some("token_malformed")),
        ("an extension that is critical", with("crit", json!(["exp"])), Some("token_malformed")),
        (
            "a list of critical extensions that is empty",
            with("crit", json!([])),
            Some("token_malformed"),
        ),
        ("alg in small letters", at("rs256"), Some("token_algorithm")),
        ("alg none", at("none"), Some("token_algorithm")),
        ("alg NoNe", at("NoNe"), Some("token_algorithm")),
        ("alg of another family", at("ES256"), Some("token_key_unknown")),
        ("alg as a list", with("alg", json!(["RS256"])), Some("token_malformed")),
        ("kid as a list", with("kid", json!(["k1"])), Some("token_malformed")),
        ("kid in other letters", with("kid", json!("K1")), Some("token_key_unknown")),
        ("kid as a path", with("kid", json!("../k1")), Some("token_key_unknown")),
        ("kid missing", headed(&json!({"alg": "RS256", "typ": "at+jwt"})), None),
    ])
    .await;
}

/// RFC 7519 sections 2, 4 and 4.1.
#[tokio::test]
async fn each_way_to_write_the_claims_of_a_token_has_its_verdict() {
    let (now, text) = (NOW.as_seconds(), claims().to_string());
    let twice = |member: &str| of_text(&text.replacen('{', &format!("{{{member},"), 1));
    let claim = |name: &str, value: Value| token(|claims| claims[name] = value);
    judge([
        ("an audience among others", claim("aud", json!(["other", CLIENT_ID])), None),
        ("an audience twice", claim("aud", json!([CLIENT_ID, CLIENT_ID])), None),
        (
            "an audience inside of text",
            claim("aud", json!(format!("other {CLIENT_ID}"))),
            Some("token_audience"),
        ),
        ("an audience as a member", claim("aud", json!({"0": CLIENT_ID})), Some("token_audience")),
        (
            "exp with a fraction",
            of_text(&text.replace(&(now + 600).to_string(), &format!("{}.75", now + 600))),
            None,
        ),
        ("exp with an exponent", claim("exp", json!(2e9)), None),
        ("exp as text", claim("exp", json!((now + 600).to_string())), Some("token_malformed")),
        (
            "exp that is beyond all time",
            of_text(&text.replace(&(now + 600).to_string(), "1e300")),
            None,
        ),
        (
            "exp that is no number of JSON",
            of_text(&text.replace(&(now + 600).to_string(), "1e999")),
            Some("token_malformed"),
        ),
        ("exp below zero", claim("exp", json!(-1)), Some("token_expired")),
        ("nbf in the future", claim("nbf", json!(now + 61)), Some("token_not_yet_valid")),
        ("nbf within the leeway", claim("nbf", json!(now + 59)), None),
        ("a scope of 8 KB", claim("scope", json!("Notes.Read ".repeat(700))), None),
        ("a scope with tabs", claim("scope", json!("Notes.Read\tNotes.Write")), None),
        ("roles as text", claim("roles", json!("Reader")), None),
        ("roles as a number", claim("roles", json!(1)), Some("token_malformed")),
        ("a member twice", twice(r#""scope":"Admin""#), Some("token_malformed")),
        (
            "a member twice, once in escapes",
            twice(r#""\u0073cope":"Admin""#),
            Some("token_malformed"),
        ),
    ])
    .await;
}

/// RFC 7515 section 3.1: three parts in base64url, and nothing around them.
#[tokio::test]
async fn each_way_to_write_the_parts_of_a_token_has_its_verdict() {
    let good = token(|_| ());
    let parts: Vec<&str> = good.split('.').collect();
    let text = claims().to_string();
    let nested = Signer::shared().sign_text(r#"{"alg":"RS256","kid":"k1","cty":"JWT"}"#, &good);
    let flattened = json!({"protected": parts[0], "payload": parts[1], "signature": parts[2]});
    let flattened = base64url(flattened.to_string().as_bytes());
    judge([
        ("nested JWS", nested, Some("token_malformed")),
        ("flattened JSON serialization", flattened, Some("token_malformed")),
        ("an object around the claims", of_text(&format!("[{text}]")), Some("token_malformed")),
        ("text after the claims", of_text(&format!("{text}{{}}")), Some("token_malformed")),
        ("a byte order mark", of_text(&format!("\u{feff}{text}")), Some("token_malformed")),
        ("a dot at the end", format!("{good}."), Some("token_malformed")),
        ("two tokens in one", format!("{good}.{}", parts[1]), Some("token_malformed")),
        ("five parts", format!("{good}.a.b"), Some("token_malformed")),
        ("no signature", format!("{}.{}.", parts[0], parts[1]), Some("token_signature")),
        ("padding at the end", format!("{good}="), Some("token_malformed")),
        ("base64 of the other alphabet", good.replace(['-', '_'], "+"), Some("token_malformed")),
    ])
    .await;
    // Padding inside of a token is no `b64token` at all.
    let padded = format!("{}=.{}.{}", parts[0], parts[1], parts[2]);
    let told = TestApi::plain().with_token(&padded).await;
    assert_eq!((told.status.as_u16(), told.reason().as_str()), (400, "authorization_invalid"));
}

/// RFC 7515 section 4.1.4: `kid` is optional, and any key that fits may have signed.
#[tokio::test]
async fn without_kid_each_of_several_keys_may_have_signed() {
    let (first, second) = (Signer::new(Algorithm::Rs256), Signer::shared());
    let keys = json!({"keys": [first.jwk("a"), second.jwk("k1")]});
    let config = TestApi::plain_config();
    let api = TestApi::at(config, document(), keys);
    let header = json!({"alg": "RS256", "typ": "at+jwt"});
    for signer in [&first, second] {
        api.takes(&signer.sign(&header, &claims())).await;
    }
    let other = Signer::new(Algorithm::Rs256);
    api.refuses(&other.sign(&header, &claims()), "token_signature").await;
}

/// Neither method, nor version, nor `Accept` make a request that needs no token.
#[tokio::test]
async fn no_method_version_or_header_makes_a_request_one_without_a_token() {
    let api = TestApi::plain();
    let good = bearer(&token(|_| ()));
    for method in ["GET", "HEAD", "POST", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"] {
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
            let ask = async |token: Option<&str>| {
                let mut request = Request::get("/notes")
                    .method(Method::from_bytes(method.as_bytes()).unwrap())
                    .version(version)
                    .header("accept", "text/html,application/xhtml+xml")
                    .header("sec-fetch-mode", "navigate")
                    .header("cookie", "session=x")
                    .header("x-forwarded-for", "127.0.0.1")
                    .header("x-original-url", "/health");
                if let Some(token) = token {
                    request = request.header("authorization", token);
                }
                api.send(request.body(String::new()).unwrap()).await
            };
            let told = ask(None).await;
            assert_eq!(told.status, StatusCode::UNAUTHORIZED, "{method}");
            assert_eq!(told.headers["content-type"], "application/problem+json");
            assert!(
                !told.headers.contains_key("location") && !told.headers.contains_key("set-cookie")
            );
            assert_eq!(ask(Some(&good)).await.status, StatusCode::OK, "{method}");
        }
    }
}

/// A preflight has no credentials (Fetch standard, CORS protocol): a layer outside answers it, or
/// the inner service where the configuration says so.
#[tokio::test]
async fn a_preflight_reaches_the_inner_service_only_where_it_is_configured() {
    let ask = async |api: &TestApi, method: &str, origin: bool, requested: bool| {
        let mut request = Request::get("/notes").method(method);
        if origin {
            request = request.header("origin", "https://app.example.com");
        }
        if requested {
            request = request.header("access-control-request-method", "POST");
        }
        api.send(request.body(String::new()).unwrap()).await
    };
    let passes = TestApi::with(|config| config.with_preflight(Preflight::Pass));
    assert_eq!(ask(&passes, "OPTIONS", true, true).await.body, "nobody");
    for (method, origin, requested) in
        [("OPTIONS", true, false), ("OPTIONS", false, true), ("POST", true, true)]
    {
        let told = ask(&passes, method, origin, requested).await;
        assert_eq!(told.status, StatusCode::UNAUTHORIZED, "{method} {origin} {requested}");
    }
    assert_eq!(
        ask(&TestApi::plain(), "OPTIONS", true, true).await.status,
        StatusCode::UNAUTHORIZED
    );
}

/// gRPC-Web reads the status from the headers of a response without a body, as gRPC does, and only
/// from a response with its own `Content-Type`.
#[tokio::test]
async fn each_kind_of_grpc_gets_its_status() {
    let api = TestApi::plain();
    for (kind, own) in [
        ("application/grpc", "application/grpc"),
        ("application/grpc+proto", "application/grpc"),
        ("application/grpc-web", "application/grpc-web"),
        ("application/grpc-web+proto", "application/grpc-web"),
        ("Application/gRPC-Web+proto", "application/grpc-web"),
        ("application/grpc-web-text", "application/grpc-web-text"),
        ("application/grpc-web-text+proto", "application/grpc-web-text"),
    ] {
        let request = Request::post("/notes.Notes/List").header("content-type", kind);
        let told = api.send(request.body(String::new()).unwrap()).await;
        assert_eq!(
            (told.status, &told.headers["grpc-status"], &told.headers["content-type"]),
            (StatusCode::OK, &"16".parse().unwrap(), &own.parse().unwrap()),
            "{kind}"
        );
        assert!(told.body.is_empty());
    }
}
