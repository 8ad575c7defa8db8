//! A deleted KvNamespace stays deleted, whoever speaks of it late.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use nearkv::{Error, Namespace, Random, Reason};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    Catalog, DeletionPolicy, InitialState, NamespaceConfig, Origin, Settings,
    store::simulated::Simulated,
    tests::rig::{Process, config, key, reason, root, settings},
};

/// t0 a round of the controller has read the object; t1 the object is deleted, and the watch says so; t2 the round
/// configures, initialises and declares.
#[tokio::test(start_paused = true)]
async fn a_round_that_was_under_way_brings_no_deleted_kvnamespace_back() {
    for policy in [DeletionPolicy::Delete, DeletionPolicy::Retain] {
        let store = Simulated::new(61);
        let process = Process::idle(&store, 1, Settings { pacing: None, ..Settings::default() });
        let config = NamespaceConfig { deletion_policy: policy, ..config("u1") };
        process.origin.configure(config.clone());
        process.origin.initialise(&settings(), InitialState::New).await.unwrap();
        process.put("k", "v").await.unwrap();
        let before = root(&store).swap;
        process.origin.forget(&settings(), "u1");
        assert!(!process.origin.configure(config), "it is told that the object is gone");
        let initialised = process.origin.initialise(&settings(), InitialState::Existing).await;
        assert_eq!(reason(initialised), Reason::NamespaceMissing);
        sleep(Duration::from_secs(60)).await;
        assert_eq!(reason(process.get("k").await), Reason::NamespaceMissing, "{policy:?}");
        assert_eq!(reason(process.put("k", "w").await), Reason::NamespaceMissing, "{policy:?}");
        assert_eq!(root(&store).swap, before, "a retained root takes no writes");
        process.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_kvnamespace_that_is_made_anew_is_another_one() {
    let store = Simulated::new(62);
    let process = Process::start(&store, 1).await;
    process.origin.forget(&settings(), "u1");
    store.world().collect_owned("u1");
    assert!(process.origin.configure(config("u2")));
    assert!(!process.origin.configure(config("u1")), "the earlier one does not take its place again");
    process.origin.initialise(&settings(), InitialState::New).await.unwrap();
    process.put("k", "v").await.unwrap();
    assert_eq!(process.get("k").await.unwrap().as_deref(), Some("v"));
}

/// An object that a live look finds, once it is let.
struct Slow {
    object: Mutex<Option<NamespaceConfig>>,
    looking: Notify,
    answer: Notify,
}

#[async_trait]
impl Catalog for Slow {
    async fn look(&self, _: &Namespace) -> Result<Option<NamespaceConfig>, Error> {
        let found = self.object.lock().clone();
        self.looking.notify_one();
        self.answer.notified().await;
        Ok(found)
    }
}

/// t0 a read of a KvNamespace that this process does not know yet begins a live look, which finds u1; t1 u1 is deleted and
/// made anew as u2, and the watch tells of both; t2 the look answers.
#[tokio::test(start_paused = true)]
async fn a_live_look_that_is_overtaken_by_the_watch_changes_nothing() {
    let store = Simulated::new(63);
    let slow = Arc::new(Slow {
        object: Mutex::new(Some(config("u1"))),
        looking: Notify::new(),
        answer: Notify::new(),
    });
    let catalog: Arc<dyn Catalog> = Arc::<Slow>::clone(&slow);
    let random = Arc::new(Random::seeded(1));
    let origin =
        Origin::new(Arc::new(store.clone()), catalog, store.world().clock(), random, Settings::default());
    tokio::spawn(Arc::clone(&origin).run(CancellationToken::new()));
    let reader = Arc::clone(&origin);
    let reading = tokio::spawn(async move {
        use nearkv::Kv;
        reader.get(&settings(), &key("k"), &nearkv::GetOptions::default()).await.map(drop)
    });
    slow.looking.notified().await;
    origin.forget(&settings(), "u1");
    origin.configure(config("u2"));
    origin.initialise(&settings(), InitialState::New).await.unwrap();
    slow.answer.notify_one();
    reading.await.unwrap().unwrap();
    assert_eq!(origin.instance(&settings()).unwrap().space.config().uid, "u2");
}
