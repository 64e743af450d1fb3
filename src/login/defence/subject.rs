//! Against whom does a failure count? Names, networks and browsers as hashes of one size.

use std::net::{IpAddr, Ipv6Addr};

use aws_lc_rs::hmac::{self, HMAC_SHA256};

use crate::identity::{Secret, UserName};
use crate::store::{AccountMark, DeviceHash};

/// An account at a place: a network, a known device, or [`EVERYWHERE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Subject {
    pub(super) account: AccountMark,
    pub(super) place: [u8; 8],
}

/// The place of what counts against an account wherever it comes from.
pub(super) const EVERYWHERE: [u8; 8] = [0; 8];

/// Tells by what names, networks and devices are counted. The key keeps a copy of the database from telling what was typed as a name, which
/// may have been a password.
#[derive(Clone)]
pub struct Marker(Secret<[u8; 32]>);

impl Marker {
    /// With the key of this installation.
    pub const fn new(key: Secret<[u8; 32]>) -> Self {
        Self(key)
    }

    /// What a name is counted by, whether or not it is anybody's, or a name at all.
    pub fn account(&self, typed: &str) -> AccountMark {
        match UserName::parse(typed) {
            Ok(name) => self.mark(b"account", name.as_str().as_bytes()),
            Err(_) => self.mark(b"no name", typed.trim().as_bytes()),
        }
    }

    /// The account as seen from each network around the address.
    pub(super) fn networks(&self, account: AccountMark, address: Option<IpAddr>) -> Vec<Subject> {
        let at = |place: &[u8]| Subject {
            account,
            place: self.mark(b"network", place),
        };
        match address.map(|address| address.to_canonical()) {
            None => vec![at(b"unknown")],
            Some(IpAddr::V4(address)) => {
                let [a, b, c, _] = address.octets();
                vec![at(&[a, b, c])]
            }
            Some(IpAddr::V6(address)) => {
                vec![at(&start(address, 48)), at(&start(address, 64))]
            }
        }
    }

    /// The account as seen from a device.
    pub(super) fn device(&self, account: AccountMark, device: &DeviceHash) -> Subject {
        let place = self.mark(b"device", &device.0);
        Subject { account, place }
    }

    /// An address, whatever the account: of IPv6 the network of one customer.
    pub(super) fn address(&self, address: IpAddr) -> Subject {
        let account = match customer(address) {
            IpAddr::V4(address) => self.mark(b"address", &address.octets()),
            IpAddr::V6(address) => self.mark(b"address", &start(address, 64)),
        };
        Subject {
            account,
            place: EVERYWHERE,
        }
    }

    fn mark<const N: usize>(&self, label: &[u8], of: &[u8]) -> [u8; N] {
        let key = hmac::Key::new(HMAC_SHA256, self.0.expose());
        let mut context = hmac::Context::with_key(&key);
        context.update(label);
        context.update(&[0]);
        context.update(of);
        let tag = context.sign();
        let mut mark = [0; N];
        mark.iter_mut()
            .zip(tag.as_ref())
            .for_each(|(to, from)| *to = *from);
        mark
    }
}

/// An address as one customer has it: of IPv6 the start of their network.
pub fn customer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(first_bits(address, 64))),
    }
}

/// The first bits of an address, with how many there are.
fn start(address: Ipv6Addr, bits: u8) -> [u8; 17] {
    let mut start = [bits; 17];
    let bytes = first_bits(address, bits).to_be_bytes();
    start
        .iter_mut()
        .zip(bytes)
        .for_each(|(to, from)| *to = from);
    start
}

/// The same address with nothing behind its first bits.
fn first_bits(address: Ipv6Addr, bits: u8) -> u128 {
    let kept = u128::MAX
        .checked_shl(128 - u32::from(bits))
        .unwrap_or_default();
    address.to_bits() & kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker() -> Marker {
        Marker::new(Secret::new([7; 32]))
    }

    #[test]
    fn a_name_is_one_account_however_it_is_typed() {
        let marker = marker();
        let ada = marker.account("ada");
        assert_eq!(marker.account(" ADA "), ada);
        assert_ne!(marker.account("bob"), ada);
        assert_ne!(marker.account("not a name"), marker.account("no name"));
        assert_ne!(Marker::new(Secret::new([8; 32])).account("ada"), ada);
    }

    #[test]
    fn neighbours_are_one_network() {
        let (marker, account) = (marker(), [0; 16]);
        let at = |text: &str| marker.networks(account, Some(text.parse().unwrap()));
        for (one, other, shared) in [
            ("192.0.2.1", "192.0.2.255", 1),
            ("192.0.2.1", "::ffff:192.0.2.9", 1),
            ("192.0.2.1", "192.0.3.1", 0),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::1", 2),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", 1),
            ("2001:db8:1:2::1", "2001:db8:2:2::1", 0),
        ] {
            let (one, other) = (at(one), at(other));
            let found = one.iter().filter(|subject| other.contains(subject));
            assert_eq!(found.count(), shared, "{one:?} {other:?}");
        }
        assert_eq!(marker.networks(account, None).len(), 1);
    }

    #[test]
    fn an_address_of_ipv6_is_its_customers_network() {
        let marker = marker();
        let of = |text: &str| marker.address(text.parse().unwrap());
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2::2"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    }
}
