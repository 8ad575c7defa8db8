//! Values and metadata: written, read back, overwritten, removed, and their limits.

use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, StreamExt, stream};

use super::{Case, Failure, Outcome, Scene, equal, holds, key, metadata, refused};
use crate::{
    DeleteOptions, Entry, Error, ExpirationRequest, Freshness, GetOptions, Key, Kv, Lookup, Namespace,
    PutOptions, ReadOptions, Reason, Value, limits::MAX_VALUE_BYTES,
};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("what was put is read, and nothing else", |scene| put_and_get(scene).boxed()),
        Case::new("a deleted key is absent, and deleting it again succeeds", |scene| delete(scene).boxed()),
        Case::new("empty and binary values are values", |scene| empty_and_binary(scene).boxed()),
        Case::new("a value of 25 MiB is taken and one byte more is refused", |scene| largest(scene).boxed()),
        Case::new("a value streams in, with and without its length", |scene| streamed(scene).boxed()),
        Case::new("a value that breaks off is not written", |scene| broken_off(scene).boxed()),
        Case::new("metadata of every JSON kind are kept byte for byte", |scene| {
            every_metadata(scene).boxed()
        }),
        Case::new("an overwrite clears metadata and expiration", |scene| overwrite(scene).boxed()),
        Case::new("many keys are read in the order asked for", |scene| many(scene).boxed()),
        Case::new("a KvNamespace that does not exist is named", |scene| missing(scene).boxed()),
        Case::new("every answer says at which state it is true", |scene| states(scene).boxed()),
    ]
}

async fn put_and_get(scene: Scene) -> Outcome {
    let (a, b) = (key("a")?, key("b")?);
    equal("before", scene.bytes(&a).await?, None)?;
    let first = scene.put(&a, "one").await?;
    equal("after put", scene.bytes(&a).await?, Some("one".into()))?;
    equal("the other key", scene.bytes(&b).await?, None)?;
    let second = scene.put(&a, "two").await?;
    holds("versions grow", first < second)?;
    let Some((bytes, entry)) = scene.entry(&a).await? else {
        return Err(Failure("a is absent after its second put".to_owned()));
    };
    equal("after the second put", bytes, "two".into())?;
    equal("its version is the one the put answered", entry.version, second)
}

async fn delete(scene: Scene) -> Outcome {
    let a = key("a")?;
    scene.delete(&a).await?;
    scene.put(&a, "one").await?;
    equal("before", scene.bytes(&a).await?, Some("one".into()))?;
    scene.delete(&a).await?;
    equal("after delete", scene.bytes(&a).await?, None)?;
    scene.delete(&a).await?;
    scene.put(&a, "again").await?;
    equal("after a new put", scene.bytes(&a).await?, Some("again".into()))
}

async fn empty_and_binary(scene: Scene) -> Outcome {
    let every_byte: Bytes = (0..=255u8).cycle().take(5000).collect();
    for (name, value) in
        [("empty", Bytes::new()), ("binary", every_byte), ("no utf-8", Bytes::from_static(&[0xff]))]
    {
        let key = key(name)?;
        scene.put(&key, value.clone()).await?;
        equal(name, scene.bytes(&key).await?, Some(value))?;
    }
    Ok(())
}

async fn largest(scene: Scene) -> Outcome {
    let a = key("a")?;
    let value = Bytes::from(pattern(MAX_VALUE_BYTES as usize));
    scene.put(&a, value.clone()).await?;
    let read = scene.bytes(&a).await?;
    holds("25 MiB read back as they were written", read.as_ref() == Some(&value))?;
    let longer = Bytes::from(pattern(MAX_VALUE_BYTES as usize + 1));
    let text = "Value length of 26214401 exceeds limit of 26214400.";
    refused("one byte more", scene.put(&a, longer.clone()).await, Reason::ValueTooLong, text)?;
    let announced = Value::Stream { length: Some(MAX_VALUE_BYTES + 1), chunks: chunks(&longer) };
    refused("announced", scene.put(&a, announced).await, Reason::ValueTooLong, text)?;
    let unannounced = Value::Stream { length: None, chunks: chunks(&longer) };
    refused("streamed", scene.put(&a, unannounced).await, Reason::ValueTooLong, text)?;
    holds("the value before is still there", scene.bytes(&a).await?.as_ref() == Some(&value))
}

async fn streamed(scene: Scene) -> Outcome {
    let value = Bytes::from(pattern(300_000));
    for (name, length) in [("with length", Some(300_000)), ("without", None)] {
        let key = key(name)?;
        scene.put(&key, Value::Stream { length, chunks: chunks(&value) }).await?;
        holds(name, scene.bytes(&key).await?.as_ref() == Some(&value))?;
    }
    Ok(())
}

async fn broken_off(scene: Scene) -> Outcome {
    let a = key("a")?;
    scene.put(&a, "whole").await?;
    for (name, length) in [("with length", Some(300_000)), ("without", None)] {
        let broken = Error::new(Reason::BodyIncomplete, "broke off");
        let head = chunks(&Bytes::from(pattern(100_000)));
        let chunks = head.chain(stream::once(async move { Err(broken) })).boxed();
        let result = scene.put(&a, Value::Stream { length, chunks }).await;
        refused(name, result, Reason::BodyIncomplete, "broke off")?;
        equal(name, scene.bytes(&a).await?, Some("whole".into()))?;
    }
    Ok(())
}

