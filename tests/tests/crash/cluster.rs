//! Operators that are killed, one or both, on the real control plane. etcd and the API server live
//! on: what is shown is that nothing of the data is only in an operator.

use std::time::Duration;

use nearkv_tests::nearkv::{Server, UNPACED};
use nearkv_tests::reach::{objects_in_cluster, reach};
use nearkv_tests::rounds::Rounds;
use nearkv_tests::{Result, Scenario, eventually};
use tokio::time::sleep;

use crate::ROUNDS;

/// Short against a stretch of rounds: what a kill leaves behind is deleted while later rounds write, which is when a
/// collector could go wrong.
const GARBAGE_GRACE: [&str; 2] = ["--garbage-grace", "5"];

/// Who is killed in each round of a stretch.
#[derive(Clone, Copy, Debug)]
enum Victims {
    /// The operator that holds the Lease, so that nobody collects: it has seen nothing for a whole grace.
    Maintainer,
    /// The one that does not.
    Other,
    /// At the same moment.
    Both,
}

/// In this order the maintainer lives through every second stretch, and garbage never grows for longer than one.
const STRETCHES: [Victims; 5] =
    [Victims::Other, Victims::Maintainer, Victims::Other, Victims::Both, Victims::Other];

#[tokio::test(flavor = "multi_thread")]
async fn killed_operators_lose_no_acknowledged_write_and_leave_no_garbage() {
    let mut scenario = Scenario::start(&[GARBAGE_GRACE.as_slice(), &UNPACED].concat()).await.unwrap();
    scenario.apply_ready("{}").await.unwrap();
    let mut other = scenario.another_operator(2).await.unwrap();
    let mut rounds = Rounds::new(vec![scenario.settings(&scenario.operator), scenario.settings(&other)]);
    rounds.judge().await.unwrap();

    for (stretch, victims) in STRETCHES.into_iter().enumerate() {
        for round in 1..=ROUNDS as usize / STRETCHES.len() {
            let killed: Vec<&mut Server> = match victims {
                Victims::Maintainer => vec![&mut scenario.operator],
                Victims::Other => vec![&mut other],
                Victims::Both => vec![&mut scenario.operator, &mut other],
            };
            round_that_kills(&mut rounds, killed)
                .await
                .unwrap_or_else(|error| panic!("stretch {stretch}, {victims:?}, round {round}: {error:?}"));
        }
        if let Victims::Other = victims {
            let deleted = deleted_by(&scenario.operator).await.unwrap();
            assert!(deleted > 0.0, "stretch {stretch}: nothing was collected while the rounds wrote");
        }
    }
    println!("{:?}", rounds.total());
    rounds.assert_enough(ROUNDS).unwrap();

    no_garbage_is_left(&scenario).await.unwrap();
    for operator in [&mut scenario.operator, &mut other] {
        operator.restart().unwrap();
        operator.wait_until_ready().await.unwrap();
    }
    rounds.judge().await.unwrap();
    other.stop().await.unwrap();
    scenario.end().await.unwrap();
}

/// One round, in which these are killed at a random moment and started again.
async fn round_that_kills(rounds: &mut Rounds, mut killed: Vec<&mut Server>) -> Result<()> {
    let (until_kill, until_restart) =
        (rounds.moment(Duration::from_millis(1_200)), rounds.moment(Duration::from_millis(300)));
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
    rounds.round(disturb).await
}

/// What this process has collected since it started.
async fn deleted_by(maintainer: &Server) -> Result<f64> {
    let metrics = maintainer.metrics().await?;
    metrics.value(r#"nearkv_origin_store_requests_total{lane="maintenance",verb="delete",result="ok"}"#)
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
