//! Exchanges a refresh token: judge, one compare-and-set, a new pair. D1 to D14 are the rows of the
//! table in `session::judge`.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::authenticate::is_ours;
use crate::authenticate::pace::Paces;
use crate::authenticate::verify::last_token_ends;
use crate::clock::Timestamp;
use crate::identity::{SessionId, User, UserId, UserName};
use crate::random;
use crate::session::access_token::TooLarge;
use crate::session::refresh_token::RefreshTokenError;
use crate::session::{
    Delivery, RefreshToken, Revocations, RevokeReason, SessionRow, SessionSettings, SharedRing,
    TokenSettings, Tokens, Verdict, issue, judge, refresh_token,
};
use crate::store::key_search::KeySearch;
use crate::store::{Loaded, Rotation, Sessions, StoreError};

/// A token of no session that is known here (D1, D3).
const UNKNOWN: Refreshed = Refreshed::Refused {
    clear: true,
    judged: None,
};

/// How often a lost compare-and-set is tried again.
const TRIES: usize = 3;

/// What came of presenting a refresh token.
#[derive(Debug)]
pub enum Refreshed {
    /// Here is the pair.
    Tokens(Tokens, Judged),
    /// `invalid_grant`; whether the cookies are to be cleared.
    Refused {
        /// The session is over for good: clear them.
        clear: bool,
        /// What was judged; `None` where the token is of no session known here.
        judged: Option<Judged>,
    },
    /// An access token was presented: `wrong_token_type`.
    WrongType,
    /// The tokens of this session are not both in cookies: nothing was done on the way.
    NotOnTheWay,
}

/// On which occasion a refresh token is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// Somebody asks for a new pair, in whatever way the session delivers it.
    Asked,
    /// A browser sent it along with a request to an app: a new pair can only be set as cookies.
    OnTheWay,
}

/// How a refresh token was judged, and whose it is.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The verdict.
    pub verdict: Verdict,
    /// The session.
    pub session: SessionId,
    /// Whose session it is.
    pub user: UserId,
    /// What they are called now; `None` where they are disabled or gone.
    pub name: Option<UserName>,
}

/// Why nothing is known about a refresh token: 503, and the cookies stay as they are.
#[derive(Debug, Error)]
pub enum RefreshError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The user's groups make the access token too large.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// Others rotated the same session each time we tried.
    #[error("the session was changed by others {TRIES} times in a row")]
    Contended,
    /// The successor was derived with a key that this process does not have.
    #[error("the key that derives the next refresh token is not in the ring")]
    KeyMissing,
    /// The token may be by a key that another process has begun to use.
    #[error("a refresh token is of a key that is not in the ring")]
    UnknownKey,
    /// Too many requests wait for new tokens of the same session.
    #[error("too many requests wait for new tokens of one session")]
    Crowded,
    /// The tokens of this session were exchanged too often: not again for so long.
    #[error("the tokens of one session are exchanged too often")]
    TooOften(Duration),
    /// Whoever exchanges the token takes too long, or is gone.
    #[error("the exchange of a refresh token takes too long")]
    TimedOut,
}

/// Exchanges refresh tokens. Shared by all threads; run it on the store's runtime, because a
/// rotation must not be dropped half-way.
#[derive(Clone)]
pub struct Refresher {
    sessions: Arc<dyn Sessions>,
    ring: Arc<SharedRing>,
    revocations: Arc<Revocations>,
    tokens: TokenSettings,
    settings: SessionSettings,
    paces: Arc<Paces>,
    /// Asked for keys that are not in the ring.
    keys: Option<Arc<KeySearch>>,
}

impl Refresher {
    /// A refresher over this store.
    pub fn new(
        sessions: Arc<dyn Sessions>,
        ring: Arc<SharedRing>,
        revocations: Arc<Revocations>,
        tokens: TokenSettings,
        settings: SessionSettings,
    ) -> Self {
        Self {
            sessions,
            ring,
            revocations,
            tokens,
            settings,
            paces: Arc::default(),
            keys: None,
        }
    }

