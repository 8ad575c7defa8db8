//! What is done about a binding, from what there is.

use std::collections::BTreeMap;

use super::*;
use nearkv_controller::{api::BindingSpec, testing::Desired};

fn namespace() -> Namespace {
    "team-a/settings".parse().unwrap()
}

fn url() -> ServiceUrl {
    "http://nearkv.nearkv-system.svc:80".parse().unwrap()
}

fn tokens(seed: u64) -> [String; 2] {
    let random = Random::seeded(seed);
    GRADES.map(|grade| BindingToken::mint(grade, &namespace(), &random))
}

fn own(token: &str) -> Found {
    Found::Own { uid: Some("uid-s".into()), content: content(&url(), &namespace(), token) }
}

fn status(tokens: &[String; 2], rotation: Option<&str>) -> BindingStatus {
    BindingStatus {
        name: "settings-kv".into(),
        read_only_name: "settings-kv-read-only".into(),
        token_hash: hash(&tokens[0]),
        read_only_token_hash: hash(&tokens[1]),
        rotation: rotation.map(str::to_owned),
    }
}

fn planned(wanted: bool, present: Option<&BindingStatus>, rotation: Option<&str>, found: [Found; 2]) -> Plan {
    let rotation = rotation.map(str::to_owned);
    plan(&namespace(), wanted, Some(&url()), present, rotation.as_ref(), &found)
}

#[test]
fn tokens_are_made_once_and_again_when_they_are_asked_for_or_lost() {
    let (first, other) = (tokens(1), tokens(2));
    let present = status(&first, None);
    let intact = || [own(&first[0]), own(&first[1])];
    let nothing = || [Found::Nothing, Found::Nothing];
    assert_eq!(planned(true, None, None, nothing()), Plan::Mint);
    assert_eq!(planned(true, Some(&present), None, intact()), Plan::Keep(first.clone()));
    assert_eq!(planned(true, Some(&present), Some("1"), intact()), Plan::Mint, "rotated");
    let rotated = status(&first, Some("1"));
    assert_eq!(planned(true, Some(&rotated), Some("1"), intact()), Plan::Keep(first.clone()), "once");
    assert_eq!(planned(true, Some(&present), None, [own(&first[0]), Found::Nothing]), Plan::Mint);
    // Cut off between the status and the Secrets.
    assert_eq!(planned(true, Some(&status(&other, None)), None, intact()), Plan::Mint);
}

#[test]
fn a_strangers_secret_is_left_alone() {
    let taken = Plan::Blocked(Blocked::NameTaken("settings-kv-read-only".into()));
    assert_eq!(planned(true, None, None, [Found::Nothing, Found::Foreign]), taken);
    let desired = Desired::new("settings").build();
    let mut secret = secret("settings-kv", &desired, BTreeMap::new());
    assert!(matches!(found(secret.clone(), &desired), Found::Own { .. }));
    secret.metadata.owner_references = None;
    assert_eq!(found(secret, &desired), Found::Foreign);
}

#[test]
fn a_binding_that_is_no_longer_asked_for_is_removed() {
    let first = tokens(1);
    let intact = [own(&first[0]), own(&first[1])];
    assert_eq!(planned(false, Some(&status(&first, None)), None, intact), Plan::Remove);
    assert_eq!(planned(false, None, None, [Found::Foreign, Found::Nothing]), Plan::Nothing);
}

#[test]
fn a_secret_has_what_the_specification_and_a_client_need() {
    let mut desired = Desired::new("settings").build();
    desired.spec.binding = Some(BindingSpec {});
    let secret = secret("settings-kv", &desired, content(&url(), &namespace(), "t"));
    assert_eq!(secret.type_.as_deref(), Some("servicebinding.io/workers-kv"));
    assert_eq!(secret.metadata.owner_references.as_ref().unwrap()[0].uid, "uid-1");
    let data = secret.data.unwrap();
    let text = |key: &str| String::from_utf8(data[key].0.clone()).unwrap();
    for (key, value) in [
        ("type", "workers-kv"),
        ("provider", "nearkv"),
        ("uri", "http://nearkv.nearkv-system.svc:80/kv/team-a/settings"),
        ("host", "nearkv.nearkv-system.svc"),
        ("port", "80"),
        ("account", "team-a"),
        ("namespace", "settings"),
        ("namespace-id", &namespace().id().to_string()),
        ("token", "t"),
    ] {
        assert_eq!(text(key), value, "{key}");
    }
    assert_eq!(data.len(), 9);
}

#[test]
fn a_service_url_is_a_server_and_no_page() {
    let https: ServiceUrl = "https://kv.example/".parse().unwrap();
    assert_eq!(
        (https.base.as_str(), https.host.as_str(), https.port),
        ("https://kv.example", "kv.example", 443)
    );
    for bad in ["", "kv.example", "ftp://kv.example", "http://kv.example/base", "http://kv.example?x=1"] {
        assert!(bad.parse::<ServiceUrl>().is_err(), "{bad}");
    }
}
