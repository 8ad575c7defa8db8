//! What replicas know of each other by their canaries: how they divide what may be sent, and what one misses and another
//! still has.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    PacingSettings, Settings,
    format::{CANARY, LABEL_PART, Part, ReplicaState, Report},
    store::simulated::Simulated,
    tests::{
        damage_stays::view,
        rig::{self, Process, config, root},
    },
};

/// 1 KiB a second, and 1 MiB at once.
const LIMITS: PacingSettings = PacingSettings { bytes_per_second: 1024, bytes_burst: 1 << 20 };
/// What the canaries of a test cost, and what comes in meanwhile.
const LITTLE: i64 = 100_000;

async fn start(store: &Simulated, seed: u64) -> Process {
    let process = Process::with(store, seed, Settings { pacing: Some(LIMITS), ..Settings::default() }).await;
    sleep(Duration::from_secs(2)).await;
    process
}

fn level(process: &Process) -> i64 {
    process.origin.pace().level().unwrap()
}

fn reports(store: &Simulated) -> Vec<Report> {
    store.world().objects().iter().filter_map(|object| Report::of(object)).collect()
}

/// Sends about so many bytes.
async fn spend(process: &Process, bytes: i64) {
    process.origin.pace().spend(bytes as u64);
    // A canary says so.
    process.get("k").await.unwrap();
    sleep(Duration::from_secs(2)).await;
}

fn is_about(level: i64, expected: i64) -> bool {
    (level - expected).abs() < LITTLE
}

#[tokio::test(start_paused = true)]
async fn invariant_9_two_replicas_together_have_one_burst() {
    let store = Simulated::new(101);
    let one = start(&store, 1).await;
    assert!(is_about(level(&one), 1 << 20), "{}", level(&one));
    let two = start(&store.client(), 2).await;
    assert!(is_about(level(&one), 1 << 19) && is_about(level(&two), 1 << 19));
    spend(&one, 1 << 20).await;
    let three = start(&store.client(), 3).await;
    let all = level(&one) + level(&two) + level(&three);
    assert!(all <= LITTLE, "{all} bytes may be sent after a whole burst was");
}

#[tokio::test(start_paused = true)]
async fn invariant_9_no_restart_is_a_new_burst_whether_a_process_ends_or_crashes() {
    let store = Simulated::new(102);
    let first = start(&store, 1).await;
    spend(&first, 3 << 19).await;
    let spent = level(&first);
    first.stop().await;
    assert_eq!(reports(&store).iter().map(|report| report.state).collect::<Vec<_>>(), [ReplicaState::Ended]);
    let second = start(&store.client(), 2).await;
    assert!(is_about(level(&second), spent), "{} after {spent}", level(&second));
    second.kill();
    // Until then it might be slow.
    sleep(Duration::from_secs(10)).await;
    let third = start(&store.client(), 3).await;
    assert!(is_about(level(&third), spent), "{} after {spent}", level(&third));
    assert_eq!(reports(&store).len(), 1, "it has taken the places of the others");
}

#[tokio::test(start_paused = true)]
async fn invariant_9_a_rollout_is_no_new_burst() {
    let store = Simulated::new(103);
    let mut running = start(&store, 1).await;
    spend(&running, 1 << 20).await;
    for seed in 2..8 {
        let next = start(&store.client(), seed).await;
        running.stop().await;
        running = next;
        sleep(Duration::from_secs(2)).await;
        assert!(level(&running) < LITTLE, "{}", level(&running));
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_gone_gives_its_part_of_the_rate_to_the_others_and_its_canary_goes() {
    let store = Simulated::new(104);
    let one = start(&store, 1).await;
    let two = start(&store.client(), 2).await;
    one.origin.set_maintainer(true);
    two.kill();
    sleep(Duration::from_secs(1024)).await;
    assert!(is_about(level(&one), 1 << 20), "the burst is whole again: {}", level(&one));
    assert_eq!(reports(&store).len(), 1);
}

/// A hand edits a segment before the audit of the only replica has seen it. It needs it no more, and everybody who comes does.
#[tokio::test(start_paused = true)]
async fn what_one_replica_misses_is_written_again_at_once_by_another_that_has_it() {
    let store = Simulated::new(105);
    let whole = Process::start(&store, 1).await;
    for n in 0..20 {
        whole.put(&format!("k{n}"), &"x".repeat(3000)).await.unwrap();
    }
    let segment = root(&store).segments[0].segment.clone();
    let objects = rig::objects(&store);
    let object = objects.iter().find(|object| *object.meta.name.name == *segment).unwrap();
    assert_eq!(object.meta.labels[LABEL_PART], Part::Log.as_str());
    store.world().tamper(&object.meta.name, |object| {
        object.content.text.values_mut().for_each(|text| text.push('x'));
    });
    let missing = Process::idle(&store.client(), 2, Settings { pacing: None, ..Settings::default() });
    missing.origin.configure(config("u1"));
    missing.reaches("PartDamaged").await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(missing.health().as_str(), "Ready");
    assert_eq!(missing.keys().await.len(), 20);
    assert!(!view(&whole).root.segments.iter().any(|named| named.segment == segment));
}

/// Nothing but the watch of the roots is meant to meet them.
#[tokio::test(start_paused = true)]
async fn a_canary_is_no_object_of_a_kvnamespace() {
    let store = Simulated::new(106);
    let process = start(&store, 1).await;
    process.origin.set_maintainer(true);
    let canaries = || {
        let objects = store.world().objects();
        objects.iter().filter(|object| object.meta.labels[LABEL_PART] == CANARY).count()
    };
    assert_eq!(canaries(), 1);
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(canaries(), 1, "its own is not collected");
    assert_eq!(process.origin.report(&rig::settings()).unwrap().objects, 1);
}
