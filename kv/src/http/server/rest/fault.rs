//! Refusals of the REST face: every reason with the code and the text of contract §3.2. Where the contract knows
//! none, because the reason is nearkv's own, the code is 11000 and the HTTP status.

use http::StatusCode;

use crate::{Error, Reason, http::server::operation};

/// An operation by the name that stands before its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Everything outside of namespaces.
    Account,
    ListNamespaces,
    GetNamespace,
    CreateNamespace,
    RenameNamespace,
    RemoveNamespace,
    ListKeys,
    Get,
    GetMetadata,
    Put,
    RemoveKey,
    BulkPut,
    BulkRemove,
    BulkGet,
}

impl Operation {
    /// The word of the contract.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::ListNamespaces => "list namespaces",
            Self::GetNamespace => "get namespace",
            Self::CreateNamespace => "create namespace",
            Self::RenameNamespace => "rename namespace",
            Self::RemoveNamespace => "remove namespace",
            Self::ListKeys => "list keys",
            Self::Get => "get",
            Self::GetMetadata => "get metadata",
            Self::Put => "put",
            Self::RemoveKey => "remove key",
            Self::BulkPut => "bulk put",
            Self::BulkRemove => "bulk remove keys",
            Self::BulkGet => "bulk get keys",
        }
    }
}

impl From<Operation> for operation::Operation {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Account => Self::Account,
            Operation::ListNamespaces => Self::ListNamespaces,
            Operation::GetNamespace => Self::GetNamespace,
            Operation::CreateNamespace => Self::CreateNamespace,
            Operation::RenameNamespace => Self::RenameNamespace,
            Operation::RemoveNamespace => Self::DeleteNamespace,
            Operation::ListKeys => Self::List,
            Operation::Get => Self::Get,
            Operation::GetMetadata => Self::GetMetadata,
            Operation::Put => Self::Put,
            Operation::RemoveKey => Self::Delete,
            Operation::BulkPut => Self::BulkPut,
            Operation::BulkRemove => Self::BulkDelete,
            Operation::BulkGet => Self::BulkGet,
        }
    }
}

/// An error on its way out.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) status: StatusCode,
    pub(super) code: u32,
    pub(super) message: String,
    pub(super) error: Error,
    pub(super) allow: Option<&'static str>,
}

impl Fault {
    pub(super) fn new(operation: Operation, error: Error) -> Self {
        let (status, code, text) = contract(error.reason());
        let status = StatusCode::from_u16(status.unwrap_or_else(|| error.reason().status()))
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let code = code.unwrap_or_else(|| 11_000 + u32::from(status.as_u16()));
        // Whoever is refused at the door has not come to an operation.
        let message = match error.reason() {
            Reason::Unauthenticated => "Unable to authenticate request".to_owned(),
            Reason::Forbidden => "Authentication error".to_owned(),
            _ => {
                let text = text.map_or_else(|| error.to_string(), str::to_owned);
                format!("{}: '{text}'", operation.as_str())
            }
        };
        Self { status, code, message, error, allow: None }
    }

    /// The path names nothing.
    pub(super) fn no_route() -> Self {
        let error = Error::route_missing();
        Self {
            status: StatusCode::NOT_FOUND,
            code: 7000,
            message: "No route for that URI".to_owned(),
            error,
            allow: None,
        }
    }

    /// The path names an account that there cannot be.
    pub(super) fn bad_account(path: &str) -> Self {
        let error = Error::new(Reason::AccountMissing, "An account is the name of a Kubernetes namespace");
        let message = format!("Could not route to {path}, perhaps your object identifier is invalid?");
        Self { status: StatusCode::BAD_REQUEST, code: 7003, message, error, allow: None }
    }

    /// The place does not take the method.
    pub(super) fn method(allow: &'static str) -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            code: 10_405,
            message: "Method not allowed for this endpoint".to_owned(),
            error: Error::method_not_allowed(),
            allow: Some(allow),
        }
    }
}

/// Status, code and text where the contract has another than the reason's own.
fn contract(reason: Reason) -> (Option<u16>, Option<u32>, Option<&'static str>) {
    let code = |code| (None, Some(code), None);
    match reason {
        Reason::KeyMissing => (Some(404), Some(10_009), Some("key not found")),
        Reason::NamespaceUnknown | Reason::NamespaceMissing | Reason::NamespaceMalformed => {
            (Some(404), Some(10_013), Some("namespace not found"))
        }
        Reason::TitleTaken => {
            let text = "a namespace with this account ID and title already exists";
            (Some(400), Some(10_014), Some(text))
        }
        Reason::TitleInvalid => code(10_019),
        Reason::AccountMissing => code(7003),
        Reason::BodyInvalid
        | Reason::BodyIncomplete
        | Reason::MediaTypeInvalid
        | Reason::KeyUndecodable
        | Reason::KeyEmpty
        | Reason::KeyIllegal
        | Reason::LimitInvalid
        | Reason::CursorInvalid
        | Reason::RequestInvalid
        | Reason::CacheTtlInvalid => code(10_012),
        Reason::KeyTooLong | Reason::ValueTooLong | Reason::MetadataTooLong | Reason::BulkTooLarge => {
            code(10_030)
        }
        Reason::KeyCountInvalid
        | Reason::TypeInvalid
        | Reason::ValueNotJson
        | Reason::ValueNotText
        | Reason::TotalTooLarge => code(10_029),
        Reason::ExpirationInvalid => code(10_033),
        Reason::ExpirationTtlInvalid => code(10_034),
        Reason::MetadataInvalid => (None, Some(10_147), Some("metadata must be valid json")),
        Reason::MethodNotAllowed => code(10_405),
        Reason::RouteMissing => code(7000),
        Reason::Unauthenticated => code(10_001),
        Reason::Forbidden => code(10_000),
        Reason::NamespaceDeclared
        | Reason::NamespaceLoading
        | Reason::NamespaceDamaged
        | Reason::PreconditionFailed
        | Reason::VersionNotReached
        | Reason::KeyDeclared
        | Reason::QuotaExceeded
        | Reason::BudgetExceeded
        | Reason::Throttled
        | Reason::StoreRefused
        | Reason::Unavailable
        | Reason::OutcomeUnknown
        | Reason::Internal => (None, None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_code_and_an_error_status() {
        for reason in Reason::ALL {
            let fault = Fault::new(Operation::Put, Error::new(*reason, "why"));
            assert!(fault.status.as_u16() >= 400 && fault.code >= 7000, "{reason:?}");
            let at_the_door = matches!(reason, Reason::Unauthenticated | Reason::Forbidden);
            assert_eq!(fault.message.starts_with("put: '"), !at_the_door, "{reason:?}");
        }
    }
}
