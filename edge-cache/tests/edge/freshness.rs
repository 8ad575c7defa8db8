//! How old an answer may be, and what a read does about it.

use nearkv::{CacheStatus, Expiration, ExpirationRequest, GetOptions};

use crate::{
    harness::{Edge, expiring, millis, pass, secs, settle},
    upstream::{START, Upstream},
};

fn edge() -> (Upstream, Edge) {
    let upstream = Upstream::new();
    upstream.write("k", Some("old"));
    (upstream.clone(), Edge::over(upstream))
}

#[tokio::test(start_paused = true)]
async fn the_first_read_is_a_miss_and_the_next_ones_are_hits_with_their_true_age() {
    let (upstream, edge) = edge();
    upstream.set(|script| (script.there, script.back, script.age) = (millis(40), millis(60), millis(500)));
    let first = edge.get("k").await;
    assert_eq!(first.says(), "old MISS");
    assert_eq!(first.state.age, millis(600), "the age counts from when the request was sent");
    pass(secs(10)).await;
    let second = edge.get("k").await;
    assert_eq!((second.says().as_str(), second.state.age, upstream.gets()), ("old HIT", millis(10_600), 1));
    assert!(second.took.is_zero());
    let origin_time = second.state.time.since(START);
    assert!(origin_time >= millis(10_100) && origin_time <= millis(10_200), "{origin_time:?}");
}

