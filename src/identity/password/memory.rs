//! The memory that Argon2 fills, to be used again: an allocator that gets back nineteen megabytes after
//! every password keeps them in pieces, and a flood of sign-ins makes that hundreds.

use argon2::{Block, Params};

/// What is kept from one hash to the next, in blocks of 1 KiB: 64 MiB. The hash of another app that
/// takes more gives it back.
const MOST_KEPT: usize = 64 << 10;

/// Belongs to a thread that hashes.
#[derive(Default)]
pub struct HashMemory(Vec<Block>);

impl HashMemory {
    /// As much as a hash with these parameters fills.
    pub(super) fn lend<T>(&mut self, params: &Params, fill: impl FnOnce(&mut [Block]) -> T) -> T {
        let needed = params.block_count();
        if self.0.len() < needed {
            // Not copied: what is in it is of no account.
            self.0 = Vec::new();
            self.0 = vec![Block::default(); needed];
        }
        let filled = fill(self.0.get_mut(..needed).unwrap_or_default());
        if self.0.len() > MOST_KEPT {
            self.0 = Vec::new();
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_unless_it_is_too_much() {
        let mut memory = HashMemory::default();
        let mut lend = |kib| {
            let params = Params::new(kib, 1, 1, None).unwrap();
            let lent = memory.lend(&params, |blocks| blocks.len());
            assert_eq!(lent, params.block_count());
            memory.0.len()
        };
        assert_eq!([lend(64), lend(32), lend(128)], [64, 64, 128]);
        assert_eq!(lend(65 << 10), 0);
        assert_eq!(lend(64), 64);
    }
}
