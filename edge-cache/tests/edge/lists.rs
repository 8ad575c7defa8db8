//! Lists: cached like entries, and dropped by writes under their prefix.

use nearkv::{CacheStatus, ExpirationRequest};

use crate::{
    harness::{Edge, expiring, millis, pass, secs, settle},
    upstream::{Upstream, Writes},
};

fn edge() -> (Upstream, Edge) {
    let upstream = Upstream::new();
    upstream.write("a/1", Some("v"));
    upstream.write("b/1", Some("v"));
    (upstream.clone(), Edge::over(upstream))
}

#[tokio::test(start_paused = true)]
async fn a_list_is_cached_for_its_time_and_refreshed_ahead() {
    let (upstream, edge) = edge();
    assert_eq!(edge.list("a/").await, (vec!["a/1".to_owned()], CacheStatus::Miss));
    assert_eq!(edge.list("a/").await.1, CacheStatus::Hit);
    upstream.write("a/2", Some("v"));
    pass(secs(46)).await;
    assert_eq!(edge.list("a/").await, (vec!["a/1".to_owned()], CacheStatus::Updating));
    settle().await;
    assert_eq!(edge.list("a/").await, (vec!["a/1".to_owned(), "a/2".to_owned()], CacheStatus::Hit));
    assert_eq!(upstream.lists(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_write_drops_the_lists_that_cover_its_key_and_no_others() {
    let (upstream, edge) = edge();
    for prefix in ["", "a/", "b/"] {
        edge.list(prefix).await;
    }
    upstream.set(|script| script.lag = 1);
    edge.put("a/2", "v").await.unwrap();
    assert_eq!(edge.list("a/").await.0, ["a/1", "a/2"]);
    assert_eq!(edge.list("").await.0, ["a/1", "a/2", "b/1"]);
    assert_eq!(edge.list("b/").await.1, CacheStatus::Hit);
    edge.delete("a/1").await.unwrap();
    assert_eq!(edge.list("a/").await.0, ["a/2"]);
    assert_eq!(edge.list("a/").await.1, CacheStatus::Hit);
    assert_eq!(upstream.lists(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_write_during_a_list_is_not_hidden_by_it() {
    let (upstream, edge) = edge();
    upstream.set(|script| script.back = millis(500));
    let overlapping = {
        let edge = edge.clone();
        tokio::spawn(async move { edge.list("a/").await.0 })
    };
    settle().await;
    upstream.set(|script| script.back = millis(10));
    edge.put("a/2", "v").await.unwrap();
    assert_eq!(edge.list("a/").await.0, ["a/1", "a/2"], "it began after the acknowledgement");
    assert_eq!(overlapping.await.unwrap(), ["a/1"]);
    assert_eq!(edge.list("a/").await.0, ["a/1", "a/2"]);
}

#[tokio::test(start_paused = true)]
async fn a_write_with_unknown_outcome_drops_the_lists_too() {
    let (upstream, edge) = edge();
    edge.list("a/").await;
    upstream.set(|script| script.writes = Writes::LostAfterCommit);
    edge.put("a/2", "v").await.unwrap_err();
    assert_eq!(edge.list("a/").await.0, ["a/1", "a/2"]);
    assert_eq!(edge.list("a/").await.1, CacheStatus::Hit);
}

#[tokio::test(start_paused = true)]
async fn items_that_have_ended_leave_a_cached_list() {
    let (_, edge) = edge();
    edge.put_with("a/2", "v", expiring(ExpirationRequest::Ttl(60))).await.unwrap();
    pass(secs(20)).await;
    assert_eq!(edge.list("a/").await.0, ["a/1", "a/2"]);
    pass(secs(40)).await;
    assert_eq!(edge.list("a/").await, (vec!["a/1".to_owned()], CacheStatus::Hit));
}
