//! All loads together: they run during a phase, and at its end every key is judged at every operator.

use std::collections::BTreeSet;

use futures::future::join_all;
use nearkv_tests::ledger::Counts;
use nearkv_tests::load::settle;
use nearkv_tests::{HarnessError, Kv, Result, eventually};
use tokio_util::sync::CancellationToken;

use crate::load::{Bulk, Conditional, Kept, Large, Load, Reads, SHORT_PREFIX, Short, Single, kept_values};

/// A declared entry that no phase changes, and its value.
pub(crate) const DECLARED: (&str, &str) = ("declared", "by the manifest");
/// A declared entry that every phase changes.
pub(crate) const CHANGING: &str = "phase";
/// A key of no load, whose acknowledged write orders all that was sent before it.
const BARRIER: &str = "barrier";
/// Enough that commits of two operators conflict all the time.
const SINGLES: u64 = 4;
/// One for each path.
const READERS: u64 = 4;

/// The loads of one KvNamespace.
pub(crate) struct Traffic {
    paths: Vec<Kv>,
    loads: Vec<Box<dyn Load>>,
}

/// What a phase has seen.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) reads: Reads,
    pub(crate) writes: Counts,
}

impl Traffic {
    /// Over `paths` to a KvNamespace that no other program writes to. Writes the values that are kept.
    pub(crate) async fn begin(paths: Vec<Kv>) -> Result<Traffic> {
        for (key, value) in kept_values() {
            paths[0].put(&key, value).await?.ok()?;
        }
        let mut loads: Vec<Box<dyn Load>> = vec![
            Box::new(Bulk::default()),
            Box::new(Conditional::default()),
            Box::new(Large::default()),
            Box::new(Short::default()),
        ];
        loads.extend((0..SINGLES).map(|number| Box::new(Single::new(number)) as Box<dyn Load>));
        loads.extend((0..READERS).map(|number| Box::new(Kept::new(number, DECLARED)) as Box<dyn Load>));
        Ok(Traffic { paths, loads })
    }

    /// Runs all loads while `disturb` does what it likes, and judges nothing yet.
    pub(crate) async fn during(&mut self, disturb: impl Future<Output = Result<()>>) -> Result<Tally> {
        let stop = CancellationToken::new();
        let running: Vec<_> = self
            .loads
            .drain(..)
            .enumerate()
            .map(|(index, load)| tokio::spawn(run(load, self.paths.clone(), index, stop.clone())))
            .collect();
        let disturbed = disturb.await;
        stop.cancel();
        let mut tally = Tally::default();
        for ended in join_all(running).await {
            let (load, reads) =
                ended.map_err(|error| HarnessError::Unexpected(format!("a load: {error}")))??;
            tally.reads.answered += reads.answered;
            tally.reads.failures.extend(reads.failures);
            self.loads.push(load);
        }
        disturbed?;
        Ok(tally)
    }

    /// Judges all keys at each of `operators`, and counts the writes since the last time.
    ///
    /// # Errors
    /// What was lost or came back.
    pub(crate) async fn judge(&mut self, operators: &[Kv]) -> Result<Counts> {
        let state = eventually("an acknowledged barrier", async || {
            let answer = self.paths[0].put(BARRIER, "x").await.map_err(|error| format!("{error:?}"))?;
            let answer = answer.ok().map_err(|error| error.to_string())?;
            answer.entry_version().ok_or_else(|| format!("no ETag: {answer:?}"))
        })
        .await?;
        let mut present: BTreeSet<String> = kept_values().into_keys().collect();
        present.extend([BARRIER, DECLARED.0].map(str::to_owned));
        let mut counts = Counts::default();
        for operator in operators {
            operator.get_since(BARRIER, state).await?.ok()?;
            for ledger in self.loads.iter_mut().filter_map(|load| load.ledger()) {
                settle(ledger, operator).await?;
                present.extend(ledger.present().map(str::to_owned));
                counts = [counts, ledger.take_counts()].into_iter().sum();
            }
        }
        for operator in operators {
            let mut listed: BTreeSet<String> = operator.list("").await?.into_iter().collect();
            listed.retain(|key| !key.starts_with(SHORT_PREFIX) && key != CHANGING);
            if listed != present {
                let difference: Vec<_> = listed.symmetric_difference(&present).collect();
                return Err(HarnessError::Unexpected(format!("list and keys differ in {difference:?}")));
            }
        }
        Ok(counts)
    }
}

/// Steps until `stop`, through one path after the other.
async fn run(
    mut load: Box<dyn Load>,
    paths: Vec<Kv>,
    first: usize,
    stop: CancellationToken,
) -> Result<(Box<dyn Load>, Reads)> {
    let mut reads = Reads::default();
    let mut path = first;
    while !stop.is_cancelled() {
        let (at, elsewhere) = (&paths[path % paths.len()], &paths[(path + 1) % paths.len()]);
        load.step(at, elsewhere, &mut reads)
            .await
            .map_err(|error| HarnessError::Unexpected(format!("the load {}: {error:?}", load.name())))?;
        path += 1;
        tokio::time::sleep(load.pause()).await;
    }
    Ok((load, reads))
}
