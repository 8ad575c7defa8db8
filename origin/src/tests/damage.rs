//! Invariant 7: no root, no guess.

use std::{sync::Arc, time::Duration};

use nearkv::Reason;
use tokio::time::sleep;

use crate::{
    InitialState, OnLoss, Settings,
    format::root_name,
    store::{
        Draft, Object, ObjectName,
        simulated::{Action, Fate, Faults, Simulated},
    },
    tests::rig::{self, Process, config, reason, root_object, settings},
};

#[tokio::test(start_paused = true)]
async fn invariant_7_a_missing_root_is_not_made_anew_until_it_is_repaired() {
    let store = Simulated::new(1);
    let process = Process::start(&store, 1).await;
    let before = process.put("k", "v").await.unwrap();
    store.world().remove(&root_name(&settings()));
    process.reaches("RootMissing").await;
    assert_eq!(process.get("k").await.unwrap().as_deref(), Some("v"), "reads go on from memory");
    let refusal = process.put("k", "w").await.unwrap_err();
    assert_eq!(refusal.reason(), Reason::NamespaceDamaged);
    assert!(refusal.to_string().contains("kubectl kv repair"), "{refusal}");
    for initial_state in [InitialState::New, InitialState::Existing] {
        assert_eq!(
            reason(process.origin.initialise(&settings(), initial_state).await),
            Reason::NamespaceDamaged
        );
    }
    assert!(store.world().object(&root_name(&settings())).is_none());
    let repaired = process.repair(OnLoss::Refuse).await;
    assert_ne!(repaired.incarnation, before.incarnation);
    process.reaches("Ready").await;
    process.put("l", "v").await.unwrap();
    assert_eq!(process.keys().await, ["k", "l"]);
    let next = Process::start(&store.client(), 2).await;
    assert_eq!(next.keys().await, ["k", "l"]);
}

#[tokio::test(start_paused = true)]
async fn invariant_7_a_new_process_does_not_take_a_missing_root_for_a_new_kvnamespace() {
    let store = Simulated::new(2);
    let process = Process::idle(&store, 1, Settings::default());
    process.origin.configure(config("u1"));
    assert_eq!(
        reason(process.origin.initialise(&settings(), InitialState::Existing).await),
        Reason::NamespaceDamaged
    );
    assert_eq!(process.health().as_str(), "RootMissing");
    assert!(rig::objects(&store).is_empty());
}

