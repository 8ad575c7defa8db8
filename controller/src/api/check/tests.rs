//! The table of bad manifests, against the check in this program; `tests/tests/manifests.rs` holds the real
//! API server to the same table.

use serde_json::json;

use super::*;
use crate::api::{ByteSize, manifests};

#[test]
fn every_bad_manifest_is_refused_in_the_words_of_the_api_server() {
    for case in manifests::bad() {
        let refusal = parse_manifest(case.manifest.clone()).expect_err(case.name);
        let found = refusal.faults.iter().any(|fault| fault.contains(case.message));
        assert!(found, "{}: {:?} lacks {:?}", case.name, refusal.faults, case.message);
    }
}

#[test]
fn every_good_manifest_is_taken() {
    for (name, manifest) in manifests::good() {
        parse_manifest(manifest).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
    }
}

#[test]
fn defaults_are_those_of_workers_kv() {
    let manifest = json!({
        "apiVersion": "nearkv.dev/v1alpha1", "kind": "KvNamespace", "metadata": {"name": "a"},
        "spec": {"cache": {"ttlSeconds": 5, "negativeTtlSeconds": null}},
    });
    let spec = parse_manifest(manifest).unwrap().spec;
    assert_eq!(spec.cache.ttl_seconds, 5);
    assert_eq!(spec.cache.negative_ttl_seconds, 60);
    assert_eq!(spec.quota.max_bytes, ByteSize(64 << 20));
    assert_eq!(spec.expiration.min_ttl_seconds, 60);
}

#[test]
fn all_faults_are_named_at_once() {
    let manifest = json!({
        "apiVersion": "nearkv.dev/v1alpha1", "kind": "KvNamespace", "metadata": {"name": "a"},
        "spec": {"titel": "x", "quota": {"maxKeys": 0}, "entries": [{"value": "x"}]},
    });
    let refusal = parse_manifest(manifest).unwrap_err();
    assert_eq!(
        refusal.faults,
        [
            "spec.entries[0].key: Required value",
            "spec.quota.maxKeys: Invalid value: 0: spec.quota.maxKeys in body should be greater than or equal to 1",
            "unknown field \"spec.titel\"",
        ]
    );
}