    /// The same, which asks for keys that it does not know.
    pub fn asking(mut self, keys: Arc<KeySearch>) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Reads `text`. One that is not an authentic refresh token is refused here and costs no store
    /// access (D1), but for one that may be by a new key: new keys are looked for then.
    pub async fn read(&self, text: &str) -> Result<Result<RefreshToken, Refreshed>, RefreshError> {
        let mut read = RefreshToken::parse(text, &self.ring.now());
        if read.as_ref().err() == Some(&RefreshTokenError::UnknownKey) {
            self.look_for_keys().await;
            read = RefreshToken::parse(text, &self.ring.now());
        }
        match read {
            Ok(token) => Ok(Ok(token)),
            Err(RefreshTokenError::UnknownKey) => Err(RefreshError::UnknownKey),
            Err(RefreshTokenError::NotOurs)
                if !text.starts_with(refresh_token::PREFIX) && is_ours(text) =>
            {
                Ok(Err(Refreshed::WrongType))
            }
            Err(RefreshTokenError::NotOurs | RefreshTokenError::Forged) => Ok(Err(UNKNOWN)),
        }
    }

    /// Which ring is in use.
    pub(super) fn ring_generation(&self) -> u64 {
        self.ring.now().generation()
    }

    async fn look_for_keys(&self) {
        if let Some(keys) = &self.keys {
            keys.look().await;
        }
    }

    /// Presents a token.
    pub async fn exchange(
        &self,
        presented: &RefreshToken,
        occasion: Occasion,
    ) -> Result<Refreshed, RefreshError> {
        for _ in 0..TRIES {
            let Some(loaded) = self.sessions.load(presented.session).await? else {
                return Ok(UNKNOWN);
            };
            if occasion == Occasion::OnTheWay && loaded.row.delivery != Delivery::Cookie {
                return Ok(Refreshed::NotOnTheWay);
            }
            if let Some(outcome) = self.apply(presented, loaded).await? {
                return Ok(outcome);
            }
        }
        Err(RefreshError::Contended)
    }

    /// Judges and does what the verdict says; `None` where another rotation came first.
    async fn apply(
        &self,
        presented: &RefreshToken,
        Loaded { row, user, now }: Loaded,
    ) -> Result<Option<Refreshed>, RefreshError> {
        let user = user.filter(|user| !user.disabled);
        let epoch = user.as_ref().map(|user| user.session_epoch);
        let verdict = judge(&row, epoch, presented, now, &self.settings);
        let judged = Judged {
            verdict,
            session: row.id,
            user: row.user.clone(),
            name: user.as_ref().map(|user| user.name.clone()),
        };
        let given = |tokens| Ok(Some(Refreshed::Tokens(tokens, judged.clone())));
        let refused = |clear| {
            let judged = Some(judged.clone());
            Ok(Some(Refreshed::Refused { clear, judged }))
        };
        match (verdict, &user) {
            (Verdict::Rotate, Some(user)) => match self.rotate(presented, row, user, now).await? {
                Some(tokens) => given(tokens),
                None => Ok(None),
            },
            (Verdict::Same, Some(user)) => given(self.pair(&row, user, presented, now)?),
            (Verdict::Redeliver, Some(user)) => {
                let successor = presented.replaced_by(&row.current, row.next_key, &self.ring.now());
                match successor {
                    Some(successor) => given(self.pair(&row, user, &successor, now)?),
                    // The key was taken away: nobody can make that token again.
                    None if self.ring.now().is_past_next_key(row.next_key) => refused(true),
                    None => {
                        self.look_for_keys().await;
                        Ok(None)
                    }
                }
            }
            (Verdict::Revoked, _) => {
                // Another process may have ended it.
                self.refuse_access(&row, now);
                // The browser has the cookies of a newer session by now, or is about to.
                refused(!is_replaced(&row))
            }
            (Verdict::Expired, _) => refused(true),
            (Verdict::UserChanged, _)
            | (Verdict::Rotate | Verdict::Same | Verdict::Redeliver, None) => {
                self.end(&row, RevokeReason::UserChanged, now).await?;
                refused(true)
            }
            (Verdict::Reuse | Verdict::Fork, _) => {
                tell_reuse(&row, presented, verdict);
                self.end(&row, RevokeReason::Reuse, now).await?;
                refused(true)
            }
            (Verdict::Straggler { first }, _) => {
                if first {
                    let noted = self.sessions.note_straggler(row.id, row.generation, now);
                    noted.await?;
                }
                refused(false)
            }
            (Verdict::FromTheFuture, _) => {
                tracing::error!(session.id = %row.id, "a refresh token is newer than the store: was it rolled back?");
                refused(false)
            }
        }
    }

