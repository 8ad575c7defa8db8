//! Puts as `multipart/form-data`: a whole form writes its value and metadata, one that was cut before its end writes
//! nothing, and whatever a damaged one is taken for, it touches no other key.

use bytes::Bytes;
use http::{Request, StatusCode, header};

use super::{
    Kept, REQUESTS, World,
    bodies::{arriving, damaged},
    for_every_seed,
};

/// Fields in any order, and what they say.
fn form(world: &World, boundary: &str) -> (Vec<u8>, Kept) {
    // Line breaks, dashes and beginnings of the boundary are what a reader of forms stumbles over.
    let pieces = ["\r\n", "--", "\r\n--", &boundary[..3], "\r", "\n", "v", "\0", "\u{fc}"];
    let value: String = (0..world.below(12)).map(|_| world.pick(&pieces)).collect();
    let value = if value.contains(boundary) { String::new() } else { value };
    let metadata = world.pick(&["{\"a\":\"--\"}", "null", "\"\u{fc}\"", "[1, 2]"]);
    let given = !world.one_in(3);
    let mut fields = vec![("value", value.as_str())];
    if given {
        fields.insert(world.below(2), ("metadata", metadata));
    }
    let mut body = String::new();
    for (name, text) in fields {
        let file = if world.one_in(3) { "; filename=\"f\"" } else { "" };
        let kind = if world.one_in(3) { "\r\nContent-Type: application/octet-stream" } else { "" };
        body += &format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"{file}{kind}\r\n\r\n{text}\r\n"
        );
    }
    body += &format!("--{boundary}--");
    let metadata = (given && metadata != "null").then(|| metadata.to_owned());
    (body.into_bytes(), Kept { value: Bytes::from(value), metadata, expiration: None })
}

async fn one_put(world: &World) {
    let boundary = world.pick(&["bnd", "----WebKitFormBoundary7MA4YWxk", "a.b-c_1"]);
    let (whole, kept) = form(world, boundary);
    let harm = world.below(4);
    let body = match harm {
        0 => whole[..world.below(whole.len())].to_vec(),
        1 => damaged(world, &whole),
        _ => whole.clone(),
    };
    let breaks_off = harm == 2;
    let key = world.pick(&["k", "l"]);
    let request = Request::put(format!("{}/values/{key}", world.rest()))
        .header(header::CONTENT_TYPE, format!("multipart/form-data; boundary={boundary}"))
        .body(arriving(world, &body, breaks_off))
        .unwrap();
    let before = world.entries().await;
    let answer = world.send(request).await;
    let mut after = world.entries().await;
    let text = String::from_utf8_lossy(&body);
    match harm {
        0 | 2 => {
            // Both dashes behind the last boundary must be there.
            assert!(answer.status.is_client_error(), "{text:?} was cut: {}", answer.status);
            assert_eq!(after, before, "{text:?} was refused");
        }
        1 if answer.status == StatusCode::OK => {
            let mut before = before;
            assert!(after.remove(key).is_some());
            before.remove(key);
            assert_eq!(after, before, "{text:?} touched another key");
        }
        1 => assert_eq!(after, before, "{text:?} was refused with {}", answer.status),
        _ => {
            assert_eq!(answer.status, StatusCode::OK, "{text:?}: {:?}", answer.body);
            let mut expected = before;
            expected.insert(key.to_owned(), kept);
            assert_eq!(after, expected, "{text:?}");
        }
    }
}

#[test]
fn a_form_writes_its_value_and_metadata_or_nothing_at_all() {
    for_every_seed("a_form_writes_its_value_and_metadata_or_nothing_at_all", async |world| {
        for _ in 0..REQUESTS {
            one_put(world).await;
        }
    });
}
