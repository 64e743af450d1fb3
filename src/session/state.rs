//! A session as the store keeps it: one sign-in on one device, and where its refresh tokens stand.

use std::net::IpAddr;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::identity::{SessionId, UserId};
use crate::session::TokenHash;

/// The row of a session. Holds hashes of refresh tokens, never a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// Which session.
    pub id: SessionId,
    /// Whose session.
    pub user: UserId,
    /// The user's session epoch at sign-in; a larger one ends the session.
    pub user_epoch: u64,
    /// Where its tokens go.
    pub delivery: Delivery,
    /// Whether cookies outlive the browser's closing.
    pub remember: bool,
    /// What the person calls this device.
    pub device: Option<String>,
    /// The address it was opened from, where it was known.
    pub ip: Option<IpAddr>,
    /// What the browser or program called itself when it was opened.
    pub user_agent: Option<String>,
    /// When the session was opened.
    pub created_at: Timestamp,
    /// When the person last proved who they are.
    pub authenticated_at: Timestamp,
    /// When the session was opened or last refreshed.
    pub last_seen_at: Timestamp,
    /// The generation of the current refresh token; starts at 1.
    pub generation: u64,
    /// The hash of the current refresh token.
    pub current: TokenHash,
    /// The hash of the refresh token before it.
    pub previous: Option<TokenHash>,
    /// The key with which the current secret was derived from the one before.
    pub next_key: u8,
    /// When the current refresh token replaced the one before.
    pub rotated_at: Option<Timestamp>,
    /// When the client first showed that it holds the current refresh token.
    pub confirmed_at: Option<Timestamp>,
    /// The first late presentation of the refresh token before.
    pub straggler_at: Option<Timestamp>,
    /// Ends here unless refreshed before.
    pub idle_expires_at: Timestamp,
    /// Ends here in any case.
    pub absolute_expires_at: Timestamp,
    /// When and why it was ended.
    pub revoked: Option<(Timestamp, RevokeReason)>,
}

impl SessionRow {
    /// Whether the client has ever shown that it has a token of this session.
    pub const fn was_used(&self) -> bool {
        self.generation > 1 || self.confirmed_at.is_some()
    }

    /// Whether the session lives `now`. `user_epoch` is the user's present session epoch, `None` if
    /// the user is disabled or gone.
    pub fn is_live(&self, user_epoch: Option<u64>, now: Timestamp) -> bool {
        self.revoked.is_none() && user_epoch == Some(self.user_epoch) && now < self.expires_at()
    }

    /// When it ends unless refreshed before.
    pub fn expires_at(&self) -> Timestamp {
        self.idle_expires_at.min(self.absolute_expires_at)
    }
}

/// Where the tokens of a session go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Both in the body: for programs.
    Token,
    /// Both as `HttpOnly` cookies: for browsers.
    Cookie,
    /// The access token in the body, the refresh token as a cookie.
    Hybrid,
}

impl Delivery {
    /// The name in the API and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Cookie => "cookie",
            Self::Hybrid => "hybrid",
        }
    }

    /// Reads the name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Token, Self::Cookie, Self::Hybrid]
            .into_iter()
            .find(|delivery| delivery.as_str() == name)
    }
}

/// Why a session was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevokeReason {
    /// The person signed out.
    SignedOut,
    /// The person signed out everywhere.
    SignedOutEverywhere,
    /// A refresh token was presented that had been replaced and whose replacement was used.
    Reuse,
    /// An administrator ended it.
    Administrator,
    /// The user was disabled, removed, or their password changed.
    UserChanged,
    /// The same person signed in again in the same browser.
    Replaced,
    /// The user had more sessions than they may.
    Evicted,
}

impl RevokeReason {
    const ALL: [Self; 7] = [
        Self::SignedOut,
        Self::SignedOutEverywhere,
        Self::Reuse,
        Self::Administrator,
        Self::UserChanged,
        Self::Replaced,
        Self::Evicted,
    ];

    /// The name in the store and in the audit log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::SignedOutEverywhere => "signed_out_everywhere",
            Self::Reuse => "reuse",
            Self::Administrator => "administrator",
            Self::UserChanged => "user_changed",
            Self::Replaced => "replaced",
            Self::Evicted => "evicted",
        }
    }

    /// Reads the name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

/// How long sessions last, how late a replaced refresh token may come, and how many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// A session ends when it was not refreshed for this long.
    pub idle_ttl: Duration,
    /// A session ends this long after sign-in in any case.
    pub absolute_ttl: Duration,
    /// For this long after a rotation the replaced refresh token gets the same successor.
    pub grace: Duration,
    /// For this long after the grace a replaced token is refused without ending the session, once.
    pub straggler_window: Duration,
    /// The most live sessions of a user in each delivery.
    pub max_per_user: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for delivery in [Delivery::Token, Delivery::Cookie, Delivery::Hybrid] {
            assert_eq!(Delivery::parse(delivery.as_str()), Some(delivery));
        }
        for reason in RevokeReason::ALL {
            assert_eq!(RevokeReason::parse(reason.as_str()), Some(reason));
        }
        assert_eq!(Delivery::parse("smoke"), None);
    }
}
