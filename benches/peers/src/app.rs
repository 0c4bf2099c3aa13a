//! The application that every subject puts something around, and how requests are driven through
//! it.

use std::{cell::Cell, error::Error, fmt::Debug, future::Future, pin::Pin, rc::Rc};

use axum::{
    body::{Body, Bytes, HttpBody},
    http::{HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header::COOKIE},
};
use http_body_util::BodyExt;
use tokio::runtime::{Builder, Runtime};
use tower::{Service, ServiceExt};

use crate::person::NAME;

/// Whatever goes wrong ends the run.
pub type Fallible<T> = Result<T, Box<dyn Error>>;

/// The route: answers with the name of the signed-in user.
pub const PATH: &str = "/me";

/// One thread, so that a request costs what it costs and not where it runs.
pub fn runtime() -> Fallible<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// How a request gets its header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// By reference.
    Shared,
    /// As a copy, like that of a server which reads it from a connection. Of many values most are
    /// in no cache of the processor, and the time to get them there is not the service's.
    Copied,
}

type Batch = Pin<Box<dyn Future<Output = ()>>>;

/// Sends requests to one subject.
pub struct Runner(Box<dyn Fn(u64) -> Batch>);

impl Runner {
    /// Every request is the same: `GET /me`, with this `Cookie` header if there is one.
    pub fn new<S, B>(service: S, cookie: Option<HeaderValue>) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + 'static,
        S::Error: Debug,
        B: HttpBody<Data = Bytes> + 'static,
        B::Error: Debug,
    {
        Self::with_cookies(service, cookie.into_iter().collect())
    }

    /// The requests take these `Cookie` headers in turn.
    pub fn with_cookies<S, B>(service: S, cookies: Vec<HeaderValue>) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + 'static,
        S::Error: Debug,
        B: HttpBody<Data = Bytes> + 'static,
        B::Error: Debug,
    {
        Self::with_headers(service, COOKIE, cookies, Sent::Shared)
    }

    /// The requests take these values of one header in turn.
    pub fn with_headers<S, B>(
        service: S,
        name: HeaderName,
        values: Vec<HeaderValue>,
        sent: Sent,
    ) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + 'static,
        S::Error: Debug,
        B: HttpBody<Data = Bytes> + 'static,
        B::Error: Debug,
    {
        let (uri, values, next) = (Uri::from_static(PATH), Rc::new(values), Rc::new(Cell::new(0)));
        Self(Box::new(move |count| {
            let (service, uri, name, values, next) =
                (service.clone(), uri.clone(), name.clone(), Rc::clone(&values), Rc::clone(&next));
            Box::pin(async move {
                for _ in 0..count {
                    let value = values.get(next.get());
                    let copy = value.filter(|_| sent == Sent::Copied).map(|value| {
                        HeaderValue::from_bytes(value.as_bytes()).expect("the bytes of a value")
                    });
                    let header = copy.as_ref().or(value).map(|value| (&name, value));
                    next.set(if next.get() + 1 < values.len() { next.get() + 1 } else { 0 });
                    once(service.clone(), &uri, header).await;
                }
            })
        }))
    }

    /// Sends `count` requests, one after the other.
    pub fn batch(&self, count: u64) -> Batch {
        (self.0)(count)
    }
}

/// One request, as hyper's adapter sends it: to a clone of the service, until the end of the
/// answer's body.
///
/// The answer is looked at every time: a subject that has stopped working must not win.
async fn once<S, B>(service: S, uri: &Uri, header: Option<(&HeaderName, &HeaderValue)>)
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Debug,
    B: HttpBody<Data = Bytes>,
    B::Error: Debug,
{
    let mut request = Request::new(Body::empty());
    request.uri_mut().clone_from(uri);
    if let Some((name, value)) = header {
        request.headers_mut().insert(name.clone(), value.clone());
    }
    let response = service.oneshot(request).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    assert_eq!(body, NAME);
}
