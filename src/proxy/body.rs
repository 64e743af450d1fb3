//! The body of an answer: our own, or the app's as it streams.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::proxy::exchange::Exchange;
use crate::proxy::hop_by_hop::{is_unfit_for_trailers, remove_where};

/// What a response to the visitor carries.
pub enum Body {
    /// Made here.
    Own(Full<Bytes>),
    /// The app's, chunk by chunk.
    App(AppBody),
    /// Nothing, but the length of what a 304 stands for (RFC 9110 §8.6).
    Described(u64),
}

/// The app's body. At its end the connection goes back to the pool; dropped before, it is closed.
pub struct AppBody {
    incoming: Incoming,
    exchange: Option<Exchange>,
}

impl Body {
    /// No bytes at all.
    pub fn empty() -> Self {
        Self::Own(Full::default())
    }

    /// The app's body. One that is over before it begins ends its exchange at once.
    pub(super) fn app(incoming: Incoming, exchange: Exchange) -> Self {
        if incoming.is_end_stream() {
            exchange.end();
            return Self::empty();
        }
        Self::App(AppBody {
            incoming,
            exchange: Some(exchange),
        })
    }
}

impl From<Full<Bytes>> for Body {
    fn from(body: Full<Bytes>) -> Self {
        Self::Own(body)
    }
}

impl AppBody {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        Poll::Ready(match polled {
            Some(Ok(mut frame)) => {
                // Whoever reads does not ask again after trailers or the last announced byte.
                let last = match frame.trailers_mut() {
                    Some(trailers) => {
                        remove_where(trailers, is_unfit_for_trailers);
                        true
                    }
                    None => self.incoming.is_end_stream(),
                };
                if last {
                    self.end();
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                self.exchange = None;
                Some(Err(error))
            }
            None => {
                self.end();
                None
            }
        })
    }

    fn end(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            exchange.end();
        }
    }
}

/// An error means that the app broke off: whoever reads must not take what came for the whole.
impl http_body::Body for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Own(body) => Pin::new(body)
                .poll_frame(cx)
                .map_err(|never| match never {}),
            Self::App(body) => body.poll_frame(cx),
            Self::Described(_) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(body) => body.is_end_stream(),
            Self::App(body) => body.incoming.is_end_stream(),
            // Only a body that has not ended is asked for its length.
            Self::Described(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(body) => body.size_hint(),
            Self::App(body) => body.incoming.size_hint(),
            Self::Described(length) => SizeHint::with_exact(*length),
        }
    }
}
