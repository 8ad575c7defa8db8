//! Conditional writes and reads, and reads that ask for a state at least so new.

use futures::FutureExt;

use super::{Case, Failure, Outcome, Scene, equal, holds, key, refused};
use crate::{
    Condition, DeleteOptions, Error, GetOptions, Incarnation, Key, ListOptions, Lookup, PutOptions, Random,
    ReadOptions, Reason, Version,
};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("a conditional put is judged against what it replaces", |scene| puts(scene).boxed()),
        Case::new("a conditional delete is judged against what it removes", |scene| deletes(scene).boxed()),
        Case::new("a reader that has the version is told so", |scene| unchanged(scene).boxed()),
        Case::new("a declared key is refused to everybody", |scene| declared(scene).boxed()),
        Case::new("a read of a state that does not exist yet is refused", |scene| versions(scene).boxed()),
    ]
}

async fn put_if(
    scene: &Scene,
    key: &Key,
    value: &'static str,
    condition: Condition,
) -> Result<Version, Error> {
    let options = PutOptions { condition: Some(condition), ..PutOptions::default() };
    scene.put_with(key, value, options).await
}

fn fails<T>(what: &str, result: Result<T, Error>) -> Outcome {
    holds(
        "a refusal is judged at a state",
        result.as_ref().err().is_none_or(|error| error.version().is_some()),
    )?;
    refused(what, result, Reason::PreconditionFailed, "The condition on key \"a\" does not hold")
}

fn foreign(version: Version) -> Version {
    Version::new(Incarnation::mint(&Random::seeded(0x0a1d)), version.number)
}

async fn puts(scene: Scene) -> Outcome {
    let a = key("a")?;
    fails("Exists, absent", put_if(&scene, &a, "x", Condition::Exists).await)?;
    equal("nothing was written", scene.bytes(&a).await?, None)?;
    let first = put_if(&scene, &a, "one", Condition::Absent).await?;
    fails("Absent, present", put_if(&scene, &a, "x", Condition::Absent).await)?;
    let second = put_if(&scene, &a, "two", Condition::Versions(vec![first])).await?;
    fails("an old version", put_if(&scene, &a, "x", Condition::Versions(vec![first])).await)?;
    fails("no version", put_if(&scene, &a, "x", Condition::Versions(vec![])).await)?;
    let other = Condition::Versions(vec![foreign(second)]);
    fails("another incarnation", put_if(&scene, &a, "x", other).await)?;
    equal("nothing was written", scene.bytes(&a).await?, Some("two".into()))?;
    put_if(&scene, &a, "three", Condition::Versions(vec![first, second])).await?;
    put_if(&scene, &a, "four", Condition::Exists).await?;
    equal("value", scene.bytes(&a).await?, Some("four".into()))?;
    scene.delete(&a).await?;
    put_if(&scene, &a, "five", Condition::Absent).await?;
    equal("value", scene.bytes(&a).await?, Some("five".into()))
}

async fn deletes(scene: Scene) -> Outcome {
    let a = key("a")?;
    let delete_if = async |condition| {
        let options = DeleteOptions { condition: Some(condition) };
        scene.kv.delete(&scene.namespace, &a, &options).await
    };
    fails("Exists, absent", delete_if(Condition::Exists).await)?;
    let first = scene.put(&a, "one").await?;
    let second = scene.put(&a, "two").await?;
    fails("an old version", delete_if(Condition::Versions(vec![first])).await)?;
    fails("Absent, present", delete_if(Condition::Absent).await)?;
    equal("still there", scene.bytes(&a).await?, Some("two".into()))?;
    delete_if(Condition::Versions(vec![second])).await?;
    equal("gone", scene.bytes(&a).await?, None)
}

async fn unchanged(scene: Scene) -> Outcome {
    let a = key("a")?;
    let lookup = async |version| {
        let options = GetOptions { if_none_match: Some(version), ..GetOptions::default() };
        scene.kv.get(&scene.namespace, &a, &options).await.map(|answer| answer.body)
    };
    let first = scene.put(&a, "one").await?;
    match lookup(first).await? {
        Lookup::Unchanged { version, expiration } => {
            equal("unchanged", (version, expiration), (first, None))?;
        }
        other => return Err(Failure(format!("expected Unchanged, got {other:?}"))),
    }
    let second = scene.put(&a, "two").await?;
    match lookup(first).await? {
        Lookup::Found(entry) => equal("found", entry.version, second)?,
        other => return Err(Failure(format!("expected Found, got {other:?}"))),
    }
    match lookup(foreign(second)).await? {
        Lookup::Found(entry) => equal("another incarnation", entry.version, second)?,
        other => return Err(Failure(format!("expected Found, got {other:?}"))),
    }
    scene.delete(&a).await?;
    match lookup(second).await? {
        Lookup::Absent => Ok(()),
        other => Err(Failure(format!("expected Absent, got {other:?}"))),
    }
}

async fn declared(scene: Scene) -> Outcome {
    let (a, b) = (key("a")?, key("b")?);
    scene.put(&a, "declared").await?;
    if !scene.harness.declare(&scene.namespace, &a).await {
        return Ok(());
    }
    let text = format!(
        "Key \"a\" is declared by KvNamespace {}; change it there, or remove it from spec.entries and spec.entriesFrom",
        scene.namespace
    );
    refused("put", scene.put(&a, "x").await, Reason::KeyDeclared, &text)?;
    refused("delete", scene.delete(&a).await, Reason::KeyDeclared, &text)?;
    equal("it is still there", scene.bytes(&a).await?, Some("declared".into()))?;
    scene.put(&b, "other").await?;
    equal("another key", scene.bytes(&b).await?, Some("other".into()))
}

async fn versions(scene: Scene) -> Outcome {
    let a = key("a")?;
    let written = scene.kv.put(&scene.namespace, &a, "one".into(), &PutOptions::default()).await?;
    let present = written.state.version;
    let read = |version| ReadOptions { min_version: Some(version), ..ReadOptions::default() };
    for version in [written.body, present] {
        let options = GetOptions { read: read(version), if_none_match: None };
        let answer = scene.kv.get(&scene.namespace, &a, &options).await?;
        holds("the answer is that new", version <= answer.state.version)?;
        let options = ListOptions { read: read(version), ..ListOptions::default() };
        let answer = scene.kv.list(&scene.namespace, &options).await?;
        holds("the list is that new", version <= answer.state.version)?;
        scene.kv.get_many(&scene.namespace, std::slice::from_ref(&a), &read(version)).await?;
    }
    for wanted in [Version::new(present.incarnation, present.number + 1_000_000), foreign(present)] {
        let options = GetOptions { read: read(wanted), if_none_match: None };
        let Err(error) = scene.kv.get(&scene.namespace, &a, &options).await else {
            return Err(Failure(format!("a read with min_version {wanted} succeeded at {present}")));
        };
        equal("reason", error.reason(), Reason::VersionNotReached)?;
        let options = ListOptions { read: read(wanted), ..ListOptions::default() };
        let listed = scene.kv.list(&scene.namespace, &options).await;
        equal("list", listed.err().map(|error| error.reason()), Some(Reason::VersionNotReached))?;
    }
    Ok(())
}
