//! Rounds of load, kill and judgement, the same for operators in a cluster and for the development
//! mode: only what is killed differs.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use nearkv::Version;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio_util::sync::CancellationToken;

use crate::error::{HarnessError, Result};
use crate::eventually::eventually;
use crate::kv::Kv;
use crate::ledger::Counts;
use crate::load::Writer;
use crate::seed::seed;

/// Enough that commits take several writes, from several clients, at the moment of a kill.
const WRITERS: u64 = 6;

/// Fewer acknowledged puts than this in a round, on average, and the kills have met no writes. Six writers make hundreds.
const LEAST_PER_ROUND: u64 = 20;

/// A key of nobody's, whose acknowledged write orders all that was sent before it: a swap of the root
/// that was prepared earlier conflicts with it.
const BARRIER: &str = "barrier";

/// The load and the judge of one KvNamespace, over all rounds.
#[derive(Debug)]
pub struct Rounds {
    replicas: Vec<Kv>,
    writers: Vec<Writer>,
    random: StdRng,
    settled: Option<Version>,
    total: Counts,
}

impl Rounds {
    /// Over `replicas` of one KvNamespace that nobody else writes to. Prints its seed.
    pub fn new(replicas: Vec<Kv>) -> Rounds {
        let seed = seed();
        let writers = (0..WRITERS)
            .map(|number| Writer::new(&format!("writer-{number}"), seed.wrapping_add(number)))
            .collect();
        Rounds {
            replicas,
            writers,
            random: StdRng::seed_from_u64(seed),
            settled: None,
            total: Counts::default(),
        }
    }

    /// A random time up to `most`.
    pub fn moment(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.random.random_range(0.0..1.0))
    }

    /// How many writes ended how, over all rounds.
    pub fn total(&self) -> Counts {
        self.total
    }

    /// Whether so many rounds have shown anything.
    ///
    /// # Errors
    /// Too few writes were acknowledged in them.
    pub fn assert_enough(&self, rounds: u32) -> Result<()> {
        let least = u64::from(rounds) * LEAST_PER_ROUND;
        let acknowledged = self.total.acknowledged_puts;
        if acknowledged >= least {
            return Ok(());
        }
        let text =
            format!("in {rounds} rounds {acknowledged} puts were acknowledged, {least} at least are needed");
        Err(HarnessError::Unexpected(text))
    }

    /// One round: writes go on while `disturb` kills and starts again whatever it likes; then, with
    /// everything running, every key is judged at every replica.
    pub async fn round(&mut self, disturb: impl Future<Output = Result<()>>) -> Result<()> {
        let stop = CancellationToken::new();
        let load = self.writers.drain(..).map(|writer| {
            let (replicas, stop) = (self.replicas.clone(), stop.clone());
            tokio::spawn(async move { writer.run(&replicas, &stop).await })
        });
        let load = load.collect::<Vec<_>>();
        let disturbed = disturb.await;
        stop.cancel();
        for writer in join_all(load).await {
            let writer = writer.map_err(|error| HarnessError::Unexpected(format!("a writer: {error}")))??;
            self.writers.push(writer);
        }
        disturbed?;
        self.judge().await
    }

    /// Judges all keys. Called by [`Rounds::round`]; and again after a change that must not show.
    pub async fn judge(&mut self) -> Result<()> {
        let (state, tries) = self.barrier().await?;
        try_join_all(self.replicas.iter().map(async |replica| {
            eventually("the barrier at every replica", async || {
                let answer = replica.get_since(BARRIER, state).await.map_err(|error| format!("{error:?}"))?;
                answer.ok().map_err(|error| error.to_string())
            })
            .await
        }))
        .await?;
        let mut present: BTreeSet<String> = BTreeSet::from([BARRIER.to_owned()]);
        for writer in &mut self.writers {
            for replica in &self.replicas {
                writer.settle(replica).await?;
            }
            present.extend(writer.ledger.present().map(str::to_owned));
        }
        for replica in &self.replicas {
            let listed: BTreeSet<String> = replica.list("").await?.into_iter().collect();
            if listed != present {
                let difference: Vec<_> = listed.symmetric_difference(&present).collect();
                return Err(HarnessError::Unexpected(format!("list and keys differ in {difference:?}")));
            }
        }
        let counts: Counts = self.writers.iter_mut().map(|writer| writer.ledger.take_counts()).sum();
        self.count(state, counts, tries)?;
        self.total = [self.total, counts].into_iter().sum();
        Ok(())
    }

    /// Writes the barrier until it is acknowledged: the state then, and how many tries it took.
    async fn barrier(&mut self) -> Result<(Version, u64)> {
        let mut tries = 0;
        let answer = eventually("an acknowledged barrier", async || {
            tries += 1;
            let answer = self.replicas[0].put(BARRIER, "x").await.map_err(|error| format!("{error:?}"))?;
            answer.ok().map_err(|error| error.to_string())
        })
        .await?;
        let version = answer.entry_version();
        Ok((version.ok_or_else(|| HarnessError::Unexpected(format!("no ETag: {answer:?}")))?, tries))
    }

    /// Versions count records: one for each write that happened, so fewer than were acknowledged
    /// means a loss, and more than were sent a write that happened twice.
    fn count(&mut self, state: Version, counts: Counts, barrier_tries: u64) -> Result<()> {
        let Some(before) = self.settled.replace(state) else { return Ok(()) };
        if before.incarnation != state.incarnation {
            return Err(HarnessError::Unexpected(format!("another incarnation: {before}, then {state}")));
        }
        let records = state.number - before.number;
        let least = counts.acknowledged_puts + 1;
        let most = counts.possible + barrier_tries;
        if (least..=most).contains(&records) {
            return Ok(());
        }
        Err(HarnessError::Unexpected(format!(
            "{records} records from {before} to {state}, where {least} were acknowledged and {most} sent"
        )))
    }
}