#[tokio::test(start_paused = true)]
async fn invariant_7_an_edited_root_is_damaged_and_one_put_back_is_believed() {
    let store = Simulated::new(3);
    let process = Process::start(&store, 1).await;
    process.put("k", "v").await.unwrap();
    let good = root_object(&store);
    store.world().tamper(&root_name(&settings()), |object| {
        let records = object.content.text.get_mut("records").unwrap();
        *records = records.replace('v', "edited");
    });
    process.reaches("RootDamaged").await;
    assert_eq!(process.get("k").await.unwrap().as_deref(), Some("v"));
    assert_eq!(reason(process.put("k", "w").await), Reason::NamespaceDamaged);
    store.world().tamper(&root_name(&settings()), |object| object.content = good.content.clone());
    process.reaches("Ready").await;
    process.put("k", "w").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn invariant_7_a_root_from_a_backup_is_damage_and_repair_keeps_what_memory_has() {
    let store = Simulated::new(4);
    let process = Process::start(&store, 1).await;
    process.put("k", "old").await.unwrap();
    let old = root_object(&store);
    process.put("k", "new").await.unwrap();
    store.world().tamper(&root_name(&settings()), |object| object.content = old.content.clone());
    process.reaches("RootDamaged").await;
    process.repair(OnLoss::Refuse).await;
    process.reaches("Ready").await;
    assert_eq!(process.get("k").await.unwrap().as_deref(), Some("new"));
}

/// A newer version has taken the data over during an upgrade that is rolled back.
/// A quota or an admission of the cluster: nothing is damaged, and no repair helps.
#[tokio::test(start_paused = true)]
async fn while_the_store_refuses_the_first_root_reads_and_writes_say_so() {
    let store = Simulated::new(19);
    let process = Process::idle(&store, 1, Settings::default());
    process.origin.configure(config("u1"));
    sleep(Duration::from_secs(1)).await;
    store.order(Action::Create, Fate::Refused);
    let refused = process.origin.initialise(&settings(), InitialState::New).await;
    assert_eq!(reason(refused), Reason::StoreRefused);
    assert_eq!(reason(process.get("k").await), Reason::StoreRefused);
    assert_eq!(reason(process.put("k", "v").await), Reason::StoreRefused);
    process.origin.initialise(&settings(), InitialState::New).await.unwrap();
    process.put("k", "v").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn invariant_7_a_root_of_an_unknown_format_is_left_alone_whatever_is_asked() {
    let store = Simulated::new(8);
    let process = Process::start(&store, 1).await;
    process.put("k", "v").await.unwrap();
    // So that there is a checkpoint to make and a chunk to collect, for whoever maintains.
    for n in 0..40 {
        process.put(&format!("medium-{n}"), &"x".repeat(3500)).await.unwrap();
    }
    process.put("long", &"x".repeat(10_000)).await.unwrap();
    process.delete("long").await.unwrap();
    let good = root_object(&store);
    assert!(reached(&process, "page").is_empty() && !reached(&process, "log").is_empty());
    store.world().tamper(&root_name(&settings()), |object| {
        let root = object.content.text.get_mut("root").unwrap();
        *root = root.replace("\"format\": 1", "\"format\": 2");
    });
    let taken_over = rig::objects(&store);
    process.reaches("FormatUnknown").await;
    process.origin.set_maintainer(true);
    assert_eq!(process.get("k").await.unwrap().as_deref(), Some("v"), "reads go on from memory");
    let stranger = Process::idle(&store.client(), 2, Settings::default());
    stranger.origin.configure(config("u1"));
    for process in [&process, &stranger] {
        for initial_state in [InitialState::New, InitialState::Existing] {
            let refused = process.origin.initialise(&settings(), initial_state).await.unwrap_err();
            assert_eq!(refused.reason(), Reason::NamespaceDamaged);
            let text = refused.to_string();
            assert!(
                text.contains("format 2") && text.contains("run the version of nearkv-operator"),
                "{text}"
            );
            assert!(!text.contains("repair"), "{text}");
        }
        assert_eq!(process.health().as_str(), "FormatUnknown");
        assert_eq!(reason(process.put("k", "w").await), Reason::NamespaceDamaged);
        assert!(process.origin.repair(&settings(), OnLoss::Refuse).await.is_err(), "memory is behind it");
    }
    assert_eq!(reason(stranger.get("k").await), Reason::NamespaceDamaged);
    // Longer than the grace of what is collected.
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(rig::objects(&store), taken_over, "nothing was written, and nothing collected");

    store.world().tamper(&root_name(&settings()), |object| object.content = good.content.clone());
    process.reaches("Ready").await;
    process.put("k", "w").await.unwrap();
    sleep(Duration::from_secs(3600)).await;
    assert!(!reached(&process, "page").is_empty(), "now there is a checkpoint");
    let chunks = |object: &&Arc<Object>| object.meta.labels["nearkv.dev/part"] == "value";
    assert_eq!(rig::objects(&store).iter().filter(chunks).count(), 0, "now the chunk is collected");
}

#[tokio::test(start_paused = true)]
async fn invariant_7_a_strangers_object_is_left_alone() {
    let store = Simulated::new(5);
    let name = root_name(&settings());
    let content = crate::store::Content {
        text: [("theirs".to_owned(), "data".to_owned())].into(),
        ..Default::default()
    };
    let draft = Draft { name: name.clone(), labels: [].into(), owner: None, content, immutable: false };
    store.world().plant(&draft);
    let process = Process::idle(&store, 1, Settings::default());
    process.origin.configure(config("u1"));
    assert_eq!(
        reason(process.origin.initialise(&settings(), InitialState::New).await),
        Reason::NamespaceDamaged
    );
    assert_eq!(process.health().as_str(), "NameTaken");
    assert!(process.origin.repair(&settings(), OnLoss::Refuse).await.is_err());
    assert_eq!(store.world().object(&name).unwrap().content, draft.content);
}

/// Enough writes for segments, a manifest and pages.
pub(super) async fn fill(process: &Process) {
    process.origin.set_maintainer(true);
    for round in 0..30 {
        let puts = (0..50).map(|n| {
            let (name, value) =
                (format!("key-{:04}", round * 50 + n), format!("{round} {}", "v".repeat(300)));
            async move { process.put(&name, &value).await.unwrap() }
        });
        futures::future::join_all(puts).await;
    }
    sleep(Duration::from_secs(20)).await;
}

/// What the root reaches of a part.
pub(super) fn reached(process: &Process, part: &str) -> Vec<ObjectName> {
    let view = process.origin.instance(&settings()).unwrap().space.view().unwrap();
    let (root, manifest) = (&view.root, &view.manifest);
    let names: Vec<&String> = match part {
        "page" => manifest.pages.iter().map(|page| &page.page).collect(),
        "manifest" => root.manifest.iter().map(|top| &top.manifest).collect(),
        _ => manifest.segments.iter().chain(&root.segments).map(|segment| &segment.segment).collect(),
    };
    names.into_iter().map(|name| ObjectName::new("team-a", name)).collect()
}

/// A process that finds its first page altered.
pub(super) async fn with_a_damaged_page(store: &Simulated) -> (Process, ObjectName) {
    let process = Process::start(store, 1).await;
    fill(&process).await;
    let page = reached(&process, "page").remove(0);
    process.kill();
    store.world().tamper(&page, |object| {
        object.content.text.get_mut("entries").unwrap().push('\n');
    });
    let process = Process::start(&store.client(), 2).await;
    (process, page)
}

#[tokio::test(start_paused = true)]
async fn invariant_7_a_lost_part_is_written_again_from_memory() {
    for part in ["page", "manifest", "log"] {
        let store = Simulated::new(9);
        let process = Process::start(&store, 1).await;
        fill(&process).await;
        while reached(&process, part).is_empty() {
            for n in 0..4 {
                process.put(&format!("last-{n}"), &"l".repeat(4000)).await.unwrap();
            }
            sleep(Duration::from_secs(1)).await;
        }
        // Nothing is being written: what is lost is what the root names, and what nothing names.
        sleep(Duration::from_secs(2)).await;
        let before = process.keys().await;
        let all = rig::objects(&store);
        let lost = all.iter().filter(|object| object.meta.labels["nearkv.dev/part"] == part);
        lost.for_each(|object| drop(store.world().remove(&object.meta.name)));
        sleep(Duration::from_secs(90)).await;
        assert_eq!(process.health().as_str(), "Ready", "{part}");
        let next = Process::start(&store.client(), 2).await;
        assert_eq!(next.health().as_str(), "Ready", "{part}");
        assert_eq!(next.keys().await, before, "{part}");
    }
}

/// The audit knows only what has changed since its own first look.
#[tokio::test(start_paused = true)]
async fn invariant_7_a_part_that_was_altered_before_the_first_audit_is_written_again_when_it_is_needed() {
    let store = Simulated::new(12);
    let process = Process::start(&store, 1).await;
    // So that what follows is folded, and not soon replaced by a checkpoint.
    fill(&process).await;
    process.stop().await;
    let process = Process::start(&store.client(), 2).await;
    process.origin.set_maintainer(true);
    let write = async |from: u64| {
        for n in from..from + 20 {
            process.put(&format!("later-{n:02}"), &"v".repeat(3500)).await.unwrap();
        }
    };
    write(0).await;
    let segment = reached(&process, "log").pop().unwrap();
    store.world().tamper(&segment, |object| {
        object.content.text.values_mut().for_each(|text| text.push('x'));
    });
    write(20).await;
    let keys = process.keys().await;
    sleep(Duration::from_secs(120)).await;
    let next = Process::start(&store.client(), 3).await;
    assert_eq!(next.health().as_str(), "Ready");
    assert_eq!(next.keys().await, keys);
}

#[tokio::test(start_paused = true)]
async fn invariant_7_a_damaged_page_is_limited_to_its_key_range_and_repaired_on_demand() {
    let store = Simulated::new(10);
    let (process, page) = with_a_damaged_page(&store).await;
    assert_eq!(process.health().as_str(), "PartDamaged");
    let (mut served, mut refused) = (0, 0);
    for n in 0..1500 {
        match process.get(&format!("key-{n:04}")).await {
            Ok(value) => {
                assert!(value.is_some(), "a lost entry is not absent");
                served += 1;
            }
            Err(error) => {
                assert_eq!(error.reason(), Reason::NamespaceDamaged);
                refused += 1;
            }
        }
    }
    assert!(served > 1000 && refused > 50, "{served} served, {refused} refused");
    store.world().tamper(&page, |object| {
        object.content.text.get_mut("entries").unwrap().pop();
    });
    process.reaches("Ready").await;
    assert_eq!(process.keys().await.len(), 1500);
}

/// What is damaged is read again and again, since it may have been put back; writes to other keys go on.
#[tokio::test(start_paused = true)]
async fn invariant_7_damaged_data_read_again_do_not_take_the_place_of_what_was_committed_meanwhile() {
    let store = Simulated::new(11);
    let (process, _) = with_a_damaged_page(&store).await;
    process.reaches("PartDamaged").await;
    let slow = Duration::from_millis(500);
    process.store.set_faults(Faults { latency: slow..slow * 2, deadline: slow * 20, ..Faults::NONE });
    let follower = Arc::clone(&process.origin.instance(&settings()).unwrap().follower);
    for moment in 0..40 {
        let reader = Arc::clone(&follower);
        let reading = tokio::spawn(async move { reader.look_again().await.map(drop) });
        sleep(slow * moment).await;
        let value = moment.to_string();
        process.put("later", &value).await.unwrap();
        for finished in [false, true] {
            assert_eq!(
                process.get("later").await.unwrap().as_deref(),
                Some(&*value),
                "moment {moment}, {finished}"
            );
            while !reading.is_finished() {
                sleep(slow / 10).await;
            }
        }
    }
}
