//! Which keys have come since they were last read? Asked where a token names one that nobody here knows:
//! another process may have made it a moment ago.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Mutex as Turn, watch};
use tokio::time::{sleep, timeout};

use crate::store::key_keeper::KeyKeeper;

/// How long the store is left alone after a look. Anybody can name keys that do not exist.
const PAUSE: Duration = Duration::from_millis(100);
/// Whoever waits longer for a look goes on with what is known.
const PATIENCE: Duration = Duration::from_millis(250);

/// Looks for new keys on behalf of all who ask. A look that begins after they asked serves all of them:
/// one is under way at most, and one is to come.
pub struct KeySearch {
    keeper: Arc<KeyKeeper>,
    runtime: Handle,
    /// The look to come: whoever asks now waits for it.
    next: Mutex<Option<watch::Receiver<bool>>>,
    /// Held by a look, and for the pause that follows it.
    turn: Turn<()>,
}

impl KeySearch {
    /// For the ring of this keeper. Looks run on `runtime`: they do not end with whoever asked.
    pub fn new(keeper: Arc<KeyKeeper>, runtime: Handle) -> Self {
        Self {
            keeper,
            runtime,
            next: Mutex::default(),
            turn: Turn::default(),
        }
    }

    /// Returns when the ring holds all keys that were in the store when this was asked; or without
    /// them, where the store does not tell in time.
    pub async fn look(self: &Arc<Self>) {
        let mut look = self.next_look();
        // One that fails, or ends with the runtime, brings nothing: the ring stays as it is.
        let _ = timeout(PATIENCE, look.wait_for(|is_over| *is_over)).await;
    }

    fn next_look(self: &Arc<Self>) -> watch::Receiver<bool> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let look = next.get_or_insert_with(|| {
            let (over, look) = watch::channel(false);
            self.runtime.spawn(Arc::clone(self).carry_out(over));
            look
        });
        look.clone()
    }

    async fn carry_out(self: Arc<Self>, over: watch::Sender<bool>) {
        let _turn = self.turn.lock().await;
        // This one may miss what comes from now on: who asks now waits for another.
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = None;
        // Who follows the keys all the time tells when the store does not.
        let _ = self.keeper.follow().await;
        over.send_replace(true);
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::{JoinSet, yield_now};
    use tokio::time::Instant;

    use super::*;
    use crate::clock::SystemClock;
    use crate::observe::Metrics;
    use crate::session::KeyPurpose;
    use crate::session::key_ring::samples::SETTINGS;
    use crate::store::Directory;
    use crate::store::keys::KeyStore;
    use crate::store::master::Master;
    use crate::store::measured::MeasuredDirectory;
    use crate::store::memory::MemoryStore;

    /// A process that looks for keys, and another one that makes them.
    struct Processes {
        metrics: Metrics,
        maker: KeyStore,
        search: Arc<KeySearch>,
        /// How often the search of it has asked the store before any look.
        before: usize,
    }

    impl Processes {
        async fn new() -> Self {
            let metrics = Metrics::new();
            let clock = Arc::new(SystemClock);
            let store: Arc<dyn Directory> = Arc::new(MemoryStore::new(clock.clone()));
            let maker = KeyStore::new(store.clone(), Master::ephemeral([1; 32]), clock);
            let counted = Arc::new(MeasuredDirectory::new(store, &metrics.store));
            let keeper = KeyKeeper::open(maker.clone().over(counted), SETTINGS).await;
            let search = KeySearch::new(Arc::new(keeper.unwrap()), Handle::current());
            let mut processes = Self {
                metrics,
                maker,
                search: Arc::new(search),
                before: 0,
            };
            processes.before = processes.looks();
            processes
        }

        /// How often the store was asked because somebody looked.
        fn looks(&self) -> usize {
            let told = self.metrics.open_metrics().unwrap();
            let is_it = |line: &&str| {
                line.contains("_count{") && line.contains("operation=\"keys_version\"")
            };
            let line = told.lines().find(is_it).unwrap();
            let count: usize = line.rsplit_once(' ').unwrap().1.parse().unwrap();
            count - self.before
        }

        /// Another process takes the key in use away and signs with a new one at once.
        async fn replace_key(&self) -> u64 {
            let keys = self.maker.list().await.unwrap();
            let is_it = |key: &&crate::session::Key| {
                key.purpose == KeyPurpose::AccessToken && key.revoked_at.is_none()
            };
            let kid = keys.iter().find(is_it).unwrap().kid.clone();
            let revoked = self.maker.revoke(&kid, None, &SETTINGS).await;
            revoked.unwrap().unwrap();
            self.generation()
        }

        fn generation(&self) -> u64 {
            self.search.keeper.ring().now().generation()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_asks_knows_afterwards_what_was_made_before() {
        let processes = Processes::new().await;
        let begun = Instant::now();
        for _ in 0..5 {
            // The second and all others come within the pause.
            let before = processes.replace_key().await;
            processes.search.look().await;
            assert_eq!(processes.generation(), before + 1);
        }
        assert_eq!(begun.elapsed().as_millis() / PAUSE.as_millis(), 4);
        assert_eq!(processes.looks(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_names_that_nobody_knows_costs_a_look_in_a_pause() {
        let processes = Processes::new().await;
        let mut asking = JoinSet::new();
        let mut ask = || {
            let search = Arc::clone(&processes.search);
            asking.spawn(async move { search.look().await });
        };
        (0..1000).for_each(|_| ask());
        yield_now().await;
        (0..1000).for_each(|_| ask());
        for _ in 0..1000 {
            sleep(Duration::from_millis(1)).await;
            (0..10).for_each(|_| ask());
        }
        asking.join_all().await;
        let most = 2 + 1000 / usize::try_from(PAUSE.as_millis()).unwrap();
        assert!(
            (10..=most).contains(&processes.looks()),
            "{}",
            processes.looks()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_goes_on_when_whoever_asked_goes_away() {
        let processes = Processes::new().await;
        let before = processes.replace_key().await;
        drop(processes.search.next_look());
        let mut look = processes.search.next_look();
        look.wait_for(|is_over| *is_over).await.unwrap();
        assert_eq!(processes.generation(), before + 1);
        assert_eq!(processes.looks(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_too_long_goes_on_with_what_is_known() {
        let processes = Processes::new().await;
        let before = processes.replace_key().await;
        let turn = processes.search.turn.lock().await;
        let begun = Instant::now();
        for _ in 0..3 {
            processes.search.look().await;
        }
        assert_eq!(begun.elapsed().as_millis(), 3 * PATIENCE.as_millis());
        assert_eq!((processes.looks(), processes.generation()), (0, before));
        drop(turn);
        processes.search.look().await;
        assert_eq!((processes.looks(), processes.generation()), (1, before + 1));
    }
}
