//! The errors by name, each with its text: the contract's own (§2.2) word for word, and ours in its manner.

use std::time::Duration;

use super::{Error, Reason};
use crate::{Key, Namespace, NamespaceId, Version, limits};

impl Error {
    pub(crate) fn key_empty() -> Self {
        Self::new(Reason::KeyEmpty, "Key names must not be empty")
    }

    pub(crate) fn key_illegal(name: &str) -> Self {
        Self::new(Reason::KeyIllegal, format!("Illegal key name \"{name}\". Please use a different name."))
    }

    pub(crate) fn key_too_long(bytes: usize) -> Self {
        let limit = limits::MAX_KEY_BYTES;
        Self::new(
            Reason::KeyTooLong,
            format!("UTF-8 encoded length of {bytes} exceeds key length limit of {limit}."),
        )
    }

    /// The path is not percent-encoded UTF-8.
    #[must_use]
    pub fn key_undecodable() -> Self {
        Self::new(Reason::KeyUndecodable, "Could not URL-decode key name")
    }

    /// `cache_ttl` as it was given.
    #[must_use]
    pub fn cache_ttl_invalid(given: &str) -> Self {
        let least = limits::MIN_CACHE_TTL.as_secs();
        Self::new(
            Reason::CacheTtlInvalid,
            format!("Invalid cache_ttl of {given}. Cache TTL must be at least {least}."),
        )
    }

    pub(crate) fn expiration_ttl_not_positive(given: &str) -> Self {
        Self::new(
            Reason::ExpirationTtlInvalid,
            format!("Invalid expiration_ttl of {given}. Please specify integer greater than 0."),
        )
    }

    pub(crate) fn expiration_ttl_too_low(given: u64, minimum: u64) -> Self {
        Self::new(
            Reason::ExpirationTtlInvalid,
            format!("Invalid expiration_ttl of {given}. Expiration TTL must be at least {minimum}."),
        )
    }

    pub(crate) fn expiration_not_future(given: &str) -> Self {
        Self::new(
            Reason::ExpirationInvalid,
            format!(
                "Invalid expiration of {given}. Please specify integer greater than the current number of seconds since the UNIX epoch."
            ),
        )
    }

    pub(crate) fn expiration_too_near(given: u64, minimum: u64) -> Self {
        Self::new(
            Reason::ExpirationInvalid,
            format!(
                "Invalid expiration of {given}. Expiration times must be at least {minimum} seconds in the future."
            ),
        )
    }

    pub(crate) fn metadata_too_long(bytes: usize) -> Self {
        let limit = limits::MAX_METADATA_BYTES;
        Self::new(Reason::MetadataTooLong, format!("Metadata length of {bytes} exceeds limit of {limit}."))
    }

    pub(crate) fn metadata_invalid() -> Self {
        Self::new(Reason::MetadataInvalid, "Metadata must be valid JSON")
    }

    /// The value's length as far as it is known: announced, or counted until the limit was passed.
    #[must_use]
    pub fn value_too_long(bytes: u64) -> Self {
        let limit = limits::MAX_VALUE_BYTES;
        Self::new(Reason::ValueTooLong, format!("Value length of {bytes} exceeds limit of {limit}."))
    }

    /// `key_count_limit` as it was given; the text depends on the side it is off (contract §2.2).
    #[must_use]
    pub fn limit_invalid(given: &str) -> Self {
        let most = limits::MAX_LIST_KEYS;
        let rule = match given.parse::<i64>() {
            Ok(n) if n > 0 => format!("less than {most}"),
            _ => "greater than 0".to_owned(),
        };
        Self::new(
            Reason::LimitInvalid,
            format!("Invalid key_count_limit of {given}. Please specify an integer {rule}."),
        )
    }

    /// The cursor cannot be read, or belongs to an earlier incarnation.
    #[must_use]
    pub fn cursor_invalid() -> Self {
        Self::new(Reason::CursorInvalid, "Invalid cursor.")
    }

    /// The `type` of a bulk get as it was given.
    #[must_use]
    pub fn type_invalid(given: &str) -> Self {
        Self::new(Reason::TypeInvalid, format!("\"{given}\" is not a valid type. Use \"json\" or \"text\""))
    }

    /// A bulk get with no key, or with more than 100.
    #[must_use]
    pub fn key_count_invalid(given: usize) -> Self {
        let most = limits::MAX_BULK_GET_KEYS;
        let text = match given {
            0 => "You must request a minimum of 1 key".to_owned(),
            _ => format!("You can request a maximum of {most} keys"),
        };
        Self::new(Reason::KeyCountInvalid, text)
    }

