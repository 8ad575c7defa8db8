//! Long values in and out again, and what happens when a chunk is not what it was.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream};
use nearkv::{Error, Namespace, Random, Reason, Value, limits::MAX_VALUE_BYTES};
use tokio::time::Instant;

use super::*;
use crate::{
    format::{CHUNK_BYTES, Chunks, Drafter, INLINE_VALUE_BYTES, StoredValue, chunk_name},
    limits::budget::{Budget, Purpose},
    parts::writer::PartWriter,
    store::{
        ObjectStore,
        simulated::{Action, Fate, Simulated},
    },
};

/// What the store has for a chunk.
const PATIENCE: Duration = Duration::from_secs(30);

struct Bench {
    store: Simulated,
    part_writer: PartWriter,
    cache: ChunkCache,
}

impl Bench {
    fn new() -> Self {
        let store = Simulated::new(1);
        let part_writer = PartWriter {
            store: Arc::new(store.clone()),
            random: Arc::new(Random::seeded(1)),
            budget: Arc::new(Budget::default()),
            purpose: Purpose::Write,
            drafter: Drafter { namespace: namespace(), owner: None },
        };
        Self { store, part_writer, cache: ChunkCache::new(CHUNK_CACHE_BYTES) }
    }

    async fn shelve_long(&self, value: Value) -> Chunks {
        match shelve(&self.part_writer, value, PATIENCE).await.unwrap().value {
            StoredValue::Chunked(chunks) => chunks,
            StoredValue::Inline(bytes) => panic!("{} bytes inline", bytes.len()),
        }
    }

    fn read(&self, chunks: &Chunks) -> Value {
        let store: Arc<dyn ObjectStore> = Arc::new(self.store.clone());
        read(&store, &self.cache, &namespace(), chunks)
    }
}

fn namespace() -> Namespace {
    "a/b".parse().unwrap()
}

fn noise(length: usize) -> Bytes {
    (0..length).map(|n| (n * 31 % 251) as u8).collect()
}

fn pieces(whole: &Bytes, size: usize) -> Value {
    let pieces: Vec<Result<Bytes, Error>> =
        (0..whole.len()).step_by(size).map(|at| Ok(whole.slice(at..whole.len().min(at + size)))).collect();
    Value::Stream { length: None, chunks: stream::iter(pieces).boxed() }
}

