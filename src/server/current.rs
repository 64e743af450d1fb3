//! Which gateway answers now? A reload puts another in its place, between two requests.

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::watch;

use crate::gateway::Gateway;

/// The gateway in use, for the control runtime.
pub(super) struct Current(watch::Sender<Arc<Gateway>>);

impl Current {
    pub(super) fn new(gateway: Gateway) -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(Arc::new(gateway))))
    }

    pub(super) fn gateway(&self) -> Arc<Gateway> {
        Arc::clone(&self.0.borrow())
    }

    /// From now on, every request is answered by this one. Those under way keep theirs.
    pub(super) fn replace(&self, gateway: Gateway) {
        self.0.send_replace(Arc::new(gateway));
    }

    /// Follows it from one data thread.
    pub(super) fn follow(&self) -> Following {
        let changes = self.0.subscribe();
        let held = Rc::new(Held(Arc::clone(&changes.borrow())));
        Following {
            changes: RefCell::new(changes),
            held: RefCell::new(held),
        }
    }

    /// Tells when it has changed.
    pub(super) fn changes(&self) -> watch::Receiver<Arc<Gateway>> {
        self.0.subscribe()
    }
}

/// The gateway in use, for one data thread.
pub(super) struct Following {
    changes: RefCell<watch::Receiver<Arc<Gateway>>>,
    held: RefCell<Rc<Held>>,
}

/// A gateway as one data thread holds it: its requests count their holds among themselves, so that
/// no two threads write to one count for every request.
pub(super) struct Held(Arc<Gateway>);

impl Deref for Held {
    type Target = Gateway;

    fn deref(&self) -> &Gateway {
        &self.0
    }
}

impl Following {
    /// The gateway, and whether it is another than last time.
    pub(super) fn gateway(&self) -> (Rc<Held>, bool) {
        let mut changes = self.changes.borrow_mut();
        // An error says that the process ends; the last gateway serves until then.
        let has_changed = changes.has_changed().unwrap_or_default();
        if has_changed {
            let gateway = Arc::clone(&changes.borrow_and_update());
            *self.held.borrow_mut() = Rc::new(Held(gateway));
        }
        (Rc::clone(&self.held.borrow()), has_changed)
    }
}