#[tokio::test(start_paused = true)]
async fn past_three_quarters_of_its_time_a_read_is_answered_at_once_and_starts_one_refresh() {
    let (upstream, edge) = edge();
    edge.get("k").await;
    upstream.write("k", Some("new"));
    upstream.set(|script| script.back = millis(300));
    pass(secs(46)).await;
    for _ in 0..5 {
        let got = edge.get("k").await;
        assert_eq!((got.says().as_str(), got.took), ("old UPDATING", secs(0)));
        settle().await;
    }
    assert_eq!(upstream.gets(), 2);
    assert!(upstream.set(|script| script.gets[1].if_none_match.is_some()), "the refresh is conditional");
    pass(secs(1)).await;
    assert_eq!((edge.get("k").await.says().as_str(), upstream.gets()), ("new HIT", 2));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_confirms_renews_the_age_without_the_value() {
    let (upstream, edge) = edge();
    edge.get("k").await;
    pass(secs(50)).await;
    assert_eq!(edge.get("k").await.status(), CacheStatus::Updating);
    pass(secs(20)).await;
    let got = edge.get("k").await;
    assert_eq!((got.says().as_str(), got.state.age, upstream.gets()), ("old HIT", secs(20), 2));
}

#[tokio::test(start_paused = true)]
async fn past_its_time_a_read_waits_for_upstream() {
    let (upstream, edge) = edge();
    edge.get("k").await;
    pass(secs(61)).await;
    assert_eq!(edge.get("k").await.says(), "old REVALIDATED");
    pass(secs(61)).await;
    upstream.write("k", Some("new"));
    assert_eq!(edge.get("k").await.says(), "new EXPIRED");
}

#[tokio::test(start_paused = true)]
async fn a_read_waits_one_second_at_most_where_there_is_a_stale_copy() {
    let (upstream, edge) = edge();
    edge.get("k").await;
    upstream.write("k", Some("new"));
    upstream.set(|script| script.back = secs(3));
    pass(secs(61)).await;
    let got = edge.get("k").await;
    assert_eq!((got.says().as_str(), got.took, got.state.age), ("old STALE", secs(1), secs(62)));
    let got = edge.get("k").await;
    assert_eq!((got.says().as_str(), got.took), ("old STALE", secs(0)), "the flight is late already");
    pass(secs(2)).await;
    assert_eq!((edge.get("k").await.says().as_str(), upstream.gets()), ("new HIT", 2));
}

#[tokio::test(start_paused = true)]
async fn a_readers_shorter_time_to_live_counts_for_its_read_alone() {
    let (upstream, edge) = edge();
    edge.get("k").await;
    pass(secs(31)).await;
    assert_eq!(edge.get("k").await.status(), CacheStatus::Hit);
    assert_eq!(edge.get_ttl("k", secs(30)).await.status(), CacheStatus::Revalidated);
    assert_eq!(
        upstream.set(|script| script.gets[1].read.cache_ttl),
        Some(secs(30)),
        "caches upstream hear it"
    );
    pass(secs(100)).await;
    assert_eq!(edge.get_ttl("k", secs(3600)).await.status(), CacheStatus::Hit);
}

#[tokio::test(start_paused = true)]
async fn concurrent_misses_share_one_request_even_if_the_first_reader_goes_away() {
    let (upstream, edge) = edge();
    upstream.set(|script| script.back = millis(100));
    let first = edge.reading("k");
    settle().await;
    let others = [edge.reading("k"), edge.reading("k")];
    settle().await;
    first.abort();
    for other in others {
        let got = other.await.unwrap();
        assert_eq!((got.says().as_str(), got.state.served.collapsed), ("old MISS", true));
    }
    assert_eq!(upstream.gets(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reader_with_a_bound_is_not_served_a_shared_answer_that_is_too_old_for_it() {
    let (upstream, edge) = edge();
    upstream.set(|script| (script.back, script.age) = (millis(100), secs(40)));
    let first = edge.reading("k");
    settle().await;
    upstream.set(|script| script.age = secs(0));
    let second = edge.get_ttl("k", secs(30)).await;
    assert_eq!(first.await.unwrap().says(), "old MISS");
    assert!(second.state.age < secs(30) && !second.state.served.collapsed, "{second:?}");
}

#[tokio::test(start_paused = true)]
async fn absence_is_cached_with_its_version() {
    let (upstream, edge) = edge();
    assert_eq!(edge.get("none").await.says(), "- MISS");
    let again = edge.get("none").await;
    assert_eq!((again.says().as_str(), again.state.version.number, upstream.gets()), ("- HIT", 1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_expired_entry_is_never_served_however_the_clocks_differ() {
    // The wall clock of this machine says 2026; the origin's runs from 2023. Neither is compared.
    let (upstream, edge) = edge();
    let at = Expiration(START.seconds() + 100);
    edge.put_with("k", "short-lived", expiring(ExpirationRequest::At(at.0 as i64))).await.unwrap();
    assert_eq!(edge.get("k").await.says(), "short-lived HIT");
    pass(secs(99)).await;
    assert_eq!(edge.get_ttl("k", secs(3600)).await.says(), "short-lived HIT");
    pass(secs(1)).await;
    assert_eq!(edge.get_ttl("k", secs(3600)).await.says(), "- EXPIRED");
    assert_eq!(upstream.gets(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_has_the_version_is_told_that_it_is_unchanged() {
    let (upstream, edge) = edge();
    let version = edge.get("k").await.state.version;
    let options = GetOptions { if_none_match: Some(version), ..GetOptions::default() };
    assert_eq!(edge.try_get("k", &options).await.unwrap().says(), "unchanged 1 HIT");
    upstream.write("k", Some("new"));
    pass(secs(61)).await;
    assert_eq!(edge.try_get("k", &options).await.unwrap().says(), "new EXPIRED");
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_of_upstream_is_no_refresh() {
    let (upstream, edge) = edge();
    edge.get("k").await;
    pass(secs(50)).await;
    upstream.set(|script| (script.status, script.age) = (CacheStatus::Stale, secs(300)));
    assert_eq!(edge.get("k").await.status(), CacheStatus::Updating);
    settle().await;
    let got = edge.get("k").await;
    assert_eq!((got.says().as_str(), got.state.age), ("old HIT", secs(50)), "what is held is younger");
    pass(secs(11)).await;
    let got = edge.get("k").await;
    assert_eq!((got.says().as_str(), got.state.age), ("old STALE", secs(300)));
    assert_eq!(edge.get("other").await.says(), "- STALE", "served, and not kept as fresh");
    assert_eq!(edge.get("other").await.says(), "- STALE");
    upstream.set(|script| (script.status, script.age) = (CacheStatus::Miss, secs(0)));
    pass(secs(2)).await;
    assert_eq!(edge.get("k").await.says(), "old REVALIDATED");
    assert_eq!(edge.get("other").await.says(), "- REVALIDATED");
}

#[tokio::test(start_paused = true)]
async fn a_newer_stale_answer_is_served_on_and_upstream_gets_one_request_per_second() {
    let (upstream, edge) = edge();
    edge.get("k").await;
    pass(secs(61)).await;
    upstream.write("k", Some("newer"));
    upstream.set(|script| (script.status, script.age) = (CacheStatus::Stale, secs(70)));
    for _ in 0..20 {
        assert_eq!(edge.get("k").await.says(), "newer STALE");
        pass(millis(40)).await;
    }
    assert_eq!(upstream.gets(), 2);
}

#[tokio::test(start_paused = true)]
async fn in_a_tier_age_time_and_status_compose() {
    let upstream = Upstream::new();
    upstream.write("k", Some("v"));
    upstream.set(|script| script.back = millis(100));
    let near_origin = Edge::over(upstream.clone());
    let near_reader = Edge::over(near_origin.0.clone());
    assert_eq!(near_origin.get("k").await.state.age, millis(100));
    pass(secs(20)).await;
    let got = near_reader.get("k").await;
    assert_eq!((got.says().as_str(), got.state.age), ("v MISS", millis(20_100)));
    pass(secs(20)).await;
    let got = near_reader.get("k").await;
    assert_eq!((got.says().as_str(), got.state.age), ("v HIT", millis(40_100)));
    pass(secs(10)).await;
    assert_eq!(near_reader.get("k").await.says(), "v UPDATING", "past 75 % at both");
    pass(secs(2)).await;
    near_reader.get("k").await;
    pass(secs(0)).await;
    let got = near_reader.get("k").await;
    assert!(got.state.age < secs(3), "both were refreshed: {got:?}");
    assert_eq!(upstream.gets(), 2);
}
