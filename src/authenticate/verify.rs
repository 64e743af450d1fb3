//! Is this access token good now? Verified tokens are remembered; their times are asked each time.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::authenticate::Credentials;
use crate::authenticate::cookies::CookiePair;
use crate::authenticate::receipt::{Receipts, Verified};
use crate::clock::Timestamp;
use crate::identity::{Proof, Reason, Refused, Visitor};
use crate::observe::metrics::tokens::Lookups;
use crate::policy::RevocationCheck;
use crate::session::{
    Claims, OnStale, RefreshToken, Revocations, SharedRing, Staleness, TokenError, TokenSettings,
    access_token,
};

/// Turns credentials into a visitor. Shared by all threads.
pub struct Authenticator {
    settings: TokenSettings,
    ring: Arc<SharedRing>,
    revocations: Arc<Revocations>,
    staleness: Staleness,
    /// Facts about tokens whose signature was checked, by the whole token. Only good tokens are
    /// kept, so that nobody can fill it with forged ones. What was checked with another ring is checked
    /// again: its key may have been taken away.
    verified: Cache<Box<str>, Arc<Verified>, ByBytes>,
    lookups: Lookups,
    /// Told of every token that is accepted.
    receipts: Option<Receipts>,
}

impl Authenticator {
    /// `cache_bytes`: how much memory verified tokens may take.
    pub fn new(
        settings: TokenSettings,
        ring: Arc<SharedRing>,
        revocations: Arc<Revocations>,
        staleness: Staleness,
        cache_bytes: u64,
        lookups: Lookups,
    ) -> Self {
        const USUAL_BYTES: u64 = 2048;
        let items = usize::try_from(cache_bytes / USUAL_BYTES).unwrap_or(usize::MAX);
        Self {
            settings,
            ring,
            revocations,
            staleness,
            verified: Cache::with_weighter(items, cache_bytes, ByBytes),
            lookups,
            receipts: None,
        }
    }

    /// The same, which notes from now on what accepted tokens prove about refresh tokens.
    pub fn noting(mut self, receipts: Receipts) -> Self {
        self.receipts = Some(receipts);
        self
    }

    /// Who is asking. A refresh cookie alone makes a stranger. Where the store is to be asked, which
    /// is the caller's business, memory is asked first, and may be behind.
    pub fn visitor(
        &self,
        credentials: Credentials<'_>,
        check: RevocationCheck,
        now: Timestamp,
    ) -> Visitor {
        self.judged(credentials, check, now, self.receipts.as_ref())
    }

    /// Who is asking with an access token that was made for them on the way: nobody has shown it yet, so
    /// that it proves no receipt.
    pub fn renewed(&self, token: &str, check: RevocationCheck, now: Timestamp) -> Visitor {
        let pair = CookiePair {
            access: Some(token),
            refresh: None,
        };
        self.judged(Credentials::Cookies(pair), check, now, None)
    }

    fn judged(
        &self,
        credentials: Credentials<'_>,
        check: RevocationCheck,
        now: Timestamp,
        receipts: Option<&Receipts>,
    ) -> Visitor {
        let (token, proof) = match credentials {
            Credentials::Bearer(token) => (token, Proof::Bearer),
            Credentials::Cookies(CookiePair {
                access: Some(token),
                ..
            }) => (token, Proof::Cookie),
            Credentials::Cookies(CookiePair { access: None, .. }) | Credentials::None => {
                return Visitor::Stranger;
            }
        };
        let refused = |reason| Visitor::Refused(Refused { reason, proof });
        let verified = match self.live(token, now) {
            Ok(verified) => verified,
            Err(error) => return refused(reason(error)),
        };
        let claims = &verified.claims;
        match check {
            RevocationCheck::Local | RevocationCheck::Strict
                if self.revocations.cover(claims, now) =>
            {
                refused(Reason::Revoked)
            }
            // What it tells of its user is not so any more: the session gets another.
            RevocationCheck::Local | RevocationCheck::Strict
                if self
                    .revocations
                    .outdates(&claims.identity.id, claims.claims_epoch) =>
            {
                refused(Reason::Expired)
            }
            RevocationCheck::Local if self.is_in_the_dark(now) => Visitor::Unchecked,
            RevocationCheck::Local | RevocationCheck::Strict | RevocationCheck::None => {
                if let Some(receipts) = receipts {
                    receipts.note(&verified, now);
                }
                Visitor::Known(claims.to_known(proof))
            }
        }
    }

