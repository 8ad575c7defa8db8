//! The development mode, killed on its state directory.

use std::time::Duration;

use nearkv_tests::Kv;
use nearkv_tests::folders::new_folder;
use nearkv_tests::nearkv::Dev;
use nearkv_tests::rounds::Rounds;
use nearkv_tests::scenario::kv_namespace;
use tokio::time::sleep;

use crate::ROUNDS;

#[tokio::test(flavor = "multi_thread")]
async fn the_killed_development_mode_loses_no_acknowledged_write() {
    let folder = new_folder("development").unwrap();
    let manifest = folder.join("settings.yaml");
    std::fs::write(&manifest, kv_namespace("settings, namespace: demo", "{}")).unwrap();
    let data = folder.join("data");
    let mut dev = Dev::start("development", &data, &[&manifest], &["london"], &[]).await.unwrap();
    let origin = Kv::new(format!("{}/kv/demo/settings", dev.origin()));
    let mut rounds = Rounds::new(vec![origin]);
    rounds.judge().await.unwrap();

    for round in 1..=ROUNDS {
        let until_kill = rounds.moment(Duration::from_millis(1_200));
        let disturb = async {
            sleep(until_kill).await;
            dev.restart().await
        };
        rounds.round(disturb).await.unwrap_or_else(|error| panic!("round {round}: {error:?}"));
    }
    println!("{:?}", rounds.total());
    rounds.assert_enough(ROUNDS).unwrap();
    let status = dev.process.terminate(nearkv_tests::nearkv::STOP_LIMIT).await.unwrap();
    assert!(status.success(), "{status}");
}
