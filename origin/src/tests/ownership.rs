//! Invariant 10, whose objects they are; and which entries are the KvNamespace object's own.

use std::time::Duration;

use nearkv::Reason;
use tokio::time::sleep;

use crate::{
    Declaration, DeclaredEntry, DeletionPolicy, InitialState, NamespaceConfig, Settings,
    store::simulated::Simulated,
    tests::rig::{self, Process, config, reason, root, settings},
};

#[tokio::test(start_paused = true)]
async fn invariant_10_a_root_of_an_earlier_life_is_waited_for_and_not_adopted() {
    let store = Simulated::new(6);
    let process = Process::start(&store, 1).await;
    process.put("k", "v").await.unwrap();
    process.origin.forget(&settings(), "u1");
    process.origin.configure(config("u2"));
    assert_eq!(
        reason(process.origin.initialise(&settings(), InitialState::New).await),
        Reason::NamespaceLoading
    );
    assert_eq!(reason(process.get("k").await), Reason::NamespaceLoading);
    assert!(store.world().collect_owned("u1") > 0);
    process.origin.initialise(&settings(), InitialState::New).await.unwrap();
    assert_eq!(process.get("k").await.unwrap(), None);
    process.put("k", "w").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn invariant_10_retained_data_are_adopted_and_follow_the_policy_from_then_on() {
    let store = Simulated::new(7);
    let process = Process::idle(&store, 1, Settings::default());
    process.origin.set_maintainer(true);
    let retain = NamespaceConfig { deletion_policy: DeletionPolicy::Retain, ..config("u1") };
    process.origin.configure(retain);
    process.origin.initialise(&settings(), InitialState::New).await.unwrap();
    process.put("long", &"x".repeat(10_000)).await.unwrap();
    assert!(rig::objects(&store).iter().all(|object| object.meta.owner.is_none()));
    process.origin.forget(&settings(), "u1");
    process.origin.configure(config("u2"));
    process.origin.initialise(&settings(), InitialState::New).await.unwrap();
    assert_eq!(process.get("long").await.unwrap().unwrap().len(), 10_000);
    for _ in 0..100 {
        if process.origin.report(&settings()).unwrap().deletion_policy == Some(DeletionPolicy::Delete) {
            break;
        }
        sleep(Duration::from_secs(1)).await;
    }
    let owned =
        |object: &crate::store::Object| object.meta.owner.as_ref().is_some_and(|owner| owner.id == "u2");
    assert!(rig::objects(&store).iter().all(|object| owned(object)));
    assert_eq!(process.get("long").await.unwrap().unwrap().len(), 10_000);
}

fn declaration(generation: i64, entries: &[(&str, &str)]) -> Declaration {
    let entry = |(name, value): &(&str, &str)| DeclaredEntry {
        key: crate::tests::rig::key(name),
        value: value.to_string().into(),
        metadata: None,
        expiration: None,
    };
    Declaration { uid: "u1".into(), generation, entries: entries.iter().map(entry).collect(), complete: true }
}

#[tokio::test(start_paused = true)]
async fn declared_entries_are_written_once_guarded_taken_over_and_deleted_when_undeclared() {
    let store = Simulated::new(8);
    let process = Process::start(&store, 1).await;
    process.put("b", "user's").await.unwrap();
    let long = "y".repeat(10_000);
    let declare = |generation, entries: Vec<(&'static str, String)>| {
        let borrowed: Vec<(&str, &str)> = entries.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let declaration = declaration(generation, &borrowed);
        let origin = std::sync::Arc::clone(&process.origin);
        async move { origin.declare(&settings(), declaration).await }
    };
    let first = || vec![("a", "1".to_owned()), ("b", "2".to_owned()), ("long", long.clone())];
    let outcome = declare(1, first()).await.unwrap();
    assert_eq!(outcome.written.len(), 3);
    assert_eq!(outcome.taken_over, [crate::tests::rig::key("b")]);
    assert_eq!(reason(process.put("a", "x").await), Reason::KeyDeclared);
    assert_eq!(reason(process.delete("a").await), Reason::KeyDeclared);
    let writes = store.counters().writes;
    let again = declare(1, first()).await.unwrap();
    assert_eq!((again.written.len(), store.counters().writes), (0, writes), "equal: no write at all");
    let partial = Declaration { complete: false, ..declaration(2, &[("a", "1")]) };
    let outcome = process.origin.declare(&settings(), partial).await.unwrap();
    assert_eq!(outcome.removed, [], "a source is missing: what it declared stays");
    assert_eq!(reason(process.delete("b").await), Reason::KeyDeclared);
    let outcome = declare(2, vec![("a", "1".to_owned())]).await.unwrap();
    assert_eq!(outcome.removed, [crate::tests::rig::key("b"), crate::tests::rig::key("long")]);
    assert_eq!(reason(declare(1, first()).await), Reason::RequestInvalid);
    assert_eq!(process.keys().await, ["a"]);
    assert_eq!(root(&store).declared.unwrap().generation, 2);
    assert_eq!(process.origin.report(&settings()).unwrap().declared, Some(("u1".into(), 2)));
}
