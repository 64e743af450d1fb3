//! `[tokens]`: what access tokens say and how long they live.

use std::time::Duration;

use crate::reply::Profile;
use crate::session::TokenSettings;

use super::problem::Complaint;
use super::profile;
use super::read::Node;
use super::section::Section;
use super::server::ServerSettings;
use super::value::{duration, text};

/// `server` is `None` where it has problems: issuer and audience are then of no account.
pub(super) fn read(
    mut section: Section<'_>,
    server: Option<&ServerSettings>,
    profile: Profile,
) -> TokenSettings {
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
    section.finish();
    tokens
}

fn audience(node: &Node) -> Result<String, Complaint> {
    let text = text(node)?;
    let plain = !text.is_empty() && text.len() <= 255 && !text.contains(char::is_control);
    plain.then(|| text.to_owned()).ok_or_else(|| {
        Complaint::new(format!("{text:?} is no audience"))
            .hint("write 1 to 255 characters; left out, it is the first server.public_url")
    })
}
