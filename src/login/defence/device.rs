//! A device on which somebody was signed in before: what its cookie holds, and what the store keeps.

use aws_lc_rs::digest::{self, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::identity::Secret;
use crate::random;
use crate::store::DeviceHash;

/// 256 random bits. It proves nothing but that its holder need not wait for what strangers did.
#[derive(Clone, Debug)]
pub struct DeviceId(Secret<[u8; 32]>);

impl DeviceId {
    /// A device that nobody was signed in on yet.
    pub fn fresh() -> Self {
        Self(Secret::new(random::bytes()))
    }

    /// Reads a cookie's value.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let bytes: [u8; 32] = bytes.try_into().ok()?;
        Some(Self(Secret::new(bytes)))
    }

    /// A cookie's value.
    pub fn text(&self) -> Secret<String> {
        Secret::new(URL_SAFE_NO_PAD.encode(self.0.expose()))
    }

    /// What the store knows it by.
    pub fn hash(&self) -> DeviceHash {
        let mut context = digest::Context::new(&SHA256);
        context.update(b"vestibule device\0");
        context.update(self.0.expose());
        let digest = context.finish();
        let mut hash = [0; 32];
        hash.iter_mut()
            .zip(digest.as_ref())
            .for_each(|(to, from)| *to = *from);
        DeviceHash(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_read_as_it_was_written_and_nothing_else_is() {
        let device = DeviceId::fresh();
        let text = device.text();
        let read = DeviceId::parse(text.expose()).unwrap();
        assert_eq!(read.hash(), device.hash());
        assert_ne!(DeviceId::fresh().hash(), device.hash());
        for other in ["", "AAAA", "!", &format!("{}A", text.expose())] {
            assert!(DeviceId::parse(other).is_none(), "{other}");
        }
    }
}
