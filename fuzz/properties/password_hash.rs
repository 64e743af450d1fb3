//! A hash of other software is taken over as it is written or not at all, and what is stored is read as what was taken over.

use vestibule::identity::PasswordHash;
use vestibule::identity::password::{HashPolicy, Scheme, Unsupported};

pub(crate) fn check(data: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(data) else {
        return false;
    };
    let stored = PasswordHash::from_stored(text.to_owned());
    assert_eq!(format!("{stored:?}"), "***");
    match PasswordHash::imported(text) {
        Ok(hash) => {
            assert_eq!(hash.as_stored(), text);
            let scheme = hash.scheme(None).expect("what is taken over has a scheme");
            assert_eq!(stored.scheme(None), Some(scheme));
            assert!(Scheme::ALL.contains(&scheme));
            // Argon2id at our costs is as good as ours, however it is labelled.
            let is_ours = !hash.is_outdated(&HashPolicy::default());
            assert!(!is_ours || scheme == Scheme::Argon2id, "{text}");
            assert!(!(is_ours && hash.needs_wrapping()), "{text}");
            assert!(
                !(scheme == Scheme::Wrapped && hash.needs_wrapping()),
                "{text}"
            );
            true
        }
        Err(refusal) => {
            let is_read = stored.scheme(None).is_some();
            // What is cheap around another hash is read and not taken over, nor is what is very long.
            let may_differ = text.starts_with("$wrap$") || text.len() > 1024;
            assert!(!is_read || may_differ, "{text}");
            says_nothing_of(text, &refusal);
            false
        }
    }
}

/// A refusal is printed: it must not show the hash. What has no digit and no capital is words, and the
/// names of schemes are ours.
fn says_nothing_of(text: &str, refusal: &Unsupported) {
    let said = refusal.to_string();
    let is_name = |part: &str| {
        Scheme::ALL
            .iter()
            .any(|scheme| scheme.as_str().contains(part))
    };
    let is_hash = |part: &&str| {
        let is_graphic = part.bytes().all(|b| b.is_ascii_graphic());
        let is_words = part.bytes().all(|b| b.is_ascii_lowercase()) || is_name(part);
        part.len() > 16 && is_graphic && !is_words
    };
    for part in text.split(['$', ':']).filter(is_hash) {
        assert!(!said.contains(part), "{said}");
    }
}
