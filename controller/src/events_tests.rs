//! What is told, and what is told once.

use nearkv::Error;

use crate::{
    Memory, Reconciled,
    events::state_differed,
    fixtures::{FakeConfigMaps, FakeData, outcome},
    reconcile,
    testing::Desired,
};
use nearkv_origin::Health;

async fn round(data: &FakeData, desired: &Desired, memory: &mut Memory) -> Vec<(bool, String, String)> {
    let desired = desired.clone().build();
    let now = k8s_openapi::jiff::Timestamp::UNIX_EPOCH;
    let config_maps = FakeConfigMaps(vec![]);
    let Reconciled { memory: next, events, .. } =
        reconcile(data, &config_maps, &desired, memory, now).await.unwrap();
    *memory = next;
    events.into_iter().map(|event| (event.warning, event.reason, event.note)).collect()
}

#[tokio::test]
async fn taking_over_and_removing_keys_is_told() {
    let (data, mut memory) = (FakeData::new(), Memory::default());
    data.outcomes.lock().push_back(outcome(&["a", "b"], &["a"], &["old"]));
    let told = round(&data, &Desired::new("settings").entry("a", "1").entry("b", "2"), &mut memory).await;
    assert_eq!(
        told,
        [
            (false, "KeysTakenOver".into(), "took over \"a\": declared now".into()),
            (false, "KeysRemoved".into(), "deleted \"old\": no longer declared".into()),
        ]
    );
}

#[tokio::test]
async fn only_a_key_written_again_under_the_same_declaration_is_drift() {
    let (data, mut memory) = (FakeData::new(), Memory::default());
    data.outcomes.lock().extend([
        outcome(&["a"], &[], &[]),
        outcome(&["a"], &[], &[]),
        outcome(&["a"], &[], &[]),
    ]);
    let first = Desired::new("settings").entry("a", "1");
    assert_eq!(round(&data, &first, &mut memory).await, []);
    let changed = Desired::new("settings").entry("a", "2").generation(2);
    assert_eq!(round(&data, &changed, &mut memory).await, []);
    let told = round(&data, &changed, &mut memory).await;
    assert_eq!(told[0].1, "DriftRepaired");
    assert_eq!(told[0].2, "put back \"a\": declared, and altered by somebody else");
}

#[tokio::test]
async fn damage_and_recovery_are_told_once_each() {
    let (data, mut memory) = (FakeData::new(), Memory::default());
    let desired = Desired::new("settings");
    assert_eq!(round(&data, &desired, &mut memory).await, []);
    data.report.lock().health = Health::RootMissing;
    let reasons: Vec<String> =
        round(&data, &desired, &mut memory).await.into_iter().map(|(_, reason, _)| reason).collect();
    assert_eq!(reasons, ["RootMissing"]);
    assert_eq!(round(&data, &desired, &mut memory).await, []);
    data.report.lock().health = Health::Ready;
    let told = round(&data, &desired, &mut memory).await;
    assert_eq!(told[0], (false, "Ready".into(), "reads and writes are served".into()));
}

#[tokio::test]
async fn a_namespace_on_its_way_up_tells_nothing() {
    let (data, mut memory) = (FakeData::new().with_health(Health::Loading), Memory::default());
    data.report.lock().version = None;
    assert_eq!(round(&data, &Desired::new("settings"), &mut memory).await, []);
}

#[tokio::test]
async fn a_refused_declaration_is_a_warning() {
    let (data, mut memory) = (FakeData::new(), Memory::default());
    *data.refuse.lock() = Some(Error::new(nearkv::Reason::QuotaExceeded, "3 keys exceed the quota of 2"));
    let told = round(&data, &Desired::new("settings"), &mut memory).await;
    assert_eq!(told, [(true, "QuotaExceeded".into(), "3 keys exceed the quota of 2".into())]);
}

#[test]
fn a_replica_that_differed_is_a_warning_and_the_whole_note_is_told() {
    let told = state_differed();
    assert_eq!((told.warning, told.reason.as_str()), (true, "StateDiffered"));
    assert!(told.note.ends_with("report it with the log of that replica"), "{}", told.note);
}
