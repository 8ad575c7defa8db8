//! Repair loses nothing (invariant 7): it stands upon the very root that it replaces, and drops no key unless it is told to.

use std::{sync::Arc, time::Duration};

use nearkv::Reason;
use tokio::time::{Instant, sleep};

use crate::{
    OnLoss, Repair,
    format::root_name,
    settings::others_heal,
    store::simulated::{Faults, Link, Simulated},
    tests::{
        damage::{fill, reached, with_a_damaged_page},
        damage_stays::with_a_lost_segment,
        rig::{Process, reason, root_object, settings},
    },
};

async fn would_drop(process: &Process) -> String {
    match process.origin.repair(&settings(), OnLoss::Refuse).await.unwrap() {
        Repair::WouldDrop(what) => what,
        Repair::Done(version) => panic!("repaired as {version}"),
    }
}

/// t0: a replica misses a page. t1: another one commits, and goes on. t2: the first is told to repair, while the others
/// commit between its read of the root and its swap. What they have acknowledged must be there afterwards.
#[tokio::test(start_paused = true)]
async fn invariant_7_a_repair_loses_no_commit_that_comes_between_its_read_and_its_swap() {
    for seed in 35..39 {
        let store = Simulated::new(seed);
        let (process, _) = with_a_damaged_page(&store).await;
        process.reaches("PartDamaged").await;
        let other = Process::start(&store.client(), 3).await;
        // The repair has nothing more to wait for.
        sleep(others_heal(0)).await;
        let slow = Duration::from_millis(10);
        process.store.set_faults(Faults { latency: slow..slow * 3, deadline: slow * 100, ..Faults::NONE });
        let origin = Arc::clone(&process.origin);
        let repairing = tokio::spawn(async move { origin.repair(&settings(), OnLoss::Accept).await });
        let mut acknowledged = Vec::new();
        let mut n = 0;
        while !repairing.is_finished() {
            let name = format!("z-{n:05}");
            other.put(&name, &n.to_string()).await.unwrap();
            acknowledged.push(name);
            n += 1;
            sleep(Duration::from_millis(35)).await;
        }
        assert!(matches!(repairing.await.unwrap(), Ok(Repair::Done(_))));
        assert!(acknowledged.len() > 5, "{}", acknowledged.len());
        sleep(Duration::from_secs(5)).await;
        let next = Process::start(&store.client(), 4).await;
        for process in [&process, &other, &next] {
            process.reaches("Ready").await;
            for (n, name) in acknowledged.iter().enumerate() {
                assert_eq!(process.get(name).await.unwrap(), Some(n.to_string()), "seed {seed}: {name}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn invariant_7_a_repair_says_how_many_keys_it_would_drop_and_drops_only_those_and_only_when_told() {
    let store = Simulated::new(31);
    let (process, lost) = with_a_lost_segment(&store).await;
    let said = lost.content.text["records"].lines().count();
    let before = root_object(&store).meta.token;
    let what = would_drop(&process).await;
    let count: usize = what.split("up to ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((said..=2 * said).contains(&count), "{count} of {said}: {what}");
    assert!(what.contains("mid-") && what.contains("--accept-loss"), "{what}");
    assert_eq!(root_object(&store).meta.token, before, "nothing was written");
    assert_eq!(process.health().as_str(), "PartDamaged");
    process.repair(OnLoss::Accept).await;
    process.reaches("Ready").await;
    let next = Process::start(&store.client(), 3).await;
    for process in [&process, &next] {
        let keys = process.keys().await;
        assert_eq!(keys.iter().filter(|key| key.starts_with("key-")).count(), 1500, "not those beside it");
        assert_eq!(keys.len(), 1500 + 17 - said);
        assert_eq!(process.get("mid-06-long").await.unwrap(), None);
    }
    process.put("mid-06-long", "anew").await.unwrap();
}

/// The one who repairs has lost a page; another replica has it in memory, and its audit has not been round yet.
#[tokio::test(start_paused = true)]
async fn invariant_7_a_repair_waits_for_who_may_still_hold_what_it_would_drop() {
    let store = Simulated::new(32);
    let whole = Process::start(&store, 1).await;
    fill(&whole).await;
    sleep(Duration::from_secs(60)).await;
    store.world().remove(&reached(&whole, "page")[1]).unwrap();
    let damaged = Process::start(&store.client(), 2).await;
    assert_eq!(damaged.health().as_str(), "PartDamaged");
    damaged.repair(OnLoss::Accept).await;
    assert_eq!(damaged.keys().await.len(), 1500);
    assert_eq!(whole.keys().await.len(), 1500);
}

/// The root is edited by hand just after a commit that this replica has not heard of.
#[tokio::test(start_paused = true)]
async fn invariant_7_a_memory_that_is_behind_a_damaged_root_says_so_before_it_takes_its_place() {
    let store = Simulated::new(33);
    let other = Process::start(&store, 1).await;
    let process = Process::start(&store.client(), 2).await;
    other.put("k", "0").await.unwrap();
    sleep(Duration::from_secs(1)).await;
    process.store.set_link(Link::Cut);
    for n in 1..=3 {
        other.put("k", &n.to_string()).await.unwrap();
    }
    other.kill();
    store.world().tamper(&root_name(&settings()), |object| {
        object.content.text.get_mut("records").unwrap().push(' ');
    });
    process.store.set_link(Link::Up);
    process.reaches("RootDamaged").await;
    let what = would_drop(&process).await;
    assert!(what.contains("up to 3 keys") && what.contains("the last 3 records"), "{what}");
    process.repair(OnLoss::Accept).await;
    assert_eq!(process.get("k").await.unwrap().as_deref(), Some("0"));
}

#[tokio::test(start_paused = true)]
async fn a_repair_of_sound_data_writes_nothing() {
    let store = Simulated::new(34);
    let process = Process::start(&store, 1).await;
    let version = process.put("k", "v").await.unwrap();
    let before = root_object(&store).meta.token;
    let begun = Instant::now();
    assert_eq!(process.repair(OnLoss::Accept).await, version);
    assert_eq!(root_object(&store).meta.token, before);
    assert!(begun.elapsed() < Duration::from_secs(1), "nothing to wait for");
    let idle = Process::idle(&store.client(), 2, Default::default());
    assert_eq!(reason(idle.origin.repair(&settings(), OnLoss::Refuse).await), Reason::NamespaceMissing);
}
