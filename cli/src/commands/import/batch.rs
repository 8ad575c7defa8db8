//! One batch of an import: gathered, written by one swap, read back and compared.

use std::collections::HashMap;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use nearkv::http::Client;
use nearkv::{Error, Key, Kv, Namespace, Reason, Version};

use super::Totals;
use super::compare::{OriginClock, has_ended, is_same};
use super::lines::Lines;
use crate::entries;
use crate::failure::Failure;
use crate::pair::Pair;

/// Pairs of a batch: enough to share the cost of a swap, few enough to lose little when it is cut off.
const BATCH_PAIRS: usize = 1000;
/// Bytes of values of a batch, but for one that is larger itself.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// How often a batch is written while the server asks for patience. Written twice it is the same.
const ATTEMPTS: u32 = 8;
/// The pause before the next attempt, where the server does not say how long.
const PAUSE: Duration = Duration::from_secs(1);

/// Lines that are written together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pairs: Vec<Pair>,
    ended: u64,
}

/// The next batch; `None` behind the last line.
pub(super) async fn next_batch(lines: &mut Lines, clock: &OriginClock) -> Result<Option<Batch>, Failure> {
    let mut batch = Batch::default();
    let mut bytes = 0;
    let before = lines.number();
    while batch.pairs.len() < BATCH_PAIRS && bytes < BATCH_BYTES {
        let Some(line) = lines.next().await? else { break };
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match serde_json::from_slice::<Pair>(line) {
            Ok(pair) if has_ended(&pair, clock.now()) => batch.ended += 1,
            Ok(pair) => {
                bytes += pair.value.len();
                batch.pairs.push(pair);
            }
            Err(error) => return Err(lines.fault(&error.to_string())),
        }
    }
    Ok((lines.number() > before).then_some(batch))
}

/// Where it is imported.
pub(super) struct Target {
    pub(super) client: Client,
    pub(super) namespace: Namespace,
    /// Whether what was written is read back.
    pub(super) verify: bool,
}

impl Target {
    /// Imports a batch.
    pub(super) async fn import(&self, batch: Batch, totals: &mut Totals) -> Result<(), Failure> {
        let Batch { pairs, ended } = batch;
        totals.ended += ended;
        if pairs.is_empty() {
            return Ok(());
        }
        let all = pairs.len();
        let (written, since) = match self.write(&pairs).await {
            Ok(version) => (all, Some(version)),
            // A declared key cannot be written, and need not be where it is as the file says.
            Err(error) if error.reason() == Reason::KeyDeclared => {
                let changed = self.differing(&pairs, None).await?;
                if changed.len() == all {
                    return Err(self.failed(&error));
                }
                let since = self.write(&changed).await.map_err(|error| self.failed(&error))?;
                (changed.len(), Some(since))
            }
            Err(error) => return Err(self.failed(&error)),
        };
        totals.written += written as u64;
        totals.unchanged += (all - written) as u64;
        if self.verify {
            let differing = self.differing(&pairs, since).await?;
            totals.differing.extend(differing.into_iter().map(|pair| pair.key));
        }
        Ok(())
    }

    fn failed(&self, error: &Error) -> Failure {
        Failure::server(&format!("write to {}", self.namespace), error)
    }

    /// Writes all of it, by one swap. Answers the state at which it is there.
    async fn write(&self, pairs: &[Pair]) -> Result<Version, Error> {
        let mut attempt = 1;
        loop {
            let mutations: Vec<_> = pairs.iter().cloned().map(|pair| Ok(pair.into_mutation())).collect();
            match self.client.write_many(&self.namespace, stream::iter(mutations).boxed()).await {
                Ok(answer) => return Ok(answer.state.version),
                Err(error) if attempt < ATTEMPTS && passes(error.reason()) => {
                    tracing::info!(%error, attempt, "a batch is written again");
                    tokio::time::sleep(error.retry_after().unwrap_or(PAUSE)).await;
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Those whose entries are otherwise than the file says.
    async fn differing(&self, pairs: &[Pair], since: Option<Version>) -> Result<Vec<Pair>, Failure> {
        let wanted = last_of_each(pairs);
        let keys: Vec<Result<Key, Failure>> = wanted.keys().map(|key| Ok((*key).clone())).collect();
        let keys = stream::iter(keys).boxed();
        let mut found = entries::read(self.client.clone(), self.namespace.clone(), keys, since);
        let mut differing = Vec::new();
        while let Some((key, stored)) = found.try_next().await? {
            if let Some(pair) = wanted.get(&key)
                && !stored.is_some_and(|stored| is_same(pair, &stored))
            {
                differing.push((*pair).clone());
            }
        }
        Ok(differing)
    }
}

/// Of pairs of the same key the last wins.
fn last_of_each(pairs: &[Pair]) -> HashMap<&Key, &Pair> {
    pairs.iter().map(|pair| (&pair.key, pair)).collect()
}

/// Whether a failure may be over in a moment. An unknown outcome is settled by writing the same once more.
fn passes(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Throttled | Reason::Unavailable | Reason::NamespaceLoading | Reason::OutcomeUnknown
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_key_that_stands_there_twice_the_last_is_compared() {
        let pair = |value: &str| Pair::of(Key::new("k").unwrap(), value.to_owned().into(), None, None);
        let pairs = [pair("first"), pair("last")];
        let last = last_of_each(&pairs);
        assert_eq!(last.len(), 1);
        assert_eq!(last[&pairs[0].key].value, "last");
    }

    #[tokio::test]
    async fn a_batch_is_bounded_and_a_fault_has_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let mut text = "{\"key\":\"k\",\"value\":\"v\"}\n".repeat(BATCH_PAIRS + 1);
        text.push_str("\n{\"key\":\"e\",\"value\":\"\",\"expiration\":1}\nnonsense\n");
        std::fs::write(&path, text).unwrap();
        let clock = OriginClock::showing(nearkv::UnixMillis(1_000_000));
        let mut lines = Lines::open(&path).await.unwrap();
        let first = next_batch(&mut lines, &clock).await.unwrap().unwrap();
        assert_eq!((first.pairs.len(), first.ended), (BATCH_PAIRS, 0));
        let failure = next_batch(&mut lines, &clock).await.unwrap_err();
        assert!(failure.message.contains("lines, line 1004: "), "{failure}");
    }
}
