//! What time is it, when the system's clock is set while the program runs?

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Clock, SystemClock, Timestamp};

/// A step up to here is followed at once: clocks are corrected all the time.
const SMALL_STEP: i64 = 5_000;
/// Another time than expected is believed when it has held for this long.
const HOLDS: Duration = Duration::from_secs(60);
/// For this long the system's clock is taken as it is after it was looked at closely.
const TRUSTED: i64 = 1_000;

/// The system's clock, but for jumps: time goes on as if there had been none until the new time has
/// held for a minute. A clock that is set wrong for a moment neither ends sessions nor revives them.
#[derive(Debug)]
pub struct SteadyClock {
    origin: Instant,
    /// When the clock was last looked at closely, in milliseconds.
    looked_at: AtomicI64,
    course: Mutex<Course>,
}

impl SteadyClock {
    /// Starts with the system's time.
    pub fn new() -> Self {
        let now = SystemClock.now().millis();
        Self {
            origin: Instant::now(),
            looked_at: AtomicI64::new(now),
            course: Mutex::new(Course::starting(now)),
        }
    }

    /// Once a second, and while the system's clock is not believed.
    fn look_closely(&self, wall: i64) -> i64 {
        let mut course = self.course.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *course;
        *course = advance(before, wall, self.origin.elapsed());
        self.looked_at.store(course.told, Ordering::Relaxed);
        match (before.jump, course.jump) {
            (None, Some(_)) => tracing::warn!(
                seconds = wall.saturating_sub(course.told) / 1000,
                "the system's clock has jumped: it is believed if it stays so for a minute"
            ),
            (Some(_), None) => tracing::warn!("the system's clock is followed again"),
            (None, None) | (Some(_), Some(_)) => {}
        }
        course.told
    }
}

impl Default for SteadyClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        let wall = SystemClock.now().millis();
        let looked_at = self.looked_at.load(Ordering::Relaxed);
        let is_trusted = (0..TRUSTED).contains(&wall.saturating_sub(looked_at));
        Timestamp::from_millis(if is_trusted {
            wall
        } else {
            self.look_closely(wall)
        })
    }
}

/// What was told last, and whether the system's clock says something else. In milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Course {
    told: i64,
    /// By the clock that cannot be set.
    at: Duration,
    jump: Option<Jump>,
}

/// Another time than the expected one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Jump {
    since: Duration,
    /// How far it is from the expected one.
    by: i64,
}

impl Course {
    const fn starting(now: i64) -> Self {
        Self {
            told: now,
            at: Duration::ZERO,
            jump: None,
        }
    }
}

/// The course at `wall` by the system's clock and `monotonic` by the one that cannot be set.
fn advance(before: Course, wall: i64, monotonic: Duration) -> Course {
    let passed = monotonic.saturating_sub(before.at).as_millis();
    let passed = i64::try_from(passed).unwrap_or(i64::MAX);
    let expected = before.told.saturating_add(passed);
    let by = wall.saturating_sub(expected);
    let at = monotonic;
    if by.saturating_abs() <= SMALL_STEP {
        let told = wall.max(before.told);
        return Course {
            told,
            at,
            jump: None,
        };
    }
    let is_same = |jump: &Jump| by.saturating_sub(jump.by).saturating_abs() <= SMALL_STEP;
    let jump = before.jump.filter(is_same).unwrap_or(Jump {
        since: monotonic,
        by,
    });
    if monotonic.saturating_sub(jump.since) >= HOLDS {
        return Course {
            told: wall,
            at,
            jump: None,
        };
    }
    Course {
        told: expected,
        at,
        jump: Some(jump),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told, in seconds, when the system's clock says this at these seconds of a program that
    /// started at 1000.
    fn told(looks: &[(u64, i64)]) -> Vec<i64> {
        let mut course = Course::starting(1_000_000);
        let look = |&(at, wall): &(u64, i64)| {
            course = advance(course, wall * 1000, Duration::from_secs(at));
            course.told / 1000
        };
        looks.iter().map(look).collect()
    }

    /// Its name, the looks, and what is told at each.
    type Case = (&'static str, &'static [(u64, i64)], &'static [i64]);

    #[test]
    fn time_is_followed_but_for_jumps_that_do_not_hold() {
        let cases: [Case; 8] = [
            ("as it goes", &[(1, 1001), (2, 1002)], &[1001, 1002]),
            ("a long silence", &[(9000, 10_000)], &[10_000]),
            ("a small step on", &[(1, 1004), (2, 1005)], &[1004, 1005]),
            (
                "a small step back stands still",
                &[(10, 1010), (11, 1008), (14, 1011)],
                &[1010, 1010, 1011],
            ),
            (
                "back, and it holds",
                &[(10, 500), (40, 530), (69, 559), (70, 560), (71, 561)],
                &[1010, 1040, 1069, 560, 561],
            ),
            (
                "on, and it holds",
                &[(10, 5000), (69, 5059), (70, 5060), (71, 5061)],
                &[1010, 1069, 5060, 5061],
            ),
            (
                "back, and right again",
                &[(10, 500), (30, 1030), (31, 1031)],
                &[1010, 1030, 1031],
            ),
            (
                "to and fro: each holds for itself",
                &[(10, 500), (60, 9000), (70, 9010), (120, 9060)],
                &[1010, 1060, 1070, 9060],
            ),
        ];
        for (case, looks, expected) in cases {
            assert_eq!(told(looks), expected, "{case}");
        }
    }

    #[test]
    fn extremes_overflow_nothing() {
        let start = Course::starting(i64::MAX);
        for wall in [i64::MIN, 0, i64::MAX] {
            let course = advance(start, wall, Duration::MAX);
            assert_eq!(
                advance(course, wall, Duration::ZERO).jump.is_some(),
                wall != i64::MAX
            );
        }
    }

    #[test]
    fn an_undisturbed_clock_is_the_systems() {
        let (before, clock) = (SystemClock.now(), SteadyClock::new());
        let (now, after) = (clock.now(), SystemClock.now());
        assert!(
            before <= now && now <= after,
            "{before:?} {now:?} {after:?}"
        );
    }
}
