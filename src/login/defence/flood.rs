//! Is somebody guessing at everybody at once? Told once an episode.

use crate::clock::Timestamp;

/// So many failures within a second are a storm.
const STORM: u32 = 50;
/// A storm of so many seconds in a row is a flood.
const SECONDS: u32 = 10;

/// The failures of the present second, and for how long there were too many.
#[derive(Debug, Default)]
pub(super) struct Flood {
    second: i64,
    failures: u32,
    stormy: u32,
    calm: u32,
    is_told: bool,
}

impl Flood {
    /// Counts a failure; `true` where it makes a flood that nobody was told of yet.
    pub(super) fn note(&mut self, now: Timestamp) -> bool {
        let second = now.seconds();
        if second != self.second {
            self.turn(second);
        }
        self.failures = self.failures.saturating_add(1);
        let is_new = self.stormy >= SECONDS && !self.is_told;
        self.is_told |= is_new;
        is_new
    }

    /// The second before is over; between it and this one, there may have been silence.
    fn turn(&mut self, second: i64) {
        let silent = second.saturating_sub(self.second).saturating_sub(1);
        let silent = u32::try_from(silent).unwrap_or(u32::MAX);
        if self.failures > STORM {
            (self.stormy, self.calm) = (self.stormy.saturating_add(1), 0);
        } else {
            (self.stormy, self.calm) = (0, self.calm.saturating_add(1));
        }
        if silent > 0 {
            self.stormy = 0;
            self.calm = self.calm.saturating_add(silent);
        }
        if self.calm >= SECONDS {
            self.is_told = false;
        }
        (self.second, self.failures) = (second, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often a flood is told of, with so many failures in each second of these spans.
    fn told(spans: &[(u32, i64)]) -> usize {
        let (mut flood, mut second, mut told) = (Flood::default(), 1000, 0);
        for (failures, seconds) in spans {
            for _ in 0..*seconds {
                for _ in 0..*failures {
                    told += usize::from(flood.note(Timestamp::from_seconds(second)));
                }
                second += 1;
            }
        }
        told
    }

    #[test]
    fn a_flood_is_told_of_once_an_episode() {
        for (spans, times) in [
            (&[(50, 60)][..], 0),
            (&[(51, 10)], 0),
            (&[(51, 11)], 1),
            (&[(500, 60)], 1),
            (&[(51, 9), (50, 1), (51, 9)], 0),
            (&[(51, 9), (0, 1), (51, 9)], 0),
            (&[(51, 30), (1, 5), (51, 30)], 1),
            (&[(51, 30), (1, 10), (51, 30)], 2),
            (&[(51, 30), (0, 60), (51, 30)], 2),
        ] {
            assert_eq!(told(spans), times, "{spans:?}");
        }
    }
}
