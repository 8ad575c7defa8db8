//! Tables of manifests, good and bad, for tests: this program's own check and the real API server must judge
//! them alike.

use serde_json::{Value, json};

/// A manifest that must be refused, and words that the refusal must hold.
#[derive(Clone, Debug)]
pub struct BadManifest {
    /// What is wrong with it.
    pub name: &'static str,
    /// The manifest.
    pub manifest: Value,
    /// Part of the refusal's text.
    pub message: &'static str,
}

fn manifest(name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "nearkv.dev/v1alpha1",
        "kind": "KvNamespace",
        "metadata": { "name": name },
        "spec": spec,
    })
}

fn entry(entry: Value) -> Value {
    manifest("settings", json!({ "entries": [entry] }))
}

/// Manifests that are taken, by name.
#[must_use]
pub fn good() -> Vec<(&'static str, Value)> {
    let long_name = "a".repeat(52);
    let key_of_512 = "é".repeat(256);
    vec![
        ("an empty spec", manifest("settings", json!({}))),
        ("a name of 52 characters", manifest(&long_name, json!({}))),
        ("a key of 512 bytes", entry(json!({ "key": key_of_512, "value": "" }))),
        ("nasty keys", {
            let keys = ["...", "./x", "a b/c+d", "%2F", "\u{1f913}", "\t", "0"];
            let entries: Vec<Value> = keys.iter().map(|key| json!({ "key": key, "value": "x" })).collect();
            manifest("settings", json!({ "entries": entries }))
        }),
        ("metadata of every kind", {
            let kinds =
                [json!({"a": [1, null]}), json!([1]), json!("s"), json!(1.5), json!(true), json!(null)];
            let entries = kinds.iter().enumerate();
            let entries: Vec<Value> = entries
                .map(|(i, kind)| json!({ "key": i.to_string(), "value": "x", "metadata": kind }))
                .collect();
            manifest("settings", json!({ "entries": entries }))
        }),
        (
            "binary and expiring",
            entry(json!({ "key": "k", "valueBase64": "AAEC/w==", "expiration": 4_102_444_800_u64 })),
        ),
        (
            "everything",
            manifest(
                "settings",
                json!({
                    "title": "SETTINGS",
                    "entriesFrom": [{ "configMapRef": { "name": "translations.fr", "optional": true }, "prefix": "fr/" }],
                    "cache": { "ttlSeconds": 0, "negativeTtlSeconds": 5, "staleIfErrorSeconds": 0 },
                    "expiration": { "minTtlSeconds": 1 },
                    "quota": { "maxKeys": 1, "maxBytes": 65536 },
                    "deletionPolicy": "Retain",
                }),
            ),
        ),
    ]
}

