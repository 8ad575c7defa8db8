//! What an edge holds, over its end and a new beginning: loaded as old as it is by then, judged like everything that is
//! held, and not loaded at all where the file is not whole.

mod access;
mod file;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use nearkv::{Clock, ExpirationRequest, GetOptions, Kv, Lookup, Metadata, PutOptions, Reason, VirtualClock};
use nearkv_edge_cache::{EdgeCache, Settings, Snapshots};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::{
    harness::{Edge, expiring, key, namespace, pass, secs},
    upstream::{Mood, START, Upstream},
};

/// Longer than the interval at which snapshots are saved.
const INTERVAL_SECS: u64 = 301;

struct World {
    upstream: Upstream,
    clock: Arc<VirtualClock>,
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let upstream = Upstream::new();
        upstream.write("k", Some("old"));
        let clock = Arc::new(VirtualClock::starting_at(START));
        Self { upstream, clock, folder: tempfile::tempdir().unwrap() }
    }

    fn snapshots(&self) -> Snapshots {
        Snapshots::new(self.folder.path().to_owned(), self.clock.clone())
    }

    /// A new process: an edge that begins with what was saved last.
    async fn edge(&self) -> Edge {
        self.edge_with(&Settings::default()).await
    }

    async fn edge_with(&self, settings: &Settings) -> Edge {
        let edge = Edge(EdgeCache::new(self.upstream.clone(), settings));
        self.snapshots().load(&edge.0).await;
        edge
    }

    /// The process ends as it was asked to.
    async fn end(&self, edge: Edge) {
        edge.0.shutdown().await;
        self.snapshots().save_final(&edge.0).await;
    }

    /// The process is killed, a moment after it saved a snapshot.
    async fn kill(&self, edge: Edge) {
        let stop = CancellationToken::new();
        let (snapshots, cache) = (self.snapshots(), edge.0.clone());
        tokio::join!(snapshots.keep(&cache, &stop), async {
            pass(secs(INTERVAL_SECS)).await;
            stop.cancel();
        });
    }

    fn down(&self) {
        self.upstream.set(|script| script.mood = Mood::Failing(Reason::Unavailable));
    }

    fn up(&self) {
        self.upstream.set(|script| script.mood = Mood::Well);
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("edge.final.snapshot")
    }
}

fn told(edge: &Edge, line: &str) {
    let text = edge.0.metrics_text();
    assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
}

fn is_empty(edge: &Edge, outcome: &str) {
    told(edge, "nearkv_edge_cache_entries 0");
    told(edge, &format!("nearkv_edge_snapshot_loads_total{{outcome={outcome:?}}} 1"));
    assert!(!edge.0.started_warm());
}