    /// Whether another would be asking if all keys were known that these credentials name: another
    /// process may have made one a moment ago.
    pub fn lacks_key(&self, credentials: Credentials<'_>, visitor: &Visitor) -> bool {
        match (visitor, credentials) {
            (Visitor::Stranger | Visitor::Refused(_), Credentials::Cookies(pair)) => {
                let mut cookies = [pair.access, pair.refresh].into_iter().flatten();
                cookies.any(|token| self.lacks_key_of(token))
            }
            (Visitor::Refused(refused), Credentials::Bearer(token)) => {
                refused.reason == Reason::Invalid && self.lacks_key_of(token)
            }
            (Visitor::Stranger, Credentials::Bearer(_) | Credentials::None)
            | (Visitor::Refused(_), Credentials::None)
            | (Visitor::Known(_) | Visitor::Unchecked, _) => false,
        }
    }

    /// Whether this says that it is a token, of either type, by a key that is not in the ring.
    pub fn lacks_key_of(&self, token: &str) -> bool {
        let ring = self.ring.now();
        access_token::names_unknown_key(token, &ring)
            || RefreshToken::names_unknown_key(token, &ring)
    }

    /// Whether memory is too far behind the store to be believed.
    fn is_in_the_dark(&self, now: Timestamp) -> bool {
        self.staleness.then == OnStale::Refuse && self.revocations.lag(now) > self.staleness.max
    }

    /// The claims of an authentic access token, live or over: for signing out.
    pub fn authentic(&self, token: &str) -> Result<Arc<Claims>, TokenError> {
        let verified = self.verified(token)?;
        Ok(Arc::clone(&verified.claims))
    }

    fn verified(&self, token: &str) -> Result<Arc<Verified>, TokenError> {
        let ring = self.ring.now();
        if let Some(verified) = self.verified.get(token)
            && verified.ring == ring.generation()
        {
            self.lookups.hits.inc();
            return Ok(verified);
        }
        self.lookups.misses.inc();
        let claims = access_token::verify(token, &self.settings, &ring)?;
        let verified = Arc::new(Verified::new(Arc::new(claims), ring.generation()));
        self.verified.insert(token.into(), Arc::clone(&verified));
        Ok(verified)
    }

    pub(super) const fn settings(&self) -> &TokenSettings {
        &self.settings
    }

    pub(super) fn ring(&self) -> &SharedRing {
        &self.ring
    }

    pub(super) fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// How many tokens are remembered.
    pub fn remembered(&self) -> usize {
        self.verified.len()
    }

    fn live(&self, token: &str, now: Timestamp) -> Result<Arc<Verified>, TokenError> {
        let verified = self.verified(token)?;
        verified.claims.check_times(now, &self.settings)?;
        Ok(verified)
    }
}

/// When the last access token is over that a session ended `now` can still have: how long its
/// revocation must be remembered.
pub fn last_token_ends(now: Timestamp, settings: &TokenSettings) -> Timestamp {
    now + settings.revocation_span()
}

const fn reason(error: TokenError) -> Reason {
    match error {
        TokenError::Invalid => Reason::Invalid,
        TokenError::WrongType => Reason::WrongType,
        TokenError::Expired => Reason::Expired,
    }
}

/// Roughly the memory of an entry: the token, its claims read out, and its identity's headers.
#[derive(Clone)]
struct ByBytes;

impl Weighter<Box<str>, Arc<Verified>> for ByBytes {
    fn weight(&self, token: &Box<str>, _: &Arc<Verified>) -> u64 {
        const OVERHEAD: u64 = 512;
        OVERHEAD + 3 * token.len() as u64
    }
}
