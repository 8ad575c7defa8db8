//! Reads, writes and refreshes that cross: newer wins, and a write is seen at once where it was made.

use futures::StreamExt;
use nearkv::{Condition, ExpirationRequest, Kv, ReadOptions, Reason, Value};

use crate::{
    harness::{Edge, expiring, key, millis, namespace, only_if, pass, secs, settle},
    upstream::{Upstream, Writes},
};

fn edge() -> (Upstream, Edge) {
    let upstream = Upstream::new();
    upstream.write("k", Some("old"));
    (upstream.clone(), Edge::over(upstream))
}

fn large(letter: &str) -> Value {
    Value::Bytes(letter.repeat(5000).into())
}

#[tokio::test(start_paused = true)]
async fn a_small_put_is_read_at_once_without_asking_upstream() {
    let (upstream, edge) = edge();
    edge.get("k").await;
    let version = edge.put("k", "new").await.unwrap();
    let got = edge.get("k").await;
    assert_eq!((got.says().as_str(), got.state.version, upstream.gets()), ("new HIT", version, 1));
}

#[tokio::test(start_paused = true)]
async fn a_large_put_is_read_at_once_from_upstream_at_its_version() {
    let (upstream, edge) = edge();
    edge.get("k").await;
    let version = edge.put("k", large("n")).await.unwrap();
    upstream.set(|script| script.lag = 1);
    let got = edge.get("k").await;
    assert_eq!((got.value.unwrap().len(), got.state.version), (5000, version));
    assert_eq!(upstream.set(|script| script.gets[1].read.min_version), Some(version));
}

#[tokio::test(start_paused = true)]
async fn a_put_whose_end_only_the_origin_can_compute_is_read_from_upstream() {
    let (upstream, edge) = edge();
    edge.put_with("k", "new", expiring(ExpirationRequest::Ttl(60))).await.unwrap();
    assert_eq!((edge.get("k").await.says().as_str(), upstream.gets()), ("new MISS", 1));
    pass(secs(60)).await;
    assert_eq!(edge.get("k").await.says(), "- EXPIRED");
}

#[tokio::test(start_paused = true)]
async fn a_delete_is_seen_at_once_and_its_absence_is_cached() {
    let (upstream, edge) = edge();
    edge.get("k").await;
    edge.delete("k").await.unwrap();
    assert_eq!((edge.get("k").await.says().as_str(), upstream.gets()), ("- HIT", 1));
}

