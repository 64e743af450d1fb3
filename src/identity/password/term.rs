//! How long is a password good: until its owner changes it, or until they must?

use crate::clock::Timestamp;

/// How long a password is good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PasswordTerm {
    /// As long as its owner likes.
    #[default]
    Lasting,
    /// For one more sign-in, at which another must be chosen.
    ChangeDue,
    /// The same, and not after this moment: somebody else knows it.
    Temporary {
        /// Which moment.
        until: Timestamp,
    },
}

impl PasswordTerm {
    /// Whether another password must be chosen at the next sign-in.
    pub const fn is_change_due(self) -> bool {
        !matches!(self, Self::Lasting)
    }

    /// Whether it is not good any more.
    pub fn is_over(self, now: Timestamp) -> bool {
        self.until().is_some_and(|until| until <= now)
    }

    /// The moment at which it ends by itself.
    pub const fn until(self) -> Option<Timestamp> {
        match self {
            Self::Temporary { until } => Some(until),
            Self::Lasting | Self::ChangeDue => None,
        }
    }

    /// The same password with a change asked for, or not any more. A temporary one stays one.
    #[must_use]
    pub const fn with_change_due(self, due: bool) -> Self {
        match (self, due) {
            (Self::Temporary { .. }, _) => self,
            (Self::Lasting | Self::ChangeDue, true) => Self::ChangeDue,
            (Self::Lasting | Self::ChangeDue, false) => Self::Lasting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_temporary_password_ends_by_itself() {
        let at = Timestamp::from_seconds;
        let temporary = PasswordTerm::Temporary { until: at(100) };
        assert!(!temporary.is_over(at(99)));
        assert!(temporary.is_over(at(100)));
        assert!(temporary.is_change_due());
        for term in [PasswordTerm::Lasting, PasswordTerm::ChangeDue] {
            assert!(!term.is_over(at(i64::MAX / 1000)));
        }
    }

    #[test]
    fn a_temporary_password_does_not_become_a_lasting_one() {
        let until = Timestamp::from_seconds(100);
        let temporary = PasswordTerm::Temporary { until };
        for due in [true, false] {
            assert_eq!(temporary.with_change_due(due), temporary);
        }
        let asked = PasswordTerm::Lasting.with_change_due(true);
        assert!(asked.is_change_due());
        assert_eq!(asked.with_change_due(false), PasswordTerm::Lasting);
    }
}
