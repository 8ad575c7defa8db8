//! Replicas that differ notice: the proof beside the root, compared whenever that root is applied.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use crate::{
    format::{Record, Root, root_name},
    state::snapshot::Snapshot,
    store::simulated::Simulated,
    tests::rig::{Process, key, settings},
};

/// Plays a fault of the program: memory loses a key, and holds on to the root that has it.
fn forget_a_key(process: &Process, name: &str) {
    let space = Arc::clone(&process.origin.instance(&settings()).unwrap().space);
    let mut wrong = Snapshot::clone(&space.view().unwrap());
    wrong.entries.remove(&key(name));
    space.publish(Arc::new(wrong), true);
}

fn differences(process: &Process) -> u64 {
    process.origin.context.counters.state_differences.get()
}

async fn two(store: &Simulated) -> (Process, Process) {
    let (a, b) = (Process::start(store, 1).await, Process::start(&store.client(), 2).await);
    a.put("k", "v").await.unwrap();
    a.put("l", "v").await.unwrap();
    settle().await;
    (a, b)
}

async fn settle() {
    sleep(Duration::from_secs(3)).await;
}

#[tokio::test(start_paused = true)]
async fn a_replica_whose_memory_differs_reads_everything_anew_with_the_next_root() {
    let (a, b) = two(&Simulated::new(91)).await;
    forget_a_key(&b, "k");
    assert_eq!(b.get("k").await.unwrap(), None, "the fault is there");
    let mut changes = b.origin.changes();
    a.put("m", "v").await.unwrap();
    settle().await;
    assert_eq!(b.keys().await, ["k", "l", "m"]);
    assert_eq!((differences(&a), differences(&b)), (0, 1));
    assert_eq!(changes.try_recv().unwrap(), settings(), "whoever is to tell hears of it");
    assert_eq!(b.origin.report(&settings()).unwrap().differences, 1);
    a.put("n", "v").await.unwrap();
    settle().await;
    assert_eq!(differences(&b), 1, "and is at one with the others from then on");
}

/// The store is right, whatever a committer says beside its root.
#[tokio::test(start_paused = true)]
async fn a_committer_whose_memory_differs_misleads_nobody_and_is_put_right_by_the_next_root_of_another() {
    let (a, b) = two(&Simulated::new(92)).await;
    forget_a_key(&a, "k");
    a.put("m", "v").await.unwrap();
    settle().await;
    assert_eq!((a.keys().await, b.keys().await), (vec!["l".into(), "m".into()], keys(["k", "l", "m"])));
    b.put("n", "v").await.unwrap();
    settle().await;
    assert_eq!((a.keys().await, b.keys().await), (keys(["k", "l", "m", "n"]), keys(["k", "l", "m", "n"])));
    assert_eq!((differences(&a), differences(&b)), (1, 1));
}

/// An operator of an earlier version does not know the proof. Even if the field outlived its swap, it would be sealed to the
/// root before.
#[tokio::test(start_paused = true)]
async fn the_proof_of_the_root_before_is_not_believed_beside_the_root_of_an_earlier_version() {
    let store = Simulated::new(93);
    let (a, b) = two(&store).await;
    store.world().tamper(&root_name(&settings()), |object| {
        let proof = object.content.text["state"].clone();
        let mut root = Root::decode(&object.content).unwrap();
        (root.version, root.swap) = (root.version + 1, root.swap + 1);
        root.records.push(Record::Delete(key("k")));
        object.content = root.encode();
        assert_eq!(
            object.content.text.insert("state".into(), proof),
            None,
            "the field is not the root's own"
        );
    });
    settle().await;
    assert_eq!((a.keys().await, b.keys().await), (keys(["l"]), keys(["l"])));
    assert_eq!((differences(&a), differences(&b)), (0, 0), "nothing was read anew");
    a.put("m", "v").await.unwrap();
    settle().await;
    assert_eq!((b.keys().await, differences(&b)), (keys(["l", "m"]), 0));
}

fn keys<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}
