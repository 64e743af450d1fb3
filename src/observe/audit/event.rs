//! What can happen to sign-ins, sessions, users and keys, as the audit log tells it.

use serde::Serialize;

use crate::clock::Timestamp;
use crate::identity::{Identity, SessionId, User, UserId, UserName};
use crate::observe::audit::KeyName;
use crate::observe::{shown, shown_if};
use crate::policy::Suspicion;
use crate::session::{Delivery, Verdict};

/// Who an event is about.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Person<'a> {
    #[serde(rename = "user_id", serialize_with = "shown")]
    id: &'a UserId,
    #[serde(rename = "user_name", serialize_with = "shown_if")]
    name: Option<&'a UserName>,
}

/// What happened.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// Somebody proved who they are and got a session.
    SignedIn {
        /// Who.
        #[serde(flatten)]
        user: Person<'a>,
        /// The new session.
        #[serde(serialize_with = "shown")]
        session_id: SessionId,
        /// Where its tokens went.
        #[serde(serialize_with = "delivery_word")]
        delivery: Delivery,
    },
    /// Somebody did not.
    SignInRefused {
        /// The true reason, which the caller is not told.
        reason: SignInRefusal,
        /// Whose name was given. What was typed for an unknown name is not kept: people type
        /// passwords there.
        #[serde(flatten)]
        user: Option<Person<'a>>,
    },
    /// Somebody gave the right password, and must choose another one before they get a session.
    PasswordChangeRequired(Person<'a>),
    /// Somebody has failed so often that tries of this account from their network must wait.
    SignInsThrottled {
        /// Whose account, where it is somebody's.
        #[serde(flatten)]
        user: Option<Person<'a>>,
    },
    /// Somebody has failed so often that tries from their address must wait.
    AddressThrottled,
    /// So many tries of an account have failed in a row that it is locked for unknown devices.
    AccountLocked {
        /// Whose, where it is somebody's.
        #[serde(flatten)]
        user: Option<Person<'a>>,
        /// For how long.
        seconds: u64,
    },
    /// So many sign-ins fail everywhere that somebody must be guessing.
    SignInFlood,
    /// A session was ended by its owner.
    SignedOut {
        /// The session.
        #[serde(serialize_with = "shown")]
        session_id: SessionId,
    },
    /// All sessions of somebody were ended by their owner.
    SignedOutEverywhere(Person<'a>),
    /// Somebody changed their own password, in a session or signing in, which ended all others.
    PasswordChanged {
        /// Who.
        #[serde(flatten)]
        user: Person<'a>,
        /// The session that goes on, or begins.
        #[serde(serialize_with = "shown")]
        session_id: SessionId,
    },
    /// A refresh token was exchanged.
    Refreshed {
        /// Why it was good.
        #[serde(serialize_with = "told_verdict")]
        verdict: Verdict,
        /// Who.
        #[serde(flatten)]
        user: Person<'a>,
        /// The session.
        #[serde(serialize_with = "shown")]
        session_id: SessionId,
    },
    /// A refresh token was no good.
    RefreshRefused {
        /// Why; `None` is a token of no session that is known here.
        #[serde(serialize_with = "told_refusal")]
        reason: Option<Verdict>,
        /// Who, where that is known.
        #[serde(flatten)]
        user: Option<Person<'a>>,
        /// The session, where that is known.
        #[serde(serialize_with = "shown_if")]
        session_id: Option<SessionId>,
    },
    /// A replaced refresh token came again: two parties hold the session, which was ended.
    SessionReuse {
        /// How it was noticed.
        #[serde(serialize_with = "told_verdict")]
        verdict: Verdict,
        /// Whose session it was.
        #[serde(flatten)]
        user: Person<'a>,
        /// The session.
        #[serde(serialize_with = "shown")]
        session_id: SessionId,
    },
    /// Somebody may not do what they tried.
    Denied {
        /// By which rule.
        reason: Denial,
        /// What of the request spoke against it, where it was not the rule alone.
        #[serde(skip_serializing_if = "Option::is_none")]
        seen: Option<&'a str>,
        /// Who, where that is known.
        #[serde(flatten)]
        user: Option<Person<'a>>,
        /// The session, where there is one.
        #[serde(serialize_with = "shown_if")]
        session_id: Option<SessionId>,
        /// On which route; `(own)` is one of our own endpoints.
        route: &'a str,
    },
    /// A user was added.
    UserAdded(Deed<'a>),
    /// A user came from another app.
    UserImported {
        /// Who, and by which way.
        #[serde(flatten)]
        deed: Deed<'a>,
        /// Whether they were here already, and were changed.
        updated: bool,
    },
    /// Names, address or groups of a user were changed.
    UserChanged(Deed<'a>),
    /// An administrator set a new password.
    PasswordSet(Deed<'a>),
    /// A user was disabled.
    UserDisabled(Deed<'a>),
    /// A user was enabled.
    UserEnabled(Deed<'a>),
    /// An administrator has lifted the lock on an account.
    UserUnlocked(Deed<'a>),
    /// A user was removed.
    UserRemoved(Deed<'a>),
    /// A session was ended by a new one, because its user had too many.
    SessionEvicted {
        /// Whose it was.
        #[serde(flatten)]
        user: Person<'a>,
        /// The session.
        #[serde(serialize_with = "shown")]
        session_id: SessionId,
    },
    /// An administrator ended a session.
    SessionEnded {
        /// Whose it was, where they still are.
        #[serde(flatten)]
        user: Option<Person<'a>>,
        /// The session.
        #[serde(serialize_with = "shown")]
        session_id: SessionId,
        /// By which way.
        by: By,
    },
    /// An administrator ended all sessions of somebody.
    SessionsEnded {
        /// Whose.
        #[serde(flatten)]
        user: Person<'a>,
        /// How many lived.
        sessions: usize,
        /// By which way.
        by: By,
    },
    /// An administrator ended all sessions of everybody.
    AllSessionsEnded {
        /// How many lived.
        sessions: usize,
        /// By which way.
        by: By,
    },
    /// A key was made, or begins earlier than it would have.
    KeyMade {
        /// Which key.
        #[serde(flatten)]
        key: KeyName<'a>,
        /// When its use begins.
        #[serde(serialize_with = "shown")]
        signs_from: Timestamp,
        /// By which way.
        by: By,
    },
    /// A key was taken away: nothing it made is good any more.
    KeyRevoked {
        /// Which key.
        #[serde(flatten)]
        key: KeyName<'a>,
        /// By which way.
        by: By,
    },
    /// All keys were sealed with a new master key.
    MasterKeyChanged {
        /// By which way.
        by: By,
    },
    /// Somebody called the admin API with a token that is not the admin token.
    AdminTokenRefused,
    /// The gateway accepts requests.
    Started {
        /// Which version.
        version: &'static str,
    },
    /// The gateway has stopped.
    Stopped {
        /// Whether every request under way was answered.
        all_answered: bool,
    },
    /// A new configuration is in use.
    ConfigurationReloaded {
        /// Which options and sections have other values than before.
        applied: &'a [&'static str],
        /// Which will have after a restart.
        awaiting_restart: &'a [&'static str],
    },
    /// A new configuration could not be used: the old one goes on.
    ConfigurationRefused {
        /// Why.
        reason: &'a str,
    },
    /// The configuration holds something that should be thought about.
    ConfigurationWarning {
        /// What.
        message: &'a str,
    },
}

/// What an administrator did about a user.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Deed<'a> {
    /// Whom it is about.
    #[serde(flatten)]
    pub user: Person<'a>,
    /// By which way it was done.
    pub by: By,
}

/// By which way an administrator came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A command, such as `vestibule user add`.
    CommandLine,
    /// The admin API.
    Api,
    /// Nobody did: the gateway looks after it.
    Itself,
}

/// Why a sign-in was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignInRefusal {
    /// Nobody is called so.
    UnknownUser,
    /// The name is somebody's, the password is not theirs.
    WrongPassword,
    /// The name is somebody's whose stored hash no password fits: it cannot be read or is not
    /// supported.
    UnsupportedHash,
    /// It is them, and they may not sign in.
    Disabled,
    /// It is them, and their temporary password has expired.
    PasswordExpired,
    /// It is them, and they were changed in this very moment.
    UserChanged,
}

/// Why somebody was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Denial {
    /// The route is for others.
    NotAllowed,
    /// Another site may have sent the request.
    CrossSite,
    /// The request does not show the value by which our own pages are known.
    CsrfToken,
}

impl Denial {
    /// For what was not meant, maybe.
    pub const fn of(suspicion: &Suspicion) -> Self {
        if suspicion.is_about_token() {
            Self::CsrfToken
        } else {
            Self::CrossSite
        }
    }
}

impl<'a> Person<'a> {
    /// Somebody, with the name they have now where that is known.
    pub const fn new(id: &'a UserId, name: Option<&'a UserName>) -> Self {
        Self { id, name }
    }
}

impl<'a> From<&'a User> for Person<'a> {
    fn from(user: &'a User) -> Self {
        Self::new(&user.id, Some(&user.name))
    }
}

impl<'a> From<&'a Identity> for Person<'a> {
    fn from(identity: &'a Identity) -> Self {
        Self::new(&identity.id, Some(&identity.name))
    }
}

fn delivery_word<S: serde::Serializer>(delivery: &Delivery, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(delivery.as_str())
}

fn told_verdict<S: serde::Serializer>(verdict: &Verdict, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(verdict.as_str())
}

fn told_refusal<S: serde::Serializer>(verdict: &Option<Verdict>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(refusal_word(*verdict))
}

/// What a refused refresh is called: its verdict, or that its token is of no session known here.
pub(in crate::observe) fn refusal_word(verdict: Option<Verdict>) -> &'static str {
    verdict.map_or("unknown_token", Verdict::as_str)
}
