//! The caller's body on its way to the app, and how far it has come.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::proxy::headers_up::Stripping;
use crate::proxy::streams::Watched;

/// What the caller sends.
pub enum CallersBody {
    /// What still comes.
    Coming(Incoming),
    /// What is there already.
    Whole(Bytes),
}

impl From<Incoming> for CallersBody {
    fn from(incoming: Incoming) -> Self {
        Self::Coming(incoming)
    }
}

/// What a request to the app carries.
pub(super) enum RequestBody {
    /// Nothing.
    Empty,
    /// What nobody waits for.
    Whole(Full<Bytes>),
    /// The caller's body as it comes.
    Streaming(Streaming),
}

/// A body that is passed on chunk by chunk: the app's pace is the caller's.
pub(super) struct Streaming {
    incoming: Incoming,
    upload: Rc<Upload>,
    rules: Arc<Stripping>,
    /// Until all of it has come; the answer may have ended before.
    watched: Option<Watched>,
}

/// How far a body has come. The body tells it, whoever waits for the answer asks it.
pub(super) struct Upload {
    state: Cell<State>,
    since: Cell<Instant>,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The app has not taken what is there.
    AppsTurn,
    /// The app would take more than the caller has sent.
    CallersTurn,
    /// All of it went on.
    Done,
    /// The caller broke it off, or it is malformed.
    Broken,
}

impl RequestBody {
    /// Passes `incoming` on; the second value follows it, unless there is nothing to pass.
    /// `watched`: the exchange that it is part of, where that one ends with a session.
    pub(super) fn new(
        incoming: Incoming,
        rules: &Arc<Stripping>,
        watched: Option<&Watched>,
    ) -> (Self, Option<Rc<Upload>>) {
        if incoming.is_end_stream() {
            return (Self::Empty, None);
        }
        let upload = Rc::new(Upload {
            state: Cell::new(State::AppsTurn),
            since: Cell::new(Instant::now()),
        });
        let body = Self::Streaming(Streaming {
            incoming,
            upload: Rc::clone(&upload),
            rules: Arc::clone(rules),
            watched: watched.and_then(Watched::also),
        });
        (body, Some(upload))
    }
}

impl Upload {
    /// Whose turn it is.
    pub(super) fn state(&self) -> State {
        self.state.get()
    }

    /// Since when it has been so.
    pub(super) fn since(&self) -> Instant {
        self.since.get()
    }

    fn turn(&self, state: State) {
        self.state.set(state);
        self.since.set(Instant::now());
    }
}

impl Streaming {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        match polled {
            Poll::Ready(Some(Ok(mut frame))) => {
                let last = match frame.trailers_mut() {
                    Some(trailers) => {
                        self.rules.strip_trailers(trailers);
                        true
                    }
                    None => self.incoming.is_end_stream(),
                };
                self.upload
                    .turn(if last { State::Done } else { State::AppsTurn });
                if last {
                    self.watched = None;
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.upload.turn(State::Broken);
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(None) => {
                self.upload.turn(State::Done);
                Poll::Ready(None)
            }
            Poll::Pending => {
                if self.upload.state() != State::CallersTurn {
                    self.upload.turn(State::CallersTurn);
                }
                Poll::Pending
            }
        }
    }
}

/// Nobody waits any more for what did not come.
impl Drop for Streaming {
    fn drop(&mut self) {
        if self.upload.state() != State::Broken {
            self.upload.turn(State::Done);
        }
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Whole(body) => Pin::new(body)
                .poll_frame(cx)
                .map_err(|never| match never {}),
            Self::Streaming(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(body) => body.is_end_stream(),
            Self::Streaming(body) => body.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(body) => body.size_hint(),
            Self::Streaming(body) => body.incoming.size_hint(),
        }
    }
}
