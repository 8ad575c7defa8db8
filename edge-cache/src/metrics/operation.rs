//! The operations as metrics and spans name them.

use nearkv::telemetry::SPANS;
use tracing::Span;

/// An operation of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A get of one key.
    Get,
    /// A bulk get; counted by key.
    GetMany,
    /// A list.
    List,
    /// A put.
    Put,
    /// A delete.
    Delete,
    /// A bulk write.
    WriteMany,
}

impl Operation {
    /// The operations that the cache answers.
    pub(super) const READS: [Self; 3] = [Self::Get, Self::GetMany, Self::List];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::GetMany => "bulk-get",
            Self::List => "list",
            Self::Put => "put",
            Self::Delete => "delete",
            Self::WriteMany => "bulk-write",
        }
    }
}

/// The span of a request to upstream, within the current one; none if there is none.
pub(crate) fn upstream_span(operation: Operation) -> Span {
    if Span::current().is_none() {
        return Span::none();
    }
    tracing::debug_span!(target: SPANS, "upstream", otel.kind = "client", operation = operation.as_str())
}
