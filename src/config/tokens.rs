//! `[tokens]`: what access tokens say, how long they live, and what they are signed with.

use std::time::Duration;

use crate::reply::Profile;
use crate::session::{KeyAlgorithm, KeySettings, TokenSettings};

use super::problem::Complaint;
use super::profile;
use super::read::{Node, Value};
use super::section::Section;
use super::server::ServerSettings;
use super::value::{choice, duration, text, written};

const DAY: Duration = Duration::from_hours(24);

/// `server` is `None` where it has problems: issuer and audience are then of no account. How long
/// sessions live, which the keys must know, is said elsewhere.
pub(super) fn read(
    mut section: Section<'_>,
    server: Option<&ServerSettings>,
    profile: Profile,
    warnings: &mut Vec<String>,
) -> (TokenSettings, KeySettings) {
    let issuer = server
        .and_then(|server| server.public_urls.first())
        .map(ToString::to_string)
        .unwrap_or_default();
    let second = Duration::from_secs(1);
    let tokens = TokenSettings {
        audience: section.option("audience", issuer.clone(), audience),
        issuer,
        access_ttl: section.option(
            "access_ttl",
            profile::access_ttl(profile),
            duration(30 * second..=Duration::from_hours(1)),
        ),
        flask_claims: profile == Profile::FlaskJwtExtended,
        leeway: section.option("leeway", 5 * second, duration(Duration::ZERO..=60 * second)),
    };
    let keys = keys(&mut section, warnings);
    section.finish();
    (tokens, keys)
}

fn keys(section: &mut Section<'_>, warnings: &mut Vec<String>) -> KeySettings {
    let keys = KeySettings {
        algorithm: section.option("algorithm", KeyAlgorithm::EdDsa, algorithm()),
        rotate_every: section.option("rotate_every", Some(30 * DAY), rotate_every),
        // Apps may keep the key set for five minutes.
        publish_ahead: section.option(
            "publish_ahead",
            DAY,
            duration(Duration::from_mins(5)..=30 * DAY),
        ),
        longest_session: Duration::ZERO,
    };
    if let Some(every) = keys
        .rotate_every
        .filter(|every| *every <= keys.publish_ahead)
    {
        let (every, ahead) = (written(every), written(keys.publish_ahead));
        section.refuse(
            "rotate_every",
            Complaint::new(format!(
                "{every} is not longer than the publish_ahead of {ahead}"
            ))
            .hint("let keys sign for longer, or announce them later"),
        );
    }
    if keys.algorithm == KeyAlgorithm::Hs256 {
        warnings.push(
            "tokens.algorithm is \"HS256\": apps cannot check access tokens themselves, only assertions"
                .to_owned(),
        );
    }
    keys
}

fn algorithm() -> impl Fn(&Node) -> Result<KeyAlgorithm, Complaint> {
    choice(&[
        ("EdDSA", KeyAlgorithm::EdDsa),
        ("ES256", KeyAlgorithm::Es256),
        ("RS256", KeyAlgorithm::Rs256),
        ("PS256", KeyAlgorithm::Ps256),
        ("HS256", KeyAlgorithm::Hs256),
    ])
}

/// A duration, or `"never"`.
fn rotate_every(node: &Node) -> Result<Option<Duration>, Complaint> {
    match &node.value {
        Value::Text(text) if text == "never" => Ok(None),
        _ => duration(Duration::from_hours(1)..=365 * DAY)(node)
            .map(Some)
            .map_err(|complaint| complaint.hint("write a time from 1h to 365d, or \"never\"")),
    }
}

fn audience(node: &Node) -> Result<String, Complaint> {
    let text = text(node)?;
    let plain = !text.is_empty() && text.len() <= 255 && !text.contains(char::is_control);
    plain.then(|| text.to_owned()).ok_or_else(|| {
        Complaint::new(format!("{text:?} is no audience"))
            .hint("write 1 to 255 characters; left out, it is the first server.public_url")
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;

    fn read(tokens: &str) -> Result<config::Config, config::ConfigError> {
        let text = format!("[[routes]]\nupstream = 'http://127.0.0.1:3000'\n[tokens]\n{tokens}\n");
        config::parse(&text, Path::new("/etc"))
    }

    #[test]
    fn keys_are_rotated_every_so_often_or_never() {
        for (line, expected) in [
            ("", Some(30 * DAY)),
            ("rotate_every = '90d'", Some(90 * DAY)),
            ("rotate_every = 'never'", None),
        ] {
            assert_eq!(read(line).unwrap().keys.rotate_every, expected, "{line}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_can() {
        for (lines, said) in [
            ("rotate_every = 'often'", "or \"never\""),
            ("rotate_every = '30m'", "from 1h to 365d"),
            ("rotate_every = '1d'", "not longer than the publish_ahead"),
            ("publish_ahead = '1m'", "5m to 30d"),
            ("algorithm = 'none'", "\"EdDSA\" or \"ES256\""),
        ] {
            let refused = read(lines).unwrap_err().to_string();
            assert!(refused.contains(said), "{lines}: {refused}");
        }
    }

    #[test]
    fn a_secret_that_apps_cannot_have_is_warned_of() {
        let config = read("algorithm = 'HS256'").unwrap();
        assert!(config.warnings.iter().any(|told| told.contains("HS256")));
        assert_eq!(config.keys.algorithm, KeyAlgorithm::Hs256);
    }
}
