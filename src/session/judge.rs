//! What happens to a refresh token that is presented? A decision table: the first row that fits.
//!
//! Its rows are numbered. D1 (not authentic), D2 (the store does not answer), D3 (no such session)
//! and D14 (a lost compare-and-set: read and judge again) are decided by whoever asks; the others
//! are the [`Verdict`]s.

use std::cmp::Ordering;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::session::{RefreshToken, SessionRow, SessionSettings};

/// What the table says about one presentation of an authentic refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// D4: the session was ended before.
    Revoked,
    /// D5: the user was disabled, removed or has a new session epoch.
    UserChanged,
    /// D6: idle or absolute expiry.
    Expired,
    /// D7a: the current token, just rotated: the same token again. That proves no receipt: a browser
    /// that crashes now may come back with the token before.
    Same,
    /// D7: replace it.
    Rotate,
    /// D8, D9: the one before, within the grace or never proved received: the same successor again.
    Redeliver,
    /// D10a: a request that was held up on its way: refused, nothing ended. Also the rest of a
    /// burst with the token before the previous one, within the grace: after a lost answer, one
    /// request of the burst may get the successor and use it before the others arrive.
    Straggler {
        /// Whether this is the first one, whose time is to be kept.
        first: bool,
    },
    /// D10, D11: replaced, and the replacement was used: the session ends.
    Reuse,
    /// D12: the store holds another token of this generation: it was rolled back. The session ends.
    Fork,
    /// D13: newer than the store knows: it was rolled back. Refused.
    FromTheFuture,
}

impl Verdict {
    /// The name in the audit log and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::UserChanged => "user_changed",
            Self::Expired => "expired",
            Self::Same { .. } => "same",
            Self::Rotate => "rotate",
            Self::Redeliver => "redeliver",
            Self::Straggler { .. } => "straggler",
            Self::Reuse => "reuse",
            Self::Fork => "fork",
            Self::FromTheFuture => "from_the_future",
        }
    }
}

/// A client that retries within this span is the same straggler, not a second one.
const STRAGGLER_RETRIES: Duration = Duration::from_secs(10);

/// Judges an authentic refresh token against its session's row. `user_epoch` is the user's present
/// session epoch, `None` if the user is disabled or gone.
pub fn judge(
    row: &SessionRow,
    user_epoch: Option<u64>,
    presented: &RefreshToken,
    now: Timestamp,
    settings: &SessionSettings,
) -> Verdict {
    if row.revoked.is_some() {
        return Verdict::Revoked;
    }
    if user_epoch != Some(row.user_epoch) {
        return Verdict::UserChanged;
    }
    if now >= row.expires_at() {
        return Verdict::Expired;
    }
    match presented.generation.cmp(&row.generation) {
        Ordering::Equal => judge_current(row, presented, now, settings),
        Ordering::Less => judge_replaced(row, presented, now, settings),
        Ordering::Greater => Verdict::FromTheFuture,
    }
}

/// Whether an access token that is accepted `now`, and was `issued_at` that time with the refresh token
/// of this generation, is the first proof that the client has kept that one. Within the grace it is
/// none: a browser that crashes may lose what it got in its last moments.
pub fn proves_receipt(
    row: &SessionRow,
    generation: u64,
    issued_at: Timestamp,
    now: Timestamp,
    grace: Duration,
) -> bool {
    generation == row.generation
        && row.confirmed_at.is_none()
        && row
            .rotated_at
            .is_some_and(|at| now >= at.max(issued_at) + grace)
}

/// D7, D7a, D12.
fn judge_current(
    row: &SessionRow,
    presented: &RefreshToken,
    now: Timestamp,
    settings: &SessionSettings,
) -> Verdict {
    if !presented.hash().is(&row.current) {
        Verdict::Fork
    } else if is_just_rotated(row, now, settings.grace) {
        Verdict::Same
    } else {
        Verdict::Rotate
    }
}

