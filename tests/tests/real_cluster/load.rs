//! Readers and writers that go on while pods are replaced, through the Service over all edges, as applications do it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nearkv_tests::kv::{Answer, Kv};
use nearkv_tests::ledger::Counts;
use nearkv_tests::load::Writer;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::release::{Release, SPREAD};

/// Each with connections of its own. More would only make the machine slow: this is no benchmark.
const READERS: usize = 4;
const WRITERS: u64 = 2;

/// Between two reads of one reader.
const PAUSE: Duration = Duration::from_millis(5);

pub(crate) struct Load {
    stop: CancellationToken,
    readers: JoinSet<Reads>,
    writers: JoinSet<Writer>,
}

#[derive(Default)]
struct Reads {
    answered: u64,
    failures: Vec<String>,
}

impl Load {
    /// Starts it; `name` makes the writers' keys unique.
    pub(crate) async fn start(release: &Release<'_>, name: &str) -> Load {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let stop = CancellationToken::new();
        let (mut readers, mut writers) = (JoinSet::new(), JoinSet::new());
        for number in 0..READERS {
            let kept = release.settings("nearkv-edge").await;
            // Half of them connect anew for each read: those meet what the Service points to at that moment. The others
            // keep their connections: those meet how a pod parts from its clients.
            let edges = if number % 2 == 0 { kept.without_keep_alive() } else { kept };
            readers.spawn(read(edges, stop.clone()));
        }
        for number in 0..WRITERS {
            let edges = release.settings("nearkv-edge").await;
            let writer = Writer::new(&format!("{name}-{number}"), NEXT.fetch_add(1, Ordering::Relaxed));
            let stop = stop.clone();
            writers.spawn(async move { writer.run(&[edges], &stop).await.unwrap() });
        }
        Load { stop, readers, writers }
    }

    /// Ends it: not one read has failed, and no acknowledged write is lost.
    pub(crate) async fn end(self, release: &Release<'_>) {
        self.stop.cancel();
        let (mut answered, mut failures) = (0, Vec::new());
        for reads in self.readers.join_all().await {
            answered += reads.answered;
            failures.extend(reads.failures);
        }
        assert!(failures.is_empty(), "{} of {answered} reads failed: {failures:#?}", failures.len());
        assert!(answered > 100, "only {answered} reads: that is no load");
        let origin = release.settings("nearkv-operator").await;
        let mut counts = Counts::default();
        for mut writer in self.writers.join_all().await {
            let settled = tokio::time::timeout(SPREAD, writer.settle(&origin)).await.unwrap();
            counts = [counts, writer.ledger.take_counts()].into_iter().sum();
            settled.unwrap();
        }
        let Counts { acknowledged_puts, possible: _, unknown } = counts;
        assert!(acknowledged_puts > 10, "only {acknowledged_puts} writes: that is no load");
        println!(
            "{answered} reads, none failed; {acknowledged_puts} puts, none lost; {unknown} of unknown outcome"
        );
    }
}

async fn read(edges: Kv, stop: CancellationToken) -> Reads {
    let mut reads = Reads::default();
    while !stop.is_cancelled() {
        match edges.get("site_title").await.and_then(Answer::value) {
            Ok(Some(value)) if value == "My Awesome Blog" => reads.answered += 1,
            other => reads.failures.push(format!("{other:?}")),
        }
        tokio::time::sleep(PAUSE).await;
    }
    reads
}
