//! `examples/`: taken by a real API server, reconciled by an operator, read at an edge.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kubectl_kv::manifest::{Manifests, load};
use nearkv::Namespace;
use nearkv_controller::api::Entry;
use nearkv_tests::eventually::eventually;
use nearkv_tests::http::client;
use nearkv_tests::scenario::Scenario;

use crate::repository;

/// What is declared: for each KvNamespace, each key with its value and metadata.
type Declared = BTreeMap<Namespace, BTreeMap<String, (Vec<u8>, Option<serde_json::Value>)>>;

/// Worked out here in few words, apart from the code under test.
fn declared(manifests: &Manifests) -> Declared {
    let value = |entry: &Entry| match (&entry.value, &entry.value_base64) {
        (Some(text), None) => text.clone().into_bytes(),
        (None, Some(base64)) => STANDARD.decode(base64).unwrap(),
        both => panic!("{}: {both:?}", entry.key),
    };
    let mut declared = Declared::new();
    for (namespace, object) in &manifests.namespaces {
        let keys = declared.entry(namespace.clone()).or_default();
        for source in &object.spec.entries_from {
            let name = (namespace.account().to_owned(), source.config_map_ref.name.clone());
            let data = manifests.config_maps.get(&name).and_then(|map| map.data.clone()).unwrap_or_default();
            assert!(source.config_map_ref.optional || !data.is_empty(), "{name:?}");
            keys.extend(
                data.into_iter()
                    .map(|(key, text)| (format!("{}{key}", source.prefix), (text.into_bytes(), None))),
            );
        }
        let entries = object.spec.entries.iter();
        keys.extend(entries.map(|entry| (entry.key.clone(), (value(entry), entry.metadata.clone()))));
    }
    declared
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_of_the_examples_is_read_at_an_edge_of_a_real_cluster() {
    let blog = repository().join("examples/blog");
    let declared = declared(&load(std::slice::from_ref(&blog)).unwrap());
    let scenario = Scenario::start(&[]).await.unwrap();
    let namespace = &scenario.namespace;
    namespace.kubectl(&["apply", "-f", &blog.display().to_string()]).await.unwrap();
    for condition in ["Ready", "EntriesSynced"] {
        let condition = format!("--for=condition={condition}");
        namespace.kubectl(&["wait", &condition, "--timeout=60s", "kvns", "--all"]).await.unwrap();
    }

    let edge = scenario.edge("london").await.unwrap();
    let client = client();
    let mut read = 0;
    for (kv_namespace, keys) in &declared {
        for (key, (value, metadata)) in keys {
            let key: String =
                form_urlencoded::byte_serialize(key.as_bytes()).collect::<String>().replace('+', "%20");
            let url = format!("{}/{key}", edge.kv(namespace.name(), kv_namespace.name()));
            eventually(&url, async || {
                let answer = client.get(&url).send().await.map_err(|error| error.to_string())?;
                let found = answer.headers().get("CF-KV-Metadata").map(|text| text.as_bytes().to_vec());
                let found = found.map(|text| serde_json::from_slice::<serde_json::Value>(&text).unwrap());
                let body = answer.bytes().await.map_err(|error| error.to_string())?;
                if body == *value && found == *metadata { Ok(()) } else { Err(format!("{body:?} {found:?}")) }
            })
            .await
            .unwrap();
            read += 1;
        }
    }
    assert!(read >= 15, "{read} keys");
    edge.stop().await.unwrap();
    scenario.end().await.unwrap();
}
