//! The quota, judged from what is committed: no put may add to a KvNamespace that is full, and none may be refused
//! by a quota that leaves room for it. Pure.

use std::time::Duration;

use nearkv::{Key, UnixMillis};
use nearkv_origin::{
    Quota,
    format::{Put, StoredValue},
};
use tokio::time::Instant;

use crate::{judgement::ended, life::Entries};

/// A quota that was in force this long ago may still have judged a commit that lands now.
const LATEST: Duration = Duration::from_secs(180);

/// The quotas that were in force, with the moments from which on they were.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quotas(Vec<(Instant, Quota)>);

/// Keys and user bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    keys: u64,
    bytes: u64,
}

impl Quotas {
    pub(crate) fn set(&mut self, quota: Quota) {
        self.0.push((Instant::now(), quota));
    }

    /// Those that may have judged what happens at `now`.
    fn in_force(&self, now: Instant) -> impl Iterator<Item = Quota> {
        let ends = self.0.iter().skip(1).map(|(next, _)| Some(*next)).chain([None]);
        let judged = move |end: &Option<Instant>| end.is_none_or(|end| now.duration_since(end) <= LATEST);
        self.0.iter().zip(ends).filter(move |(_, end)| judged(end)).map(|((_, quota), _)| *quota)
    }

    /// A put was committed into `after`; `grew` if it added a key.
    ///
    /// # Errors
    /// It made more than any quota allows.
    pub(crate) fn committed(&self, key: &Key, grew: bool, after: Used) -> Result<(), String> {
        let now = Instant::now();
        let most_keys = self.in_force(now).map(|quota| quota.max_keys).max();
        let most_bytes = self.in_force(now).map(|quota| quota.max_bytes).max();
        if grew && most_keys.is_some_and(|most| after.keys > most) {
            return Err(format!("{key:?} was added as key {} of at most {most_keys:?}", after.keys));
        }
        if grew && most_bytes.is_some_and(|most| after.bytes > most) {
            return Err(format!("{key:?} was added to make {} bytes of at most {most_bytes:?}", after.bytes));
        }
        Ok(())
    }

    /// A put of `added` bytes was refused at a state that used at most `used`.
    ///
    /// # Errors
    /// There was room for it by every quota.
    pub(crate) fn refused(&self, key: &Key, used: Used, added: u64) -> Result<(), String> {
        let fits = |quota: Quota| used.keys < quota.max_keys && used.bytes + added <= quota.max_bytes;
        if self.in_force(Instant::now()).all(fits) {
            return Err(format!("{key:?} is refused by a quota that has room: {used:?} are used"));
        }
        Ok(())
    }
}

/// What counts against a quota at `now`.
pub(crate) fn used(entries: &Entries, now: UnixMillis) -> Used {
    let live = entries.values().filter(|(_, put)| !ended(put, now));
    live.fold(Used::default(), |used, (_, put)| Used { keys: used.keys + 1, bytes: used.bytes + bytes(put) })
}

fn bytes(put: &Put) -> u64 {
    let value = match &put.value {
        StoredValue::Inline(bytes) => bytes.len() as u64,
        StoredValue::Chunked(chunks) => chunks.size,
    };
    put.key.as_str().len() as u64 + value + put.metadata.as_ref().map_or(0, |text| text.as_str().len() as u64)
}
