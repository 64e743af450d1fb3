//! How often did people sign in and out, refresh, and fail to, and when was which configuration taken
//! over? Counted from what the audit log is told.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::clock::Timestamp;
use crate::observe::Event;
use crate::observe::audit::{Denial, SignInRefusal, refusal_word};
use crate::observe::metrics::Family;

/// What can become of a sign-in.
const SIGN_INS: [&str; 8] = [
    SIGNED_IN,
    CHANGE_REQUIRED,
    "unknown_user",
    "wrong_password",
    "unsupported_hash",
    "disabled",
    "password_expired",
    "user_changed",
];
const SIGNED_IN: &str = "signed_in";
const CHANGE_REQUIRED: &str = "password_change_required";
/// What can become of a refresh, with the words of the audit log.
const REFRESHES: [&str; 11] = [
    "rotate",
    "same",
    "redeliver",
    "revoked",
    "user_changed",
    "expired",
    "straggler",
    "reuse",
    "fork",
    "from_the_future",
    "unknown_token",
];
/// How much was signed out.
const SIGN_OUTS: [&str; 2] = [SESSION, EVERYWHERE];
const SESSION: &str = "session";
const EVERYWHERE: &str = "everywhere";
/// Why somebody was turned away.
const DENIALS: [&str; 3] = [NOT_ALLOWED, CROSS_SITE, CSRF_TOKEN];
const NOT_ALLOWED: &str = "not_allowed";
const CROSS_SITE: &str = "cross_site";
const CSRF_TOKEN: &str = "csrf_token";

/// What the defence of sign-ins has done.
const DEFENCES: [&str; 4] = [THROTTLED, ADDRESS_THROTTLED, LOCKED, FLOOD];
const THROTTLED: &str = "account_throttled";
const ADDRESS_THROTTLED: &str = "address_throttled";
const LOCKED: &str = "account_locked";
const FLOOD: &str = "flood";

/// What can become of a new configuration.
const RELOADS: [&str; 2] = [APPLIED, REFUSED];
const APPLIED: &str = "applied";
const REFUSED: &str = "refused";

/// What can be done about keys.
const KEY_CHANGES: [&str; 3] = [MADE, REVOKED, RESEALED];
const MADE: &str = "made";
const REVOKED: &str = "revoked";
const RESEALED: &str = "resealed";

/// The handles. Cheap enough to look for by word: no event is on the way of every request.
#[derive(Clone)]
pub struct Events {
    sign_ins: Words<8>,
    defences: Words<4>,
    refreshes: Words<11>,
    sign_outs: Words<2>,
    denials: Words<3>,
    password_changes: Counter,
    refused_admin_tokens: Counter,
    reloads: Words<2>,
    key_changes: Words<3>,
    taken_over: Gauge,
}

