//! Failures, unlocked accounts and known devices in memory.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::store::defences::{DEVICE_KNOWN_FOR, MOST_FAILURES, UNLOCK_TOLD_FOR};
use crate::store::memory::MemoryStore;
use crate::store::{AccountMark, Defences, DeviceHash, KeptFailures, Pending, Unlocks};

#[derive(Default)]
pub(super) struct DefenceState {
    failures: HashMap<(AccountMark, [u8; 8]), KeptFailures>,
    /// By place, which starts at 1.
    unlocks: BTreeMap<u64, (AccountMark, Timestamp)>,
    last_place: u64,
    devices: HashMap<DeviceHash, (UserId, Timestamp)>,
}

impl DefenceState {
    pub(super) fn forget_devices_of(&mut self, user: &UserId) {
        self.devices.retain(|_, (owner, _)| owner != user);
    }

    /// Everything that is counted here.
    fn len(&self) -> usize {
        self.failures.len() + self.unlocks.len() + self.devices.len()
    }
}

impl Defences for MemoryStore {
    fn failures(&self) -> Pending<Vec<KeptFailures>> {
        self.run(|state, now| {
            let kept = state.defences.failures.values();
            let mut kept: Vec<_> = kept.filter(|of| of.forgotten_at > now).cloned().collect();
            kept.sort_by_key(|kept| Reverse(kept.failures));
            kept.truncate(MOST_FAILURES);
            kept
        })
    }

    fn keep_failures(&self, changed: Vec<KeptFailures>) -> Pending<()> {
        self.run(|state, _| {
            for kept in changed {
                let key = (kept.account, kept.place);
                match kept.failures {
                    0 => state.defences.failures.remove(&key),
                    _ => state.defences.failures.insert(key, kept),
                };
            }
        })
    }

    fn locks(&self) -> Pending<Vec<(AccountMark, Timestamp)>> {
        self.run(|state, now| {
            let kept = state.defences.failures.values();
            let locked = kept.filter_map(|kept| Some((kept.account, kept.locked_until?)));
            locked.filter(|(_, until)| *until > now).collect()
        })
    }

    fn unlock(&self, account: AccountMark) -> Pending<()> {
        self.run(|state, now| {
            let state = &mut state.defences;
            state.failures.retain(|(of, _), _| *of != account);
            state.last_place += 1;
            state.unlocks.insert(state.last_place, (account, now));
        })
    }

    fn unlocks_after(&self, place: u64) -> Pending<Unlocks> {
        self.run(|state, _| {
            let later = state.defences.unlocks.range(place.saturating_add(1)..);
            let mut unlocks = Unlocks {
                accounts: Vec::new(),
                last: place,
            };
            for (place, (account, _)) in later {
                unlocks.last = *place;
                unlocks.accounts.push(*account);
            }
            unlocks
        })
    }

    fn owner_of_device(&self, device: DeviceHash) -> Pending<Option<UserId>> {
        self.run(|state, now| {
            let (owner, used_at) = state.defences.devices.get(&device)?;
            (*used_at > now - DEVICE_KNOWN_FOR).then(|| owner.clone())
        })
    }

    fn keep_device(&self, device: DeviceHash, owner: UserId, most: usize) -> Pending<()> {
        self.run(|state, now| {
            let devices = &mut state.defences.devices;
            devices.insert(device, (owner.clone(), now));
            let of_owner = devices.iter().filter(|(_, (of, _))| *of == owner);
            let mut known: Vec<_> = of_owner
                .map(|(hash, (_, used_at))| (*hash, *used_at))
                .collect();
            known.sort_by_key(|(hash, used_at)| Reverse((*hash == device, *used_at)));
            for (hash, _) in known.into_iter().skip(most) {
                devices.remove(&hash);
            }
        })
    }

    fn sweep_defences(&self) -> Pending<usize> {
        self.run(|state, now| {
            let state = &mut state.defences;
            let before = state.len();
            state.failures.retain(|_, kept| kept.forgotten_at > now);
            state
                .unlocks
                .retain(|_, (_, at)| *at > now - UNLOCK_TOLD_FOR);
            state
                .devices
                .retain(|_, (_, used_at)| *used_at > now - DEVICE_KNOWN_FOR);
            before - state.len()
        })
    }
}