/// Manifests that are refused.
#[must_use]
pub fn bad() -> Vec<BadManifest> {
    let long_name = "a".repeat(53);
    let key_of_513_characters = "k".repeat(513);
    let key_of_514_bytes = "é".repeat(257);
    let entries: Vec<Value> = (0..1001).map(|i| json!({ "key": i.to_string(), "value": "" })).collect();
    let case = |name, manifest, message| BadManifest { name, manifest, message };
    let spec = |spec| manifest("settings", spec);
    let source = |source| manifest("settings", json!({ "entriesFrom": [source] }));
    let name_rule = "the name of a KvNamespace is a DNS label of at most 52 characters";
    let one_value = "an entry has exactly one of value and valueBase64";
    vec![
        case("a name of 53 characters", manifest(&long_name, json!({})), name_rule),
        case("a name with a dot", manifest("a.b", json!({})), name_rule),
        case("an unknown field", spec(json!({ "entrys": [] })), "unknown field \"spec.entrys\""),
        case(
            "an unknown field of an entry",
            entry(json!({ "key": "k", "value": "", "ttl": 5 })),
            "unknown field \"spec.entries[0].ttl\"",
        ),
        case(
            "a title without characters",
            spec(json!({ "title": "" })),
            "spec.title in body should be at least 1 chars long",
        ),
        case("a title of 513 characters", spec(json!({ "title": "t".repeat(513) })), "spec.title: Too long"),
        case("no key", entry(json!({ "value": "x" })), "spec.entries[0].key: Required value"),
        case(
            "an empty key",
            entry(json!({ "key": "", "value": "x" })),
            "spec.entries[0].key in body should be at least 1 chars long",
        ),
        case(
            "the key .",
            entry(json!({ "key": ".", "value": "x" })),
            "Illegal key name \".\". Please use a different name.",
        ),
        case(
            "the key ..",
            entry(json!({ "key": "..", "value": "x" })),
            "Illegal key name \"..\". Please use a different name.",
        ),
        case(
            "a key of 513 characters",
            entry(json!({ "key": key_of_513_characters, "value": "x" })),
            "spec.entries[0].key: Too long: may not be more than 512 bytes",
        ),
        case(
            "a key of 514 bytes",
            entry(json!({ "key": key_of_514_bytes, "value": "x" })),
            "the UTF-8 encoded length exceeds the key length limit of 512",
        ),
        case("no value", entry(json!({ "key": "k" })), one_value),
        case("a null value", entry(json!({ "key": "k", "value": null })), one_value),
        case("two values", entry(json!({ "key": "k", "value": "x", "valueBase64": "eA==" })), one_value),
        case(
            "a value that is no string",
            entry(json!({ "key": "k", "value": true })),
            "spec.entries[0].value in body must be of type string: \"boolean\"",
        ),
        case(
            "a value that is no base64",
            entry(json!({ "key": "k", "valueBase64": "???" })),
            "spec.entries[0].valueBase64 in body should match",
        ),
        case(
            "an expiration before time began",
            entry(json!({ "key": "k", "value": "", "expiration": 0 })),
            "spec.entries[0].expiration in body should be greater than or equal to 1",
        ),
        case(
            "a key twice",
            spec(json!({ "entries": [{ "key": "k", "value": "1" }, { "key": "k", "value": "2" }] })),
            "spec.entries[1]: Duplicate value: {\"key\":\"k\"}",
        ),
        case(
            "1001 entries",
            spec(json!({ "entries": entries })),
            "spec.entries: Too many: 1001: must have at most 1000 items",
        ),
        case(
            "a source without a ConfigMap",
            source(json!({ "prefix": "fr/" })),
            "spec.entriesFrom[0].configMapRef: Required value",
        ),
        case(
            "a ConfigMap with no possible name",
            source(json!({ "configMapRef": { "name": "A_B" } })),
            "spec.entriesFrom[0].configMapRef.name in body should match",
        ),
        case(
            "a prefix of 513 characters",
            source(json!({ "configMapRef": { "name": "a" }, "prefix": "p".repeat(513) })),
            "spec.entriesFrom[0].prefix: Too long: may not be more than 512 bytes",
        ),
        case(
            "a negative time to live",
            spec(json!({ "cache": { "ttlSeconds": -1 } })),
            "spec.cache.ttlSeconds in body should be greater than or equal to 0",
        ),
        case(
            "a time to live of more than a year",
            spec(json!({ "cache": { "staleIfErrorSeconds": 31_536_001 } })),
            "spec.cache.staleIfErrorSeconds in body should be less than or equal to",
        ),
        case(
            "a minimum of zero seconds",
            spec(json!({ "expiration": { "minTtlSeconds": 0 } })),
            "spec.expiration.minTtlSeconds in body should be greater than or equal to 1",
        ),
        case(
            "a quota of no key",
            spec(json!({ "quota": { "maxKeys": 0 } })),
            "spec.quota.maxKeys in body should be greater than or equal to 1",
        ),
        case(
            "half a quantity",
            spec(json!({ "quota": { "maxBytes": "0.5Mi" } })),
            "spec.quota.maxBytes in body should match",
        ),
        case(
            "a negative quantity",
            spec(json!({ "quota": { "maxBytes": -1 } })),
            "spec.quota.maxBytes in body should be greater than or equal to 0",
        ),
        case(
            "an unknown policy",
            spec(json!({ "deletionPolicy": "Keep" })),
            "spec.deletionPolicy: Unsupported value: \"Keep\": supported values: \"Delete\", \"Retain\"",
        ),
    ]
}
