//! Expirations: as a time and as a time to live, refused in the contract's words, and judged by the clock.

use std::time::Duration;

use futures::FutureExt;

use super::{Case, Failure, Outcome, Scene, equal, holds, key, refused};
use crate::{
    Condition, Error, Expiration, ExpirationRequest, ListOptions, PutOptions, ReadOptions, Reason, Version,
};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("an expiration is kept, given as a time", |scene| time(scene).boxed()),
        Case::new("an expiration is kept, given as a time to live", |scene| time_to_live(scene).boxed()),
        Case::new("an expiration is refused in the contract's words", |scene| texts(scene).boxed()),
        Case::new("an expired entry is absent everywhere", |scene| expires(scene).boxed()),
    ]
}

async fn put_until(scene: &Scene, name: &str, expiration: ExpirationRequest) -> Result<Version, Error> {
    let options = PutOptions { expiration: Some(expiration), ..PutOptions::default() };
    scene.put_with(&crate::Key::new(name)?, "v", options).await
}

fn now(scene: &Scene) -> i64 {
    i64::try_from(scene.harness.now().seconds()).unwrap_or(i64::MAX)
}

async fn expiration(scene: &Scene, name: &str) -> Result<Option<Expiration>, Failure> {
    let entry = scene.entry(&key(name)?).await?;
    Ok(entry.ok_or_else(|| Failure(format!("{name} is absent")))?.1.expiration)
}

async fn time(scene: Scene) -> Outcome {
    // Past 2038 as well: only the binding stops there (contract §0, fact 9).
    for (name, at) in [("near", now(&scene) + 120), ("far", 4_000_000_000)] {
        put_until(&scene, name, ExpirationRequest::At(at)).await?;
        equal(name, expiration(&scene, name).await?, Some(Expiration(at.unsigned_abs())))?;
    }
    Ok(())
}

async fn time_to_live(scene: Scene) -> Outcome {
    for ttl in [60, 3600, 31_536_000] {
        let (name, before) = (ttl.to_string(), now(&scene));
        put_until(&scene, &name, ExpirationRequest::Ttl(ttl)).await?;
        let Some(Expiration(at)) = expiration(&scene, &name).await? else {
            return Err(Failure(format!("an entry put with a time to live of {ttl} has no expiration")));
        };
        let ends = (before + ttl).unsigned_abs()..=(now(&scene) + ttl).unsigned_abs();
        holds(&format!("{at} lies in {ends:?}"), ends.contains(&at))?;
    }
    Ok(())
}

async fn texts(scene: Scene) -> Outcome {
    let now = now(&scene);
    let past = "Please specify integer greater than the current number of seconds since the UNIX epoch.";
    let near = "Expiration times must be at least 60 seconds in the future.";
    for ttl in [0, -1] {
        let text = format!("Invalid expiration_ttl of {ttl}. Please specify integer greater than 0.");
        let result = put_until(&scene, "a", ExpirationRequest::Ttl(ttl)).await;
        refused("ttl", result, Reason::ExpirationTtlInvalid, &text)?;
    }
    let result = put_until(&scene, "a", ExpirationRequest::Ttl(59)).await;
    let text = "Invalid expiration_ttl of 59. Expiration TTL must be at least 60.";
    refused("ttl", result, Reason::ExpirationTtlInvalid, text)?;
    for (at, rule) in [(0, past), (-1, past), (now - 10, past), (now + 30, near)] {
        let text = format!("Invalid expiration of {at}. {rule}");
        let result = put_until(&scene, "a", ExpirationRequest::At(at)).await;
        refused("expiration", result, Reason::ExpirationInvalid, &text)?;
    }
    equal("nothing was written", scene.bytes(&key("a")?).await?, None)
}

async fn expires(scene: Scene) -> Outcome {
    let (ends, stays) = (key("ends")?, key("stays")?);
    let version = put_until(&scene, "ends", ExpirationRequest::Ttl(100)).await?;
    put_until(&scene, "stays", ExpirationRequest::Ttl(10_000)).await?;
    equal("read before", scene.bytes(&ends).await?.is_some(), true)?;
    if !scene.harness.advance(Duration::from_secs(98)).await {
        return Ok(());
    }
    equal("read shortly before its end", scene.bytes(&ends).await?.is_some(), true)?;
    scene.harness.advance(Duration::from_secs(2)).await;
    equal("read after", scene.bytes(&ends).await?, None)?;
    equal("the other entry", scene.bytes(&stays).await?.is_some(), true)?;
    let keys = [ends.clone(), stays];
    let many = scene.kv.get_many(&scene.namespace, &keys, &ReadOptions::default()).await?;
    equal("in bulk", many.body.iter().map(Option::is_some).collect(), vec![false, true])?;
    let listed = scene.kv.list(&scene.namespace, &ListOptions::default()).await?;
    let names: Vec<_> = listed.body.keys.iter().map(|listed| listed.name.as_str()).collect();
    equal("listed", names, vec!["stays"])?;
    let conditional = |condition| PutOptions { condition: Some(condition), ..PutOptions::default() };
    let condition = conditional(Condition::Versions(vec![version]));
    let result = scene.put_with(&ends, "x", condition).await;
    equal("replaced", result.err().map(|error| error.reason()), Some(Reason::PreconditionFailed))?;
    scene.put_with(&ends, "new", conditional(Condition::Absent)).await?;
    equal("written anew", scene.bytes(&ends).await?, Some("new".into()))
}
