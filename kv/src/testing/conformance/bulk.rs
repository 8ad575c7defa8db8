//! Bulk writes: all or nothing, in order, of any size.

use bytes::Bytes;
use futures::{FutureExt, StreamExt, stream};

use super::*;
use crate::{Answer, BulkOutcome, Condition, ExpirationRequest, ListOptions, Mutation};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("a bulk write writes and removes entries with all that belongs to them", |s| {
            everything(s).boxed()
        }),
        Case::new("of mutations of one key in a bulk write the last wins", |s| last_wins(s).boxed()),
        Case::new("a bulk write of which one mutation is refused writes nothing", |s| one_refused(s).boxed()),
        Case::new("a bulk write whose stream breaks off writes nothing", |s| breaks_off(s).boxed()),
        Case::new("an empty bulk write changes nothing", |s| empty(s).boxed()),
        Case::new("a bulk write of thousands of entries is read back and listed", |s| thousands(s).boxed()),
        Case::new("what was read before a bulk write is not served after it", |s| reread(s).boxed()),
    ]
}

fn put(key: &Key, value: impl Into<Value>) -> Mutation {
    Mutation::Put { key: key.clone(), value: value.into(), options: PutOptions::default() }
}

fn delete(key: &Key) -> Mutation {
    Mutation::Delete { key: key.clone(), options: DeleteOptions::default() }
}

async fn write(scene: &Scene, mutations: Vec<Mutation>) -> Result<BulkOutcome, Error> {
    let mutations = stream::iter(mutations.into_iter().map(Ok)).boxed();
    scene.kv.write_many(&scene.namespace, mutations).await.map(|answer: Answer<_>| answer.body)
}

async fn everything(scene: Scene) -> Outcome {
    let (text, binary, gone, missing) = (key("text \"/é")?, key("binary")?, key("gone")?, key("missing")?);
    scene.put(&gone, "1").await?;
    let at = i64::try_from(scene.harness.now().seconds()).unwrap_or_default() + 600;
    let options = PutOptions {
        expiration: Some(ExpirationRequest::At(at)),
        metadata: metadata(r#"{"a": "é",  "b":1.50}"#)?,
        condition: Some(Condition::Absent),
    };
    let large = Bytes::from(vec![0xfe; 300_000]);
    let streamed = stream::iter([Ok(large.slice(..9)), Ok(large.slice(9..))]).boxed();
    let mutations = vec![
        Mutation::Put { key: text.clone(), value: Value::from("line\n\0"), options: options.clone() },
        put(&binary, Value::Stream { length: None, chunks: streamed }),
        delete(&gone),
        delete(&missing),
    ];
    let outcome = write(&scene, mutations).await?;
    equal("outcome", outcome, BulkOutcome { mutations: 4, written: 2, removed: 1 })?;
    let Some((bytes, entry)) = scene.entry(&text).await? else { return Err(Failure("no entry".to_owned())) };
    equal("value", bytes, Bytes::from_static(b"line\n\0"))?;
    equal("metadata", entry.metadata, options.metadata)?;
    equal("expiration", entry.expiration.map(|at| at.0), u64::try_from(at).ok())?;
    equal("a large value", scene.bytes(&binary).await?, Some(large))?;
    equal("a removed entry", scene.bytes(&gone).await?, None)
}

async fn last_wins(scene: Scene) -> Outcome {
    let (a, b) = (key("a")?, key("b")?);
    let mutations = vec![put(&a, "1"), delete(&a), put(&a, "2"), put(&b, "1"), put(&b, "2"), delete(&b)];
    let outcome = write(&scene, mutations).await?;
    equal("mutations", outcome.mutations, 6)?;
    equal("a", scene.bytes(&a).await?, Some(Bytes::from_static(b"2")))?;
    equal("b", scene.bytes(&b).await?, None)
}

async fn one_refused(scene: Scene) -> Outcome {
    let (a, b) = (key("a")?, key("b")?);
    let options = PutOptions { expiration: Some(ExpirationRequest::Ttl(59)), ..PutOptions::default() };
    let short = Mutation::Put { key: b.clone(), value: Value::from("1"), options };
    refused(
        "a bulk with a short time to live",
        write(&scene, vec![put(&a, "1"), short]).await,
        Reason::ExpirationTtlInvalid,
        "Invalid expiration_ttl of 59. Expiration TTL must be at least 60.",
    )?;
    let options = DeleteOptions { condition: Some(Condition::Exists) };
    let conditional = Mutation::Delete { key: b, options };
    let Err(error) = write(&scene, vec![put(&a, "1"), conditional]).await else {
        return Err(Failure("a bulk with a condition that does not hold succeeded".to_owned()));
    };
    equal("reason", error.reason(), Reason::PreconditionFailed)?;
    equal("nothing is written", scene.bytes(&a).await?, None)
}

async fn breaks_off(scene: Scene) -> Outcome {
    let a = key("a")?;
    let broken = Error::new(Reason::BodyIncomplete, "gone");
    let mutations = stream::iter([Ok(put(&a, "1")), Err(broken)]).boxed();
    let Err(error) = scene.kv.write_many(&scene.namespace, mutations).await else {
        return Err(Failure("a bulk whose stream broke off succeeded".to_owned()));
    };
    equal("reason", error.reason(), Reason::BodyIncomplete)?;
    equal("nothing is written", scene.bytes(&a).await?, None)
}

async fn empty(scene: Scene) -> Outcome {
    equal("outcome", write(&scene, Vec::new()).await?, BulkOutcome::default())
}

async fn thousands(scene: Scene) -> Outcome {
    const ENTRIES: usize = 2_500;
    let nth = |n| Ok(put(&key(&format!("k{n:05}"))?, Bytes::from(format!("value {n}"))));
    let mutations = (0..ENTRIES).map(nth);
    let outcome = write(&scene, mutations.collect::<Result<_, Failure>>()?).await?;
    equal("written", outcome.written, ENTRIES as u64)?;
    let mut options = ListOptions::default();
    let mut listed = 0;
    loop {
        let page = scene.kv.list(&scene.namespace, &options).await?.body;
        listed += page.keys.len();
        options.cursor = page.cursor;
        if options.cursor.is_none() {
            break;
        }
    }
    equal("listed", listed, ENTRIES)?;
    equal("the last", scene.bytes(&key("k02499")?).await?, Some(Bytes::from_static(b"value 2499")))
}

async fn reread(scene: Scene) -> Outcome {
    let (a, b, c) = (key("a")?, key("b")?, key("c")?);
    scene.put(&a, "old").await?;
    scene.put(&b, "old").await?;
    for key in [&a, &b, &c] {
        scene.lookup(key).await?;
    }
    let listed = |page: crate::Page| page.keys.into_iter().map(|listed| listed.name).collect::<Vec<_>>();
    let all = ListOptions::default();
    let list = || scene.kv.list(&scene.namespace, &all);
    equal("before", listed(list().await?.body), vec![a.clone(), b.clone()])?;
    write(&scene, vec![put(&a, "new"), delete(&b), put(&c, "new")]).await?;
    equal("a", scene.bytes(&a).await?, Some(Bytes::from_static(b"new")))?;
    equal("b", scene.bytes(&b).await?, None)?;
    equal("c", scene.bytes(&c).await?, Some(Bytes::from_static(b"new")))?;
    equal("after", listed(list().await?.body), vec![a, c])
}