#[tokio::test(start_paused = true)]
async fn a_value_of_any_size_reads_back_whole() {
    let bench = Bench::new();
    for length in [INLINE_VALUE_BYTES + 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 7]
    {
        for size in [1000, CHUNK_BYTES, 10 * CHUNK_BYTES] {
            let whole = noise(length);
            let chunks = bench.shelve_long(pieces(&whole, size)).await;
            assert_eq!((chunks.size, chunks.count as usize), (length as u64, length.div_ceil(CHUNK_BYTES)));
            assert_eq!(bench.read(&chunks).into_bytes().await.unwrap(), whole);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_value_needs_no_object() {
    let bench = Bench::new();
    for length in [0, 1, INLINE_VALUE_BYTES] {
        let whole = noise(length);
        let shelved = shelve(&bench.part_writer, pieces(&whole, 100), PATIENCE).await.unwrap();
        assert_eq!(shelved.value, StoredValue::Inline(whole));
    }
    assert_eq!(bench.store.counters().writes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_value_beyond_the_limit_is_refused_while_it_streams() {
    let bench = Bench::new();
    let endless = stream::repeat_with(|| Ok(Bytes::from(vec![7; CHUNK_BYTES]))).boxed();
    let error = shelve(&bench.part_writer, Value::Stream { length: None, chunks: endless }, PATIENCE)
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Reason::ValueTooLong);
    let most = MAX_VALUE_BYTES / CHUNK_BYTES as u64;
    assert!(bench.store.counters().writes <= most, "nothing was sent beyond the limit");
    let announced = Value::Stream { length: Some(MAX_VALUE_BYTES + 1), chunks: stream::empty().boxed() };
    let before = bench.store.counters().writes;
    assert_eq!(
        shelve(&bench.part_writer, announced, PATIENCE).await.unwrap_err().reason(),
        Reason::ValueTooLong
    );
    assert_eq!(bench.store.counters().writes, before);
}

/// A connection that has died answers nothing, and each attempt waits for the whole time of a request.
#[tokio::test(start_paused = true)]
async fn a_chunk_that_the_store_does_not_take_in_time_is_given_up() {
    let bench = Bench::new();
    (0..20).for_each(|_| bench.store.order(Action::Create, Fate::Lost));
    let started = Instant::now();
    let error = shelve(&bench.part_writer, noise(CHUNK_BYTES).into(), PATIENCE).await.unwrap_err();
    assert_eq!(error.reason(), Reason::Unavailable);
    assert_eq!(started.elapsed(), PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn a_chunk_whose_outcome_is_unknown_is_sent_again() {
    let bench = Bench::new();
    for fate in [Fate::FailedAfter, Fate::FailedBefore, Fate::Throttled, Fate::Late(Duration::from_secs(1))] {
        bench.store.order(Action::Create, fate);
        let whole = noise(2 * CHUNK_BYTES);
        let chunks = bench.shelve_long(pieces(&whole, 5000)).await;
        assert_eq!(bench.read(&chunks).into_bytes().await.unwrap(), whole, "{fate:?}");
    }
    bench.store.order(Action::Create, Fate::Refused);
    let error = shelve(&bench.part_writer, pieces(&noise(CHUNK_BYTES), 5000), PATIENCE).await.unwrap_err();
    assert_eq!(error.reason(), Reason::StoreRefused);
}

#[tokio::test(start_paused = true)]
async fn a_lost_or_damaged_chunk_ends_the_stream_with_an_error() {
    for damage in ["lost", "short", "edited"] {
        let bench = Bench::new();
        let chunks = bench.shelve_long(pieces(&noise(3 * CHUNK_BYTES), 5000)).await;
        let name = chunk_name(&namespace(), &chunks.nonce, 1);
        match damage {
            "lost" => assert!(bench.store.world().remove(&name).is_some()),
            _ => assert!(bench.store.world().tamper(&name, |object| {
                let chunk = object.content.bytes.values_mut().next().unwrap();
                *chunk = if damage == "short" { chunk.slice(1..) } else { vec![0; chunk.len()].into() };
            })),
        }
        let Value::Stream { chunks: mut stream, .. } = bench.read(&chunks) else { panic!("a stream") };
        let mut seen = 0;
        let error = loop {
            match stream.next().await.expect("it must not end as if it were whole") {
                Ok(chunk) => seen += chunk.len(),
                Err(error) => break error,
            }
        };
        assert!(seen < 3 * CHUNK_BYTES, "{damage}");
        assert!(matches!(error.reason(), Reason::Unavailable | Reason::NamespaceDamaged), "{damage}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_read_twice_is_fetched_once() {
    let bench = Bench::new();
    let chunks = bench.shelve_long(pieces(&noise(3 * CHUNK_BYTES), 5000)).await;
    bench.read(&chunks).into_bytes().await.unwrap();
    let reads = bench.store.counters().reads;
    bench.read(&chunks).into_bytes().await.unwrap();
    assert_eq!(bench.store.counters().reads, reads);
}

#[tokio::test(start_paused = true)]
async fn the_budget_is_asked_before_a_chunk_is_sent() {
    let bench = Bench::new();
    let part_writer =
        PartWriter { budget: Arc::new(Budget::new(CHUNK_BYTES as u64, 100)), ..bench.part_writer };
    let error = shelve(&part_writer, pieces(&noise(3 * CHUNK_BYTES), 5000), PATIENCE).await.unwrap_err();
    assert_eq!(error.reason(), Reason::BudgetExceeded);
    assert_eq!(bench.store.counters().writes, 0, "the first chunk alone does not fit with its name");
}