async fn every_metadata(scene: Scene) -> Outcome {
    let long = format!("\"{}\"", "m".repeat(1022));
    for text in [
        r#"{"a": 1,  "b":"é🤓"}"#,
        r#""s""#,
        "0",
        "-1.50e3",
        "false",
        "true",
        "[]",
        "{}",
        r#"[1,[2]]"#,
        "\"\"",
        r#""\u0000\"\\""#,
        "12345678901234567890123",
        &long,
    ] {
        let key = key(&text[..text.floor_char_boundary(20)])?;
        let options = PutOptions { metadata: metadata(text)?, ..PutOptions::default() };
        scene.put_with(&key, "v", options).await?;
        let read = scene.entry(&key).await?.and_then(|(_, entry)| entry.metadata);
        equal("metadata", read, metadata(text)?)?;
    }
    let null = PutOptions { metadata: metadata("null")?, ..PutOptions::default() };
    let key = key("null")?;
    scene.put_with(&key, "v", null).await?;
    equal("null is none", scene.entry(&key).await?.and_then(|(_, entry)| entry.metadata), None)
}

async fn overwrite(scene: Scene) -> Outcome {
    let a = key("a")?;
    let options = PutOptions {
        expiration: Some(ExpirationRequest::Ttl(3600)),
        metadata: metadata("{\"m\":1}")?,
        condition: None,
    };
    scene.put_with(&a, "one", options).await?;
    let Some((_, entry)) = scene.entry(&a).await? else {
        return Err(Failure("a is absent after put".to_owned()));
    };
    holds("it has metadata and expiration", entry.metadata.is_some() && entry.expiration.is_some())?;
    scene.put(&a, "two").await?;
    let Some((bytes, entry)) = scene.entry(&a).await? else {
        return Err(Failure("a is absent after the second put".to_owned()));
    };
    equal("value", bytes, "two".into())?;
    equal("metadata", entry.metadata, None)?;
    equal("expiration", entry.expiration, None)
}

async fn many(scene: Scene) -> Outcome {
    let names = ["z", "__proto__", "0", "missing", "a/b", "z2"];
    let keys = names.iter().map(|name| key(name)).collect::<Result<Vec<_>, _>>()?;
    for key in keys.iter().filter(|key| key.as_str() != "missing") {
        let options = PutOptions { metadata: metadata("\"m\"")?, ..PutOptions::default() };
        scene.put_with(key, Bytes::from(format!("value of {key}")), options).await?;
    }
    let answer = scene.kv.get_many(&scene.namespace, &keys, &ReadOptions::default()).await?;
    equal("answers", answer.body.len(), keys.len())?;
    for (key, entry) in keys.iter().zip(answer.body) {
        let value = match entry {
            Some(Entry { value, metadata: read, .. }) => {
                equal("metadata", read, metadata("\"m\"")?)?;
                Some(value.into_bytes().await?)
            }
            None => None,
        };
        let expected = (key.as_str() != "missing").then(|| Bytes::from(format!("value of {key}")));
        equal(key.as_str(), value, expected)?;
    }
    Ok(())
}

async fn missing(scene: Scene) -> Outcome {
    let nowhere = Namespace::new(scene.namespace.account(), "there-is-no-such-kvnamespace")?;
    let text = format!("No such KvNamespace {nowhere}");
    let a = key("a")?;
    let (kv, reason) = (&scene.kv, Reason::NamespaceMissing);
    refused("get", kv.get(&nowhere, &a, &GetOptions::default()).await, reason, &text)?;
    let many = kv.get_many(&nowhere, std::slice::from_ref(&a), &ReadOptions::default()).await;
    refused("get_many", many, reason, &text)?;
    refused("put", kv.put(&nowhere, &a, "v".into(), &PutOptions::default()).await, reason, &text)?;
    refused("delete", kv.delete(&nowhere, &a, &DeleteOptions::default()).await, reason, &text)?;
    refused("list", kv.list(&nowhere, &crate::ListOptions::default()).await, reason, &text)
}

async fn states(scene: Scene) -> Outcome {
    let (a, namespace) = (key("a")?, &scene.namespace);
    let get = || get_state(&*scene.kv, namespace, &a);
    let before = get().await?;
    let put = scene.kv.put(namespace, &a, "v".into(), &PutOptions::default()).await?;
    holds("a put's state is at least the entry's version", put.body <= put.state.version)?;
    let read = get().await?;
    holds("a read after a put shows its state", put.body <= read.version)?;
    holds("a read before a put does not", before.version < put.body)?;
    let removed = scene.kv.delete(namespace, &a, &DeleteOptions::default()).await?;
    holds("a delete's state is after the put", put.body < removed.state.version)?;
    holds("an absence after it shows its state", get().await?.version >= removed.state.version)?;
    let listed = scene.kv.list(namespace, &crate::ListOptions::default()).await?;
    equal("incarnation of a list", listed.state.version.incarnation, put.body.incarnation)?;
    let skew = scene.harness.now().0.abs_diff(read.time.0);
    holds("the state's time is the clock's", skew < 60_000)?;
    let Freshness { max_age, .. } = read.freshness;
    holds("an answer may be used for some time", max_age >= Duration::from_secs(1))
}

async fn get_state(kv: &dyn Kv, namespace: &Namespace, key: &Key) -> Result<crate::State, Failure> {
    let answer = kv.get(namespace, key, &GetOptions::default()).await?;
    if let Lookup::Found(entry) = answer.body {
        holds("no entry is newer than the state it is read at", entry.version <= answer.state.version)?;
    }
    Ok(answer.state)
}

/// Bytes of which no two pieces are alike, so that a lost or swapped one shows.
fn pattern(length: usize) -> Vec<u8> {
    (0..length as u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

fn chunks(value: &Bytes) -> stream::BoxStream<'static, Result<Bytes, Error>> {
    const CHUNK: usize = 64 * 1024;
    let whole = value.clone();
    let starts = (0..value.len()).step_by(CHUNK);
    stream::iter(starts.map(move |start| Ok(whole.slice(start..whole.len().min(start + CHUNK))))).boxed()
}
