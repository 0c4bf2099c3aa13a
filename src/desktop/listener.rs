//! The HTTP server at the redirect URI: it reads one request per connection, within limits, and
//! writes one page.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};

use crate::{pages::RenderedPage, secret::Secret};

/// The greatest number of connections at a time. Browsers open some that they do not use.
const MOST_CONNECTIONS: usize = 16;
/// How long a connection may take to send its request.
const READ_LIMIT: Duration = Duration::from_secs(10);
/// In bytes, of head and body together. Authorization responses are shorter.
const LARGEST_REQUEST: usize = 64 * 1024;

/// A request to the redirect URI that may be an authorization response.
pub(super) struct Arrival {
    stream: TcpStream,
    /// The query of the URL, or the form of a POST.
    pub(super) answer: Secret,
    pub(super) accept_language: String,
}

impl Arrival {
    /// Answers with a page and closes the connection. A browser that is gone is no error: the
    /// tokens do not depend on its page.
    pub(super) async fn reply(mut self, status: &str, language: &str, page: &RenderedPage) {
        let RenderedPage { html, content_security_policy, language: own } = page;
        let language = own.as_deref().unwrap_or(language);
        let length = html.len();
        let response = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\n\
             Content-Length: {length}\r\nContent-Language: {language}\r\n\
             Content-Security-Policy: {content_security_policy}\r\nCache-Control: no-store\r\n\
             Referrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n\
             Connection: close\r\n\r\n{html}"
        );
        write(&mut self.stream, &response).await;
    }
}

/// Accepts connections and hands on the requests to `path` until the receiver is gone.
pub(super) async fn serve(listener: TcpListener, path: String, found: mpsc::Sender<Arrival>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        if connections.len() >= MOST_CONNECTIONS {
            connections.join_next().await;
        }
        let (path, found) = (path.clone(), found.clone());
        connections.spawn(async move {
            let arrival = tokio::time::timeout(READ_LIMIT, read(stream, &path)).await;
            if let Ok(Some(arrival)) = arrival {
                // Without a receiver the sign-in has ended: the connection is closed.
                let _ = found.send(arrival).await;
            }
        });
    }
}

/// Reads a request; `None` if it is none for the path, which was answered then.
async fn read(mut stream: TcpStream, path: &str) -> Option<Arrival> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
            break end;
        }
        more(&mut stream, &mut bytes).await?;
    };
    let head = std::str::from_utf8(bytes.get(..head_end)?).ok()?.to_owned();
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?, first.next()?);
    let header = |name: &str| {
        let fields = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        let mut of_name = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        of_name.next().map(|(_, value)| value.trim())
    };
    let (own, query) = target.split_once('?').unwrap_or((target, ""));
    if own != path {
        refuse(&mut stream, "404 Not Found").await;
        return None;
    }
    let answer = match method {
        "GET" => query.into(),
        // `response_mode=form_post`.
        "POST" => {
            let length: usize = header("content-length")?.parse().ok()?;
            let body = head_end + 4;
            let end = body.checked_add(length).filter(|end| *end <= LARGEST_REQUEST)?;
            while bytes.len() < end {
                more(&mut stream, &mut bytes).await?;
            }
            Secret::from(std::str::from_utf8(bytes.get(body..end)?).ok()?)
        }
        _ => {
            refuse(&mut stream, "405 Method Not Allowed").await;
            return None;
        }
    };
    let accept_language = header("accept-language").unwrap_or_default().to_owned();
    Some(Arrival { stream, answer, accept_language })
}

/// Reads once more; `None` at the end of the connection and over the limit.
async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let mut part = [0; 4096];
    let read = stream.read(&mut part).await.ok().filter(|read| *read > 0)?;
    bytes.extend_from_slice(part.get(..read)?);
    (bytes.len() <= LARGEST_REQUEST).then_some(())
}

async fn refuse(stream: &mut TcpStream, status: &str) {
    write(stream, &format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
        .await;
}

async fn write(stream: &mut TcpStream, response: &str) {
    if let Err(error) = stream.write_all(response.as_bytes()).await {
        tracing::debug!(%error, "the browser has closed the connection");
    }
    let _ = stream.shutdown().await;
}
