//! The OpenAPI document: checked in as it is served, and as the routes are.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use axum::{Router, body::Body};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use super::MemoryHarness;
use crate::{
    Namespace,
    http::server::{Settings, router},
    testing::Memory,
};

const BASE: &str = "/client/v4";

fn namespace() -> Namespace {
    "team-a/settings".parse().unwrap()
}

fn faces() -> Router {
    let memory = MemoryHarness::new().memory;
    Memory::create(&memory, &namespace());
    router(memory.clone(), Arc::clone(&memory) as _, &Settings::default())
}

async fn send(method: &Method, path: &str) -> (StatusCode, Option<String>, Vec<u8>) {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let (parts, body) = faces().oneshot(request).await.unwrap().into_parts();
    let allow = parts.headers.get(header::ALLOW).map(|allow| allow.to_str().unwrap().to_owned());
    (parts.status, allow, body.collect().await.unwrap().to_bytes().to_vec())
}

async fn served() -> String {
    let (status, _, body) = send(&Method::GET, &format!("{BASE}/openapi.json")).await;
    assert_eq!(status, StatusCode::OK);
    String::from_utf8(body).unwrap()
}

#[tokio::test]
async fn the_openapi_document_on_disk_is_what_the_code_says() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let served = served().await;
    if std::env::var_os("NEARKV_BLESS").is_some() {
        std::fs::write(&file, &served).unwrap();
    }
    assert!(
        std::fs::read_to_string(&file).unwrap_or_default() == served,
        "write docs/openapi.json anew: NEARKV_BLESS=1 cargo test -p nearkv openapi"
    );
}

#[tokio::test]
async fn every_method_of_the_openapi_document_is_taken_and_no_other() {
    let document: Value = serde_json::from_str(&served().await).unwrap();
    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let id = namespace().id().to_string();
        let place =
            path.replace("{account_id}", "team-a").replace("{namespace_id}", &id).replace("{key_name}", "k");
        let mut documented = BTreeSet::new();
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let operation = &item[method.as_str().to_ascii_lowercase()];
            let (status, _, body) = send(&method, &format!("{BASE}{place}")).await;
            let envelope: Value = serde_json::from_slice(&body).unwrap_or_default();
            assert_ne!(envelope["errors"][0]["code"], 7000, "{method} {path} has no route");
            let is_taken = status != StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(is_taken, operation.is_object(), "{method} {path}: {status}");
            if let Some(id) = operation["operationId"].as_str() {
                assert!(operations.insert(id.to_owned()), "{id} is there twice");
                documented.insert(method.to_string());
            }
        }
        let (_, allow, _) = send(&Method::PATCH, &format!("{BASE}{place}")).await;
        let allow = allow.expect("a refused method is told what is allowed");
        let allowed = allow.split(", ").filter(|method| *method != "HEAD").map(str::to_owned);
        assert_eq!(allowed.collect::<BTreeSet<_>>(), documented, "Allow of {path}");
    }
    assert_eq!(operations.len(), 19, "{operations:?}");
}

/// Every `$ref` below a value.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(elements) => elements.iter().for_each(|element| references(element, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_reference_of_the_openapi_document_leads_to_a_schema() {
    let document: Value = serde_json::from_str(&served().await).unwrap();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 20, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some_and(Value::is_object), "{reference}");
    }
}
