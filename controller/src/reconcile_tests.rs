//! The pipeline as a whole, over an origin that answers what the test says.

use super::*;
use crate::{
    api::REPAIR_ANNOTATION,
    fixtures::{FakeConfigMaps, FakeData, config_map},
    status::{READY, find},
    testing::Desired,
};
use nearkv_origin::Health;

async fn round(data: &FakeData, desired: Desired, memory: &Memory) -> Reconciled {
    let config_maps = FakeConfigMaps(vec![config_map("fr", &[("hello", "salut")])]);
    reconcile(data, &config_maps, &desired.build(), memory, Timestamp::UNIX_EPOCH).await.unwrap()
}

#[tokio::test]
async fn a_new_namespace_is_initialised_declared_and_ready() {
    let data = FakeData::new();
    let desired = Desired::new("settings").entry("a", "1").from("fr", "fr/");
    let reconciled = round(&data, desired, &Memory::default()).await;
    assert_eq!(data.call_names(), ["initialise New", "declare 2"]);
    assert!(reconciled.settled);
    assert_eq!(find(&reconciled.memory.status, READY).unwrap().status, "True");
}

#[tokio::test]
async fn a_second_round_expects_the_data_to_be_there() {
    let data = FakeData::new();
    let first = round(&data, Desired::new("settings"), &Memory::default()).await;
    data.call_names();
    let second = round(&data, Desired::new("settings"), &first.memory).await;
    assert_eq!(data.call_names(), ["initialise Existing", "declare 0"]);
    assert_eq!(second.memory, first.memory);
}

#[tokio::test]
async fn nothing_is_declared_on_damaged_data() {
    let data = FakeData::new().with_health(Health::RootMissing);
    let reconciled = round(&data, Desired::new("settings").entry("a", "1"), &Memory::default()).await;
    assert_eq!(data.call_names(), ["initialise New"]);
    assert!(!reconciled.settled);
}

#[tokio::test]
async fn a_repair_is_done_once_per_value_and_followed_by_the_declaration() {
    let data = FakeData::new().with_health(Health::RootMissing);
    let asked = Desired::new("settings").annotation(REPAIR_ANNOTATION, "monday");
    let first = round(&data, asked.clone(), &Memory::default()).await;
    assert_eq!(data.call_names(), ["initialise New", "repair Refuse", "initialise Existing", "declare 0"]);
    assert_eq!(first.memory.status.last_repair.as_deref(), Some("monday"));
    assert_eq!(first.events[0].reason, "Repaired");

    data.report.lock().health = Health::RootMissing;
    round(&data, asked, &first.memory).await;
    assert_eq!(data.call_names(), ["initialise Existing"]);
}

#[tokio::test]
async fn a_repair_of_sound_data_is_not_needed_and_of_unloaded_data_waits() {
    let data = FakeData::new().with_health(Health::Loading);
    let asked = Desired::new("settings").annotation(REPAIR_ANNOTATION, "monday");
    let waiting = round(&data, asked.clone(), &Memory::default()).await;
    assert_eq!(waiting.memory.status.last_repair, None);
    data.report.lock().health = Health::Ready;
    let done = round(&data, asked, &waiting.memory).await;
    assert_eq!(done.events[0].reason, "RepairNotNeeded");
    assert!(!data.call_names().iter().any(|call| call.starts_with("repair")));
}

#[tokio::test]
async fn a_repair_that_would_drop_keys_says_so_and_is_done_only_where_that_is_accepted() {
    let damage = Health::PartDamaged { detail: "a segment".into() };
    let data = FakeData::new().with_health(damage).dropping();
    let asked = |value| Desired::new("settings").annotation(REPAIR_ANNOTATION, value);
    let refused = round(&data, asked("monday"), &Memory::default()).await;
    assert_eq!(refused.events[0].reason, "RepairRefused");
    assert_eq!(refused.memory.status.last_repair.as_deref(), Some("monday"));
    let result = refused.memory.status.last_repair_result.clone().unwrap();
    assert_eq!(result, "RepairRefused: would drop up to 7 keys");
    assert!(data.call_names().contains(&"repair Refuse".to_owned()));

    let done = round(&data, asked("tuesday; accept-loss"), &refused.memory).await;
    assert!(data.call_names().contains(&"repair Accept".to_owned()));
    assert_eq!(done.events[0].reason, "Repaired");
    assert!(done.memory.status.last_repair_result.unwrap().starts_with("Repaired: "));
}
