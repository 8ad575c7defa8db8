//! Damage stays where it is (invariant 7): what is lost concerns its own keys, and everything else goes on.

use std::{sync::Arc, time::Duration};

use nearkv::{Kv, Reason};
use tokio::time::sleep;

use crate::{
    state::snapshot::Snapshot,
    store::{Draft, Object, ObjectName, simulated::Simulated},
    tests::{
        damage::{fill, reached, with_a_damaged_page},
        rig::{self, Process, reason, root, settings},
    },
};

pub(super) fn view(process: &Process) -> Arc<Snapshot> {
    process.origin.instance(&settings()).unwrap().space.view().unwrap()
}

/// Puts an object back under its name, as a person would from a backup.
pub(super) fn put_back(store: &Simulated, object: &Object) {
    store.world().plant(&Draft {
        name: object.meta.name.clone(),
        labels: object.meta.labels.clone(),
        owner: object.meta.owner.clone(),
        content: object.content.clone(),
        immutable: true,
    });
}

fn mend(store: &Simulated, page: &ObjectName) {
    store.world().tamper(page, |object| {
        object.content.text.get_mut("entries").unwrap().pop();
    });
}

#[tokio::test(start_paused = true)]
async fn invariant_7_a_replica_with_a_lost_page_reads_of_each_foreign_commit_only_what_is_new() {
    let store = Simulated::new(21);
    let (process, page) = with_a_damaged_page(&store).await;
    process.reaches("PartDamaged").await;
    let other = Process::start(&store.client(), 3).await;
    for n in 0..40 {
        let before = process.store.counters().reads;
        other.put("later", &n.to_string()).await.unwrap();
        sleep(Duration::from_millis(700)).await;
        assert_eq!(process.get("later").await.unwrap(), Some(n.to_string()));
        // A round of the audit reads the root and the lost page again.
        let read = process.store.counters().reads - before;
        assert!(read <= 4, "{read} reads for the commit {n}");
    }
    mend(&store, &page);
    process.reaches("Ready").await;
    assert_eq!(process.keys().await.len(), 1501);
}

/// Two replicas: the one that has the page in memory writes it again, and the other one needs it.
#[tokio::test(start_paused = true)]
async fn invariant_7_what_one_replica_has_lost_is_written_again_by_the_one_that_holds_it() {
    let store = Simulated::new(22);
    let whole = Process::start(&store, 1).await;
    fill(&whole).await;
    // A round of the audit, which from then on knows the parts.
    sleep(Duration::from_secs(60)).await;
    let pages = reached(&whole, "page");
    store.world().tamper(&pages[1], |object| object.content.text.get_mut("entries").unwrap().push('\n'));
    let damaged = Process::start(&store.client(), 2).await;
    assert_eq!(damaged.health().as_str(), "PartDamaged");
    assert_eq!(reason(damaged.origin.list(&settings(), &Default::default()).await), Reason::NamespaceDamaged);
    damaged.put("written-by-the-damaged", "one").await.unwrap();
    damaged.reaches("Ready").await;
    assert_eq!(damaged.keys().await, whole.keys().await);
    assert_eq!(damaged.keys().await.len(), 1501);
    assert!(!reached(&whole, "page").contains(&pages[1]));
}

#[tokio::test(start_paused = true)]
async fn invariant_7_upkeep_goes_on_beside_a_lost_page_and_leaves_it_for_who_may_put_it_back() {
    let store = Simulated::new(23);
    let (process, page) = with_a_damaged_page(&store).await;
    process.origin.set_maintainer(true);
    process.reaches("PartDamaged").await;
    let checkpoint = view(&process).manifest.checkpoint;
    let objects = rig::objects(&store).len();
    for round in 0..4 {
        for n in 0..200 {
            process.put(&format!("z-{n:03}"), &format!("{round} {}", "v".repeat(3000))).await.unwrap();
        }
        sleep(Duration::from_secs(1500)).await;
    }
    assert!(root(&store).segments.len() <= 8, "folded");
    assert!(view(&process).manifest.checkpoint > checkpoint, "a checkpoint was made");
    assert!(reached(&process, "page").contains(&page), "the lost page is still named");
    let left = rig::objects(&store).len();
    assert!(left < objects + 40, "{objects} objects before, {left} now: what is garbage is collected");
    let next = Process::start(&store.client(), 3).await;
    assert_eq!(next.get("z-100").await.unwrap().unwrap().len(), 3002);
    assert_eq!(reason(next.get("key-0000").await), Reason::NamespaceDamaged, "lost, and not absent");
    mend(&store, &page);
    for process in [&process, &next] {
        process.reaches("Ready").await;
        assert_eq!(process.keys().await.len(), 1700);
    }
}

