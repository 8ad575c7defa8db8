//! How long a value may be held back by the pace of the process: one that would wait past its deadline is refused at
//! once, while its client can still make use of the answer, and before much of it is written.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use nearkv::{Error, Reason, Value};
use tokio::time::Instant;

use crate::{format::INLINE_VALUE_BYTES, limits::pacing::Pace};

/// `value`, unless the pace would hold its chunks back for longer than `most`; as it streams it is looked at again, because
/// its length need not be known, and others write too.
///
/// # Errors
/// `throttled` (429) with the wait that is known by now.
pub(crate) fn patiently(pace: &Arc<Pace>, value: Value, most: Duration) -> Result<Value, Error> {
    if let Some(length) = value.length().filter(|length| *length > INLINE_VALUE_BYTES as u64) {
        within(pace.delay_of(length), most)?;
    }
    Ok(match value {
        Value::Bytes(bytes) => Value::Bytes(bytes),
        Value::Stream { length, chunks } => {
            Value::Stream { length, chunks: watched(Arc::clone(pace), chunks, most) }
        }
    })
}

fn watched(
    pace: Arc<Pace>,
    chunks: BoxStream<'static, Result<Bytes, Error>>,
    most: Duration,
) -> BoxStream<'static, Result<Bytes, Error>> {
    let held: Option<Instant> = None;
    let watched = stream::unfold((chunks, held), move |(mut chunks, held)| {
        let pace = Arc::clone(&pace);
        async move {
            let chunk = chunks.next().await?;
            let wait = pace.delay();
            let held = if wait.is_zero() { None } else { held.or_else(|| Some(Instant::now())) };
            let chunk = chunk.and_then(|chunk| {
                let waited = held.map_or(Duration::ZERO, |held| held.elapsed());
                within(waited + wait, most).map(|()| chunk)
            });
            Some((chunk, (chunks, held)))
        }
    });
    watched.boxed()
}

fn within(wait: Duration, most: Duration) -> Result<(), Error> {
    if wait <= most {
        return Ok(());
    }
    let text = format!(
        "The value would have to wait for {} s until it can be written; nothing was written",
        wait.as_secs()
    );
    Err(Error::new(Reason::Throttled, text).with_retry_after(wait))
}
