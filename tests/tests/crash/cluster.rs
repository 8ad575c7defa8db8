//! Operators that are killed, one or both, on the real control plane. etcd and the API server live
//! on: what is shown is that nothing of the data is only in an operator.

use std::time::Duration;

use nearkv_tests::nearkv::Server;
use nearkv_tests::reach::{objects_in_cluster, reach};
use nearkv_tests::rounds::Rounds;
use nearkv_tests::{Result, Scenario, eventually};
use tokio::time::sleep;

use crate::ROUNDS;

/// Short against a round's length times their number: objects left behind by a kill are collected
/// while later rounds write, which is when a collector could go wrong.
const FLAGS: [&str; 2] = ["--garbage-grace", "10"];

#[tokio::test(flavor = "multi_thread")]
async fn killed_operators_lose_no_acknowledged_write_and_leave_no_garbage() {
    let mut scenario = Scenario::start(&FLAGS).await.unwrap();
    scenario.apply_ready("{}").await.unwrap();
    let mut other = scenario.another_operator(2).await.unwrap();
    let mut rounds = Rounds::new(vec![scenario.settings(&scenario.operator), scenario.settings(&other)]);
    rounds.judge().await.unwrap();

    for round in 1..=ROUNDS {
        let which = rounds.choose(3);
        let (until_kill, until_restart) =
            (rounds.moment(Duration::from_millis(1_200)), rounds.moment(Duration::from_millis(300)));
        let mut killed: Vec<&mut Server> = match which {
            0 => vec![&mut scenario.operator],
            1 => vec![&mut other],
            _ => vec![&mut scenario.operator, &mut other],
        };
        let disturb = async {
            sleep(until_kill).await;
            killed.iter_mut().try_for_each(|operator| operator.process.kill())?;
            sleep(until_restart).await;
            killed.iter_mut().try_for_each(|operator| operator.restart())?;
            for operator in &mut killed {
                operator.wait_until_ready().await?;
            }
            Ok(())
        };
        rounds.round(disturb).await.unwrap_or_else(|error| panic!("round {round}: {error:?}"));
    }
    println!("{:?}", rounds.total());

    no_garbage_is_left(&scenario).await.unwrap();
    for operator in [&mut scenario.operator, &mut other] {
        operator.restart().unwrap();
        operator.wait_until_ready().await.unwrap();
    }
    rounds.judge().await.unwrap();
    other.stop().await.unwrap();
    scenario.end().await.unwrap();
}

async fn no_garbage_is_left(scenario: &Scenario) -> Result<()> {
    let client = scenario.control_plane.client().await?;
    eventually("no unreachable object", async || {
        let objects = objects_in_cluster(client.clone(), scenario.namespace.name(), "settings").await;
        let objects = objects.map_err(|error| format!("{error:?}"))?;
        let unreachable = reach("settings.kv", &objects).unreachable;
        if unreachable.is_empty() {
            Ok(())
        } else {
            Err(format!("{} of {}: {unreachable:?}", unreachable.len(), objects.len()))
        }
    })
    .await
}
