//! Raw paths and queries: a key is what its escapes say, decoded once, and nothing else; every other path and every
//! query is answered and changes nothing it does not name.

use axum::body::Body;
use http::{Method, Request, StatusCode, Uri};
use percent_encoding::percent_decode_str;

use super::{Kept, REQUESTS, World, for_every_seed};

/// What paths are made of.
const PIECES: &[&str] = &[
    "a",
    "b",
    "k",
    ".",
    "..",
    "/",
    "//",
    "+",
    "%2F",
    "%2f",
    "%2E",
    "%2e%2e",
    "%252F",
    "%00",
    "%0A",
    "%7F",
    "%20",
    "%C3%BC",
    "%F0%9F%A4%93",
    "%FF",
    "%ED%A0%80",
    "%C0%AF",
    "%",
    "%2",
    "%zz",
    "%+1",
    ";",
    "=",
    "&",
    "@",
    ":",
    "~",
    "!",
    "*",
    "'",
    "(",
    ")",
    ",",
    "$",
    "bulk/get",
    "bulk",
    "bulk/delete",
    "bulk/write",
    "keys",
    "values/",
    "metadata/",
    "\u{fc}",
    "\\",
    "|",
    "[",
    "]",
    "{",
    "\"",
    "^",
    "`",
];

/// What queries are made of.
const QUERY: &[&str] = &[
    "expiration",
    "expiration_ttl",
    "cache_ttl",
    "limit",
    "key_count_limit",
    "prefix",
    "cursor",
    "page",
    "per_page",
    "order",
    "direction",
    "urlencoded",
    "=",
    "=",
    "=",
    "&",
    "&",
    "0",
    "60",
    "-1",
    "30",
    "99999999999999999999",
    "9223372036854775807",
    "1e3",
    "true",
    "id",
    "title",
    "desc",
    "%",
    "%FF",
    "%00",
    "+",
    "a",
    "%C3%BC",
    "?",
    "/",
    "..",
];

fn tail(world: &World, pieces: &[&str], most: usize) -> String {
    if world.one_in(40) {
        // Longer than a key may be, or exactly as long.
        return world
            .pick(&["k", "%41", "%C3%BC", "/"])
            .repeat(world.pick(&["12", "256", "512", "513"]).parse().unwrap());
    }
    (0..world.below(most + 1)).map(|_| world.pick(pieces)).collect()
}

/// The key that the rest of a path names; `None` where it names none. Written apart from the code under test.
fn key_of(raw: &str) -> Option<String> {
    let escapes = raw.split('%').skip(1);
    let whole = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    let key = percent_decode_str(raw).decode_utf8().ok().filter(|_| escapes.clone().all(whole))?;
    let fits = (1..=512).contains(&key.len()) && key != "." && key != "..";
    fits.then(|| key.into_owned())
}

async fn one_key(world: &World) {
    let over_rest = world.one_in(2);
    let base =
        if over_rest { format!("{}/values/", world.rest()) } else { "/kv/team-a/settings/".to_owned() };
    let raw = tail(world, PIECES, 5);
    let path = format!("{base}{raw}");
    // What is no request target never gets past hyper.
    let Ok(uri) = path.parse::<Uri>() else { return };
    let before = world.contents().await;
    let mut expected = world.entries().await;
    let key = key_of(&raw);
    let method = world.pick(&[&Method::PUT, &Method::PUT, &Method::DELETE, &Method::GET]).clone();
    let value = format!("v{}", world.below(1000));
    let body = if method == Method::PUT { Body::from(value.clone()) } else { Body::empty() };
    let answer = world.send(Request::builder().method(&method).uri(uri).body(body).unwrap()).await;
    match key {
        // The base of the binding face: a list, or nothing at all.
        _ if raw.is_empty() && !over_rest => assert_eq!(answer.status.is_success(), method == Method::GET),
        None => {
            assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
            assert_eq!(world.contents().await, before, "{path} was refused");
        }
        Some(key) if method == Method::GET => match expected.get(&key) {
            Some(kept) => {
                assert_eq!((answer.status, answer.body), (StatusCode::OK, kept.value.clone()), "{path}");
            }
            None => assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}"),
        },
        Some(key) => {
            assert_eq!(answer.status, StatusCode::OK, "{method} {path}");
            if method == Method::PUT {
                expected.insert(key, Kept { value: value.into(), metadata: None, expiration: None });
            } else {
                expected.remove(&key);
            }
        }
    }
    assert_eq!(world.entries().await, expected, "{method} {path}");
}

async fn any_path(world: &World) {
    let bases = [
        "",
        "/",
        "/kv/",
        "/kv/team-a/settings",
        "/client/v4",
        "/client/v4/accounts/",
        "/client/v4/accounts/team-a/storage/kv/namespaces",
    ];
    let base = match world.below(4) {
        0 => format!(
            "{}/{}",
            world.rest(),
            world.pick(&["keys", "bulk", "bulk/get", "metadata/k", "values/k"])
        ),
        1 => world.rest(),
        _ => (*world.pick(&bases)).to_owned(),
    };
    let path = format!("{base}{}?{}", tail(world, PIECES, 3), tail(world, QUERY, 8));
    let Ok(uri) = path.parse::<Uri>() else { return };
    // `DELETE` of the KvNamespace itself is taken at its word; the rest of the story needs it.
    let methods = [
        &Method::GET,
        &Method::HEAD,
        &Method::PUT,
        &Method::POST,
        &Method::PATCH,
        &Method::OPTIONS,
        &Method::TRACE,
    ];
    let method = world.pick(&methods).clone();
    let before = world.contents().await;
    let request = Request::builder().method(&method).uri(uri).body(Body::from("x")).unwrap();
    let answer = world.send(request).await;
    let writes = method == Method::PUT && answer.status == StatusCode::OK;
    assert!(
        writes || world.contents().await == before,
        "{method} {path} was answered with {}",
        answer.status
    );
}

#[test]
fn whatever_the_path_and_query_are_an_answer_comes_and_a_key_is_what_its_escapes_say() {
    let name = "whatever_the_path_and_query_are_an_answer_comes_and_a_key_is_what_its_escapes_say";
    for_every_seed(name, async |world| {
        for _ in 0..REQUESTS / 2 {
            one_key(world).await;
            any_path(world).await;
        }
    });
}
