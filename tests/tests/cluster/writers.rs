//! Two operators beside each other, both taking writes.

use std::collections::BTreeSet;

use futures::future::try_join_all;
use nearkv_tests::{Kv, Result, Scenario};
use reqwest::StatusCode;

/// Enough that the two meet at the root all the time.
const WRITERS: u32 = 8;
const WRITES: u32 = 40;

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_take_writes_at_once_and_lose_none() {
    let scenario = Scenario::start(&[]).await.unwrap();
    let other = scenario.another_operator(2).await.unwrap();
    scenario.apply_ready("{}").await.unwrap();
    let replicas = [scenario.settings(&scenario.operator), scenario.settings(&other)];

    let writers = (0..WRITERS).map(|writer| write(&replicas[writer as usize % 2], writer));
    let increments = replicas.iter().cycle().take(4).map(count);
    let (written, counted) = tokio::join!(try_join_all(writers), try_join_all(increments));
    let written: BTreeSet<String> = written.unwrap().concat().into_iter().collect();
    let counted: u32 = counted.unwrap().into_iter().sum();

    let last =
        scenario.settings(&other).put("last", "x").await.unwrap().ok().unwrap().entry_version().unwrap();
    for replica in &replicas {
        replica.get_since("last", last).await.unwrap().ok().unwrap();
        let keys: BTreeSet<String> = replica.list("key/").await.unwrap().into_iter().collect();
        assert_eq!(keys, written);
        for key in written.iter().step_by(7) {
            let value = replica.get(key).await.unwrap().value().unwrap();
            assert_eq!(value.as_deref(), Some(key.as_str()));
        }
        let counter = replica.get("counter").await.unwrap().value().unwrap();
        assert_eq!(counter, Some(counted.to_string()), "every acknowledged increment counts once");
    }
    other.stop().await.unwrap();
    scenario.end().await.unwrap();
}

async fn write(replica: &Kv, writer: u32) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    for number in 0..WRITES {
        let key = format!("key/{writer}/{number}");
        replica.put(&key, key.clone()).await?.ok()?;
        keys.push(key);
    }
    Ok(keys)
}

/// Increments the counter under conditions, and returns how many of them were acknowledged.
async fn count(replica: &Kv) -> Result<u32> {
    let mut done = 0;
    while done < 10 {
        let now = replica.get("counter").await?;
        let tag = now.header("ETag").map(str::to_owned);
        let next = now.value()?.map_or(0, |value| value.parse().unwrap_or(0)) + 1;
        let answer = match tag {
            Some(tag) => replica.put_if("If-Match", &tag, "counter", next.to_string()).await?,
            None => replica.put_if("If-None-Match", "*", "counter", next.to_string()).await?,
        };
        if answer.status != StatusCode::PRECONDITION_FAILED {
            answer.ok()?;
            done += 1;
        }
    }
    Ok(done)
}
