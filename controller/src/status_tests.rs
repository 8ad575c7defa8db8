//! What the status says, and when it keeps still.

use nearkv::Error;

use super::*;
use crate::{
    dereference::{Dereferenced, Found, Source},
    fixtures::{outcome, sound_report, version},
    identity::config_of,
    testing::Desired,
    validate::validate,
};
use nearkv_origin::DeclareOutcome;

struct World {
    desired: Desired,
    sources: Vec<Source>,
    previous: KvNamespaceStatus,
    declared: Result<DeclareOutcome, Error>,
    report: Report,
    now: i64,
}

impl World {
    fn new() -> Self {
        Self {
            desired: Desired::new("settings").entry("a", "1"),
            sources: vec![],
            previous: KvNamespaceStatus::default(),
            declared: Ok(outcome(&[], &[], &[])),
            report: sound_report(3),
            now: 1000,
        }
    }

    fn health(mut self, health: Health) -> Self {
        self.report.health = health;
        self
    }

    fn status(&self) -> KvNamespaceStatus {
        let desired = self.desired.clone().build();
        let validated = validate(&desired.spec, &Dereferenced(self.sources.clone()));
        let applied =
            Applied { repair: None, declared: self.declared.clone(), report: Some(self.report.clone()) };
        let now = Timestamp::from_second(self.now).unwrap();
        status(&desired, &config_of(&desired).unwrap(), &self.previous, &validated, &applied, now)
    }

    fn says(&self, kind: &str) -> (String, String) {
        let status = self.status();
        let condition = find(&status, kind).unwrap();
        (condition.status.clone(), condition.reason.clone())
    }
}

fn pair(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}

#[test]
fn a_sound_namespace_is_ready_and_synced() {
    let world = World::new();
    assert_eq!(world.says(READY), pair("True", "Ready"));
    assert_eq!(world.says(ENTRIES_SYNCED), pair("True", "Synced"));
    assert_eq!(world.says(PROPAGATED), pair("Unknown", "FeedNotAvailable"));
    assert_eq!(world.says(DELETION_POLICY_IN_FORCE), pair("True", "Delete"));
    let status = world.status();
    assert_eq!((status.keys, status.bytes, status.objects), (Some(2), Some(20), Some(1)));
    assert_eq!(status.version, Some(version(3).to_string()));
    assert_eq!(status.id.unwrap().len(), 32);
}

#[test]
fn every_damage_is_a_reason_for_not_being_ready() {
    let detail = || "why".to_owned();
    for health in [
        Health::Loading,
        Health::RootMissing,
        Health::FormatUnknown { detail: detail() },
        Health::RootDamaged { detail: detail() },
        Health::NameTaken { detail: detail() },
        Health::PartDamaged { detail: detail() },
        Health::StoreRefused { detail: detail() },
    ] {
        let word = health.as_str();
        let world = World::new().health(health);
        assert_eq!(world.says(READY), pair("False", word));
        assert_eq!(world.says(ENTRIES_SYNCED), pair("Unknown", word));
    }
}

#[test]
fn a_root_of_an_unknown_format_says_which_version_to_run() {
    let detail = "format 2 is not known to this version of nearkv".to_owned();
    let status = World::new().health(Health::FormatUnknown { detail }).status();
    let message = &find(&status, READY).unwrap().message;
    for said in ["format 2", "writes are refused", "run the version of nearkv-operator that wrote the root"] {
        assert!(message.contains(said), "{message}");
    }
    assert!(!message.contains("repair"), "{message}");
}

#[test]
fn a_faulty_entry_is_named_and_the_namespace_is_ready_all_the_same() {
    let mut world = World::new();
    let source = Source { name: "fr".into(), prefix: String::new(), optional: false, found: Found::Missing };
    world.sources.push(source);
    assert_eq!(world.says(READY), pair("True", "Ready"));
    assert_eq!(world.says(ENTRIES_SYNCED), pair("False", "ConfigMapMissing"));
    let status = world.status();
    let message = &find(&status, ENTRIES_SYNCED).unwrap().message;
    assert_eq!(
        message,
        "ConfigMap fr does not exist (1 other entries are in force; meanwhile no declared entry is deleted)"
    );
}

#[test]
fn a_refused_declaration_says_why_and_is_not_ready_before_the_first() {
    let mut world = World::new();
    world.declared = Err(Error::new(nearkv::Reason::QuotaExceeded, "3 keys exceed the quota of 2"));
    assert_eq!(world.says(ENTRIES_SYNCED), pair("False", "QuotaExceeded"));
    assert_eq!(world.says(READY), pair("True", "Ready"));
    world.report.declared = None;
    assert_eq!(world.says(READY), pair("False", "EntriesNotSynced"));
}

#[test]
fn a_changed_policy_is_in_force_when_the_condition_says_so() {
    let mut world = World::new();
    world.report.deletion_policy = Some(DeletionPolicy::Retain);
    assert_eq!(world.says(DELETION_POLICY_IN_FORCE), pair("False", "Changing"));
    world.report.deletion_policy = None;
    assert_eq!(world.says(DELETION_POLICY_IN_FORCE), pair("Unknown", "Loading"));
}

#[test]
fn a_transition_time_moves_only_with_the_status_word() {
    let mut world = World::new();
    let time = |world: &World| find(&world.status(), READY).unwrap().last_transition_time.0.as_second();
    assert_eq!(time(&world), 1000);
    world.previous = world.status();
    world.now = 2000;
    world.desired = world.desired.clone().generation(2);
    assert_eq!(time(&world), 1000);
    assert_eq!(find(&world.status(), READY).unwrap().observed_generation, Some(2));
    let broken = world.health(Health::RootMissing);
    assert_eq!(time(&broken), 2000);
}

#[test]
fn the_memory_that_data_exist_outlives_their_loss() {
    let mut world = World::new();
    world.previous = world.status();
    let mut world = world.health(Health::RootMissing);
    world.report.version = None;
    world.report.keys = 0;
    world.declared = Err(Error::namespace_loading(&"team-a/settings".parse().unwrap()));
    let status = world.status();
    assert_eq!(status.version, Some(version(3).to_string()));
    assert_eq!(status.keys, Some(2));
}

#[test]
fn counters_alone_can_wait_but_the_first_version_cannot() {
    let mut world = World::new();
    let first = world.status();
    assert!(!only_counters_differ(&world.previous, &first));
    assert!(!only_counters_differ(&KvNamespaceStatus { version: None, ..first.clone() }, &first));
    world.previous = first.clone();
    world.report.keys = 9;
    world.report.version = Some(version(8));
    let counted = world.status();
    assert!(only_counters_differ(&first, &counted));
    assert_eq!(recount(&first, &world.report), counted);
    let changed = world.health(Health::RootMissing).status();
    assert!(!only_counters_differ(&first, &changed));
}
