//! What does the sign-in page say above the form?

use std::time::Duration;

use super::languages::Language;
use crate::identity::password::PasswordError;

/// Why the form is shown (again).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// The name or the password is wrong.
    Wrong,
    /// The current password is wrong.
    WrongCurrent,
    /// A new password must be chosen.
    ChangeDue,
    /// The page asks for a fresher sign-in than theirs.
    TooOld,
    /// A cookie of ours came twice.
    CameTwice,
    /// What they typed while their session ended is kept for so long.
    Kept(Duration),
    /// Nothing was checked: there is no try for so long.
    Wait(Duration),
    /// The new password is not accepted.
    Refused(PasswordError),
}

impl Message {
    /// Whether something went wrong. Otherwise something is asked for.
    pub(super) const fn is_alarm(self) -> bool {
        !matches!(self, Self::ChangeDue | Self::TooOld | Self::Kept(_))
    }

    /// In this language.
    pub(super) fn said(self, language: &Language) -> String {
        match self {
            Self::Wrong => language.say("message.wrong", &[]),
            Self::WrongCurrent => language.say("message.wrong_current", &[]),
            Self::ChangeDue => language.say("message.change_due", &[]),
            Self::TooOld => language.say("message.too_old", &[]),
            Self::CameTwice => language.say("problems.ambiguous_cookies.text", &[]),
            Self::Kept(time) => {
                let time = in_words(time, language);
                language.say("message.kept", &[("time", &time)])
            }
            Self::Wait(time) => {
                let time = in_words(time, language);
                language.say("message.wait", &[("time", &time)])
            }
            Self::Refused(error) => refused(error, language),
        }
    }
}

fn refused(error: PasswordError, language: &Language) -> String {
    let key = match error {
        PasswordError::TooShort { min_length } => {
            let least = min_length.to_string();
            return language.say("refused_password.too_short", &[("least", &least)]);
        }
        PasswordError::TooLong { max_length } => {
            let most = max_length.to_string();
            return language.say("refused_password.too_long", &[("most", &most)]);
        }
        PasswordError::Common => "refused_password.common",
        PasswordError::Denied => "refused_password.denied",
        PasswordError::OwnName => "refused_password.own_name",
        PasswordError::Host => "refused_password.host",
        PasswordError::Unchanged => "refused_password.unchanged",
    };
    language.say(key, &[])
}

/// A length of something in bytes or KiB; never less than it is.
pub(super) fn size(bytes: usize, language: &Language) -> String {
    let (count, key) = match bytes {
        0..1024 => (bytes, "size.bytes"),
        _ => (bytes.div_ceil(1024), "size.kib"),
    };
    language.say(key, &[("count", &count.to_string())])
}

/// A duration in the largest unit that has two of it; never less than it is.
pub(super) fn in_words(time: Duration, language: &Language) -> String {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds.div_ceil(60), "minute"),
        _ => (seconds.div_ceil(3600), "hour"),
    };
    counted(count, unit, language)
}

/// So many of a unit: `second`, `minute`, `hour` or `day`.
pub(super) fn counted(count: u64, unit: &str, language: &Language) -> String {
    let plural = if count == 1 { "" } else { "s" };
    let key = format!("time.{unit}{plural}");
    language.say(&key, &[("count", &count.to_string())])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::pages::languages::Languages;

    fn english() -> Arc<Language> {
        let (languages, _) = Languages::with([]).unwrap();
        Arc::clone(languages.iter().next().unwrap())
    }

    #[test]
    fn times_are_told_in_full_units_and_never_too_short() {
        for (millis, told) in [
            (1, "1 second"),
            (30_000, "30 seconds"),
            (119_001, "2 minutes"),
            (121_000, "3 minutes"),
            (7_200_000, "2 hours"),
            (86_400_000, "24 hours"),
        ] {
            let told_now = in_words(Duration::from_millis(millis), &english());
            assert_eq!(told_now, told, "{millis}");
        }
    }

    #[test]
    fn sizes_are_told_in_bytes_and_kib_and_never_too_small() {
        for (bytes, told) in [(0, "0 bytes"), (1023, "1023 bytes"), (1025, "2 KiB")] {
            assert_eq!(size(bytes, &english()), told);
        }
    }

    #[test]
    fn every_message_has_its_words() {
        for (message, told) in [
            (Message::Wrong, "is wrong"),
            (Message::WrongCurrent, "current password is wrong"),
            (Message::ChangeDue, "choose a new password"),
            (Message::TooOld, "sign in again"),
            (Message::CameTwice, "twice"),
            (
                Message::Kept(Duration::from_mins(10)),
                "is kept for 10 minutes",
            ),
            (Message::Wait(Duration::from_secs(9)), "wait 9 seconds"),
            (
                Message::Refused(PasswordError::TooShort { min_length: 8 }),
                "at least 8 characters",
            ),
            (
                Message::Refused(PasswordError::TooLong { max_length: 256 }),
                "at most 256 characters",
            ),
            (Message::Refused(PasswordError::Common), "most common"),
            (Message::Refused(PasswordError::Denied), "not allowed here"),
            (Message::Refused(PasswordError::OwnName), "your own name"),
            (Message::Refused(PasswordError::Host), "name of this site"),
            (
                Message::Refused(PasswordError::Unchanged),
                "the one that you have",
            ),
        ] {
            let said = message.said(&english());
            assert!(said.contains(told), "{message:?}: {said}");
        }
    }
}
