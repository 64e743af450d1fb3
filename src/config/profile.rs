//! `profile`: whose answers, claims and lifetimes front-ends and programs know.

use std::time::Duration;

use crate::reply::Profile;

use super::section::Section;
use super::value::choice;

pub(super) fn read(root: &mut Section<'_>) -> Profile {
    let known = [
        ("vestibule", Profile::Vestibule),
        ("flask-jwt-extended", Profile::FlaskJwtExtended),
    ];
    root.option("profile", Profile::default(), choice(&known))
}

/// How long an access token lives unless told otherwise.
pub(super) const fn access_ttl(profile: Profile) -> Duration {
    match profile {
        Profile::Vestibule => Duration::from_mins(5),
        Profile::FlaskJwtExtended => Duration::from_mins(15),
    }
}

/// How long a session may be idle unless told otherwise.
pub(super) const fn idle_ttl(profile: Profile) -> Duration {
    match profile {
        Profile::Vestibule => Duration::from_hours(14 * 24),
        Profile::FlaskJwtExtended => Duration::from_hours(30 * 24),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, ConfigError, parse};

    fn read(top: &str, rest: &str) -> Result<Config, ConfigError> {
        let text = format!("{top}\n[[routes]]\nupstream = 'http://h:1'\n{rest}");
        parse(&text, Path::new(""))
    }

    const FLASK: &str = "profile = 'flask-jwt-extended'";

    #[test]
    fn a_profile_brings_its_lifetimes_and_claims() {
        let day = Duration::from_hours(24);
        for (top, rest, minutes, idle, flask) in [
            ("", "", 5, 14 * day, false),
            ("profile = 'vestibule'", "", 5, 14 * day, false),
            (FLASK, "", 15, 30 * day, true),
            (FLASK, "[tokens]\naccess_ttl = '1m'", 1, 30 * day, true),
            (FLASK, "[sessions]\nidle_ttl = '2d'", 15, 2 * day, true),
            (
                FLASK,
                "[sessions]\nabsolute_ttl = '20d'",
                15,
                20 * day,
                true,
            ),
        ] {
            let config = read(top, rest).unwrap();
            assert_eq!(
                config.tokens.access_ttl,
                Duration::from_mins(minutes),
                "{rest}"
            );
            assert_eq!(config.sessions.idle_ttl, idle, "{rest}");
            assert_eq!(config.tokens.flask_claims, flask, "{rest}");
        }
    }

    #[test]
    fn another_profile_is_refused() {
        let refused = read("profile = 'flask'", "").unwrap_err().to_string();
        assert!(refused.contains("\"flask-jwt-extended\""), "{refused}");
        assert!(refused.contains("config.toml:1: profile"), "{refused}");
    }
}