/// D8 to D11.
fn judge_replaced(
    row: &SessionRow,
    presented: &RefreshToken,
    now: Timestamp,
    settings: &SessionSettings,
) -> Verdict {
    if !is_previous(row, presented) {
        let is_late = is_rest_of_burst(row, presented, now, settings.grace)
            || is_cut_off(row, presented, now, settings);
        return if is_late {
            Verdict::Straggler { first: false }
        } else {
            Verdict::Reuse
        };
    }
    if row.confirmed_at.is_none() || is_just_rotated(row, now, settings.grace) {
        return Verdict::Redeliver;
    }
    let window = settings.grace.saturating_add(settings.straggler_window);
    let first = row.straggler_at.is_none();
    let again = row
        .straggler_at
        .is_some_and(|at| now < at + STRAGGLER_RETRIES);
    if is_just_rotated(row, now, window) && (first || again) {
        Verdict::Straggler { first }
    } else {
        Verdict::Reuse
    }
}

fn is_previous(row: &SessionRow, presented: &RefreshToken) -> bool {
    presented.generation.checked_add(1) == Some(row.generation)
        && row
            .previous
            .is_some_and(|previous| presented.hash().is(&previous))
}

/// The one before, and the row does not hold it any more: the password was changed. Whoever had copied
/// it gets nothing for it; requests that were under way are late, not thieves.
fn is_cut_off(
    row: &SessionRow,
    presented: &RefreshToken,
    now: Timestamp,
    settings: &SessionSettings,
) -> bool {
    let window = settings.grace.saturating_add(settings.straggler_window);
    presented.generation.checked_add(1) == Some(row.generation)
        && row.previous.is_none()
        && is_just_rotated(row, now, window)
}

/// Two generations old, and the rotation that made it so is within the grace. Nothing is given for
/// it, so that a thief gains nothing by being counted as one.
fn is_rest_of_burst(
    row: &SessionRow,
    presented: &RefreshToken,
    now: Timestamp,
    grace: Duration,
) -> bool {
    presented.generation.checked_add(2) == Some(row.generation)
        && row.rotated_at.is_some_and(|at| now < at + grace)
}

