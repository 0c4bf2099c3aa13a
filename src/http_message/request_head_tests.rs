use super::*;

fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
    headers
        .iter()
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
        .collect()
}

fn client_kind(method: &Method, headers: &[(&'static str, &'static str)]) -> ClientKind {
    ClientKind::of(method, &map(headers))
}

/// The headers that a copy leaves out change no decision.
#[test]
fn the_kind_of_client_follows_from_a_few_headers() {
    let rules = CrossSiteRules::trusting(&["https://app.example"]);
    let ours = |method: &Method, headers: &HeaderMap| {
        let mut request = Request::builder().method(method).uri("/a?b").body(()).unwrap();
        request.headers_mut().clone_from(headers);
        format!("{:?}", RequestSummary::of(&request, &ShapeHeaders::of(request.headers()), &rules))
    };
    for headers in [
        &[("accept", "text/html"), ("host", "x"), ("origin", "null")][..],
        &[("accept", "text/html"), ("accept-language", "de, en;q=0.5")],
        &[("sec-fetch-dest", "document"), ("sec-purpose", "prefetch")],
        &[("sec-fetch-dest", "document"), ("purpose", "prefetch")],
        &[
            ("hx-request", "true"),
            ("hx-current-url", "https://app.example/x"),
            ("referer", "https://app.example/y"),
        ],
        &[("content-type", "application/grpc"), ("te", "trailers")],
        &[("referer", "https://app.example/y"), ("accept", "application/json")],
        &[("sec-fetch-site", "same-site"), ("origin", "https://other.example")],
        &[("upgrade", "websocket"), ("origin", "https://other.example")],
        &[("sec-fetch-dest", "empty"), ("sec-fetch-mode", "navigate")],
    ] {
        let all = map(headers);
        let copy = all
            .iter()
            .filter(|(name, _)| SHAPE_HEADERS.contains(name))
            .map(|(name, value)| (name.clone(), value.clone()));
        let copy = copy.collect();
        for method in [Method::GET, Method::POST] {
            assert_eq!(ours(&method, &all), ours(&method, &copy), "{headers:?}");
        }
    }
}

#[test]
fn only_a_person_opening_a_page_is_redirected() {
    assert_eq!(
        client_kind(&Method::GET, &[("sec-fetch-dest", "document")]),
        ClientKind::Navigation
    );
    assert_eq!(
        client_kind(&Method::GET, &[("accept", "text/html,application/xhtml+xml")]),
        ClientKind::Navigation
    );
    assert_eq!(
        client_kind(
            &Method::GET,
            &[("sec-fetch-dest", "document"), ("sec-purpose", "prefetch;prerender")]
        ),
        ClientKind::Program
    );
    assert_eq!(client_kind(&Method::HEAD, &[("accept", "text/html")]), ClientKind::Head);
}

/// RFC 9110 section 12.4.2: the weight zero means "not acceptable".
#[test]
fn html_that_is_not_acceptable_is_not_shown() {
    for (accept, expected) in [
        ("text/html;q=0, application/json", ClientKind::Program),
        ("text/html; Q=0.000", ClientKind::Program),
        ("text/html;level=1;q=0", ClientKind::Program),
        ("text/htmlx, application/json", ClientKind::Program),
        ("Text/HTML", ClientKind::Navigation),
        ("application/json, text/html;q=0.1", ClientKind::Navigation),
        ("text/html;q=0, text/html;level=1", ClientKind::Navigation),
        ("text/html;charset=utf-8", ClientKind::Navigation),
    ] {
        assert_eq!(client_kind(&Method::GET, &[("accept", accept)]), expected, "{accept}");
    }
}

#[test]
fn frames_and_submitted_forms_get_a_page() {
    assert_eq!(client_kind(&Method::GET, &[("sec-fetch-dest", "iframe")]), ClientKind::Document);
    assert_eq!(client_kind(&Method::POST, &[("sec-fetch-dest", "document")]), ClientKind::Document);
    assert_eq!(client_kind(&Method::POST, &[("accept", "text/html")]), ClientKind::Document);
}

#[test]
fn programs_get_a_status() {
    assert_eq!(client_kind(&Method::GET, &[]), ClientKind::Program);
    assert_eq!(client_kind(&Method::GET, &[("accept", "*/*")]), ClientKind::Program);
    assert_eq!(
        client_kind(&Method::GET, &[("sec-fetch-dest", "empty"), ("accept", "text/html")]),
        ClientKind::Program
    );
    assert_eq!(client_kind(&Method::GET, &[("accept", "text/event-stream")]), ClientKind::Program);
    assert_eq!(
        client_kind(&Method::GET, &[("hx-request", "true"), ("sec-fetch-dest", "empty")]),
        ClientKind::Htmx
    );
}

#[test]
fn a_media_type_that_only_begins_like_one_of_grpc_is_not_grpc() {
    for (content_type, expected) in [
        ("application/grpc", Some(GrpcProtocol::Http2)),
        ("application/grpc+proto", Some(GrpcProtocol::Http2)),
        ("application/grpc;charset=utf-8", Some(GrpcProtocol::Http2)),
        ("application/grpc ; charset=utf-8", Some(GrpcProtocol::Http2)),
        ("application/grpc\t", Some(GrpcProtocol::Http2)),
        ("Application/gRPC-Web+proto", Some(GrpcProtocol::Web)),
        ("application/grpc-web;a=b", Some(GrpcProtocol::Web)),
        ("application/grpc-web-text", Some(GrpcProtocol::WebText)),
        ("application/grpc-web-text+proto", Some(GrpcProtocol::WebText)),
        ("application/grpcfoo", None),
        ("application/grpc-", None),
        ("application/grpc-foo+proto", None),
        ("application/grpc-webfoo", None),
        ("application/grpc-web-textual", None),
        ("application/grp", None),
        ("text/plain; a=application/grpc", None),
    ] {
        let expected = expected.map_or(ClientKind::Program, ClientKind::Grpc);
        let client = client_kind(&Method::POST, &[("content-type", content_type)]);
        assert_eq!(client, expected, "{content_type}");
    }
}