#[tokio::test(start_paused = true)]
async fn a_put_during_a_fetch_is_not_undone_by_it() {
    for value in ["small".into(), large("n")] {
        let (upstream, edge) = edge();
        upstream.set(|script| script.back = millis(500));
        let overlapping = edge.reading("k"); // t0: reads state 1
        settle().await;
        upstream.set(|script| script.back = millis(100));
        let version = edge.put("k", value).await.unwrap(); // t1: acknowledged as 2
        let joined = edge.get("k").await; // t2: begins after the acknowledgement
        assert_eq!(joined.state.version, version, "{joined:?}");
        assert_eq!(overlapping.await.unwrap().value.as_deref(), Some("old"), "it began before");
        pass(secs(1)).await;
        assert_eq!(edge.get("k").await.state.version, version, "the old answer was not kept");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_lands_after_a_write_it_does_not_show_is_not_kept() {
    for unknown in [false, true] {
        let (upstream, edge) = edge();
        upstream.set(|script| script.back = millis(500));
        let overlapping = edge.reading("k"); // t0: reads "old"; nothing is held yet
        settle().await;
        upstream.set(|script| script.back = millis(10));
        if unknown {
            upstream.set(|script| script.writes = Writes::LostAfterCommit);
        }
        assert_eq!(edge.put("k", large("n")).await.is_err(), unknown); // t1: committed, and nothing is kept
        assert_eq!(overlapping.await.unwrap().says(), "old MISS"); // t2: it lands
        assert_eq!(edge.get("k").await.value.unwrap().len(), 5000, "t3 (unknown: {unknown})");
    }
}

#[tokio::test(start_paused = true)]
async fn a_small_put_that_streams_is_kept_too_if_its_length_is_announced() {
    for (length, asked) in [(Some(3), 0), (None, 1)] {
        let (upstream, edge) = edge();
        let chunks = futures::stream::iter(["n", "ew"]).map(|chunk| Ok(chunk.into())).boxed();
        edge.put("k", Value::Stream { length, chunks }).await.unwrap();
        assert_eq!(edge.get("k").await.value.as_deref(), Some("new"));
        assert_eq!(upstream.gets(), asked);
    }
}

#[tokio::test(start_paused = true)]
async fn a_delete_during_a_refresh_is_not_undone_by_it() {
    let (upstream, edge) = edge();
    edge.get("k").await;
    pass(secs(50)).await;
    upstream.write("k", Some("newer"));
    upstream.set(|script| script.back = millis(500));
    assert_eq!(edge.get("k").await.says(), "old UPDATING"); // the refresh reads "newer"
    settle().await;
    upstream.set(|script| script.back = millis(100));
    edge.delete("k").await.unwrap();
    assert_eq!(edge.get("k").await.says(), "- HIT");
    pass(secs(1)).await;
    assert_eq!(edge.get("k").await.says(), "- HIT", "the refresh that landed is older than the delete");
}

#[tokio::test(start_paused = true)]
async fn two_puts_acknowledged_in_the_wrong_order_leave_the_later_one() {
    let (upstream, edge) = edge();
    upstream.set(|script| script.back = millis(500));
    let slow = {
        let edge = edge.clone();
        tokio::spawn(async move { edge.put("k", "first").await })
    };
    settle().await;
    upstream.set(|script| script.back = millis(10));
    edge.put("k", "second").await.unwrap();
    assert_eq!(edge.get("k").await.says(), "second HIT");
    slow.await.unwrap().unwrap();
    assert_eq!(edge.get("k").await.says(), "second HIT");
}

#[tokio::test(start_paused = true)]
async fn a_lagging_replica_cannot_take_back_what_was_shown() {
    let (upstream, edge) = edge();
    upstream.write("k", Some("new"));
    assert_eq!(edge.get("k").await.says(), "new MISS");
    upstream.set(|script| script.lag = 1);
    pass(secs(61)).await;
    assert_eq!(edge.get("k").await.says(), "new REVALIDATED");
    assert_eq!(upstream.gets(), 2, "the state that was shown goes with the request");
}

#[tokio::test(start_paused = true)]
async fn a_refused_write_changes_nothing() {
    let (upstream, edge) = edge();
    edge.get("k").await;
    for reason in [Reason::PreconditionFailed, Reason::KeyDeclared, Reason::Throttled, Reason::Unavailable] {
        upstream.set(|script| script.writes = Writes::Refused(reason));
        let error = edge.put_with("k", "new", only_if(Condition::Absent)).await.unwrap_err();
        assert_eq!(error.reason(), reason);
        assert_eq!(edge.get("k").await.says(), "old HIT");
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_wants_a_version_gets_it_or_is_refused() {
    let (upstream, edge) = edge();
    edge.get("k").await;
    let version = upstream.write("k", Some("new"));
    assert_eq!(edge.get("k").await.says(), "old HIT");
    assert_eq!(edge.get_at_least("k", version).await.unwrap().says(), "new EXPIRED");
    assert_eq!(edge.get_at_least("k", version).await.unwrap().says(), "new HIT");
    let beyond = nearkv::Version::new(version.incarnation, version.number + 1);
    let error = edge.get_at_least("k", beyond).await.unwrap_err();
    assert_eq!(error.reason(), Reason::VersionNotReached);
    assert_eq!(edge.get("k").await.says(), "new HIT");
}

#[tokio::test(start_paused = true)]
async fn a_read_that_wants_more_does_not_take_what_a_shared_flight_brings() {
    let (upstream, edge) = edge();
    upstream.set(|script| script.back = millis(100));
    let first = edge.reading("k");
    settle().await;
    let version = upstream.write("k", Some("new"));
    let second = edge.get_at_least("k", version).await.unwrap();
    assert_eq!(first.await.unwrap().value.as_deref(), Some("old"));
    assert_eq!(second.value.as_deref(), Some("new"));
}

#[tokio::test(start_paused = true)]
async fn with_another_incarnation_all_that_was_held_is_dropped() {
    let (upstream, edge) = edge();
    edge.get("k").await;
    edge.get("other").await;
    edge.list("").await;
    for n in 0..5 {
        edge.put("k", large(&n.to_string())).await.unwrap();
    }
    let restored = upstream.restore(2);
    upstream.write("other", Some("from the backup"));
    let got = edge.get("k").await;
    assert_eq!((got.says().as_str(), got.state.version.incarnation), ("- MISS", restored.incarnation));
    assert_eq!(edge.get("other").await.value.as_deref(), Some("from the backup"));
    assert_eq!(edge.list("").await.0, ["other"]);
    edge.put("k", "again").await.unwrap();
    assert_eq!(edge.get("k").await.says(), "again HIT");
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_an_ended_incarnation_is_not_kept() {
    let (upstream, edge) = edge();
    upstream.set(|script| script.back = millis(500));
    let late = edge.reading("k"); // reads the old data
    settle().await;
    upstream.restore(2);
    upstream.set(|script| script.back = millis(10));
    edge.put("other", "new").await.unwrap(); // the first that is heard of the new data
    late.await.unwrap();
    pass(secs(1)).await;
    assert_eq!(edge.get("other").await.says(), "new HIT");
    assert_eq!(edge.get("k").await.value, None);
}

#[tokio::test(start_paused = true)]
async fn a_bulk_get_sees_the_writes_shares_the_cache_and_tells_the_oldest_state() {
    let (upstream, edge) = edge();
    upstream.write("b", Some("b1"));
    edge.get("k").await;
    pass(secs(10)).await;
    let written = edge.put("c", "c1").await.unwrap();
    edge.delete("b").await.unwrap();
    let keys = [key("c"), key("none"), key("b"), key("k")];
    let answer = edge.0.get_many(&namespace(), &keys, &ReadOptions::default()).await.unwrap();
    let mut values = Vec::new();
    for entry in answer.body {
        values.push(match entry {
            Some(entry) => Some(crate::harness::text(entry.value.into_bytes().await.unwrap())),
            None => None,
        });
    }
    assert_eq!(values, [Some("c1".to_owned()), None, None, Some("old".to_owned())]);
    assert_eq!(answer.state.age, secs(10));
    assert!(answer.state.version < written);
    assert_eq!(upstream.gets(), 2, "only what was not in memory");
    assert_eq!(edge.get("none").await.says(), "- HIT", "and it is kept");
}

#[tokio::test(start_paused = true)]
async fn what_the_cache_has_no_room_for_is_still_read_as_written() {
    let upstream = Upstream::new();
    let edge = Edge(nearkv_edge_cache::EdgeCache::new(
        upstream.clone(),
        &nearkv_edge_cache::Settings { cache_bytes: 10_000 },
    ));
    for n in 0..200 {
        edge.put(&format!("k{n}"), "v".repeat(1000).leak() as &str).await.unwrap();
    }
    upstream.set(|script| script.lag = 200);
    for n in 0..200 {
        assert!(edge.get(&format!("k{n}")).await.value.is_some(), "k{n}");
    }
    let metrics = edge.0.metrics_text();
    let entries = metrics.lines().find_map(|line| line.strip_prefix("nearkv_edge_cache_entries ")).unwrap();
    let entries = entries.parse::<u64>().unwrap();
    assert!((1..10).contains(&entries), "10 values of 1000 bytes do not fit into 10 000 bytes: {entries}");
}
