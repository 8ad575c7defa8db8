//! A lost chunk of a long value (invariant 7): noticed, told with its key, made again where it can be, and no obstacle to
//! a write.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use nearkv::{Error, GetOptions, Kv, Lookup, Reason, Value};
use tokio::time::sleep;

use crate::{
    format::{CHUNK_BYTES, StoredValue, chunk_name},
    store::{ObjectName, simulated::Simulated},
    tests::{
        damage_stays::{put_back, view},
        rig::{Process, key, settings},
    },
};

fn long(chunks: usize) -> String {
    "0123456789abcdef".repeat(chunks * CHUNK_BYTES / 16 - 1)
}

fn chunk_of(process: &Process, name: &str, index: u32) -> ObjectName {
    match &view(process).entries.get(&key(name)).unwrap().put.value {
        StoredValue::Chunked(chunks) => chunk_name(&settings(), &chunks.nonce, index),
        StoredValue::Inline(_) => panic!("{name} is short"),
    }
}

/// A process that has never read the value `long`, of three chunks.
async fn with_a_long_value(store: &Simulated) -> Process {
    let first = Process::start(store, 1).await;
    first.put("long", &long(3)).await.unwrap();
    first.put("short", "s").await.unwrap();
    first.stop().await;
    Process::start(&store.client(), 2).await
}

#[tokio::test(start_paused = true)]
async fn invariant_7_a_lost_chunk_is_told_with_its_key_by_the_first_read() {
    let store = Simulated::new(41);
    let process = with_a_long_value(&store).await;
    let lost = store.world().remove(&chunk_of(&process, "long", 1)).unwrap();
    assert!(process.get("long").await.is_err());
    sleep(Duration::from_secs(1)).await;
    let health = format!("{:?}", process.health());
    assert!(health.starts_with("PartDamaged") && health.contains("long"), "{health}");
    let refused = process.get("long").await.unwrap_err();
    assert_eq!(refused.reason(), Reason::NamespaceDamaged);
    assert!(refused.to_string().contains("long"), "{refused}");
    assert_eq!(process.get("short").await.unwrap().as_deref(), Some("s"));
    put_back(&store, &lost);
    process.reaches("Ready").await;
    assert_eq!(process.get("long").await.unwrap(), Some(long(3)));
}

#[tokio::test(start_paused = true)]
async fn invariant_7_a_lost_or_altered_chunk_is_told_by_the_audit_and_the_key_can_be_written_and_deleted() {
    for (seed, altered, deleted) in [(42, false, false), (43, true, true), (44, true, false)] {
        let store = Simulated::new(seed);
        let process = with_a_long_value(&store).await;
        sleep(Duration::from_secs(60)).await;
        let name = chunk_of(&process, "long", 2);
        if altered {
            store.world().tamper(&name, |object| {
                let chunk = object.content.bytes.values_mut().next().unwrap();
                *chunk = vec![b'x'; chunk.len()].into();
            });
        } else {
            store.world().remove(&name).unwrap();
        }
        process.reaches("PartDamaged").await;
        assert!(format!("{:?}", process.health()).contains("long"));
        if deleted {
            process.delete("long").await.unwrap();
        } else {
            process.put("long", "anew").await.unwrap();
        }
        assert_eq!(process.health().as_str(), "Ready", "at once");
        assert_eq!(process.get("long").await.unwrap().as_deref(), (!deleted).then_some("anew"));
        sleep(Duration::from_secs(120)).await;
        assert_eq!(process.health().as_str(), "Ready");
    }
}

/// Two replicas: one has read the value lately, the other never.
#[tokio::test(start_paused = true)]
async fn invariant_7_a_lost_chunk_is_made_again_by_the_replica_that_has_it_in_its_cache() {
    for (seed, altered) in [(45, false), (46, true)] {
        let store = Simulated::new(seed);
        let process = with_a_long_value(&store).await;
        let reader = Process::start(&store.client(), 3).await;
        assert_eq!(reader.get("long").await.unwrap(), Some(long(3)));
        sleep(Duration::from_secs(60)).await;
        let name = chunk_of(&process, "long", 0);
        if altered {
            store.world().tamper(&name, |object| {
                let chunk = object.content.bytes.values_mut().next().unwrap();
                *chunk = vec![b'x'; chunk.len()].into();
            });
        } else {
            store.world().remove(&name).unwrap();
        }
        sleep(Duration::from_secs(120)).await;
        for process in [&process, &reader] {
            assert_eq!(process.health().as_str(), "Ready");
            assert_eq!(process.get("long").await.unwrap(), Some(long(3)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn invariant_7_an_altered_chunk_that_is_put_back_is_read_as_it_was() {
    let store = Simulated::new(47);
    let process = with_a_long_value(&store).await;
    let name = chunk_of(&process, "long", 1);
    let whole = store.world().object(&name).unwrap();
    store.world().tamper(&name, |object| {
        let chunk = object.content.bytes.values_mut().next().unwrap();
        *chunk = vec![b'x'; chunk.len()].into();
    });
    assert!(process.get("long").await.is_err());
    process.reaches("PartDamaged").await;
    store.world().tamper(&name, |object| object.content = whole.content.clone());
    process.reaches("Ready").await;
    assert_eq!(process.get("long").await.unwrap(), Some(long(3)), "not from a cache");
}

/// A reader that has the first chunk.
async fn open(process: &Process) -> (usize, BoxStream<'static, Result<Bytes, Error>>) {
    let answer = process.origin.get(&settings(), &key("long"), &GetOptions::default()).await.unwrap();
    let Lookup::Found(entry) = answer.body else { panic!("it is there") };
    let Value::Stream { mut chunks, .. } = entry.value else { panic!("it is long") };
    (chunks.next().await.unwrap().unwrap().len(), chunks)
}

/// The collector takes the chunks of a value that was replaced only after the grace, and a reader that takes longer sees its
/// stream break off.
#[tokio::test(start_paused = true)]
async fn invariant_6_a_reader_of_a_replaced_value_has_the_whole_grace_and_never_a_cut_off_value() {
    let store = Simulated::new(48);
    let first = Process::start(&store, 1).await;
    first.put("long", &long(9)).await.unwrap();
    first.stop().await;
    let process = Process::start(&store.client(), 2).await;
    process.origin.set_maintainer(true);
    // Another process, whose cache the late reader cannot have filled.
    let slow = Process::start(&store.client(), 3).await;
    let (mut late_bytes, mut late) = open(&slow).await;
    let (mut bytes, mut reading) = open(&process).await;
    process.put("long", "short").await.unwrap();

    sleep(Duration::from_secs(540)).await;
    while let Some(chunk) = reading.next().await {
        bytes += chunk.unwrap().len();
    }
    assert_eq!(bytes, long(9).len(), "within the grace");

    sleep(Duration::from_secs(1200)).await;
    let mut broke_off = false;
    while let Some(chunk) = late.next().await {
        match chunk {
            Ok(chunk) => late_bytes += chunk.len(),
            Err(_) => {
                broke_off = true;
                break;
            }
        }
    }
    assert!(broke_off && late_bytes < long(9).len(), "{late_bytes} bytes");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(slow.health().as_str(), "Ready", "what was collected is no loss");
}
