//! While nobody can be asked: cached reads of whoever was let in before go on, and nothing else does.

use std::time::Duration;

use crate::world::{World, until_status};

/// The operator is paused, so that it is there and says nothing, which is the worst kind of outage. t0 reader and writer
/// are let in; t1 the operator stops; t3 the two seconds have passed for which they are remembered.
#[tokio::test(flavor = "multi_thread")]
async fn in_an_outage_cached_reads_go_on_and_strangers_and_writes_do_not() {
    let mut world = World::start("10800").await;
    let reader = world.account("reader", Some("nearkv-viewer")).await;
    let writer = world.account("writer", Some("nearkv-editor")).await;
    let late = world.account("late", Some("nearkv-viewer")).await;
    let settings = world.settings(&world.edge);
    settings.bearing(&reader).get("a").await.unwrap().ok().unwrap();
    settings.bearing(&writer).put("b", "two").await.unwrap().ok().unwrap();

    world.scenario.operator.process.pause().unwrap();
    until_status("the writer's refusal", 503, async || settings.bearing(&writer).put("b", "x").await).await;
    for _ in 0..5 {
        let answer = settings.bearing(&reader).get("a").await.unwrap().ok().unwrap();
        assert_eq!(answer.body, "one");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(settings.bearing(&late).get("a").await.unwrap().status, 503, "nobody new is let in");
    assert_eq!(settings.bearing(&reader).get("never-read").await.unwrap().status, 503);
    assert_eq!(settings.get("a").await.unwrap().status, 401);

    world.scenario.operator.process.resume().unwrap();
    until_status("the writer's return", 200, async || settings.bearing(&writer).put("b", "three").await)
        .await;
    until_status("the late one's", 200, async || settings.bearing(&late).get("a").await).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_is_strict_an_outage_of_the_authority_is_one_of_the_reads() {
    let mut world = World::start("0").await;
    let reader = world.account("reader", Some("nearkv-viewer")).await;
    let settings = world.settings(&world.edge).bearing(&reader);
    settings.get("a").await.unwrap().ok().unwrap();
    world.scenario.operator.process.pause().unwrap();
    until_status("a refusal", 503, async || settings.get("a").await).await;
    world.scenario.operator.process.resume().unwrap();
    until_status("an answer", 200, async || settings.get("a").await).await;
    world.end().await;
}