/// A process that finds a segment of the log missing, with the keys `mid-…`, and one of them a long value. Beside them
/// there are 1500 keys of which it says nothing.
pub(super) async fn with_a_lost_segment(store: &Simulated) -> (Process, Arc<Object>) {
    let process = Process::start(store, 1).await;
    fill(&process).await;
    for n in 0..16 {
        process.put(&format!("mid-{n:02}"), &"m".repeat(3000)).await.unwrap();
        if n == 6 {
            process.put("mid-06-long", &"l".repeat(10_000)).await.unwrap();
        }
    }
    process.kill();
    let is_lost = |object: &&Arc<Object>| {
        object.meta.labels["nearkv.dev/part"] == "log"
            && object.content.text["records"].contains("mid-06-long")
    };
    let named = root(store).segments;
    let objects = rig::objects(store);
    let lost = objects
        .iter()
        .filter(is_lost)
        .find(|object| named.iter().any(|segment| *segment.segment == *object.meta.name.name));
    let lost = Arc::clone(lost.expect("the root names its segment"));
    store.world().remove(&lost.meta.name);
    let process = Process::start(&store.client(), 2).await;
    process.reaches("PartDamaged").await;
    (process, lost)
}

#[tokio::test(start_paused = true)]
async fn invariant_7_a_lost_segment_makes_only_the_keys_within_its_bounds_uncertain() {
    let store = Simulated::new(24);
    let (process, _) = with_a_lost_segment(&store).await;
    let health = format!("{:?}", process.health());
    assert!(health.contains("of keys") && health.contains("mid-"), "{health}");
    for n in (0..1500).step_by(50) {
        assert!(process.get(&format!("key-{n:04}")).await.unwrap().is_some(), "it has nothing to do with it");
    }
    assert_eq!(process.get("zzz").await.unwrap(), None, "absent, for sure");
    assert_eq!(reason(process.get("mid-06-long").await), Reason::NamespaceDamaged);
    process.put("key-0000", "anew").await.unwrap();
    process.put("new", "one").await.unwrap();
    assert_eq!(reason(process.put("mid-06-long", "x").await), Reason::NamespaceDamaged);
}

/// An operator of an earlier version drops the bounds with its next swap.
#[tokio::test(start_paused = true)]
async fn invariant_7_of_a_lost_segment_without_bounds_every_key_is_uncertain() {
    let store = Simulated::new(25);
    let (process, _) = with_a_lost_segment(&store).await;
    process.kill();
    store.world().tamper(&crate::format::root_name(&settings()), |object| {
        object.content.text.remove("bounds").expect("the root says the bounds");
    });
    let process = Process::start(&store.client(), 3).await;
    process.reaches("PartDamaged").await;
    assert_eq!(reason(process.get("key-0000").await), Reason::NamespaceDamaged);
}

#[tokio::test(start_paused = true)]
async fn invariant_7_what_a_lost_segment_said_is_swept_out_by_nothing() {
    let store = Simulated::new(26);
    let (process, lost) = with_a_lost_segment(&store).await;
    let mut n = 0;
    while root(&store).segments.len() <= 8 {
        process.put(&format!("z-{:03}", n % 200), &"v".repeat(3000)).await.unwrap();
        n += 1;
    }
    assert!(root(&store).segments.iter().any(|segment| *segment.segment == *lost.meta.name.name));
    process.origin.set_maintainer(true);
    sleep(Duration::from_secs(60)).await;
    assert!(root(&store).segments.len() <= 8, "folded, with the lost segment among what was");
    for n in 0..400 {
        process.put(&format!("z-{:03}", n % 200), &"v".repeat(3000)).await.unwrap();
    }
    // Longer than the grace of what is collected.
    sleep(Duration::from_secs(3600)).await;
    assert!(reached(&process, "log").contains(&lost.meta.name), "the lost segment is still named");
    put_back(&store, &lost);
    process.reaches("Ready").await;
    let next = Process::start(&store.client(), 3).await;
    for process in [&process, &next] {
        assert_eq!(process.keys().await.len(), 1500 + 17 + 200);
        assert_eq!(process.get("mid-06-long").await.unwrap().unwrap().len(), 10_000, "with its chunks");
    }
}

/// A full root writes its references to segments into a new manifest, and would leave out what the lost one leads to.
#[tokio::test(start_paused = true)]
async fn invariant_7_no_commit_takes_the_place_of_a_lost_manifest() {
    let store = Simulated::new(27);
    let process = Process::start(&store, 1).await;
    fill(&process).await;
    process.put("known", "0").await.unwrap();
    let keys = process.keys().await;
    process.kill();
    let manifest = store
        .world()
        .remove(&ObjectName::new("team-a", &root(&store).manifest.unwrap().manifest))
        .expect("there is a manifest");
    let process = Process::start(&store.client(), 2).await;
    process.reaches("PartDamaged").await;
    assert_eq!(process.get("known").await.unwrap().as_deref(), Some("0"));
    assert_eq!(reason(process.get("key-0000").await), Reason::NamespaceDamaged);
    let mut refused = 0;
    for n in 0..200 {
        match process.put("known", &format!("{n}{}", "v".repeat(3900))).await {
            Ok(_) => assert_eq!(refused, 0),
            Err(error) => {
                assert_eq!(error.reason(), Reason::NamespaceDamaged, "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0 && refused < 200, "{refused}");
    put_back(&store, &manifest);
    process.reaches("Ready").await;
    assert_eq!(process.keys().await, keys);
    process.put("known", "again").await.unwrap();
}
