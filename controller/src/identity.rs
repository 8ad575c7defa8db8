//! Who a KvNamespace object is, and its spec as the origin needs it. Pure; used by the controller and, on
//! every replica, by the catalog.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use nearkv::Namespace;

use crate::api::{KvNamespace, PolicySpec};
use nearkv_origin::{CacheConfig, DeletionPolicy, NamespaceConfig, Quota};

/// An object that cannot be a KvNamespace; the API server lets none of these through.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IdentityError {
    /// The name or the Kubernetes namespace is none that nearkv can serve.
    #[error("failed to take a KvNamespace: {0}")]
    Name(#[source] nearkv::Error),
    /// It was never stored.
    #[error("failed to take KvNamespace {0}: it has no UID")]
    NoUid(Namespace),
}

/// `account/name` of the object.
///
/// # Errors
/// [`IdentityError::Name`].
pub fn namespace_of(metadata: &ObjectMeta) -> Result<Namespace, IdentityError> {
    let (account, name) = (metadata.namespace.as_deref(), metadata.name.as_deref());
    Namespace::new(account.unwrap_or_default(), name.unwrap_or_default()).map_err(IdentityError::Name)
}

/// Identity and spec, without the declared entries.
///
/// # Errors
/// If the object has no valid name or no UID.
pub fn config_of(desired: &KvNamespace) -> Result<NamespaceConfig, IdentityError> {
    let namespace = namespace_of(&desired.metadata)?;
    let uid = desired.metadata.uid.clone().ok_or_else(|| IdentityError::NoUid(namespace.clone()))?;
    let spec = &desired.spec;
    Ok(NamespaceConfig {
        namespace,
        uid,
        cache: CacheConfig {
            ttl: seconds(spec.cache.ttl_seconds),
            negative_ttl: seconds(spec.cache.negative_ttl_seconds),
            stale_if_error: seconds(spec.cache.stale_if_error_seconds),
        },
        min_ttl: seconds(spec.expiration.min_ttl_seconds),
        quota: Quota {
            max_keys: u64::try_from(spec.quota.max_keys).unwrap_or_default(),
            max_bytes: spec.quota.max_bytes.0,
        },
        deletion_policy: match spec.deletion_policy {
            PolicySpec::Delete => DeletionPolicy::Delete,
            PolicySpec::Retain => DeletionPolicy::Retain,
        },
    })
}

/// Whether the object waits for its end: its data are no longer served, declared or repaired.
#[must_use]
pub fn is_ending(desired: &KvNamespace) -> bool {
    desired.metadata.deletion_timestamp.is_some()
}

/// The schema lets no negative number through.
fn seconds(number: i32) -> Duration {
    Duration::from_secs(u64::try_from(number).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Desired;

    #[test]
    fn the_schemas_defaults_are_the_origins_defaults() {
        let config = config_of(&Desired::new("settings").build()).unwrap();
        assert_eq!(config.namespace.as_str(), "team-a/settings");
        assert_eq!(config.cache, CacheConfig::default());
        assert_eq!(config.quota, Quota::default());
        assert_eq!(config.min_ttl, nearkv_origin::DEFAULT_MIN_TTL);
        assert_eq!(config.deletion_policy, DeletionPolicy::default());
    }

    #[test]
    fn an_object_that_was_never_stored_is_refused() {
        let mut desired = Desired::new("settings").build();
        desired.metadata.uid = None;
        assert!(matches!(config_of(&desired), Err(IdentityError::NoUid(_))));
        desired.metadata.namespace = None;
        assert!(matches!(config_of(&desired), Err(IdentityError::Name(_))));
    }
}
