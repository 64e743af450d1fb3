//! The pair of tokens that a sign-in or a refresh hands out.

use crate::clock::Timestamp;
use crate::identity::{Identity, Secret, SessionId, User};
use crate::session::access_token::{self, Mint, Minted, TooLarge};
use crate::session::{Delivery, KeyRing, RefreshToken, SessionRow, TokenSettings};

/// Both tokens, and what the client is told about them.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The access token.
    pub access: Minted,
    /// The refresh token's text.
    pub refresh: Secret<String>,
    /// When the refresh token ends unless used before.
    pub refresh_expires_at: Timestamp,
    /// Which session.
    pub session: SessionId,
    /// The generation of the refresh token.
    pub generation: u64,
    /// The session epoch in the access token.
    pub session_epoch: u64,
    /// The claims epoch in the access token.
    pub claims_epoch: u64,
    /// Where they go.
    pub delivery: Delivery,
    /// Whether cookies outlive the browser's closing.
    pub remember: bool,
    /// The instant from which the lifetimes count.
    pub issued_at: Timestamp,
}

/// Mints an access token for a session as it stands (after the rotation, if there was one) and
/// pairs it with its refresh token. `id` must be random.
pub fn issue(
    row: &SessionRow,
    user: &User,
    refresh: &RefreshToken,
    now: Timestamp,
    id: [u8; 16],
    settings: &TokenSettings,
    ring: &KeyRing,
) -> Result<Tokens, TooLarge> {
    let what = Mint {
        identity: &Identity::from(user),
        session: row.id,
        delivery: row.delivery,
        generation: refresh.generation,
        // The session's epoch, not the user's: a session that a newer epoch ended stays ended.
        session_epoch: row.user_epoch,
        claims_epoch: user.claims_epoch,
        authenticated_at: row.authenticated_at,
        now,
        session_ends_at: row.absolute_expires_at,
        id,
    };
    Ok(Tokens {
        access: access_token::mint(&what, settings, ring)?,
        refresh: refresh.to_text(ring),
        refresh_expires_at: row.expires_at(),
        session: row.id,
        generation: refresh.generation,
        session_epoch: row.user_epoch,
        claims_epoch: user.claims_epoch,
        delivery: row.delivery,
        remember: row.remember,
        issued_at: now,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::identity::{PasswordTerm, UserId, UserName};
    use crate::session::key_ring::samples;

    const NOW: Timestamp = Timestamp::from_seconds(1000);

    fn row(refresh: &RefreshToken, idle: i64, absolute: i64) -> SessionRow {
        SessionRow {
            id: refresh.session,
            user: UserId::from_bytes([1; 16]),
            user_epoch: 3,
            delivery: Delivery::Hybrid,
            remember: true,
            device: None,
            ip: None,
            user_agent: None,
            created_at: NOW,
            authenticated_at: NOW,
            last_seen_at: NOW,
            generation: refresh.generation,
            current: refresh.hash(),
            previous: None,
            next_key: 1,
            rotated_at: None,
            confirmed_at: None,
            straggler_at: None,
            idle_expires_at: Timestamp::from_seconds(idle),
            absolute_expires_at: Timestamp::from_seconds(absolute),
            revoked: None,
        }
    }

    fn user() -> User {
        User {
            id: UserId::from_bytes([1; 16]),
            name: UserName::parse("ada").unwrap(),
            display_name: None,
            email: None,
            groups: Vec::new(),
            disabled: false,
            password_term: PasswordTerm::Lasting,
            session_epoch: 4,
            claims_epoch: 7,
            created_at: NOW,
        }
    }

    #[test]
    fn a_pair_belongs_together_and_ends_with_its_session() {
        let ring = samples::ring();
        let settings = TokenSettings {
            issuer: "https://app.example".to_owned(),
            audience: "https://app.example".to_owned(),
            access_ttl: Duration::from_secs(300),
            leeway: Duration::from_secs(5),
            flask_claims: false,
        };
        let first = RefreshToken::first(SessionId::from_bytes([2; 16]), [7; 32]);
        let refresh = first.successor(1, &ring).unwrap();
        for (idle, absolute, refresh_end, access_end) in [
            (5000, 9000, 5000, 1300),
            (5000, 1100, 1100, 1100),
            (1200, 9000, 1200, 1300),
        ] {
            let row = row(&refresh, idle, absolute);
            let tokens = issue(&row, &user(), &refresh, NOW, [9; 16], &settings, &ring).unwrap();
            let text = tokens.access.text.expose();
            let claims = access_token::verify(text, &settings, &ring).unwrap();
            assert_eq!(claims.generation, 2);
            assert_eq!((claims.session_epoch, claims.claims_epoch), (3, 7));
            assert_eq!(claims.session, tokens.session);
            let ends = Timestamp::from_seconds(access_end);
            assert_eq!((claims.expires_at, tokens.access.expires_at), (ends, ends));
            let ends = Timestamp::from_seconds(refresh_end);
            assert_eq!(tokens.refresh_expires_at, ends);
            let read = RefreshToken::parse(tokens.refresh.expose(), &ring).unwrap();
            assert!(read.hash().is(&row.current));
        }
    }
}
