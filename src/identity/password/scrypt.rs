//! scrypt (RFC 7914), as Werkzeug, Django and passlib write it.

use scrypt::Params;
use subtle::ConstantTimeEq;

use super::scheme::{Scheme, Unsupported};
use super::text;

/// N times r times p: 128 bytes of memory for each of N times r, so at most 1 GiB and some seconds.
const MOST_WORK: u64 = 1 << 23;

/// A scrypt hash that was read.
pub(super) struct ScryptHash {
    scheme: Scheme,
    params: Params,
    salt: Vec<u8>,
    output: Vec<u8>,
}

/// The logarithm of N, and r and p.
struct Cost {
    log_n: u32,
    r: u32,
    p: u32,
}

impl ScryptHash {
    /// Reads what follows `scrypt:`, such as `32768:8:1$salt$hexadecimal`. The salt is text.
    pub(super) fn read_werkzeug(rest: &str) -> Result<Self, Unsupported> {
        let scheme = Scheme::WerkzeugScrypt;
        let read = || {
            let mut parts = rest.splitn(3, '$');
            let mut costs = parts.next()?.splitn(3, ':');
            let cost = Cost::read(costs.next()?, costs.next()?, costs.next()?)?;
            let salt = parts.next()?.as_bytes().to_vec();
            let output = text::hex(parts.next()?)?;
            (output.len() == 64).then_some((cost, salt, output))
        };
        let (cost, salt, output) = read().ok_or(Unsupported::Malformed(scheme))?;
        Self::new(scheme, &cost, salt, output)
    }

    /// Reads what follows `scrypt$`: `N$salt$r$p$base64`. The salt is text.
    pub(super) fn read_django(rest: &str) -> Result<Self, Unsupported> {
        let scheme = Scheme::DjangoScrypt;
        let read = || {
            let mut parts = rest.splitn(5, '$');
            let n = parts.next()?;
            let salt = parts.next()?.as_bytes().to_vec();
            let cost = Cost::read(n, parts.next()?, parts.next()?)?;
            let output = text::base64(parts.next()?)?;
            (output.len() == 64).then_some((cost, salt, output))
        };
        let (cost, salt, output) = read().ok_or(Unsupported::Malformed(scheme))?;
        Self::new(scheme, &cost, salt, output)
    }

    /// Reads what follows `$scrypt$`: `ln=16,r=8,p=1$salt$hash`.
    pub(super) fn read_passlib(rest: &str) -> Result<Self, Unsupported> {
        let scheme = Scheme::PasslibScrypt;
        let read = || {
            let mut parts = rest.splitn(3, '$');
            let mut costs = parts.next()?.splitn(3, ',');
            let cost = Cost {
                log_n: costs.next()?.strip_prefix("ln=")?.parse().ok()?,
                r: costs.next()?.strip_prefix("r=")?.parse().ok()?,
                p: costs.next()?.strip_prefix("p=")?.parse().ok()?,
            };
            let salt = text::base64(parts.next()?)?;
            let output = text::base64(parts.next()?)?;
            (output.len() == 32).then_some((cost, salt, output))
        };
        let (cost, salt, output) = read().ok_or(Unsupported::Malformed(scheme))?;
        Self::new(scheme, &cost, salt, output)
    }

    fn new(
        scheme: Scheme,
        cost: &Cost,
        salt: Vec<u8>,
        output: Vec<u8>,
    ) -> Result<Self, Unsupported> {
        let malformed = Unsupported::Malformed(scheme);
        if cost.log_n == 0 || cost.r == 0 || cost.p == 0 {
            return Err(malformed);
        }
        let n = 1u64.checked_shl(cost.log_n).unwrap_or(u64::MAX);
        let blocks = u64::from(cost.r).saturating_mul(u64::from(cost.p));
        if n.saturating_mul(blocks) > MOST_WORK {
            return Err(Unsupported::TooCostly(scheme));
        }
        let log_n = u8::try_from(cost.log_n).map_err(|_| malformed)?;
        let params = Params::new(log_n, cost.r, cost.p).map_err(|_| malformed)?;
        Ok(Self {
            scheme,
            params,
            salt,
            output,
        })
    }

    pub(super) const fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(super) fn fits(&self, password: &[u8]) -> bool {
        let mut output = vec![0; self.output.len()];
        let done = scrypt::scrypt(password, &self.salt, &self.params, &mut output);
        done.is_ok() && output.ct_eq(&self.output).into()
    }
}

impl Cost {
    fn read(n: &str, r: &str, p: &str) -> Option<Self> {
        let n: u64 = n.parse().ok()?;
        let (r, p) = (r.parse().ok()?, p.parse().ok()?);
        n.is_power_of_two().then(|| Self {
            log_n: n.trailing_zeros(),
            r,
            p,
        })
    }
}