    /// D7. The pair is made before the compare-and-set, so that nothing can fail after it.
    async fn rotate(
        &self,
        presented: &RefreshToken,
        row: SessionRow,
        user: &User,
        now: Timestamp,
    ) -> Result<Option<Tokens>, RefreshError> {
        let pace = self.paces.take(row.id, now);
        pace.map_err(RefreshError::TooOften)?;
        let (next_key, successor) = {
            let ring = self.ring.now();
            let next_key = ring.next_key();
            (next_key, presented.successor(next_key, &ring))
        };
        let successor = successor.ok_or(RefreshError::KeyMissing)?;
        let idle_expires_at = (now + self.settings.idle_ttl).min(row.absolute_expires_at);
        let rotation = Rotation {
            from_generation: row.generation,
            from: row.current,
            to: successor.hash(),
            next_key,
            at: now,
            idle_expires_at,
        };
        let row = SessionRow {
            generation: successor.generation,
            idle_expires_at,
            ..row
        };
        let pair = self.pair(&row, user, &successor, now)?;
        let rotated = self.sessions.rotate(row.id, rotation).await?;
        Ok(rotated.then_some(pair))
    }

    fn pair(
        &self,
        row: &SessionRow,
        user: &User,
        refresh: &RefreshToken,
        now: Timestamp,
    ) -> Result<Tokens, RefreshError> {
        let id = random::bytes();
        let tokens = issue(row, user, refresh, now, id, &self.tokens, &self.ring.now())?;
        Ok(tokens)
    }

    async fn end(
        &self,
        row: &SessionRow,
        reason: RevokeReason,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.sessions.revoke(row.id, reason).await?;
        self.refuse_access(row, now);
        Ok(())
    }

    /// From now on this process refuses the session's access tokens. Those of a session that was
    /// replaced in the same browser stay good for the grace.
    fn refuse_access(&self, row: &SessionRow, now: Timestamp) {
        if !is_replaced(row) {
            let until = last_token_ends(now, &self.tokens);
            self.revocations.end_session(row.id, until);
        }
    }
}

/// Whether the same browser has signed in again since.
const fn is_replaced(row: &SessionRow) -> bool {
    matches!(row.revoked, Some((_, RevokeReason::Replaced)))
}

