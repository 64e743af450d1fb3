//! What happens when? Random lives of a browser: its requests, its crashes, and how its session ends.

use proptest::collection::vec;
use proptest::prelude::*;

/// A life. All times are milliseconds, counted from the sign-in.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub(crate) trips: Vec<Trip>,
    pub(crate) crashes: Vec<Crash>,
    pub(crate) passwords: Vec<Password>,
    pub(crate) end: Option<(i64, End)>,
}

/// A request and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Trip {
    pub(crate) sent: i64,
    /// Asks for new tokens in any case; else only where the access token is old.
    pub(crate) refreshes: bool,
    /// From the client to us.
    pub(crate) there: i64,
    /// From our reading of the row to our writing.
    pub(crate) pause: i64,
    /// What the app takes before its answer begins, which carries the new pair.
    pub(crate) app: i64,
    /// From us to the client.
    pub(crate) back: i64,
    pub(crate) lost: bool,
    /// A balancer sends it again this much later, and passes on the second answer only.
    pub(crate) again: Option<i64>,
    /// Which replica it reaches.
    pub(crate) replica: usize,
}

/// The browser dies; what it had stored in its last moments is gone.
#[derive(Clone, Debug)]
pub(crate) struct Crash {
    pub(crate) at: i64,
    pub(crate) forgets: i64,
}

/// The password is changed from within the session.
#[derive(Clone, Debug)]
pub(crate) struct Password {
    pub(crate) at: i64,
    pub(crate) back: i64,
}

/// How the session is ended by somebody.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    SignedOut,
    Everywhere,
    Password,
    Disabled,
}

/// What may happen in a schedule.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manners {
    crashes: bool,
    passwords: bool,
    ends: bool,
}

impl Manners {
    pub(crate) const CRASHES: Self = Self::of(true, false, false);
    pub(crate) const PASSWORDS: Self = Self::of(false, true, false);
    pub(crate) const ENDS: Self = Self::of(false, true, true);
    pub(crate) const EVERYTHING: Self = Self::of(true, true, true);

    const fn of(crashes: bool, passwords: bool, ends: bool) -> Self {
        Self {
            crashes,
            passwords,
            ends,
        }
    }
}

/// Between two bursts: tabs a second apart, page loads, a night.
fn gaps() -> impl Strategy<Value = i64> {
    prop_oneof![
        3 => 0..3_000_i64,
        3 => 0..70_000_i64,
        2 => 0..600_000_i64,
        1 => 0..72_000_000_i64,
    ]
}

fn trips() -> impl Strategy<Value = Trip> {
    let there = prop_oneof![6 => 0..100_i64, 2 => 0..10_000_i64];
    let pause = prop_oneof![6 => Just(0), 2 => 0..50_i64, 1 => 0..2_000_i64];
    let app = prop_oneof![6 => Just(0), 2 => 0..1_000_i64, 2 => 0..150_000_i64];
    let back = prop_oneof![6 => 0..100_i64, 2 => 0..2_000_i64];
    let again =
        prop_oneof![8 => Just(None), 1 => (0..5_000_i64).prop_map(Some), 1 => Just(Some(60_000))];
    let lost = prop::bool::weighted(0.25);
    (
        any::<bool>(),
        there,
        pause,
        app,
        back,
        lost,
        again,
        0..2_usize,
    )
        .prop_map(
            |(refreshes, there, pause, app, back, lost, again, replica)| Trip {
                sent: 0,
                refreshes,
                there,
                pause,
                // Our own endpoint asks no app.
                app: if refreshes { 0 } else { app },
                back,
                lost,
                again: again.filter(|later| refreshes || *later <= 5_000),
                replica,
            },
        )
}

/// Bursts of parallel requests; a burst may begin while those before are on their way.
pub(crate) fn schedules(manners: Manners) -> impl Strategy<Value = Schedule> {
    let several = |allowed: bool, less_than: usize| 0..if allowed { less_than } else { 1 };
    let bursts = vec((gaps(), vec(trips(), 1..5)), 1..8);
    let share = || 0.0..1.0_f64;
    // Browsers write cookies down every half a minute.
    let crashes = vec((share(), 0..20_000_i64), several(manners.crashes, 3));
    let passwords = vec((share(), 0..2_000_i64), several(manners.passwords, 2));
    let ends = prop_oneof![
        Just(End::SignedOut),
        Just(End::Everywhere),
        Just(End::Password),
        Just(End::Disabled)
    ];
    let end = vec((share(), ends), several(manners.ends, 2));
    (
        bursts,
        crashes,
        passwords,
        end,
        any::<prop::sample::Index>(),
    )
        .prop_map(|(bursts, crashes, passwords, end, near)| {
            let mut sent = 0;
            let mut all = Vec::new();
            for (gap, burst) in bursts {
                sent += gap;
                all.extend(burst.into_iter().map(|trip| Trip { sent, ..trip }));
            }
            // Shortly after a request was sent: something is in flight.
            let after = |share: f64, all: &[Trip]| {
                let trip = &all[near.index(all.len())];
                let span = trip.there + trip.pause + trip.app + trip.back + 40_000;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_precision_loss,
                    reason = "a share of a short time"
                )]
                let later = (span as f64 * share * share) as i64;
                trip.sent + later
            };
            Schedule {
                crashes: crashes
                    .into_iter()
                    .map(|(share, forgets)| Crash {
                        at: after(share, &all),
                        forgets,
                    })
                    .collect(),
                passwords: passwords
                    .into_iter()
                    .map(|(share, back)| Password {
                        at: after(share, &all),
                        back,
                    })
                    .collect(),
                end: end.first().map(|&(share, end)| (after(share, &all), end)),
                trips: all,
            }
        })
}