    /// A bulk get of type `json` met a value that is none.
    #[must_use]
    pub fn value_not_json() -> Self {
        Self::new(Reason::ValueNotJson, "At least one of the requested keys corresponds to a non-json value")
    }

    /// A bulk get of type `text` over REST met a value that is not UTF-8.
    #[must_use]
    pub fn value_not_text() -> Self {
        Self::new(Reason::ValueNotText, "At least one of the requested keys corresponds to a non-text value")
    }

    /// The values of a bulk get are too large together.
    #[must_use]
    pub fn total_too_large() -> Self {
        Self::new(Reason::TotalTooLarge, "Total size of request exceeds the limit of 25MB")
    }

    pub(crate) fn namespace_malformed(given: &str) -> Self {
        Self::new(
            Reason::NamespaceMalformed,
            format!("Malformed KvNamespace name {given:?}. Please use account/name, both DNS labels."),
        )
    }

    pub(crate) fn namespace_id_malformed(given: &str) -> Self {
        Self::new(
            Reason::NamespaceMalformed,
            format!("Malformed namespace id {given:?}. Please use 32 hex digits."),
        )
    }

    /// The KvNamespace does not exist.
    #[must_use]
    pub fn namespace_missing(namespace: &Namespace) -> Self {
        Self::new(Reason::NamespaceMissing, format!("No such KvNamespace {namespace}"))
    }

    /// No KvNamespace of the account has this id.
    #[must_use]
    pub fn namespace_unknown(account: &str, id: NamespaceId) -> Self {
        Self::new(Reason::NamespaceUnknown, format!("No KvNamespace of account {account} has the id {id}"))
    }

    /// There is no such account.
    #[must_use]
    pub fn account_missing(account: &str) -> Self {
        Self::new(
            Reason::AccountMissing,
            format!("No such account {account:?}. An account is a Kubernetes namespace that nearkv serves."),
        )
    }

    /// The account has a KvNamespace with this title already.
    #[must_use]
    pub fn title_taken(account: &str, title: &str) -> Self {
        Self::new(
            Reason::TitleTaken,
            format!("Account {account} has a KvNamespace with the title {title:?} already"),
        )
    }

    pub(crate) fn title_invalid(characters: usize) -> Self {
        let most = limits::MAX_TITLE_CHARS;
        Self::new(
            Reason::TitleInvalid,
            format!("A title has 1 to {most} characters, and this one has {characters}"),
        )
    }

    /// The KvNamespace's data are not in memory yet.
    #[must_use]
    pub fn namespace_loading(namespace: &Namespace) -> Self {
        Self::new(Reason::NamespaceLoading, format!("KvNamespace {namespace} is loading; try again"))
            .with_retry_after(Duration::from_secs(1))
    }

    pub(crate) fn version_malformed(given: &str) -> Self {
        Self::new(
            Reason::RequestInvalid,
            format!("Malformed version {given:?}. Please use one from Nearkv-Version or ETag."),
        )
    }

    /// A condition of a write does not hold at `version`.
    #[must_use]
    pub fn precondition_failed(key: &Key, version: Version) -> Self {
        Self::new(
            Reason::PreconditionFailed,
            format!("The condition on key {:?} does not hold", key.as_str()),
        )
        .with_version(version)
    }

    /// A read asks for a state that does not exist yet (or no longer: another incarnation).
    #[must_use]
    pub fn version_not_reached(wanted: Version, version: Version) -> Self {
        Self::new(
            Reason::VersionNotReached,
            format!("Version {wanted} is not reached; the state is {version}"),
        )
        .with_version(version)
    }

    /// The key belongs to the KvNamespace object.
    #[must_use]
    pub fn key_declared(key: &Key, namespace: &Namespace) -> Self {
        Self::new(
            Reason::KeyDeclared,
            format!(
                "Key {:?} is declared by KvNamespace {namespace}; change it there, or remove it from spec.entries and spec.entriesFrom",
                key.as_str()
            ),
        )
    }

    /// No such route in the face.
    #[must_use]
    pub fn route_missing() -> Self {
        Self::new(Reason::RouteMissing, "Not Found")
    }

    /// No such method in the face.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        Self::new(Reason::MethodNotAllowed, "Method Not Allowed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_limit_is_refused_in_the_contracts_words() {
        let text = |given| Error::limit_invalid(given).to_string();
        let start = "Invalid key_count_limit of";
        assert_eq!(text("0"), format!("{start} 0. Please specify an integer greater than 0."));
        assert_eq!(text("x"), format!("{start} x. Please specify an integer greater than 0."));
        assert_eq!(text("1001"), format!("{start} 1001. Please specify an integer less than 1000."));
    }
}