fn tell_reuse(row: &SessionRow, presented: &RefreshToken, verdict: Verdict) {
    tracing::warn!(
        session.id = %row.id,
        user.id = %row.user,
        generation.presented = presented.generation,
        generation.current = row.generation,
        ?verdict,
        "a replaced refresh token was used again: the session is ended"
    );
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use crate::authenticate::{Authenticator, Credentials};
    use crate::clock::Clock;
    use crate::identity::{PasswordHash, PasswordTerm, Reason, Refused, UserId, UserName, Visitor};
    use crate::login::{OpenSession, Opener};
    use crate::policy::RevocationCheck;
    use crate::session::key_ring::samples;
    use crate::session::{Delivery, OnStale, Staleness};
    use crate::store::memory::MemoryStore;
    use crate::store::{AddUser, Directory, NewUser};

    #[derive(Default)]
    struct HandMoved(AtomicI64);

    impl Clock for HandMoved {
        fn now(&self) -> Timestamp {
            Timestamp::from_seconds(1_700_000_000 + self.0.load(Ordering::Relaxed))
        }
    }

    /// A user, a store and all that makes and checks tokens.
    struct Installation {
        clock: Arc<HandMoved>,
        store: Arc<MemoryStore>,
        opener: Opener,
        refresher: Refresher,
        authenticator: Authenticator,
        revocations: Arc<Revocations>,
        user: User,
    }

    impl Installation {
        async fn new() -> Self {
            Self::with(OnStale::Accept).await
        }

        async fn with(then: OnStale) -> Self {
            let clock = Arc::new(HandMoved::default());
            let store = Arc::new(MemoryStore::new(clock.clone()));
            let ring = Arc::new(SharedRing::new(samples::ring()));
            let revocations = Arc::new(Revocations::default());
            let tokens = TokenSettings {
                issuer: "https://app.example".to_owned(),
                audience: "vestibule".to_owned(),
                access_ttl: Duration::from_secs(300),
                leeway: Duration::from_secs(5),
                flask_claims: false,
            };
            let settings = SessionSettings {
                idle_ttl: Duration::from_secs(3600),
                absolute_ttl: Duration::from_secs(36000),
                grace: Duration::from_secs(30),
                straggler_window: Duration::from_secs(300),
                max_per_user: 20,
            };
            let added = store.add_user(NewUser {
                id: UserId::from_bytes([1; 16]),
                name: UserName::parse("ada").unwrap(),
                display_name: None,
                email: None,
                groups: Vec::new(),
                password: PasswordHash::from_stored(String::new()),
                password_term: PasswordTerm::Lasting,
            });
            let AddUser::Added(user) = added.await.unwrap() else {
                unreachable!("the store was empty");
            };
            let (c, r, t) = (clock.clone(), ring.clone(), tokens.clone());
            Self {
                opener: Opener::new(store.clone(), c, r, t, settings),
                refresher: Refresher::new(
                    store.clone(),
                    ring.clone(),
                    revocations.clone(),
                    tokens.clone(),
                    settings,
                ),
                authenticator: Authenticator::new(
                    tokens,
                    ring,
                    revocations.clone(),
                    Staleness {
                        max: Duration::from_secs(60),
                        then,
                    },
                    1 << 20,
                    Default::default(),
                ),
                revocations,
                clock,
                store,
                user,
            }
        }

        async fn open(&self) -> Tokens {
            let wanted = OpenSession {
                delivery: Delivery::Token,
                remember: false,
                device: None,
                ip: None,
                user_agent: None,
                replaces: None,
            };
            self.opener.open(&self.user, wanted).await.unwrap().tokens
        }

        async fn refresh(&self, tokens: &Tokens) -> Refreshed {
            self.presented(tokens.refresh.expose()).await.unwrap()
        }

        async fn presented(&self, text: &str) -> Result<Refreshed, RefreshError> {
            match self.refresher.read(text).await? {
                Ok(token) => self.refresher.exchange(&token, Occasion::Asked).await,
                Err(refused) => Ok(refused),
            }
        }

        async fn next(&self, tokens: &Tokens) -> Tokens {
            match self.refresh(tokens).await {
                Refreshed::Tokens(tokens, _) => tokens,
                other => unreachable!("{other:?}"),
            }
        }

        fn wait(&self, seconds: i64) {
            self.clock.0.fetch_add(seconds, Ordering::Relaxed);
        }

        fn visitor(&self, bearer: &str) -> Result<UserName, Reason> {
            let credentials = Credentials::Bearer(bearer);
            match self.visitor_where(credentials, RevocationCheck::Local) {
                Visitor::Known(known) => Ok(known.identity.name.clone()),
                Visitor::Refused(Refused { reason, .. }) => Err(reason),
                Visitor::Stranger | Visitor::Unchecked => unreachable!("a token was shown"),
            }
        }

        fn visitor_where(&self, shown: Credentials<'_>, check: RevocationCheck) -> Visitor {
            self.authenticator.visitor(shown, check, self.clock.now())
        }
    }

    #[tokio::test]
    async fn an_access_token_is_good_until_it_expires_even_if_it_is_remembered() {
        let house = Installation::new().await;
        let tokens = house.open().await;
        let access = tokens.access.text.expose();
        assert_eq!(house.visitor(access), Ok(house.user.name.clone()));
        house.wait(299);
        assert_eq!(house.visitor(access), Ok(house.user.name.clone()));
        house.wait(10);
        assert_eq!(house.visitor(access), Err(Reason::Expired));
        assert!(house.authenticator.authentic(access).is_ok());
    }

    #[tokio::test]
    async fn other_texts_are_no_access_tokens() {
        let house = Installation::new().await;
        let tokens = house.open().await;
        for (text, reason) in [
            ("", Reason::Invalid),
            ("foobarbaz", Reason::Invalid),
            ("aaaaa.bbbbb.ccccc", Reason::Invalid),
            (tokens.refresh.expose(), Reason::WrongType),
        ] {
            assert_eq!(house.visitor(text), Err(reason), "{text}");
        }
    }

    #[tokio::test]
    async fn a_used_token_gets_the_same_successor_within_the_grace() {
        let house = Installation::new().await;
        let first = house.open().await;
        house.wait(60);
        let second = house.next(&first).await;
        assert_ne!(second.refresh, first.refresh);
        house.wait(5);
        let again = house.next(&first).await;
        assert_eq!(again.refresh, second.refresh);
        assert!(house.visitor(again.access.text.expose()).is_ok());
        assert_eq!(house.next(&second).await.refresh, second.refresh);
    }

    #[tokio::test]
    async fn a_token_older_than_its_used_successor_ends_the_session() {
        let house = Installation::new().await;
        let first = house.open().await;
        house.wait(60);
        let second = house.next(&first).await;
        house.wait(60);
        let third = house.next(&second).await;
        assert!(house.visitor(third.access.text.expose()).is_ok());
        house.wait(60);
        let reuse = house.refresh(&first).await;
        assert!(matches!(reuse, Refreshed::Refused { clear: true, .. }));
        let access = third.access.text.expose();
        assert_eq!(house.visitor(access), Err(Reason::Revoked));
        let ended = house.refresh(&third).await;
        assert!(matches!(ended, Refreshed::Refused { clear: true, .. }));
    }

    #[tokio::test]
    async fn a_held_up_request_is_refused_and_ends_nothing() {
        let house = Installation::new().await;
        let first = house.open().await;
        house.wait(60);
        let second = house.next(&first).await;
        house.wait(31);
        let now = house.clock.now();
        house.store.confirm(second.session, 2, now).await.unwrap();
        house.wait(60);
        let late = house.refresh(&first).await;
        assert!(matches!(late, Refreshed::Refused { clear: false, .. }));
        house.next(&second).await;
    }

    #[tokio::test]
    async fn texts_that_are_no_refresh_tokens_are_refused() {
        let house = Installation::new().await;
        let tokens = house.open().await;
        for text in ["", "foobarbaz", "a.b.c", "vrt1_", "vrt1_AAAA"] {
            let refused = house.presented(text).await.unwrap();
            assert!(
                matches!(refused, Refreshed::Refused { clear: true, .. }),
                "{text}"
            );
        }
        let access = tokens.access.text.expose();
        let refused = house.presented(access).await.unwrap();
        assert!(matches!(refused, Refreshed::WrongType));
    }

    #[tokio::test]
    async fn a_disabled_user_cannot_refresh() {
        let house = Installation::new().await;
        let tokens = house.open().await;
        let disabled = house.store.set_disabled(house.user.name.clone(), true);
        disabled.await.unwrap();
        let refused = house.refresh(&tokens).await;
        assert!(matches!(refused, Refreshed::Refused { clear: true, .. }));
        let access = tokens.access.text.expose();
        assert_eq!(house.visitor(access), Err(Reason::Revoked));
        assert!(matches!(
            house
                .opener
                .open(
                    &house.user,
                    OpenSession {
                        delivery: Delivery::Token,
                        remember: false,
                        device: None,
                        ip: None,
                        user_agent: None,
                        replaces: None,
                    }
                )
                .await,
            Err(crate::login::open::OpenError::UserChanged)
        ));
    }

    #[tokio::test]
    async fn a_silent_store_leaves_access_tokens_unchecked_where_memory_is_asked() {
        let local = RevocationCheck::Local;
        let house = Installation::with(OnStale::Refuse).await;
        let tokens = house.open().await;
        let other = house.open().await;
        let ask = |house: &Installation, tokens: &Tokens, check| {
            let shown = Credentials::Bearer(tokens.access.text.expose());
            house.visitor_where(shown, check)
        };
        let unchecked = ask(&house, &tokens, local);
        assert!(matches!(unchecked, Visitor::Unchecked), "never heard of");
        house.revocations.note_synced(house.clock.now());
        house.wait(60);
        assert!(matches!(ask(&house, &tokens, local), Visitor::Known(_)));
        house.wait(1);
        let unchecked = ask(&house, &tokens, local);
        assert!(matches!(unchecked, Visitor::Unchecked), "{unchecked:?}");
        for check in [RevocationCheck::Strict, RevocationCheck::None] {
            assert!(matches!(ask(&house, &tokens, check), Visitor::Known(_)));
        }
        // What is known to be ended needs no store, and routes that never ask do not care.
        let until = house.clock.now() + Duration::from_secs(300);
        house.revocations.end_session(other.session, until);
        for check in [local, RevocationCheck::Strict] {
            let refused = ask(&house, &other, check);
            assert!(matches!(refused, Visitor::Refused(_)), "{refused:?}");
        }
        let known = ask(&house, &other, RevocationCheck::None);
        assert!(matches!(known, Visitor::Known(_)), "{known:?}");
        house.revocations.note_synced(house.clock.now());
        assert!(matches!(ask(&house, &tokens, local), Visitor::Known(_)));
    }
}
