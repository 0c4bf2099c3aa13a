//! The HTTP server at the redirect URI: it hands on each request there, and writes one page for it.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{ACCEPT_LANGUAGE, ALLOW},
};
use http_body_util::Empty;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot, watch},
    task::{AbortHandle, JoinSet},
};

use crate::{
    error::Error,
    http_message::{IdentityBody, read_form},
    secret::Secret,
};

/// The greatest number of connections at a time. Browsers open some that they do not use. Beyond it
/// the oldest one without a whole request is closed: connections that are only held open would
/// otherwise keep the browser out until the code has expired. A flood of new ones still can.
const MOST_CONNECTIONS: usize = 16;
/// How long a connection may take to send the head of its request.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// How long a browser may take to read the page, for which the program waits.
const PAGE_LIMIT: Duration = Duration::from_secs(10);
/// How long no connection is accepted after one could not be.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);
/// The largest form, in bytes: that of a `form_post` answer, in which a code, a state and an ID
/// token fit a dozen times.
const FORM_LIMIT: usize = 64 * 1024;

/// The response of this server.
pub(super) type PageResponse = Response<IdentityBody<Empty<Bytes>>>;

/// A request to the redirect URI that may be an authorization response.
pub(super) struct Arrival {
    /// The query of the URL, or the form of a POST.
    pub(super) answer: Secret,
    pub(super) accept_language: Option<HeaderValue>,
    reply: oneshot::Sender<PageResponse>,
    /// Closed when the connection is.
    connection: watch::Receiver<()>,
}

impl Arrival {
    /// Answers, and waits until the response is written: the program may end after it. A browser
    /// that is gone is no error, since the tokens do not depend on its page.
    pub(super) async fn reply(mut self, response: PageResponse) {
        if self.reply.send(response).is_ok() {
            let _ = tokio::time::timeout(PAGE_LIMIT, self.connection.changed()).await;
        }
    }
}

/// The connections that are open.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    /// Those without a whole request at the last call of `make_room`, the oldest first.
    idle: VecDeque<IdleConnection>,
}

struct IdleConnection {
    task: AbortHandle,
    has_request: Arc<AtomicBool>,
}

impl Connections {
    /// Waits until there are fewer than the greatest number.
    async fn make_room(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        self.idle.retain(|one| !one.task.is_finished() && !one.has_request());
        if self.tasks.len() >= MOST_CONNECTIONS {
            if let Some(oldest) = self.idle.pop_front() {
                oldest.task.abort();
            }
            self.tasks.join_next().await;
        }
    }
}

impl IdleConnection {
    fn has_request(&self) -> bool {
        self.has_request.load(Ordering::Relaxed)
    }
}

/// Accepts connections and hands on the requests to `path`, until it is dropped.
pub(super) async fn serve(listener: TcpListener, path: String, found: mpsc::Sender<Arrival>) {
    let (path, mut connections) = (Arc::<str>::from(path), Connections::default());
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // Usually temporary, for example a lack of file descriptors, and then the next call
            // fails at once too.
            Err(_) => {
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                continue;
            }
        };
        connections.make_room().await;
        let has_request = Arc::new(AtomicBool::new(false));
        let served = connection(stream, Arc::clone(&path), found.clone(), Arc::clone(&has_request));
        let task = connections.tasks.spawn(served);
        connections.idle.push_back(IdleConnection { task, has_request });
    }
}

/// Serves one connection, until its request is answered.
async fn connection(
    stream: TcpStream,
    path: Arc<str>,
    found: mpsc::Sender<Arrival>,
    has_request: Arc<AtomicBool>,
) {
    let (open, connection) = watch::channel(());
    let service = service_fn(move |request| {
        let (path, found, connection) = (Arc::clone(&path), found.clone(), connection.clone());
        let has_request = Arc::clone(&has_request);
        async move {
            let answer = answer(request, &path, found, connection, &has_request).await;
            Ok::<_, Infallible>(answer)
        }
    });
    let served = http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection of the browser broke off");
    }
    drop(open);
}

/// The response to a request, which for the redirect URI is made by the sign-in. `has_request` is
/// set when the request is there as a whole.
async fn answer(
    request: Request<Incoming>,
    path: &str,
    found: mpsc::Sender<Arrival>,
    connection: watch::Receiver<()>,
    has_request: &AtomicBool,
) -> PageResponse {
    if request.uri().path() != path {
        return without_page(StatusCode::NOT_FOUND);
    }
    let (head, body) = request.into_parts();
    let answer = match head.method {
        Method::GET => Ok(head.uri.query().unwrap_or_default().into()),
        // `response_mode=form_post`.
        Method::POST => form(&head.headers, body).await,
        _ => {
            let mut response = without_page(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
            return response;
        }
    };
    let Ok(answer) = answer else { return without_page(StatusCode::BAD_REQUEST) };
    has_request.store(true, Ordering::Relaxed);
    let accept_language = head.headers.get(ACCEPT_LANGUAGE).cloned();
    let (reply, response) = oneshot::channel();
    let arrival = Arrival { answer, accept_language, reply, connection };
    // Without a receiver the sign-in has ended.
    let _ = found.send(arrival).await;
    response.await.unwrap_or_else(|_| without_page(StatusCode::GONE))
}

/// The form of a POST; bytes that are not UTF-8 are no authorization response.
async fn form(headers: &HeaderMap, body: Incoming) -> Result<Secret, Error> {
    let form = read_form(headers, body, FORM_LIMIT).await?;
    Ok(String::from_utf8_lossy(&form).into_owned().into())
}

fn without_page(status: StatusCode) -> PageResponse {
    let mut response = Response::new(IdentityBody::default());
    *response.status_mut() = status;
    response
}
