//! The listener, and connections that can be closed without a response.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// The request to close one connection without writing another byte.
#[derive(Clone, Debug, Default)]
pub(super) struct CutSignal(Arc<AtomicBool>);

impl CutSignal {
    pub(super) fn cut(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn check(&self) -> io::Result<()> {
        if self.0.load(Ordering::SeqCst) {
            Err(io::ErrorKind::ConnectionReset.into())
        } else {
            Ok(())
        }
    }
}

impl Connected<IncomingStream<'_, DevListener>> for CutSignal {
    fn connect_info(stream: IncomingStream<'_, DevListener>) -> Self {
        stream.io().cut_signal.clone()
    }
}

/// The time limit of a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The number of accepted connections that may wait.
const QUEUE: usize = 64;

/// The listener.
#[derive(Debug)]
pub(super) enum DevListener {
    Plain(TcpListener),
    /// Handshakes run in tasks of their own, so that a slow client does not delay others.
    Tls {
        address: SocketAddr,
        ready: mpsc::Receiver<(Connection, SocketAddr)>,
        accepting: JoinHandle<()>,
    },
}

impl DevListener {
    pub(super) fn tls(listener: TcpListener, address: SocketAddr, acceptor: TlsAcceptor) -> Self {
        let (sender, ready) = mpsc::channel(QUEUE);
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, peer) = accept(&listener).await;
                let (acceptor, sender) = (acceptor.clone(), sender.clone());
                tokio::spawn(async move {
                    // A client that does not trust the certificate closes the connection here.
                    if let Ok(Ok(stream)) =
                        tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await
                    {
                        let _ = sender.send((Connection::new(stream), peer)).await;
                    }
                });
            }
        });
        Self::Tls { address, ready, accepting }
    }
}

impl Drop for DevListener {
    fn drop(&mut self) {
        if let Self::Tls { accepting, .. } = self {
            accepting.abort();
        }
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // Usually temporary, for example a lack of file descriptors.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

impl Listener for DevListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        match self {
            Self::Plain(listener) => {
                let (stream, peer) = accept(listener).await;
                (Connection::new(stream), peer)
            }
            Self::Tls { ready, .. } => match ready.recv().await {
                Some(accepted) => accepted,
                // The runtime shuts down.
                None => std::future::pending().await,
            },
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Plain(listener) => listener.local_addr(),
            Self::Tls { address, .. } => Ok(*address),
        }
    }
}

/// A connection with or without TLS.
trait Stream: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin> Stream for T {}

/// A connection that writes nothing more once it is cut.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    cut_signal: CutSignal,
}

impl Connection {
    fn new(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), cut_signal: CutSignal::default() }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.cut_signal.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.cut_signal.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.cut_signal.check()?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
