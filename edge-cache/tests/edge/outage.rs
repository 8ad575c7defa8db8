//! Upstream down, silent, or refusing.

use nearkv::{ExpirationRequest, Reason};
use nearkv_edge_cache::CircuitState;

use crate::{
    harness::{Edge, expiring, millis, pass, secs, settle},
    upstream::{Mood, START, Upstream},
};

fn edge() -> (Upstream, Edge) {
    let upstream = Upstream::new();
    upstream.write("k", Some("old"));
    (upstream.clone(), Edge::over(upstream))
}

async fn break_circuit(upstream: &Upstream, edge: &Edge) {
    upstream.set(|script| script.mood = Mood::Failing(Reason::Unavailable));
    for n in 0..3 {
        edge.refused(&format!("unknown {n}")).await;
    }
    assert_eq!(edge.0.circuit(), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_stale_entry_is_served_while_the_origin_is_down_for_its_grace_and_no_longer() {
    let (upstream, edge) = edge();
    edge.get("k").await;
    upstream.set(|script| script.mood = Mood::Failing(Reason::Unavailable));
    pass(secs(61)).await;
    let got = edge.get("k").await;
    assert_eq!((got.says().as_str(), got.state.age, got.took), ("old STALE", secs(61), secs(0)));
    pass(secs(3599)).await;
    assert_eq!(edge.get("k").await.says(), "old STALE");
    pass(secs(1)).await;
    assert_eq!(edge.refused("k").await.0.reason(), Reason::Unavailable);
    upstream.set(|script| script.mood = Mood::Well);
    pass(secs(2)).await;
    assert_eq!(edge.get("k").await.says(), "old REVALIDATED");
}

#[tokio::test(start_paused = true)]
async fn every_outage_is_bridged_and_no_refusal_is() {
    for reason in Reason::ALL.iter().copied() {
        let (upstream, edge) = edge();
        edge.get("k").await;
        pass(secs(61)).await;
        upstream.set(|script| script.mood = Mood::Failing(reason));
        let got = edge.try_get("k", &nearkv::GetOptions::default()).await;
        // A state that this edge knows to exist and upstream does not have is upstream's fault.
        // A token of the edge's own that is nobody's may not have arrived yet; one without permission is refused.
        let bridged =
            reason.is_outage() || matches!(reason, Reason::VersionNotReached | Reason::Unauthenticated);
        let told = if reason == Reason::Forbidden { Reason::StoreRefused } else { reason };
        match got {
            Ok(got) => assert!(bridged && got.says() == "old STALE", "{reason:?} {got:?}"),
            Err(error) => assert!(!bridged && error.reason() == told, "{reason:?} {error}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hot_key_never_waits_for_a_silent_origin() {
    let (upstream, edge) = edge();
    edge.get("k").await;
    upstream.set(|script| script.mood = Mood::Silent);
    for _ in 0..200 {
        pass(secs(1)).await;
        let got = edge.get("k").await;
        assert!(got.took.is_zero() && got.value.as_deref() == Some("old"), "{got:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_cached_is_refused_within_20_ms_once_the_circuit_is_open() {
    let (upstream, edge) = edge();
    break_circuit(&upstream, &edge).await;
    upstream.set(|script| script.mood = Mood::Silent);
    for n in 0..100 {
        pass(millis(250)).await;
        let (error, took) = edge.refused(&format!("{n}")).await;
        assert_eq!(error.reason(), Reason::Unavailable);
        assert!(took <= millis(20), "{took:?} at {n}");
        assert!(error.retry_after().unwrap() >= secs(1));
    }
    assert!(upstream.gets() < 20, "only probes get through: {}", upstream.gets());
}

#[tokio::test(start_paused = true)]
async fn a_silent_origin_opens_the_circuit_and_one_probe_closes_it() {
    let (upstream, edge) = edge();
    upstream.set(|script| script.mood = Mood::Silent);
    let (error, took) = edge.refused("k").await;
    assert_eq!((error.reason(), took), (Reason::Unavailable, secs(5)));
    assert_eq!(edge.0.circuit(), CircuitState::Open);
    upstream.set(|script| (script.mood, script.back) = (Mood::Well, millis(100)));
    pass(secs(1)).await;
    let (_, took) = edge.refused("k").await;
    assert!(took <= millis(20), "the probe is not waited for: {took:?}");
    assert_eq!(edge.0.circuit(), CircuitState::HalfOpen);
    pass(millis(100)).await;
    assert_eq!(edge.0.circuit(), CircuitState::Closed);
    assert_eq!(edge.get("k").await.says(), "old HIT", "and what it brought is kept");
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_asks_for_patience_does_not_open_the_circuit() {
    let (upstream, edge) = edge();
    upstream.set(|script| script.mood = Mood::Failing(Reason::NamespaceLoading));
    for _ in 0..10 {
        assert_eq!(edge.refused("k").await.0.reason(), Reason::NamespaceLoading);
    }
    assert_eq!(edge.0.circuit(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_expired_entry_is_not_served_in_an_outage() {
    let (upstream, edge) = edge();
    let at = START.seconds() as i64 + 100;
    edge.put_with("k", "short-lived", expiring(ExpirationRequest::At(at))).await.unwrap();
    upstream.set(|script| script.mood = Mood::Failing(Reason::Unavailable));
    pass(secs(99)).await;
    assert_eq!(edge.get("k").await.says(), "short-lived STALE");
    pass(secs(1)).await;
    assert_eq!(edge.refused("k").await.0.reason(), Reason::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_ends_while_a_read_waits_is_not_served() {
    let (upstream, edge) = edge();
    let at = START.seconds() as i64 + 100;
    edge.put_with("k", "short-lived", expiring(ExpirationRequest::At(at))).await.unwrap();
    pass(millis(99_500)).await;
    upstream.set(|script| script.mood = Mood::Silent);
    let (error, took) = edge.refused("k").await;
    assert_eq!((error.reason(), took), (Reason::Unavailable, secs(1)));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_entry_does_not_come_back_in_an_outage() {
    let (upstream, edge) = edge();
    edge.get("k").await;
    edge.delete("k").await.unwrap();
    upstream.set(|script| script.mood = Mood::Failing(Reason::Unavailable));
    pass(secs(100)).await;
    assert_eq!(edge.get("k").await.says(), "- STALE");
}

#[tokio::test(start_paused = true)]
async fn a_delete_acknowledged_while_a_read_waits_is_what_the_read_gives() {
    let (upstream, edge) = edge();
    edge.get("k").await;
    pass(secs(61)).await;
    upstream.set(|script| script.there = secs(3));
    let waiting = edge.reading("k");
    settle().await;
    upstream.set(|script| script.there = secs(0));
    edge.delete("k").await.unwrap();
    assert_eq!(waiting.await.unwrap().value, None);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_does_not_exist_is_never_cached_and_takes_everything_with_it() {
    let (upstream, edge) = edge();
    edge.get("k").await;
    upstream.set(|script| script.mood = Mood::Failing(Reason::NamespaceMissing));
    for n in 1..4 {
        assert_eq!(edge.refused("other").await.0.reason(), Reason::NamespaceMissing);
        assert_eq!(upstream.gets(), 1 + n);
    }
    assert_eq!(edge.refused("k").await.0.reason(), Reason::NamespaceMissing, "nothing of it is served");
    upstream.set(|script| script.mood = Mood::Well);
    assert_eq!(edge.get("k").await.says(), "old EXPIRED");
}

#[tokio::test(start_paused = true)]
async fn an_upstream_in_trouble_gets_one_request_per_key_and_second() {
    let (upstream, edge) = edge();
    edge.get("k").await;
    upstream.set(|script| script.mood = Mood::Failing(Reason::Throttled));
    pass(secs(61)).await;
    for _ in 0..100 {
        assert_eq!(edge.get("k").await.says(), "old STALE");
        pass(millis(50)).await;
    }
    assert!((5..=8).contains(&upstream.gets()), "{}", upstream.gets());
}

#[tokio::test(start_paused = true)]
async fn with_the_circuit_open_a_write_is_refused_at_once_and_nothing_is_written() {
    let (upstream, edge) = edge();
    break_circuit(&upstream, &edge).await;
    upstream.set(|script| script.mood = Mood::Well);
    let error = edge.put("k", "new").await.unwrap_err();
    assert_eq!(error.reason(), Reason::Unavailable);
    pass(secs(1)).await;
    edge.put("k", "new").await.unwrap();
    assert_eq!(edge.0.circuit(), CircuitState::Closed);
    assert_eq!(edge.get("k").await.says(), "new HIT");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_fetches_and_waits_for_writes() {
    let (upstream, edge) = edge();
    upstream.set(|script| script.back = secs(2));
    let reading = {
        let edge = edge.clone();
        tokio::spawn(async move { edge.refused("k").await.0 })
    };
    let writing = {
        let edge = edge.clone();
        tokio::spawn(async move { edge.put("w", "v").await })
    };
    settle().await;
    let start = tokio::time::Instant::now();
    edge.0.shutdown().await;
    assert_eq!(start.elapsed(), secs(2));
    assert_eq!(reading.await.unwrap().reason(), Reason::Unavailable);
    writing.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_breaks_off_keeps_nobody_waiting() {
    let (upstream, edge) = edge();
    upstream.set(|script| script.mood = Mood::Panicking);
    assert_eq!(edge.refused("k").await.0.reason(), Reason::Internal);
    assert_eq!(edge.put("k", "new").await.unwrap_err().reason(), Reason::OutcomeUnknown);
    upstream.set(|script| script.mood = Mood::Well);
    assert_eq!(edge.get("k").await.says(), "old MISS");
}

#[tokio::test(start_paused = true)]
async fn that_this_edge_may_not_ask_for_a_kvnamespace_is_an_answer_and_a_token_that_is_nobodys_is_none() {
    for (reason, heard) in [(Reason::Forbidden, true), (Reason::Unauthenticated, false)] {
        let (upstream, edge) = edge();
        upstream.set(|script| script.mood = Mood::Failing(reason));
        edge.refused("k").await;
        assert_eq!(edge.0.has_upstream_answered(), heard, "{reason:?}");
    }
}
