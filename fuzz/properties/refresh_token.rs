//! A refresh token is what our keys made, in its one spelling; every other text, one letter away or far off, is none.

use std::sync::LazyLock;

use vestibule::identity::{Secret, SessionId};
use vestibule::session::refresh_token::{LENGTH, PREFIX};
use vestibule::session::{KeyRing, RefreshToken};

static RING: LazyLock<KeyRing> = LazyLock::new(crate::keys::ring);

pub(crate) fn check(data: &[u8]) -> bool {
    if let Some((token, rest)) = made_of(data) {
        reads_back(&token);
        let text = token.to_text(&RING);
        is_noticed(text.expose(), rest);
    }
    let Ok(text) = str::from_utf8(data) else {
        return false;
    };
    let Ok(token) = RefreshToken::parse(text, &RING) else {
        return false;
    };
    assert_eq!(token.to_text(&RING).expose(), text, "a second spelling");
    true
}

/// A token of these bytes, and what is left of them.
fn made_of(data: &[u8]) -> Option<(RefreshToken, &[u8])> {
    let (session, rest) = data.split_first_chunk()?;
    let (generation, rest) = rest.split_first_chunk()?;
    let (secret, rest) = rest.split_first_chunk()?;
    let token = RefreshToken {
        session: SessionId::from_bytes(*session),
        generation: u64::from_be_bytes(*generation),
        secret: Secret::new(*secret),
    };
    Some((token, rest))
}

fn reads_back(token: &RefreshToken) {
    let text = token.to_text(&RING);
    assert_eq!(text.expose().len(), LENGTH);
    let read = RefreshToken::parse(text.expose(), &RING).expect("we made it");
    assert_eq!(read.session, token.session);
    assert_eq!(read.generation, token.generation);
    assert!(read.hash().is(&token.hash()));
}

/// Another letter at a place, a letter too many, a letter too few: none of them is a token.
fn is_noticed(text: &str, change: &[u8]) {
    let [place, letter, ..] = change else {
        return;
    };
    let place = PREFIX.len() + usize::from(*place) % (LENGTH - PREFIX.len());
    let letter = char::from(*letter);
    let (before, after) = text.split_at(place);
    let (own, rest) = after.split_at(1);
    let refused = |text: &str| RefreshToken::parse(text, &RING).is_err();
    if !own.starts_with(letter) {
        assert!(refused(&format!("{before}{letter}{rest}")));
    }
    assert!(refused(&format!("{before}{letter}{after}")));
    assert!(refused(&format!("{before}{rest}")));
}
