//! Bodies of bulk writes: what is written reads back, and what is not whole is refused.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use super::*;
use crate::{
    Condition, DeleteOptions, Error, ExpirationRequest, Incarnation, Key, Metadata, Mutation, PutOptions,
    Random, Value, Version,
};

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

/// A body in pieces of `size` bytes.
fn body(text: &str, size: usize) -> futures::stream::BoxStream<'static, Result<Bytes, Error>> {
    let pieces: Vec<_> =
        text.as_bytes().chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    stream::iter(pieces).boxed()
}

/// What a body says, or the reason why it is refused.
async fn read(text: &str, size: usize) -> Result<Vec<String>, &'static str> {
    let mutations: Result<Vec<Mutation>, Error> = decode(body(text, size)).try_collect().await;
    let mut shown = Vec::new();
    for mutation in mutations.map_err(|error| error.reason().as_str())? {
        shown.push(match mutation {
            Mutation::Put { key, value, options } => {
                let value = value.into_bytes().await.unwrap();
                format!("put {key:?} {value:?} {options:?}")
            }
            Mutation::Delete { key, options } => format!("delete {key:?} {options:?}"),
        });
    }
    Ok(shown)
}

#[tokio::test]
async fn what_is_written_reads_back_in_pieces_of_any_size() {
    let version = Version::new(Incarnation::mint(&Random::seeded(3)), 7);
    let values = ["text\n", "", "\u{1f913}", "\0\u{1}\u{2}"].map(|text| Bytes::from_static(text.as_bytes()));
    let mutations = || {
        let mut mutations: Vec<Result<Mutation, Error>> = Vec::new();
        for (n, value) in values.iter().cloned().chain([Bytes::from_static(b"\xff\xfe")]).enumerate() {
            let options = PutOptions {
                expiration: [None, Some(ExpirationRequest::At(-1)), Some(ExpirationRequest::Ttl(60))][n % 3],
                metadata: Metadata::parse(["null", r#"{"a": "é",  "b":1.50}"#][n % 2]).unwrap(),
                condition: [None, Some(Condition::Absent), Some(Condition::Versions(vec![version]))][n % 3]
                    .clone(),
            };
            let value = Value::Bytes(value);
            mutations.push(Ok(Mutation::Put { key: key(&format!("k/\" {n}")), value, options }));
        }
        let options = DeleteOptions { condition: Some(Condition::Exists) };
        mutations.push(Ok(Mutation::Delete { key: key("\0"), options }));
        mutations
    };
    let written: Vec<Bytes> = encode(stream::iter(mutations()).boxed()).try_collect().await.unwrap();
    let text = String::from_utf8(written.concat()).unwrap();
    assert!(text.contains(r#""metadata":{"a": "é",  "b":1.50}"#), "metadata stay as written: {text}");
    assert!(text.ends_with("{\"end\":6}\n"), "{text}");
    let whole = read(&text, text.len()).await.unwrap();
    assert_eq!(whole.len(), 6);
    assert!(whole[4].contains(r#"b"\xff\xfe""#), "{whole:?}");
    for size in [1, 7, 64] {
        assert_eq!(read(&text, size).await.unwrap(), whole);
    }
}

#[tokio::test]
async fn a_body_that_is_not_whole_ends_with_an_error() {
    let put = r#"{"put":"a","value":"1"}"#;
    for (text, reason) in [
        (String::new(), "body-incomplete"),
        (put.to_owned(), "body-incomplete"),
        (format!("{put}\n"), "body-incomplete"),
        (format!("{put}\n{{\"end\":1}}"), "body-incomplete"),
        (format!("{put}\n{{\"end\":2}}\n"), "body-invalid"),
        (format!("{put}\n{{\"end\":1}}\n{put}\n"), "body-invalid"),
        (format!("{put}\n\n{put}\n{{\"end\":1}}\n"), "body-invalid"),
        ("{\"put\":\"a\"}\n".to_owned(), "body-invalid"),
        ("{\"put\":\"a\",\"value\":\"\",\"base64\":\"\"}\n".to_owned(), "body-invalid"),
        ("{\"put\":\"a\",\"base64\":\"?\"}\n".to_owned(), "body-invalid"),
        ("{\"put\":\"a\",\"delete\":\"a\"}\n".to_owned(), "body-invalid"),
        ("{\"delete\":\"a\",\"value\":\"\"}\n".to_owned(), "body-invalid"),
        ("{\"put\":\"a\",\"value\":\"\",\"x\":1}\n".to_owned(), "body-invalid"),
        ("[]\n".to_owned(), "body-invalid"),
        ("{\"delete\":\"\"}\n".to_owned(), "key-empty"),
        ("{\"delete\":\"..\"}\n".to_owned(), "key-illegal"),
    ] {
        assert_eq!(read(&text, 5).await.unwrap_err(), reason, "{text}");
    }
}

#[tokio::test]
async fn mutations_that_break_off_are_a_body_without_its_end() {
    let broken = Err(Error::new(crate::Reason::Unavailable, "gone"));
    let first = Ok(Mutation::Delete { key: key("a"), options: DeleteOptions::default() });
    let mut chunks = encode(stream::iter([first, broken]).boxed());
    let mut sent = Vec::new();
    while let Some(Ok(chunk)) = chunks.next().await {
        sent.extend_from_slice(&chunk);
    }
    assert!(!String::from_utf8(sent).unwrap().contains("end"));
    assert!(chunks.next().await.is_none());
}
