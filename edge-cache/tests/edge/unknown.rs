//! Writes whose outcome nobody knows: what is held of the key is suspect until upstream has been asked again.

use nearkv::{CacheStatus, Reason};

use crate::{
    harness::{Edge, millis, pass, secs, settle},
    upstream::{Mood, Upstream, Writes},
};

fn edge() -> (Upstream, Edge) {
    let upstream = Upstream::new();
    upstream.write("k", Some("old"));
    (upstream.clone(), Edge::over(upstream))
}

#[tokio::test(start_paused = true)]
async fn after_a_write_with_unknown_outcome_the_next_read_asks_upstream() {
    for (fate, value) in
        [(Writes::LostAfterCommit, "new EXPIRED"), (Writes::LostBeforeCommit, "old REVALIDATED")]
    {
        let (upstream, edge) = edge();
        edge.get("k").await;
        upstream.set(|script| script.writes = fate);
        let error = edge.put("k", "new").await.unwrap_err();
        assert_eq!(error.reason(), Reason::OutcomeUnknown);
        assert_eq!(edge.get("k").await.says(), value);
        assert_eq!(edge.get("k").await.status(), CacheStatus::Hit);
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_unknown_outcome_a_silent_upstream_means_stale_and_never_a_hit() {
    let (upstream, edge) = edge();
    edge.get("k").await;
    upstream.set(|script| script.writes = Writes::LostAfterCommit);
    edge.delete("k").await.unwrap_err();
    upstream.set(|script| script.mood = Mood::Silent);
    let got = edge.get("k").await;
    assert_eq!((got.says().as_str(), got.took), ("old STALE", secs(1)));
    assert_eq!(edge.get("k").await.status(), CacheStatus::Stale);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_sent_before_an_unknown_outcome_does_not_settle_it() {
    let (upstream, edge) = edge();
    upstream.set(|script| script.back = millis(500));
    let overlapping = edge.reading("k"); // t0: reads "old"
    settle().await;
    upstream.set(|script| (script.back, script.writes) = (millis(0), Writes::LostAfterCommit));
    edge.put("k", "new").await.unwrap_err(); // t1: committed, unknown
    assert_eq!(edge.get("k").await.says(), "new MISS", "t2: not content with the flight of t0");
    assert_eq!(overlapping.await.unwrap().says(), "old MISS");
    assert_eq!(edge.get("k").await.says(), "new HIT");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_sent_before_an_unknown_outcome_does_not_put_off_the_next_question() {
    let (upstream, edge) = edge();
    edge.get("k").await;
    pass(secs(50)).await;
    upstream.set(|script| script.back = millis(500));
    assert_eq!(edge.get("k").await.says(), "old UPDATING"); // t0: the refresh reads "old"
    settle().await;
    upstream.set(|script| (script.back, script.writes) = (millis(0), Writes::LostAfterCommit));
    edge.put("k", "new").await.unwrap_err(); // t1: what is held is suspect
    pass(millis(600)).await; // t2: the refresh has landed, and was not kept
    assert_eq!(edge.get("k").await.says(), "new EXPIRED");
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_does_not_settle_a_later_write_with_unknown_outcome() {
    let (upstream, edge) = edge();
    upstream.set(|script| script.back = millis(500));
    let acknowledged = {
        let edge = edge.clone();
        tokio::spawn(async move { edge.put("k", "acknowledged").await })
    };
    settle().await;
    upstream.set(|script| (script.back, script.writes) = (millis(0), Writes::LostAfterCommit));
    edge.put("k", "unknown").await.unwrap_err();
    acknowledged.await.unwrap().unwrap(); // committed before, heard of after
    assert_eq!(edge.get("k").await.says(), "unknown MISS");
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_goes_away_leaves_no_stale_hit() {
    let (upstream, edge) = edge();
    edge.get("k").await;
    upstream.set(|script| script.back = millis(100));
    let writer = {
        let edge = edge.clone();
        tokio::spawn(async move { edge.put("k", "new").await })
    };
    settle().await;
    writer.abort();
    pass(millis(200)).await;
    assert_eq!((edge.get("k").await.says().as_str(), upstream.gets()), ("new HIT", 1));
}
