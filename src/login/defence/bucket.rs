//! A bucket of tries that fills up again: how many are left, and when does the next one come?

use std::time::Duration;

use crate::clock::Timestamp;

/// How large a bucket is, and how soon it gets one back.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// How many it holds.
    pub size: usize,
    /// How long until one is back.
    pub refill: Duration,
}

/// A bucket, as the moment at which it will be full again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at: Timestamp,
}

impl Bucket {
    /// Takes one, or says how long until there is one.
    pub fn take(&mut self, measure: Measure, now: Timestamp) -> Result<(), Duration> {
        match self.wait(measure, now) {
            Duration::ZERO => {
                self.full_at = self.full_at.max(now) + measure.refill;
                Ok(())
            }
            wait => Err(wait),
        }
    }

    /// How long until one can be taken. Never longer than the whole bucket takes, even where the clock
    /// was set back.
    pub fn wait(&self, measure: Measure, now: Timestamp) -> Duration {
        let others = u32::try_from(measure.size.saturating_sub(1)).unwrap_or(u32::MAX);
        let missing = self.full_at.since(now);
        let missing = missing.min(measure.refill.saturating_mul(others.saturating_add(1)));
        missing.saturating_sub(measure.refill.saturating_mul(others))
    }

    /// Puts one back.
    pub fn put_back(&mut self, measure: Measure) {
        self.full_at = self.full_at - measure.refill;
    }

    /// Whether nothing is missing.
    pub fn is_full(&self, now: Timestamp) -> bool {
        self.full_at <= now
    }

    /// How many are missing, rounded up.
    pub fn missing(&self, measure: Measure, now: Timestamp) -> usize {
        let missing = self.full_at.since(now).as_millis();
        let one = measure.refill.as_millis().max(1);
        usize::try_from(missing.div_ceil(one)).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWENTY: Measure = Measure {
        size: 20,
        refill: Duration::from_secs(6),
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_000_000 + seconds)
    }

    #[test]
    fn all_can_be_taken_at_once_and_come_back_one_by_one() {
        let mut bucket = Bucket::default();
        for taken in 0..20 {
            assert_eq!(bucket.missing(TWENTY, at(0)), taken);
            assert_eq!(bucket.take(TWENTY, at(0)), Ok(()), "{taken}");
        }
        for (second, outcome) in [
            (0, Err(6)),
            (1, Err(5)),
            (6, Ok(())),
            (7, Err(5)),
            (18, Ok(())),
            (18, Ok(())),
            (18, Err(6)),
        ] {
            let outcome = outcome.map_err(Duration::from_secs);
            assert_eq!(bucket.take(TWENTY, at(second)), outcome, "{second}");
        }
        assert!(!bucket.is_full(at(137)));
        assert!(bucket.is_full(at(138)));
    }

    #[test]
    fn what_is_put_back_can_be_taken_again() {
        let mut bucket = Bucket::default();
        for _ in 0..20 {
            bucket.take(TWENTY, at(0)).unwrap();
        }
        bucket.put_back(TWENTY);
        assert_eq!(bucket.take(TWENTY, at(0)), Ok(()));
        assert!(bucket.take(TWENTY, at(0)).is_err());
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_wait_longer_than_one_refill() {
        let mut bucket = Bucket::default();
        bucket.take(TWENTY, at(1_000_000)).unwrap();
        assert_eq!(bucket.wait(TWENTY, at(0)), TWENTY.refill);
    }
}