/// Whether less than `span` has passed since the rotation, or since the client confirmed it.
/// A time that lies in the future (the clock went back) has just passed.
fn is_just_rotated(row: &SessionRow, now: Timestamp, span: Duration) -> bool {
    row.rotated_at
        .max(row.confirmed_at)
        .is_some_and(|at| now < at + span)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{SessionId, UserId};
    use crate::session::key_ring::samples;
    use crate::session::{Delivery, KeyRing, RevokeReason};

    const SETTINGS: SessionSettings = SessionSettings {
        idle_ttl: Duration::from_secs(14 * 86_400),
        absolute_ttl: Duration::from_secs(30 * 86_400),
        grace: Duration::from_secs(30),
        straggler_window: Duration::from_secs(300),
        max_per_user: 20,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn ring() -> KeyRing {
        samples::ring()
    }

    /// The tokens of generations 1, 2, 3, ….
    fn chain(ring: &KeyRing, length: usize) -> Vec<RefreshToken> {
        let first = RefreshToken::first(SessionId::from_bytes([1; 16]), [7; 32]);
        std::iter::successors(Some(first), |token| token.successor(1, ring))
            .take(length)
            .collect()
    }

    /// A session just opened with the first token at second 0.
    fn opened(first: &RefreshToken) -> SessionRow {
        SessionRow {
            id: first.session,
            user: UserId::from_bytes([1; 16]),
            user_epoch: 5,
            delivery: Delivery::Cookie,
            remember: true,
            device: None,
            ip: None,
            user_agent: None,
            created_at: at(0),
            authenticated_at: at(0),
            last_seen_at: at(0),
            generation: 1,
            current: first.hash(),
            previous: None,
            next_key: 1,
            rotated_at: None,
            confirmed_at: None,
            straggler_at: None,
            idle_expires_at: at(0) + SETTINGS.idle_ttl,
            absolute_expires_at: at(0) + SETTINGS.absolute_ttl,
            revoked: None,
        }
    }

    /// A session at generation 3, rotated at second 1000 and confirmed as told.
    fn rotated(tokens: &[RefreshToken], confirmed: Option<i64>) -> SessionRow {
        SessionRow {
            generation: 3,
            current: tokens[2].hash(),
            previous: Some(tokens[1].hash()),
            rotated_at: Some(at(1000)),
            confirmed_at: confirmed.map(at),
            ..opened(&tokens[0])
        }
    }

    /// A token of the same session and generation with another secret.
    fn forked(token: &RefreshToken) -> RefreshToken {
        RefreshToken {
            generation: token.generation,
            ..RefreshToken::first(token.session, [9; 32])
        }
    }

    #[test]
    fn d4_a_revoked_session_stays_revoked() {
        let tokens = chain(&ring(), 3);
        let mut row = rotated(&tokens, None);
        row.revoked = Some((at(1001), RevokeReason::Reuse));
        for presented in &tokens {
            let verdict = judge(&row, None, presented, at(9_999_999), &SETTINGS);
            assert_eq!(verdict, Verdict::Revoked);
        }
    }

    #[test]
    fn d5_a_changed_user_has_no_session() {
        let tokens = chain(&ring(), 3);
        let row = rotated(&tokens, None);
        for epoch in [None, Some(4), Some(6)] {
            let verdict = judge(&row, epoch, &tokens[2], at(1000), &SETTINGS);
            assert_eq!(verdict, Verdict::UserChanged, "{epoch:?}");
        }
    }

    #[test]
    fn d6_a_session_ends_at_its_idle_and_absolute_expiry() {
        let tokens = chain(&ring(), 1);
        for (idle, absolute, now, over) in [
            (500, 900, 499, false),
            (500, 900, 500, true),
            (900, 500, 499, false),
            (900, 500, 500, true),
        ] {
            let mut row = opened(&tokens[0]);
            row.idle_expires_at = at(idle);
            row.absolute_expires_at = at(absolute);
            let verdict = judge(&row, Some(5), &tokens[0], at(now), &SETTINGS);
            assert_eq!(verdict == Verdict::Expired, over, "{idle} {absolute} {now}");
        }
    }

    #[test]
    fn d7_the_first_token_is_rotated_at_once() {
        let tokens = chain(&ring(), 1);
        let verdict = judge(&opened(&tokens[0]), Some(5), &tokens[0], at(0), &SETTINGS);
        assert_eq!(verdict, Verdict::Rotate);
    }

    /// Generation 3 is current, rotated at second 1000: what happens to whom when?
    #[test]
    fn d7a_to_d11_depend_on_time_and_confirmation() {
        const SAME: Verdict = Verdict::Same;
        const FIRST: Verdict = Verdict::Straggler { first: true };
        const REST: Verdict = Verdict::Straggler { first: false };
        let tokens = chain(&ring(), 3);
        for (case, generation, confirmed, now, expected) in [
            ("D7a: at once", 3, None, 1000, SAME),
            ("D7a: two tabs", 3, Some(1010), 1011, SAME),
            ("D7a: until the grace is over", 3, None, 1029, SAME),
            ("D7: the grace is over", 3, None, 1030, Verdict::Rotate),
            ("D7a: grace from confirmation", 3, Some(1020), 1049, SAME),
            ("D7", 3, Some(1020), 1050, Verdict::Rotate),
            ("D7a: the clock went back", 3, None, 10, SAME),
            ("D8: within the grace", 2, None, 1029, Verdict::Redeliver),
            ("D8: confirmed", 2, Some(1001), 1030, Verdict::Redeliver),
            ("D8: clock back", 2, Some(1001), 10, Verdict::Redeliver),
            ("D9: lost answer", 2, None, 1030, Verdict::Redeliver),
            ("D9: days later", 2, None, 900_000, Verdict::Redeliver),
            ("D10a: held up", 2, Some(1001), 1031, FIRST),
            ("D10a: the last moment", 2, Some(1001), 1330, FIRST),
            ("D10: too late", 2, Some(1001), 1331, Verdict::Reuse),
            ("D10a: rest of a burst", 1, None, 1029, REST),
            ("D10a: the clock went back", 1, Some(1001), 10, REST),
            ("D11: two generations old", 1, None, 1030, Verdict::Reuse),
            ("D11: and confirmed", 1, Some(1029), 1030, Verdict::Reuse),
        ] {
            let row = rotated(&tokens, confirmed);
            let verdict = judge(&row, Some(5), &tokens[generation - 1], at(now), &SETTINGS);
            assert_eq!(verdict, expected, "{case}");
        }
    }

    #[test]
    fn after_a_change_of_password_the_token_before_is_worth_nothing() {
        const LATE: Verdict = Verdict::Straggler { first: false };
        let tokens = chain(&ring(), 3);
        for (generation, confirmed, now, expected) in [
            (2, None, 1000, LATE),
            (2, None, 1329, LATE),
            (2, None, 1330, Verdict::Reuse),
            (2, Some(1001), 1001, LATE),
            (3, None, 1000, Verdict::Same),
            (1, None, 1030, Verdict::Reuse),
        ] {
            let mut row = rotated(&tokens, confirmed);
            row.previous = None;
            let verdict = judge(&row, Some(5), &tokens[generation - 1], at(now), &SETTINGS);
            assert_eq!(verdict, expected, "{generation} at {now}");
        }
    }

    #[test]
    fn an_access_token_proves_receipt_once_the_grace_is_over() {
        let tokens = chain(&ring(), 3);
        let grace = SETTINGS.grace;
        for (generation, issued, confirmed, now, proves) in [
            (3, 1000, None, 1030, true),
            (3, 1000, None, 1029, false),
            (3, 1005, None, 1034, false),
            (3, 1005, None, 1035, true),
            (3, 1000, Some(1030), 1031, false),
            (2, 1000, None, 1030, false),
            (4, 1000, None, 1030, false),
        ] {
            let row = rotated(&tokens, confirmed);
            let proved = proves_receipt(&row, generation, at(issued), at(now), grace);
            assert_eq!(proved, proves, "{generation} {issued} {confirmed:?} {now}");
        }
        let fresh = opened(&tokens[0]);
        assert!(
            !proves_receipt(&fresh, 1, at(0), at(1030), grace),
            "none before"
        );
    }

    #[test]
    fn d10a_a_second_straggler_is_reuse() {
        let tokens = chain(&ring(), 3);
        let mut row = rotated(&tokens, Some(1001));
        row.straggler_at = Some(at(1100));
        for (now, expected) in [
            (1100, Verdict::Straggler { first: false }),
            (1109, Verdict::Straggler { first: false }),
            (1110, Verdict::Reuse),
        ] {
            let verdict = judge(&row, Some(5), &tokens[1], at(now), &SETTINGS);
            assert_eq!(verdict, expected, "{now}");
        }
    }

    #[test]
    fn d11_a_previous_generation_with_another_secret_is_reuse() {
        let tokens = chain(&ring(), 3);
        let row = rotated(&tokens, None);
        let verdict = judge(&row, Some(5), &forked(&tokens[1]), at(1000), &SETTINGS);
        assert_eq!(verdict, Verdict::Reuse);
    }

    #[test]
    fn d12_the_current_generation_with_another_secret_is_a_fork() {
        let tokens = chain(&ring(), 3);
        let row = rotated(&tokens, None);
        let verdict = judge(&row, Some(5), &forked(&tokens[2]), at(1000), &SETTINGS);
        assert_eq!(verdict, Verdict::Fork);
    }

    #[test]
    fn d13_a_newer_generation_comes_from_the_future() {
        let tokens = chain(&ring(), 4);
        let row = rotated(&tokens, None);
        let verdict = judge(&row, Some(5), &tokens[3], at(1000), &SETTINGS);
        assert_eq!(verdict, Verdict::FromTheFuture);
        let last = RefreshToken {
            generation: u64::MAX,
            ..forked(&tokens[3])
        };
        let verdict = judge(&row, Some(5), &last, at(1000), &SETTINGS);
        assert_eq!(verdict, Verdict::FromTheFuture);
    }

    #[test]
    fn without_grace_a_replaced_token_works_only_until_its_successor_is_used() {
        let settings = SessionSettings {
            grace: Duration::ZERO,
            straggler_window: Duration::ZERO,
            ..SETTINGS
        };
        let tokens = chain(&ring(), 3);
        let lost = judge(
            &rotated(&tokens, None),
            Some(5),
            &tokens[1],
            at(1000),
            &settings,
        );
        assert_eq!(lost, Verdict::Redeliver);
        let row = rotated(&tokens, Some(1000));
        let used = judge(&row, Some(5), &tokens[1], at(1000), &settings);
        assert_eq!(used, Verdict::Reuse);
    }
}
