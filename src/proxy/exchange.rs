//! One request put on a connection, and the wait for the head of its answer.

use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use http::{Request, Response, Version};
use hyper::body::Incoming;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep_until};

use crate::proxy::ForwardError;
use crate::proxy::connect::Connection;
use crate::proxy::pool::Pool;
use crate::proxy::request_body::{RequestBody, State, Upload};
use crate::proxy::streams::Watched;

/// How long to wait for whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For the head of the app's answer, from the last progress of the request's body.
    pub(super) app: Duration,
    /// For progress of the caller's body.
    pub(super) caller: Duration,
}

/// A connection whose answer is still being read.
pub(super) struct Exchange {
    connection: Connection,
    pool: Rc<Pool>,
    upload: Option<Rc<Upload>>,
    patience: Patience,
    reusable: bool,
    /// Whose answer it is, where it ends with a session.
    pub(super) watched: Option<Watched>,
}

/// What became of a request on one connection.
enum Outcome {
    Answered(Response<Incoming>),
    /// The connection was closed before any of the request was written.
    Unwritten(Request<RequestBody>),
    Failed(ForwardError),
}

/// Sends a request on an idle or a new connection. Once more on a new one, where none of it was
/// written: then the app cannot have seen it.
pub(super) async fn send(
    pool: Rc<Pool>,
    request: Request<RequestBody>,
    upload: Option<Rc<Upload>>,
    patience: Patience,
) -> Result<(Response<Incoming>, Exchange), ForwardError> {
    let mut connection = match pool.take() {
        Some(connection) => connection,
        None => pool.connect().await?,
    };
    let mut outcome = try_send(&mut connection, request, upload.as_deref(), patience).await;
    if let Outcome::Unwritten(request) = outcome {
        connection = pool.connect().await?;
        pool.meter.repeated.inc();
        outcome = try_send(&mut connection, request, upload.as_deref(), patience).await;
    }
    let response = match outcome {
        Outcome::Answered(response) => response,
        Outcome::Unwritten(_) => return Err(ForwardError::unreachable(ClosedAtOnce)),
        Outcome::Failed(error) => return Err(error),
    };
    // hyper speaks HTTP/1.0 on a connection that answered so: request bodies would get lost.
    let reusable = response.version() == Version::HTTP_11;
    let exchange = Exchange {
        connection,
        pool,
        upload,
        patience,
        reusable,
        watched: None,
    };
    Ok((response, exchange))
}

/// The app closes every connection before a request is written.
#[derive(Debug, thiserror::Error)]
#[error("the app closed the connection at once")]
struct ClosedAtOnce;

async fn try_send(
    connection: &mut Connection,
    request: Request<RequestBody>,
    upload: Option<&Upload>,
    patience: Patience,
) -> Outcome {
    let start = Instant::now();
    let mut answer = pin!(connection.sender.try_send_request(request));
    let mut timer = pin!(sleep_until(patience.first_look(start, upload)));
    loop {
        tokio::select! {
            biased;
            answer = &mut answer => return match answer {
                Ok(response) => Outcome::Answered(response),
                Err(mut error) => match error.take_message() {
                    Some(request) => Outcome::Unwritten(request),
                    None => Outcome::Failed(failure(error.into_error(), upload)),
                },
            },
            () = &mut timer => match patience.look(start, upload) {
                Ok(next) => timer.as_mut().reset(next),
                Err(error) => return Outcome::Failed(error),
            },
        }
    }
}

fn failure(error: hyper::Error, upload: Option<&Upload>) -> ForwardError {
    if upload.is_some_and(|upload| upload.state() == State::Broken) {
        ForwardError::BadBody(error)
    } else if error.is_parse_too_large() {
        ForwardError::BadAnswer("its head is too large")
    } else if error.is_parse() {
        ForwardError::BadAnswer("it is not HTTP/1.1")
    } else {
        ForwardError::unreachable(error)
    }
}

impl Patience {
    /// When to look for the first time. Without a body there is one look only.
    fn first_look(self, start: Instant, upload: Option<&Upload>) -> Instant {
        start
            + match upload {
                Some(_) => self.app.min(self.caller),
                None => self.app,
            }
    }

    /// Who is late, if anybody; else when to look again: no patience can end before that.
    fn look(self, start: Instant, upload: Option<&Upload>) -> Result<Instant, ForwardError> {
        let now = Instant::now();
        let (deadline, late) = match upload {
            Some(upload) if upload.state() == State::CallersTurn => {
                (upload.since() + self.caller, ForwardError::BodyTimedOut)
            }
            Some(upload) => (upload.since() + self.app, ForwardError::TimedOut),
            None => (start + self.app, ForwardError::TimedOut),
        };
        if deadline <= now {
            return Err(late);
        }
        Ok(deadline.min(now + self.app.min(self.caller)))
    }
}

impl Exchange {
    /// The answer was read to its end: the connection is free for the next request.
    pub(super) fn end(self) {
        if self.reusable && self.connection.sender.is_ready() {
            self.pool.put(self.connection);
        } else if let Some(upload) = self.upload
            && !self.connection.sender.is_closed()
        {
            // The app answered before the request's body was whole. What is left of it still goes to
            // the app; then the connection closes.
            spawn_local(see_off(self.connection, upload, self.patience.caller));
        }
    }
}

/// Closes the connection of a body that stopped coming after it was answered.
async fn see_off(connection: Connection, upload: Rc<Upload>, patience: Duration) {
    let Connection { sender, task } = connection;
    drop(sender);
    loop {
        match upload.state() {
            State::Done | State::Broken => return,
            State::AppsTurn | State::CallersTurn => {}
        }
        let deadline = upload.since() + patience;
        if deadline <= Instant::now() {
            task.abort();
            return;
        }
        sleep_until(deadline).await;
    }
}
