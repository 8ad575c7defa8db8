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
    let mut mutations = decode(body(text, size));
    let mut shown = Vec::new();
    while let Some(mutation) = mutations.try_next().await.map_err(|error| error.reason().as_str())? {
        shown.push(match mutation {
            Mutation::Put { key, value, options } => {
                let value = value.into_bytes().await.map_err(|error| error.reason().as_str())?;
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

/// A put whose value is announced to have one byte, with these lines behind it.
fn long(lines: &str) -> String {
    format!("{{\"put\":\"a\",\"pieces\":{{\"length\":1}}}}\n{lines}")
}

#[tokio::test]
async fn a_long_value_goes_in_pieces_and_streams_out_of_them() {
    let value: Bytes = (0..300_000u32).map(|n| (n % 251) as u8).collect();
    let streamed = |length| {
        let chunks = stream::iter([Ok(value.slice(..7)), Ok(value.slice(7..))]).boxed();
        Value::Stream { length, chunks }
    };
    let put = |name: &str, value| Ok(Mutation::Put { key: key(name), value, options: PutOptions::default() });
    let mutations = vec![
        put("bytes", Value::Bytes(value.clone())),
        put("announced", streamed(Some(300_000))),
        put("unannounced", streamed(None)),
        put("short", Value::from("v")),
    ];
    let written: Vec<Bytes> = encode(stream::iter(mutations).boxed()).try_collect().await.unwrap();
    assert!(written.iter().all(|chunk| chunk.len() < 3 * CHUNK_BYTES), "nothing is written whole");
    let text = String::from_utf8(written.concat()).unwrap();
    let show =
        |name: &str, value: &Bytes| format!("put {:?} {value:?} {:?}", key(name), PutOptions::default());
    let names = ["bytes", "announced", "unannounced"].map(|name| show(name, &value));
    let expected = [&names[..], &[show("short", &Bytes::from_static(b"v"))]].concat();
    for size in [999, text.len()] {
        assert_eq!(read(&text, size).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn the_mutation_behind_a_long_value_comes_once_that_is_read_or_dropped() {
    let text = long("{\"piece\":\"YQ==\"}\n{\"whole\":1}\n{\"delete\":\"b\"}\n{\"end\":2}\n");
    let mut mutations = decode(body(&text, 5));
    let Some(Ok(Mutation::Put { value, .. })) = mutations.next().await else { panic!("a put") };
    let early = tokio::time::timeout(std::time::Duration::from_millis(10), mutations.next());
    assert!(early.await.is_err(), "the value is still to be read");
    drop(value);
    assert!(matches!(mutations.next().await, Some(Ok(Mutation::Delete { .. }))));
    assert!(mutations.next().await.is_none());
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
        ("{\"put\":\"a\",\"value\":\"\",\"pieces\":{}}\n".to_owned(), "body-invalid"),
        ("{\"piece\":\"\"}\n{\"end\":0}\n".to_owned(), "body-invalid"),
        ("{\"whole\":0}\n{\"end\":0}\n".to_owned(), "body-invalid"),
        (long(""), "body-incomplete"),
        (long("{\"piece\":\"YQ==\"}\n"), "body-incomplete"),
        (long("{\"piece\":\"YQ==\"}\n{\"end\":1}\n"), "body-invalid"),
        (long("{\"piece\":\"?\"}\n{\"whole\":1}\n{\"end\":1}\n"), "body-invalid"),
        (long("{\"piece\":\"YQ==\"}\n{\"whole\":2}\n{\"end\":1}\n"), "body-invalid"),
        (long("{\"piece\":\"YWI=\"}\n{\"whole\":2}\n{\"end\":1}\n"), "body-incomplete"),
        (long("{\"piece\":\"YQ==\",\"whole\":1}\n{\"end\":1}\n"), "body-invalid"),
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
