//! What the committer is asked to do, and what it answers: the only way to a new state of a KvNamespace.

use std::{collections::BTreeSet, time::Duration};

use nearkv::{BulkOutcome, Condition, Error, ExpirationRequest, Key, Metadata, Version};
use tokio::{sync::oneshot, time::Instant};
use tracing::Span;

use super::{
    DeclareOutcome,
    ages::Age,
    amendment::Amendment,
    format::{DeclaredMark, Put, StoredValue},
};
use crate::store::Owner;

/// A write on its way into a commit.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) key: Key,
    pub(super) change: Change,
    /// Judged against the entry that it replaces.
    pub(super) condition: Option<Condition>,
}

/// What a write does to its key.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Put { value: StoredValue, metadata: Option<Metadata>, expiration: Option<ExpirationRequest> },
    Delete,
}

impl Write {
    /// About how much a record of it takes, for the bounds of queue and batch.
    pub(super) fn weight(&self) -> usize {
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
pub(super) struct Declared {
    pub(super) mark: DeclaredMark,
    pub(super) puts: Vec<Put>,
    /// Nonces of chunks that the entries named when the declaration came: good only if they still do.
    pub(super) reused: BTreeSet<String>,
    /// Whether declared entries that are not among the puts are to be deleted.
    pub(super) complete: bool,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) enum What {
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

impl What {
    /// Whether it puts anything.
    pub(super) fn puts(&self) -> bool {
        let is_put = |write: &Write| matches!(write.change, Change::Put { .. });
        match self {
            What::Write(write) => is_put(write),
            What::Group(writes) => writes.iter().any(is_put),
            What::Declare(declared) => !declared.puts.is_empty(),
            What::Amend(_) | What::Own(_) => false,
        }
    }

    /// About how many bytes of records it makes.
    pub(super) fn weight(&self) -> usize {
        match self {
            What::Write(write) => write.weight(),
            What::Group(writes) => writes.iter().map(Write::weight).sum(),
            What::Declare(declared) => declared.puts.iter().map(weight_of).sum(),
            What::Amend(_) | What::Own(_) => 0,
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Done {
    /// The write's entry has this version, or the key is absent at it.
    Written(Version),
    Group(Version, BulkOutcome),
    Declared(DeclareOutcome),
    /// The change of the root is in force.
    Amended,
}

/// A request to the committer.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) what: What,
    /// When the client gives up.
    pub(super) deadline: Instant,
    /// The oldest object that the ask's records name and the root does not yet (invariant 6).
    pub(super) objects: Option<Age>,
    /// The request that asks; none while there are no traces.
    pub(super) span: Span,
    /// Taken when answered.
    pub(super) reply: Option<oneshot::Sender<Result<Done, Error>>>,
}

impl Ask {
    pub(super) fn weight(&self) -> usize {
        self.what.weight()
    }

    /// Answers once; a client that has gone hears nothing.
    pub(super) fn answer(&mut self, result: Result<Done, Error>) {
        if let Some(reply) = self.reply.take() {
            let _ = reply.send(result);
        }
    }

    pub(super) fn is_answered(&self) -> bool {
        self.reply.is_none()
    }

    pub(super) fn time_left(&self, now: Instant) -> Duration {
        self.deadline.saturating_duration_since(now)
    }
}
