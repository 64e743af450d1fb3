//! The keys of an installation, the same ones each time: secrets of ones, twos and so on.

use std::time::Duration;

use vestibule::clock::Timestamp;
use vestibule::identity::Secret;
use vestibule::session::{KeyAlgorithm, KeyMaterial, KeyPurpose, KeyRing, KeySettings};

/// The ring of these keys. Access tokens are signed by the Ed25519 key whose seed is 32 ones.
#[allow(
    clippy::expect_used,
    reason = "a test that panics is a test that fails"
)]
pub(crate) fn ring() -> KeyRing {
    let settings = KeySettings {
        algorithm: KeyAlgorithm::EdDsa,
        rotate_every: None,
        publish_ahead: Duration::from_secs(300),
        longest_session: Duration::from_secs(86_400),
    };
    let start = Timestamp::from_seconds(0);
    let keys: Vec<KeyMaterial> = KeyPurpose::ALL
        .into_iter()
        .zip(1..)
        .map(|(purpose, byte)| {
            let what = (purpose, settings.algorithm_for(purpose));
            let secret = Secret::new(vec![byte; 32]);
            KeyMaterial::new(what, secret, "1", (start, start)).expect("a key")
        })
        .collect();
    KeyRing::at(&keys, &settings, start).expect("a ring")
}
