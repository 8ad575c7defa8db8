//! What only the controller can see, as a table: each fault names its key and leaves the other entries alone.

use serde_json::json;

use super::*;
use crate::{api::ByteSize, testing::Desired};

fn source(name: &str, prefix: &str, found: Found) -> Source {
    Source { name: name.into(), prefix: prefix.into(), optional: false, found }
}

fn data(entries: &[(&str, &[u8])]) -> Found {
    Found::Data(entries.iter().map(|(k, v)| ((*k).to_owned(), Bytes::copy_from_slice(v))).collect())
}

fn judge(desired: Desired, sources: Vec<Source>) -> Validated {
    validate(&desired.build().spec, &Dereferenced(sources))
}

fn keys(validated: &Validated) -> Vec<&str> {
    validated.entries.iter().map(|entry| entry.key.as_str()).collect()
}

#[test]
fn entries_and_config_maps_become_one_set_in_the_order_of_keys() {
    let validated = judge(
        Desired::new("settings").entry("site_title", "Blog").entry("flags/new_ui", "true"),
        vec![source("fr", "fr/", data(&[("hello", b"salut"), ("logo", &[0, 255])]))],
    );
    assert_eq!(keys(&validated), ["flags/new_ui", "fr/hello", "fr/logo", "site_title"]);
    assert_eq!(validated.entries[2].value, Bytes::from_static(&[0, 255]));
    assert!(validated.is_complete());
}

#[test]
fn base64_metadata_and_expiration_are_kept() {
    let entry = Entry {
        key: "logo".into(),
        value_base64: Some("AP8=".into()),
        metadata: Some(json!({"type": "image/png"})),
        expiration: Some(4_102_444_800),
        ..Entry::default()
    };
    let validated = judge(Desired::new("settings").full_entry(entry), vec![]);
    let entry = &validated.entries[0];
    assert_eq!(entry.value, Bytes::from_static(&[0, 255]));
    assert_eq!(entry.metadata.as_ref().unwrap().as_str(), r#"{"type":"image/png"}"#);
    assert_eq!(entry.expiration, Some(Expiration(4_102_444_800)));
}

#[test]
fn every_fault_names_its_key_and_leaves_the_others_in_force() {
    let long = "p".repeat(512);
    let too_long = vec![b'x'; usize::try_from(limits::MAX_VALUE_BYTES).unwrap() + 1];
    let with = |entry: Entry| Desired::new("settings").entry("good", "1").full_entry(entry);
    let bad = |key: &str| Entry { key: key.into(), value: Some(String::new()), ..Entry::default() };
    let plain = || Desired::new("settings").entry("good", "1");
    let metadata = Some(json!("m".repeat(1025)));
    let cases: Vec<(Validated, &str, &str)> = vec![
        (judge(with(bad("..")), vec![]), "KeyInvalid", r#"key ".." of spec.entries: Illegal key name"#),
        (
            judge(with(Entry { value: None, ..bad("b") }), vec![]),
            "ValueInvalid",
            r#"key "b" of spec.entries: an entry has exactly one"#,
        ),
        (
            judge(with(Entry { value: None, value_base64: Some("?".into()), ..bad("b") }), vec![]),
            "ValueInvalid",
            r#"key "b" of spec.entries: valueBase64 is no base64"#,
        ),
        (
            judge(with(Entry { metadata, ..bad("b") }), vec![]),
            "MetadataInvalid",
            r#"key "b" of spec.entries: Metadata length of 1027"#,
        ),
        (
            judge(plain(), vec![source("fr", &long, data(&[("a", b"1")]))]),
            "KeyInvalid",
            "of ConfigMap fr: UTF-8 encoded length of 513",
        ),
        (
            judge(plain(), vec![source("fr", "", data(&[("big", &too_long)]))]),
            "ValueInvalid",
            r#"key "big" of ConfigMap fr: Value length of 26214401 exceeds limit of 26214400."#,
        ),
        (
            judge(plain(), vec![source("fr", "", data(&[("good", b"2")]))]),
            "KeyDeclaredTwice",
            r#"key "good" is declared by spec.entries and again by ConfigMap fr; the former is in force"#,
        ),
        (
            judge(plain(), vec![source("fr", "", Found::Missing)]),
            "ConfigMapMissing",
            "ConfigMap fr does not exist",
        ),
        (
            judge(plain(), vec![source("fr", "", Found::Part)]),
            "ConfigMapNotUsable",
            "ConfigMap fr holds the data",
        ),
    ];
    for (validated, reason, message) in cases {
        assert_eq!(keys(&validated), ["good"], "{message}");
        assert_eq!(validated.entries[0].value, "1", "{message}");
        let [problem] = &validated.problems[..] else { panic!("{message}: {:?}", validated.problems) };
        assert_eq!(problem.reason.as_str(), reason);
        assert!(problem.message.contains(message), "{:?} lacks {message:?}", problem.message);
        let key_is_settled = matches!(reason, "KeyInvalid" | "KeyDeclaredTwice");
        assert_eq!(validated.is_complete(), key_is_settled, "{message}");
    }
}

#[test]
fn entries_beyond_the_quota_are_named_and_smaller_ones_after_them_are_in_force() {
    let desired = Desired::new("settings").entry("a", "1").entry("fat", "abcdefghij").entry("b", "2");
    let mut spec = desired.build().spec;
    spec.quota.max_bytes = ByteSize(8);
    let validated = validate(&spec, &Dereferenced::default());
    assert_eq!(keys(&validated), ["a", "b"]);
    assert_eq!(validated.problems[0].reason, ProblemReason::QuotaExceeded);
    let message = r#"key "fat" of spec.entries: its 13 bytes exceed spec.quota.maxBytes (8); declared entries before it have 2"#;
    assert_eq!(validated.problems[0].message, message);

    spec.quota.max_bytes = ByteSize(80);
    spec.quota.max_keys = 2;
    let validated = validate(&spec, &Dereferenced::default());
    assert_eq!(keys(&validated), ["a", "fat"]);
    assert!(validated.problems[0].message.starts_with(r#"key "b" of spec.entries: there are as many"#));
}

#[test]
fn an_optional_config_map_may_be_missing() {
    let source = Source { optional: true, ..source("fr", "", Found::Missing) };
    assert!(judge(Desired::new("settings"), vec![source]).is_complete());
}

#[test]
fn the_earlier_of_two_sources_wins() {
    let sources = vec![source("a", "", data(&[("k", b"1")])), source("b", "", data(&[("k", b"2")]))];
    let validated = judge(Desired::new("settings"), sources);
    assert_eq!(validated.entries[0].value, "1");
    assert!(validated.problems[0].message.contains("declared by ConfigMap a and again by ConfigMap b"));
}
