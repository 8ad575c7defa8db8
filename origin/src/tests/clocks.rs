//! Whose clock decides what has ended: the store's, so that all replicas decide alike.

use std::{sync::Arc, time::Duration};

use nearkv::{Clock, ExpirationRequest, PutOptions, Reason, VirtualClock};
use tokio::time::sleep;

use crate::{
    InitialState, Settings,
    format::Record,
    store::simulated::Simulated,
    tests::rig::{Process, config, reason, root, settings},
};

const HOUR_MS: i64 = 3_600_000;

/// A replica on a machine whose clock is ahead by so much.
async fn ahead(store: &Simulated, seed: u64, skew_ms: i64) -> Process {
    let clock = VirtualClock::starting_at(store.world().clock().now());
    clock.set_skew_ms(skew_ms);
    let process = Process::on(&store.client(), Arc::new(clock), seed, Settings::default());
    process.origin.configure(config("u1"));
    process.origin.initialise(&settings(), InitialState::New).await.unwrap();
    process
}

fn in_seconds(seconds: i64) -> PutOptions {
    let expiration = Some(ExpirationRequest::Ttl(seconds));
    PutOptions { expiration, ..PutOptions::default() }
}

/// t0 A (right) puts a key that ends in 120 s; t1 B, whose clock is an hour ahead, deletes it. By its own clock there is
/// nothing to delete: it would acknowledge without a record, and the key would go on living.
#[tokio::test(start_paused = true)]
async fn a_delete_by_a_replica_an_hour_ahead_deletes_what_lives() {
    let store = Simulated::new(51);
    let (right, wrong) = (ahead(&store, 1, 0).await, ahead(&store, 2, HOUR_MS).await);
    right.put_with("k", "v".into(), in_seconds(120)).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    wrong.delete("k").await.unwrap();
    assert!(matches!(root(&store).records.last(), Some(Record::Delete(_))));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(right.get("k").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_time_to_live_counts_from_the_stores_time_on_machines_that_are_wrong_either_way() {
    let store = Simulated::new(52);
    let right = ahead(&store, 1, 0).await;
    for (seed, skew) in [(2, HOUR_MS), (3, -HOUR_MS)] {
        let wrong = ahead(&store, seed, skew).await;
        wrong.put_with("k", "v".into(), in_seconds(120)).await.unwrap();
        for _ in 0..2 {
            sleep(Duration::from_secs(59)).await;
            assert_eq!(right.get("k").await.unwrap().as_deref(), Some("v"), "{skew} ms");
            assert_eq!(wrong.get("k").await.unwrap().as_deref(), Some("v"), "{skew} ms");
        }
        sleep(Duration::from_secs(3)).await;
        assert_eq!((right.get("k").await.unwrap(), wrong.get("k").await.unwrap()), (None, None), "{skew} ms");
        wrong.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_expiration_that_is_past_for_the_store_is_refused_by_a_machine_for_which_it_is_to_come() {
    let store = Simulated::new(53);
    let wrong = ahead(&store, 1, -HOUR_MS).await;
    let past = store.world().clock().now().seconds() - 60;
    let options =
        PutOptions { expiration: Some(ExpirationRequest::At(past.cast_signed())), ..PutOptions::default() };
    assert_eq!(reason(wrong.put_with("k", "v".into(), options).await), Reason::ExpirationInvalid);
    assert_eq!(wrong.origin.clock_skew_ms(), Some(-HOUR_MS));
}
