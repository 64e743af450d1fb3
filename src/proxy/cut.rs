//! How one connection is told that it must end: by whoever watches its session, on the same thread.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use crate::identity::Known;
use crate::policy::Rule;
use crate::proxy::Upstreams;
use crate::proxy::streams::Watched;

/// The end of one connection. One task waits for it.
#[derive(Debug, Default)]
pub(super) struct Cut {
    is_made: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

/// The way of one visitor's connection to the apps.
pub struct Passage {
    pub(super) upstreams: Rc<Upstreams>,
    cut: Rc<Cut>,
}

impl Passage {
    /// For a new connection.
    pub fn new(upstreams: &Rc<Upstreams>) -> Self {
        Self {
            upstreams: Rc::clone(upstreams),
            cut: Rc::default(),
        }
    }

    /// Waits until the connection must be closed as it stands: the session is over whose exchange it
    /// carries. Dropped with all that is under way, it cannot be taken for whole by either side,
    /// whether or not they read and write at the moment.
    pub async fn cut_off(&self) {
        self.cut.made().await;
    }

    /// Watches an exchange of this session from now on.
    pub(super) fn watch(&self, known: Known, rule: &Arc<Rule>) -> Watched {
        let (rule, cut) = (Arc::clone(rule), Rc::clone(&self.cut));
        self.upstreams.streams.watch(known, rule, cut)
    }
}

impl Cut {
    /// Makes it. `false`: it had been made.
    pub(super) fn make(&self) -> bool {
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
        !self.is_made.replace(true)
    }

    /// Waits for it.
    pub(super) async fn made(&self) {
        poll_fn(|cx| {
            if self.is_made.get() {
                return Poll::Ready(());
            }
            let mut waiting = self.waiting.borrow_mut();
            match &mut *waiting {
                Some(waker) => waker.clone_from(cx.waker()),
                None => *waiting = Some(cx.waker().clone()),
            }
            Poll::Pending
        })
        .await;
    }
}
