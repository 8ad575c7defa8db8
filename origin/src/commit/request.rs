//! What the committer is asked to do, and what it answers: the only way to a new state of a KvNamespace.

use std::{collections::BTreeSet, time::Duration};

use nearkv::{BulkOutcome, Condition, Error, ExpirationRequest, Key, Metadata, Version};
use tokio::{sync::oneshot, time::Instant};
use tracing::Span;

use crate::{
    DeclareOutcome,
    commit::amendment::Amendment,
    format::{DeclaredMark, Put, StoredValue},
    parts::age::Age,
    store::Owner,
};

/// A write on its way into a commit.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) key: Key,
    pub(crate) change: Change,
    /// Judged against the entry that it replaces.
    pub(crate) condition: Option<Condition>,
}

/// What a write does to its key.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Put { value: StoredValue, metadata: Option<Metadata>, expiration: Option<ExpirationRequest> },
    Delete,
}

impl Write {
    /// About how much a record of it takes, for the bounds of queue and batch.
    pub(crate) fn weight(&self) -> usize {
        let change = match &self.change {
            Change::Put { value, metadata, .. } => weight(value, metadata.as_ref()),
            Change::Delete => 0,
        };
        LINE_WEIGHT + self.key.as_str().len() + change
    }
}

/// What a line has besides key, value and metadata.
const LINE_WEIGHT: usize = 64;
/// What a reference to chunks takes.
const CHUNKS_WEIGHT: usize = 192;

fn weight(value: &StoredValue, metadata: Option<&Metadata>) -> usize {
    let value = match value {
        StoredValue::Inline(bytes) => bytes.len(),
        StoredValue::Chunked(_) => CHUNKS_WEIGHT,
    };
    value + metadata.map_or(0, |metadata| metadata.as_str().len())
}

fn weight_of(put: &Put) -> usize {
    LINE_WEIGHT + put.key.as_str().len() + weight(&put.value, put.metadata.as_ref())
}

/// A declaration whose values are where records can name them.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    pub(crate) mark: DeclaredMark,
    pub(crate) puts: Vec<Put>,
    /// Nonces of chunks that the entries named when the declaration came: good only if they still do.
    pub(crate) reused: BTreeSet<String>,
    /// Whether declared entries that are not among the puts are to be deleted.
    pub(crate) complete: bool,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    /// One write.
    Write(Write),
    /// Several, all or none.
    Group(Vec<Write>),
    /// A declared set.
    Declare(Box<Declared>),
    /// A fold, a checkpoint, or the collector's sweep.
    Amend(Box<Amendment>),
    /// Another owner for the root object itself.
    Own(Option<Owner>),
}

impl Operation {
    /// Whether it puts anything.
    pub(crate) fn puts(&self) -> bool {
        let is_put = |write: &Write| matches!(write.change, Change::Put { .. });
        match self {
            Operation::Write(write) => is_put(write),
            Operation::Group(writes) => writes.iter().any(is_put),
            Operation::Declare(declared) => !declared.puts.is_empty(),
            Operation::Amend(_) | Operation::Own(_) => false,
        }
    }

    /// About how many bytes of records it makes.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Operation::Write(write) => write.weight(),
            Operation::Group(writes) => writes.iter().map(Write::weight).sum(),
            Operation::Declare(declared) => declared.puts.iter().map(weight_of).sum(),
            Operation::Amend(_) | Operation::Own(_) => 0,
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The write's entry has this version, or the key is absent at it.
    Written(Version),
    Group(Version, BulkOutcome),
    Declared(DeclareOutcome),
    /// The change of the root is in force.
    Amended,
}

/// A request to the committer.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) operation: Operation,
    /// When the client gives up.
    pub(crate) deadline: Instant,
    /// The oldest object that the ask's records name and the root does not yet (invariant 6).
    pub(crate) objects: Option<Age>,
    /// The request that asks; none while there are no traces.
    pub(crate) span: Span,
    /// Taken when answered.
    pub(crate) reply: Option<oneshot::Sender<Result<Verdict, Error>>>,
}

impl Request {
    pub(crate) fn weight(&self) -> usize {
        self.operation.weight()
    }

    /// Answers once; a client that has gone hears nothing.
    pub(crate) fn answer(&mut self, result: Result<Verdict, Error>) {
        if let Some(reply) = self.reply.take() {
            let _ = reply.send(result);
        }
    }

    pub(crate) fn is_answered(&self) -> bool {
        self.reply.is_none()
    }

    pub(crate) fn time_left(&self, now: Instant) -> Duration {
        self.deadline.saturating_duration_since(now)
    }
}
