//! One byte range of a value (RFC 9110 §14). Values are always fetched whole and sliced here; nothing partial
//! is ever cached.

use bytes::Bytes;
use futures::{StreamExt, future, stream::BoxStream};

use crate::{Error, Value};

/// What a `Range` header asks of a value of a known length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slice {
    /// Everything: no range, several, or none that we understand. RFC 9110 §14.2 lets a server ignore it.
    Whole,
    /// The bytes from the first to the last of these offsets.
    Part { first: u64, last: u64 },
    /// Nothing of the value (416).
    Unsatisfiable,
}

impl Slice {
    pub(super) fn of(range: &str, length: u64) -> Self {
        let Some((first, last)) = range
            .strip_prefix("bytes=")
            .filter(|set| !set.contains(','))
            .and_then(|set| set.trim().split_once('-'))
        else {
            return Self::Whole;
        };
        let (from, to) = (number(first), number(last));
        match (first, last, from, to) {
            ("", _, _, Some(0)) => Self::Unsatisfiable,
            ("", _, _, Some(_)) if length == 0 => Self::Unsatisfiable,
            ("", _, _, Some(suffix)) => Self::Part { first: length.saturating_sub(suffix), last: length - 1 },
            (_, _, Some(from), Some(to)) if from > to => Self::Whole,
            (_, _, Some(from), Some(_)) | (_, "", Some(from), _) if from >= length => Self::Unsatisfiable,
            (_, _, Some(from), Some(to)) => Self::Part { first: from, last: to.min(length - 1) },
            (_, "", Some(from), _) => Self::Part { first: from, last: length - 1 },
            _ => Self::Whole,
        }
    }
}

/// A number of any size; the largest stands for all that are larger.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// The bytes of a value from the first to the last of these offsets, which lie inside of it.
pub(super) fn slice(value: Value, first: u64, last: u64) -> Value {
    match value {
        Value::Bytes(bytes) => Value::Bytes(bytes.slice(first as usize..=last as usize)),
        stream @ Value::Stream { .. } => {
            let chunks = sliced(stream.into_limited_stream(), first, last);
            Value::Stream { length: Some(last - first + 1), chunks }
        }
    }
}

fn sliced(
    chunks: BoxStream<'static, Result<Bytes, Error>>,
    first: u64,
    last: u64,
) -> BoxStream<'static, Result<Bytes, Error>> {
    let mut skip = first;
    let mut take = last - first + 1;
    let mut cut = move |chunk: Result<Bytes, Error>| {
        if take == 0 {
            return future::ready(None);
        }
        future::ready(Some(chunk.map(|mut chunk| {
            let dropped = skip.min(chunk.len() as u64);
            skip -= dropped;
            let mut chunk = chunk.split_off(dropped as usize);
            chunk.truncate(take.min(chunk.len() as u64) as usize);
            take -= chunk.len() as u64;
            chunk
        })))
    };
    chunks.scan((), move |(), chunk| cut(chunk)).boxed()
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    #[test]
    fn one_range_is_understood_and_everything_else_is_the_whole() {
        let part = |first, last| Slice::Part { first, last };
        for (range, slice) in [
            ("bytes=0-0", part(0, 0)),
            ("bytes=2-4", part(2, 4)),
            ("bytes=2-", part(2, 9)),
            ("bytes=2-99999999999999999999", part(2, 9)),
            ("bytes=-3", part(7, 9)),
            ("bytes=-30", part(0, 9)),
            ("bytes=9-9", part(9, 9)),
            ("bytes=10-", Slice::Unsatisfiable),
            ("bytes=10-12", Slice::Unsatisfiable),
            ("bytes=-0", Slice::Unsatisfiable),
            ("bytes=4-2", Slice::Whole),
            ("bytes=0-1,3-4", Slice::Whole),
            ("bytes=-", Slice::Whole),
            ("bytes=a-b", Slice::Whole),
            ("items=0-1", Slice::Whole),
        ] {
            assert_eq!(Slice::of(range, 10), slice, "{range}");
        }
        assert_eq!(Slice::of("bytes=0-", 0), Slice::Unsatisfiable);
        assert_eq!(Slice::of("bytes=-1", 0), Slice::Unsatisfiable);
    }

    #[tokio::test]
    async fn a_stream_is_cut_across_its_chunks() {
        let chunks = stream::iter(["01", "", "234", "56789"]).map(|chunk| Ok(Bytes::from(chunk))).boxed();
        let value = slice(Value::Stream { length: Some(10), chunks }, 1, 5);
        assert_eq!(value.length(), Some(5));
        assert_eq!(value.into_bytes().await.unwrap(), "12345");
        assert_eq!(slice(Value::from("0123456789"), 8, 9).into_bytes().await.unwrap(), "89");
    }
}
