//! Values that expire after a few seconds, half of them in chunks: they are there until then and absent afterwards.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use nearkv_tests::kv::Answer;
use nearkv_tests::ledger::{Ledger, Outcome};
use nearkv_tests::load::outcome;
use nearkv_tests::{HarnessError, Kv, Result};

use crate::load::{Load, Reads};

/// Of all keys of this load.
pub(crate) const SHORT_PREFIX: &str = "short/";

/// The KvNamespace allows it by `minTtlSeconds`.
const TTL_SECONDS: u64 = 6;
/// An expiration has whole seconds, and servers estimate the API server's time: around the end a key may be either.
const AROUND_END: Duration = Duration::from_secs(3);
const BYTES: [usize; 2] = [300, 20_000];

#[derive(Default)]
pub(crate) struct Short {
    next: u64,
    /// Keys that were put, and when their time is over.
    written: VecDeque<(String, Instant)>,
}

#[async_trait::async_trait]
impl Load for Short {
    fn name(&self) -> String {
        "short".to_owned()
    }

    fn pause(&self) -> Duration {
        Duration::from_millis(100)
    }

    async fn step(&mut self, at: &Kv, elsewhere: &Kv, reads: &mut Reads) -> Result<()> {
        self.next += 1;
        let key = format!("{SHORT_PREFIX}{}", self.next);
        let value = format!("short {} {}", self.next, "s".repeat(BYTES[self.next as usize % BYTES.len()]));
        let sent = Instant::now();
        let answer = at.put_for(TTL_SECONDS, &key, value.clone()).await;
        let version = answer.as_ref().ok().and_then(Answer::entry_version);
        if outcome(answer)? == Outcome::Acknowledged {
            let version =
                version.ok_or_else(|| HarnessError::Unexpected("a put without a tag".to_owned()))?;
            let read = elsewhere.get_since(&key, version).await.and_then(Answer::value);
            if sent.elapsed() + AROUND_END < Duration::from_secs(TTL_SECONDS) {
                reads.note(&key, read, |seen| *seen == Some(value));
            }
        }
        self.written.push_back((key, Instant::now() + Duration::from_secs(TTL_SECONDS) + AROUND_END));
        while let Some((key, _)) = self.written.pop_front_if(|(_, end)| *end < Instant::now()) {
            let read = elsewhere.get(&key).await.and_then(Answer::value);
            reads.note(&key, read, Option::is_none);
        }
        Ok(())
    }

    fn ledger(&mut self) -> Option<&mut Ledger> {
        None
    }
}