#[tokio::test(start_paused = true)]
async fn what_is_held_at_the_end_is_held_at_the_next_beginning_as_old_as_it_is_by_then() {
    let world = World::new();
    let edge = world.edge().await;
    is_empty(&edge, "none");
    let metadata = Metadata::parse(r#"{"a": 1}"#).unwrap();
    let options = PutOptions { metadata, ..expiring(ExpirationRequest::Ttl(600)) };
    edge.put_with("m", "with metadata", options).await.unwrap();
    for (name, says) in [("k", "old MISS"), ("m", "with metadata MISS"), ("none", "- MISS")] {
        assert_eq!(edge.get(name).await.says(), says);
    }
    pass(secs(20)).await;
    world.end(edge).await;

    pass(secs(15)).await;
    world.down();
    let edge = world.edge().await;
    assert!(edge.0.started_warm());
    let asked = world.upstream.gets();
    for (name, says) in [("k", "old HIT"), ("m", "with metadata HIT"), ("none", "- HIT")] {
        let got = edge.get(name).await;
        assert_eq!((got.says().as_str(), got.state.age), (says, secs(35)), "{name}");
        assert_eq!(got.state.time, START.plus(secs(35)));
    }
    assert_eq!(world.upstream.gets(), asked, "they were in memory");
    for line in [
        "nearkv_edge_snapshot_loaded_entries 3",
        "nearkv_edge_snapshot_loaded_age_seconds 15",
        r#"nearkv_edge_snapshot_loads_total{outcome="ok"} 1"#,
    ] {
        told(&edge, line);
    }
    world.end(edge).await;
    world.up();
    let entry = world.edge().await;
    let read = entry.0.get(&namespace(), &key("m"), &GetOptions::default()).await.unwrap();
    let Lookup::Found(entry) = read.body else { panic!("it was there") };
    assert_eq!(entry.metadata.unwrap().as_str(), r#"{"a": 1}"#);
    assert_eq!(entry.expiration.unwrap().0, START.seconds() + 600);
}

#[tokio::test(start_paused = true)]
async fn what_is_loaded_past_its_time_is_asked_for_and_stale_in_an_outage_and_no_longer_than_its_grace() {
    let world = World::new();
    let edge = world.edge().await;
    edge.get("k").await;
    world.end(edge).await;
    pass(secs(61)).await;
    world.down();
    let edge = world.edge().await;
    let got = edge.get("k").await;
    assert_eq!((got.says().as_str(), got.state.age), ("old STALE", secs(61)));
    world.end(edge).await;
    // As long as it is away in pieces, it ages as a whole.
    pass(secs(3599)).await;
    let edge = world.edge().await;
    assert_eq!(edge.get("k").await.says(), "old STALE");
    pass(secs(1)).await;
    assert_eq!(edge.refused("k").await.0.reason(), Reason::Unavailable);

    world.up();
    pass(secs(2)).await;
    world.upstream.write("k", None);
    assert_eq!(edge.get("k").await.says(), "- EXPIRED", "deleted meanwhile");
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_nothing_loaded_is_a_hit_before_the_origin_was_asked() {
    let world = World::new();
    world.upstream.set(|script| script.freshness.max_age = secs(3600));
    let edge = world.edge().await;
    edge.get("k").await;
    edge.get("other").await;
    world.kill(edge.clone()).await;
    // Acknowledged by the edge that is killed now, and not in its snapshot.
    edge.delete("k").await.unwrap();

    let edge = world.edge().await;
    assert_eq!(edge.get("k").await.says(), "- EXPIRED");
    world.down();
    assert_eq!(edge.get("other").await.says(), "- STALE");

    // A final snapshot is whole only for the first who loads it.
    world.up();
    pass(secs(2)).await;
    assert_eq!(edge.get("other").await.says(), "- REVALIDATED");
    world.end(edge).await;
    let first = world.edge().await;
    assert_eq!(first.get("other").await.says(), "- HIT");
    drop(first);
    let second = world.edge().await;
    assert_eq!(second.get("other").await.says(), "- REVALIDATED");
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_ended_while_the_edge_was_away_is_never_served() {
    let world = World::new();
    let edge = world.edge().await;
    edge.put_with("k", "brief", expiring(ExpirationRequest::Ttl(60))).await.unwrap();
    edge.get("k").await;
    pass(secs(30)).await;
    world.end(edge).await;
    pass(secs(30)).await;
    world.down();
    let edge = world.edge().await;
    told(&edge, "nearkv_edge_snapshot_loaded_entries 0");
    assert_eq!(edge.refused("k").await.0.reason(), Reason::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn what_is_loaded_of_another_incarnation_falls_with_the_first_answer() {
    let world = World::new();
    let edge = world.edge().await;
    edge.get("k").await;
    edge.get("other").await;
    world.end(edge).await;
    world.upstream.restore(2);
    world.upstream.write("other", Some("new"));
    let edge = world.edge().await;
    assert_eq!(edge.get("k").await.says(), "old HIT", "within its time nobody was asked");
    assert_eq!(edge.get("fresh").await.says(), "- MISS");
    assert_eq!(edge.get("k").await.says(), "- EXPIRED");
    assert_eq!(edge.get("other").await.says(), "new EXPIRED");
}

#[tokio::test(start_paused = true)]
async fn a_write_through_the_new_edge_is_above_what_was_loaded() {
    let world = World::new();
    let edge = world.edge().await;
    edge.get("k").await;
    edge.get("large").await;
    world.end(edge).await;
    let edge = world.edge().await;
    edge.put("k", "new").await.unwrap();
    edge.put("large", Bytes::from(vec![b'x'; 10_000])).await.unwrap();
    world.down();
    assert_eq!(edge.get("k").await.says(), "new HIT");
    // Its absence was loaded, and the value was streamed through.
    assert_eq!(edge.refused("large").await.0.reason(), Reason::Unavailable);
}
