//! Bulk put, delete and get over REST: what is taken changes what an ordinary parser reads in it, pair by pair and
//! the last of a key wins; what is refused is nothing that such a parser would take, and changes nothing.

use axum::body::Body;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{Request, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    Entries, Kept, REQUESTS, START, World,
    bodies::{arriving, damaged},
    for_every_seed,
};
use crate::{ExpirationRequest, Key, Metadata, limits::MIN_EXPIRATION_TTL};

/// A pair as the contract has it (§3.1), read whole and not as it streams.
#[derive(Deserialize)]
struct Pair {
    key: String,
    value: String,
    base64: Option<bool>,
    expiration: Option<i64>,
    expiration_ttl: Option<i64>,
    metadata: Option<Box<RawValue>>,
}

/// What a bulk put leaves of `entries`; `None` where it is none.
fn put(mut entries: Entries, body: &[u8]) -> Option<Entries> {
    for pair in serde_json::from_slice::<Vec<Pair>>(body).ok()? {
        let Pair { key, value, base64, expiration, expiration_ttl, metadata } = pair;
        let value = match base64 {
            Some(true) => Bytes::from(BASE64_STANDARD.decode(value).ok()?),
            _ => Bytes::from(value),
        };
        let asked = expiration_ttl.map(ExpirationRequest::Ttl).or(expiration.map(ExpirationRequest::At));
        let expiration = asked.map(|asked| asked.resolve(START, MIN_EXPIRATION_TTL)).transpose().ok()?;
        let metadata = metadata.map(|raw| Metadata::parse(raw.get())).transpose().ok()?.flatten();
        let metadata = metadata.map(|metadata| metadata.as_str().to_owned());
        entries.insert(Key::new(&key).ok()?.as_str().to_owned(), Kept { value, metadata, expiration });
    }
    Some(entries)
}

/// The same of a bulk delete.
fn delete(mut entries: Entries, body: &[u8]) -> Option<Entries> {
    for key in serde_json::from_slice::<Vec<String>>(body).ok()? {
        entries.remove(Key::new(&key).ok()?.as_str());
    }
    Some(entries)
}

fn key(world: &World) -> &'static str {
    world.pick(&["a", "b", "c", "a/b", "\u{fc}\u{1f913}", "\"\\\u{1}", "..a", "[x]", "{,}"])
}

fn pair(world: &World) -> Value {
    let mut pair =
        json!({ "key": key(world), "value": world.pick(&["", "v", "\"]}", "\u{fc}\n", "dmFsdWU="]) });
    if world.one_in(3) {
        let value: Vec<u8> = (0..world.below(30)).map(|_| world.below(256) as u8).collect();
        pair["base64"] = json!(true);
        pair["value"] = json!(BASE64_STANDARD.encode(value));
    }
    if world.one_in(4) {
        pair["metadata"] =
            world.pick(&[&json!(null), &json!({"a": [1, "]"]}), &json!("x"), &json!(1.5)]).clone();
    }
    match world.below(6) {
        0 => pair["expiration_ttl"] = json!(60 + world.below(1000)),
        1 => pair["expiration"] = json!(START.seconds() + 60 + world.below(1000) as u64),
        _ => {}
    }
    pair
}

/// An array in one of the ways to write it.
fn written(world: &World, elements: Vec<Value>) -> Vec<u8> {
    let array = Value::Array(elements);
    let text =
        if world.one_in(3) { serde_json::to_string_pretty(&array) } else { serde_json::to_string(&array) };
    let text = text.unwrap();
    // The same characters as escapes.
    if world.one_in(3) { text.replace('\u{fc}', "\\u00fc").into_bytes() } else { text.into_bytes() }
}

async fn one_write(world: &World) {
    let puts = world.one_in(2);
    let count = world.below(6);
    let elements = (0..count).map(|_| if puts { pair(world) } else { json!(key(world)) }).collect();
    let mut body = written(world, elements);
    let is_damaged = !world.one_in(3);
    if is_damaged {
        body = damaged(world, &body);
    }
    let breaks_off = world.one_in(5);
    let (method, path) = match puts {
        true => ("PUT", "/bulk"),
        false => world.pick(&[&("POST", "/bulk/delete"), &("DELETE", "/bulk")]).to_owned(),
    };
    let before = world.entries().await;
    let read = if puts { put(before.clone(), &body) } else { delete(before.clone(), &body) };
    assert!(is_damaged || read.is_some(), "the story writes what is valid");
    let request = Request::builder().method(method).uri(format!("{}{path}", world.rest()));
    let answer = world.send(request.body(arriving(world, &body, breaks_off)).unwrap()).await;
    let text = String::from_utf8_lossy(&body);
    let (status, after) = (answer.status, world.entries().await);
    match read.filter(|_| !breaks_off) {
        Some(expected) => {
            assert_eq!(status, StatusCode::OK, "{method} {path} {text:?}: {:?}", answer.body);
            assert_eq!(after, expected, "{method} {path} {text:?}");
        }
        None => {
            assert!(status.is_client_error(), "{method} {path} {text:?}: {status}");
            assert_eq!(after, before, "{method} {path} {text:?} was refused");
        }
    }
}

async fn one_read(world: &World) {
    let count = world.below(4);
    let keys: Vec<&str> = (0..count).map(|_| key(world)).collect();
    let mut asked = json!({ "keys": keys });
    if world.one_in(3) {
        asked["type"] = json!(world.pick(&["text", "json", "stream", ""]));
    }
    if world.one_in(3) {
        asked["withMetadata"] = json!(world.one_in(2));
    }
    let mut body = serde_json::to_vec(&asked).unwrap();
    let is_damaged = world.one_in(2);
    if is_damaged {
        body = damaged(world, &body);
    }
    let before = world.contents().await;
    let over_rest = world.one_in(2);
    let base = if over_rest { world.rest() } else { "/kv/team-a/settings".to_owned() };
    let request = Request::post(format!("{base}/bulk/get")).body(arriving(world, &body, false)).unwrap();
    let answer = world.send(request).await;
    assert_eq!(world.contents().await, before, "a read changes nothing");
    if !is_damaged && asked["type"].is_null() && !over_rest && count > 0 {
        let values: Value = serde_json::from_slice(&answer.body).unwrap();
        for key in keys {
            assert_eq!(
                values[key].is_null(),
                !world.entries().await.contains_key(key),
                "{key:?} in {values}"
            );
        }
    }
}

async fn one_binding_write(world: &World) {
    let body: Vec<u8> = (0..world.below(60)).map(|_| world.below(256) as u8).collect();
    let before = world.contents().await;
    let request = Request::post("/kv/team-a/settings/bulk/write")
        .header("content-type", crate::http::mutations::MEDIA_TYPE)
        .body(if body.is_empty() { Body::from("x") } else { arriving(world, &body, false) });
    let answer = world.send(request.unwrap()).await;
    assert!(answer.status.is_success() || world.contents().await == before);
}

#[test]
fn a_bulk_changes_what_an_ordinary_parser_reads_in_it_or_is_refused_and_changes_nothing() {
    let name = "a_bulk_changes_what_an_ordinary_parser_reads_in_it_or_is_refused_and_changes_nothing";
    for_every_seed(name, async |world| {
        for _ in 0..REQUESTS / 3 {
            one_write(world).await;
            one_read(world).await;
            one_binding_write(world).await;
        }
    });
}
