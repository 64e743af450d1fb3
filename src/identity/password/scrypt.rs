//! scrypt (RFC 7914), as Werkzeug, Django and passlib write it.

use std::ops::RangeInclusive;

use scrypt::Params;

use super::recipe::{MadeHash, Recipe, Written};
use super::scheme::{Scheme, Unsupported};
use super::text;

/// N times r times p: 128 bytes of memory for each of N times r, so at most 1 GiB and some seconds.
const MOST_WORK: u64 = 1 << 23;

/// OWASP's sets of equal strength, with an r of 8: with this logarithm of N, at least this p.
const ENOUGH: [(u8, u32); 5] = [(17, 1), (16, 2), (15, 3), (14, 5), (13, 10)];
const ENOUGH_R: u32 = 8;
/// The lengths of output that are written. What is shorter is easily hit upon.
const OUTPUT: RangeInclusive<usize> = 16..=64;

/// How scrypt makes a hash of a password.
pub(super) struct ScryptRecipe {
    scheme: Scheme,
    params: Params,
    salt: Vec<u8>,
    /// Bytes of output.
    length: usize,
}

/// The logarithm of N, and r and p.
struct Cost {
    log_n: u32,
    r: u32,
    p: u32,
}

impl ScryptRecipe {
    /// Reads what follows `scrypt:`, such as `32768:8:1$salt$hexadecimal`. The salt is text.
    pub(super) fn read_werkzeug(rest: &str) -> Result<MadeHash, Unsupported> {
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
        Self::with(scheme, &cost, salt, output)
    }

    /// Reads what follows `scrypt$`: `N$salt$r$p$base64`. The salt is text.
    pub(super) fn read_django(rest: &str) -> Result<MadeHash, Unsupported> {
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
        Self::with(scheme, &cost, salt, output)
    }

    /// Reads what follows `$scrypt$`: `ln=16,r=8,p=1$salt$hash`.
    pub(super) fn read_passlib(rest: &str) -> Result<MadeHash, Unsupported> {
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
        Self::with(scheme, &cost, salt, output)
    }

    fn with(
        scheme: Scheme,
        cost: &Cost,
        salt: Vec<u8>,
        output: Vec<u8>,
    ) -> Result<MadeHash, Unsupported> {
        let recipe = Self::of_cost(scheme, cost, salt, output.len())?;
        Ok(MadeHash {
            recipe: Recipe::Scrypt(recipe),
            output,
        })
    }

    fn of_cost(
        scheme: Scheme,
        cost: &Cost,
        salt: Vec<u8>,
        length: usize,
    ) -> Result<Self, Unsupported> {
        let malformed = Unsupported::Malformed(scheme);
        if cost.log_n == 0 || cost.r == 0 || cost.p == 0 || !OUTPUT.contains(&length) {
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
            length,
        })
    }

    /// As it stands in a wrapped hash.
    pub(super) fn from_written(scheme: Scheme, costs: &[&str], salt: Vec<u8>) -> Option<Self> {
        let [log_n, r, p, length] = costs else {
            return None;
        };
        let cost = Cost {
            log_n: log_n.parse().ok()?,
            r: r.parse().ok()?,
            p: p.parse().ok()?,
        };
        Self::of_cost(scheme, &cost, salt, length.parse().ok()?).ok()
    }

    pub(super) fn to_written(&self) -> Written {
        let (params, length) = (&self.params, self.length);
        let (log_n, r, p) = (params.log_n(), params.r(), params.p());
        Written {
            scheme: self.scheme,
            costs: format!("{log_n},{r},{p},{length}"),
            salt: self.salt.clone(),
        }
    }

    pub(super) const fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(super) fn is_enough(&self) -> bool {
        let (log_n, p) = (self.params.log_n(), self.params.p());
        let mut sets = ENOUGH.iter();
        let set = sets.find(|(least, _)| log_n >= *least);
        self.params.r() >= ENOUGH_R && set.is_some_and(|(_, least)| p >= *least)
    }

    pub(super) fn output(&self, password: &[u8]) -> Option<Vec<u8>> {
        let mut output = vec![0; self.length];
        let done = scrypt::scrypt(password, &self.salt, &self.params, &mut output);
        done.is_ok().then_some(output)
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