/// A counter a word.
#[derive(Clone)]
struct Words<const N: usize>([(&'static str, Counter); N]);

impl Events {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let password_changes = counter(
            registry,
            "password_changes",
            "Passwords that people changed themselves",
        );
        let refused_admin_tokens = counter(
            registry,
            "admin_tokens_refused",
            "Requests to the admin API with a token that is not the admin token",
        );
        Self {
            sign_ins: Words::new(
                registry,
                ("sign_ins", "Sign-ins by outcome"),
                "outcome",
                SIGN_INS,
            ),
            defences: defences(registry),
            refreshes: Words::new(
                registry,
                (
                    "refreshes",
                    "Refresh tokens that were presented, by the verdict on them",
                ),
                "verdict",
                REFRESHES,
            ),
            sign_outs: Words::new(
                registry,
                ("sign_outs", "Sign-outs of one session or of all of a user"),
                "scope",
                SIGN_OUTS,
            ),
            denials: Words::new(
                registry,
                (
                    "denials",
                    "Requests that a rule or the check for forged ones turned away, by reason",
                ),
                "reason",
                DENIALS,
            ),
            password_changes,
            refused_admin_tokens,
            reloads: Words::new(
                registry,
                (
                    "config_reloads",
                    "Configurations that were read while running, by outcome",
                ),
                "outcome",
                RELOADS,
            ),
            key_changes: key_changes(registry),
            taken_over: taken_over(registry),
        }
    }

    /// Counters that nobody fetches: of a command.
    pub fn unregistered() -> Self {
        Self::new(&mut Registry::default())
    }

    /// Counts an event of this moment.
    pub(in crate::observe) fn count(&self, event: &Event<'_>, now: Timestamp) {
        match event {
            Event::SignedIn { .. } => self.sign_ins.count(SIGNED_IN),
            Event::SignInRefused { reason, .. } => self.sign_ins.count(refused(*reason)),
            Event::PasswordChangeRequired(_) => self.sign_ins.count(CHANGE_REQUIRED),
            Event::SignInsThrottled { .. } => self.defences.count(THROTTLED),
            Event::AddressThrottled => self.defences.count(ADDRESS_THROTTLED),
            Event::AccountLocked { .. } => self.defences.count(LOCKED),
            Event::SignInFlood => self.defences.count(FLOOD),
            Event::SignedOut { .. } => self.sign_outs.count(SESSION),
            Event::SignedOutEverywhere(_) => self.sign_outs.count(EVERYWHERE),
            Event::PasswordChanged { .. } => {
                self.password_changes.inc();
            }
            Event::AdminTokenRefused => {
                self.refused_admin_tokens.inc();
            }
            Event::Refreshed { verdict, .. } | Event::SessionReuse { verdict, .. } => {
                self.refreshes.count(verdict.as_str());
            }
            Event::RefreshRefused { reason, .. } => self.refreshes.count(refusal_word(*reason)),
            Event::Denied { reason, .. } => self.denials.count(match reason {
                Denial::NotAllowed => NOT_ALLOWED,
                Denial::CrossSite => CROSS_SITE,
                Denial::CsrfToken => CSRF_TOKEN,
            }),
            Event::Started { .. } => {
                self.taken_over.set(now.seconds());
            }
            Event::ConfigurationReloaded { .. } => {
                self.reloads.count(APPLIED);
                self.taken_over.set(now.seconds());
            }
            Event::ConfigurationRefused { .. } => self.reloads.count(REFUSED),
            Event::KeyMade { .. } => self.key_changes.count(MADE),
            Event::KeyRevoked { .. } => self.key_changes.count(REVOKED),
            Event::MasterKeyChanged { .. } => self.key_changes.count(RESEALED),
            Event::UserAdded(_)
            | Event::UserImported { .. }
            | Event::UserChanged(_)
            | Event::PasswordSet(_)
            | Event::UserDisabled(_)
            | Event::UserEnabled(_)
            | Event::UserUnlocked(_)
            | Event::UserRemoved(_)
            | Event::SessionEvicted { .. }
            | Event::SessionEnded { .. }
            | Event::SessionsEnded { .. }
            | Event::AllSessionsEnded { .. }
            | Event::Stopped { .. }
            | Event::ConfigurationWarning { .. } => {}
        }
    }
}

/// What the defence of sign-ins does.
fn defences(registry: &mut Registry) -> Words<4> {
    let help = "How often somebody had to begin to wait before they may try to sign in again";
    let name = ("sign_in_defences", help);
    Words::new(registry, name, "measure", DEFENCES)
}

fn key_changes(registry: &mut Registry) -> Words<3> {
    let help = "Keys that this process made or took away, and changes of the master key";
    Words::new(registry, ("key_changes", help), "change", KEY_CHANGES)
}

fn taken_over(registry: &mut Registry) -> Gauge {
    let taken_over = Gauge::default();
    registry.register_with_unit(
        "config_applied_timestamp",
        "When the configuration in use was taken over, since the Unix epoch",
        Unit::Seconds,
        taken_over.clone(),
    );
    taken_over
}

fn counter(registry: &mut Registry, name: &str, help: &str) -> Counter {
    let counter = Counter::default();
    registry.register(name, help, counter.clone());
    counter
}

const fn refused(reason: SignInRefusal) -> &'static str {
    match reason {
        SignInRefusal::UnknownUser => "unknown_user",
        SignInRefusal::WrongPassword => "wrong_password",
        SignInRefusal::UnsupportedHash => "unsupported_hash",
        SignInRefusal::Disabled => "disabled",
        SignInRefusal::PasswordExpired => "password_expired",
        SignInRefusal::UserChanged => "user_changed",
    }
}

impl<const N: usize> Words<N> {
    fn new(
        registry: &mut Registry,
        (name, help): (&str, &str),
        label: &'static str,
        words: [&'static str; N],
    ) -> Self {
        let family = Family::<Counter, 1>::new(registry, name, help, [label]);
        Self(words.map(|word| (word, family.with([word]))))
    }

    fn count(&self, word: &str) {
        if let Some((_, count)) = self.0.iter().find(|(known, _)| *known == word) {
            count.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Verdict;

    #[test]
    fn every_verdict_and_refusal_has_its_counter() {
        let verdicts = [
            Verdict::Revoked,
            Verdict::UserChanged,
            Verdict::Expired,
            Verdict::Same,
            Verdict::Rotate,
            Verdict::Redeliver,
            Verdict::Straggler { first: true },
            Verdict::Reuse,
            Verdict::Fork,
            Verdict::FromTheFuture,
        ];
        let words = verdicts.map(Some).into_iter().chain([None]);
        let words: Vec<&str> = words.map(refusal_word).collect();
        assert_eq!(words.len(), REFRESHES.len());
        assert!(words.iter().all(|word| REFRESHES.contains(word)));
        for reason in [
            SignInRefusal::UnknownUser,
            SignInRefusal::WrongPassword,
            SignInRefusal::UnsupportedHash,
            SignInRefusal::Disabled,
            SignInRefusal::PasswordExpired,
            SignInRefusal::UserChanged,
        ] {
            assert!(SIGN_INS.contains(&refused(reason)), "{reason:?}");
        }
    }
}
