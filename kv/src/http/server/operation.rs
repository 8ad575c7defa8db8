//! What a request asks for, in the words of metrics, logs and traces: the same at both faces.

use http::Method;

use super::face::{BULK_GET, BULK_WRITE};

/// An operation of one of the faces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Operation {
    /// None: the path or the method is not one of the face.
    #[default]
    Unknown,
    Get,
    GetMetadata,
    List,
    Put,
    Delete,
    BulkGet,
    /// Puts and deletes in one stream: nearkv's own.
    BulkWrite,
    BulkPut,
    BulkDelete,
    ListNamespaces,
    GetNamespace,
    CreateNamespace,
    RenameNamespace,
    DeleteNamespace,
    /// Everything of REST that is outside of namespaces.
    Account,
    /// What may a caller do?
    Access,
}

impl Operation {
    pub(super) const ALL: [Self; 17] = [
        Self::Unknown,
        Self::Get,
        Self::GetMetadata,
        Self::List,
        Self::Put,
        Self::Delete,
        Self::BulkGet,
        Self::BulkWrite,
        Self::BulkPut,
        Self::BulkDelete,
        Self::ListNamespaces,
        Self::GetNamespace,
        Self::CreateNamespace,
        Self::RenameNamespace,
        Self::DeleteNamespace,
        Self::Account,
        Self::Access,
    ];

    /// The operation of the binding face that a method means at what the path says behind its KvNamespace.
    pub(super) fn at_binding(method: &Method, rest: &str) -> Self {
        match (method, rest) {
            (&Method::GET | &Method::HEAD, "") => Self::List,
            (&Method::GET | &Method::HEAD, _) => Self::Get,
            (&Method::PUT, _) => Self::Put,
            (&Method::DELETE, _) => Self::Delete,
            (&Method::POST, BULK_GET) => Self::BulkGet,
            (&Method::POST, BULK_WRITE) => Self::BulkWrite,
            _ => Self::Unknown,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Get => "get",
            Self::GetMetadata => "get-metadata",
            Self::List => "list",
            Self::Put => "put",
            Self::Delete => "delete",
            Self::BulkGet => "bulk-get",
            Self::BulkWrite => "bulk-write",
            Self::BulkPut => "bulk-put",
            Self::BulkDelete => "bulk-delete",
            Self::ListNamespaces => "list-namespaces",
            Self::GetNamespace => "get-namespace",
            Self::CreateNamespace => "create-namespace",
            Self::RenameNamespace => "rename-namespace",
            Self::DeleteNamespace => "delete-namespace",
            Self::Account => "account",
            Self::Access => "access",
        }
    }
}
