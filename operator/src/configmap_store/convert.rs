//! ConfigMaps as objects, and the API server's answers as the store's errors. Pure.

use std::{collections::BTreeMap, error::Error, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use k8s_openapi::{
    api::core::v1::ConfigMap,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::core::Status;
use nearkv::UnixMillis;

use nearkv_origin::store::{Content, Meta, Object, ObjectId, ObjectName, Owner, StoreError, Token};

/// What owns an object: the KvNamespace (design §3).
const OWNER_GROUP: &str = "nearkv.dev/";
pub(super) const OWNER_API_VERSION: &str = "nearkv.dev/v1alpha1";
pub(super) const OWNER_KIND: &str = "KvNamespace";

/// What an API server's metadata say.
pub(super) fn meta(metadata: ObjectMeta) -> Result<Meta, StoreError> {
    let missing = |field: &str| StoreError::Damaged {
        place: format!("ConfigMap {:?}", metadata.name.as_deref().unwrap_or_default()),
        message: format!("the API server has sent it without {field}"),
    };
    let name = metadata.name.as_deref().ok_or_else(|| missing("metadata.name"))?;
    let folder = metadata.namespace.as_deref().ok_or_else(|| missing("metadata.namespace"))?;
    let uid = metadata.uid.as_deref().ok_or_else(|| missing("metadata.uid"))?;
    let version = metadata.resource_version.as_deref().ok_or_else(|| missing("metadata.resourceVersion"))?;
    let created = metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_millisecond());
    let is_owner =
        |owner: &&OwnerReference| owner.kind == OWNER_KIND && owner.api_version.starts_with(OWNER_GROUP);
    let owner = metadata.owner_references.iter().flatten().find(is_owner);
    Ok(Meta {
        name: ObjectName::new(folder, name),
        id: ObjectId(uid.into()),
        token: Token(version.into()),
        owner: owner.map(|owner| Owner { name: owner.name.clone(), id: owner.uid.clone() }),
        created: UnixMillis(u64::try_from(created).unwrap_or_default()),
        deleting: metadata.deletion_timestamp.is_some(),
        labels: metadata.labels.unwrap_or_default(),
    })
}

/// A ConfigMap as an object.
pub(super) fn object(map: ConfigMap) -> Result<Object, StoreError> {
    let ConfigMap { metadata, data, binary_data, immutable: _ } = map;
    let bytes: BTreeMap<_, _> =
        binary_data.unwrap_or_default().into_iter().map(|(key, value)| (key, Bytes::from(value.0))).collect();
    Ok(Object { meta: meta(metadata)?, content: Content { text: data.unwrap_or_default(), bytes } })
}

/// What a failed call means (design §6 invariant 5: only 409, 403, 413, 422 and 429 are definite; 404 is an
/// answer).
pub(super) fn error(action: &'static str, name: &ObjectName, error: kube::Error) -> StoreError {
    match error {
        kube::Error::Api(status) => refusal(action, name, *status),
        error => unknown(action, name, error),
    }
}

/// The write may have been committed, or may still be.
pub(super) fn unknown(
    action: &'static str,
    name: &ObjectName,
    source: impl Error + Send + Sync + 'static,
) -> StoreError {
    StoreError::Unknown { action, name: name.clone(), source: Arc::new(source) }
}

fn refusal(action: &'static str, name: &ObjectName, status: Status) -> StoreError {
    let name = name.clone();
    match (status.code, status.reason.as_str()) {
        (409, "AlreadyExists") => StoreError::Exists(name),
        (409, "Conflict") if !is_terminating(&status) => StoreError::Conflict(name),
        // On a creation it is the Kubernetes namespace that does not exist.
        (404, _) if action != "create" => StoreError::Missing(name),
        (403 | 404 | 409 | 413 | 422, _) => StoreError::Refused { name, message: status.message },
        (429, _) => {
            let seconds = status.details.map_or(0, |details| details.retry_after_seconds);
            let retry_after = (seconds > 0).then(|| Duration::from_secs(seconds.into()));
            StoreError::Throttled { retry_after }
        }
        _ => unknown(action, &name, Answered(status)),
    }
}

/// A Kubernetes namespace that is being deleted takes nothing new; trying again on a fresh read is no use.
fn is_terminating(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
}

/// An answer that settles nothing, as the source of an error.
#[derive(Debug)]
struct Answered(Status);

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the API server answered {} {}", self.0.code, self.0.message)
    }
}

impl Error for Answered {}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    fn answer(action: &'static str, json: &str) -> StoreError {
        let status: Status = serde_json::from_str(json).unwrap();
        error(action, &ObjectName::new("team-a", "settings.kv"), kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn only_some_answers_are_definite() {
        let taken = answer("create", r#"{"code":409,"reason":"AlreadyExists"}"#);
        assert!(matches!(taken, StoreError::Exists(_)), "{taken}");
        let changed = answer("replace", r#"{"code":409,"reason":"Conflict"}"#);
        assert!(matches!(changed, StoreError::Conflict(_)), "{changed}");
        let gone = answer("replace", r#"{"code":404,"reason":"NotFound"}"#);
        assert!(matches!(gone, StoreError::Missing(_)), "{gone}");
        for definite in [
            r#"{"code":403,"reason":"Forbidden","message":"no"}"#,
            r#"{"code":404,"reason":"NotFound","message":"namespaces \"team-a\" not found"}"#,
            r#"{"code":409,"reason":"Conflict","details":{"causes":[{"reason":"NamespaceTerminating"}]}}"#,
            r#"{"code":413,"reason":"RequestEntityTooLarge"}"#,
            r#"{"code":422,"reason":"Invalid"}"#,
        ] {
            let error = answer("create", definite);
            assert!(matches!(error, StoreError::Refused { .. }), "{definite}: {error}");
        }
        for open in [400, 401, 408, 410, 500, 502, 503, 504] {
            assert!(answer("replace", &format!(r#"{{"code":{open}}}"#)).is_unknown(), "{open}");
        }
    }

    #[test]
    fn a_throttled_caller_hears_how_long_to_wait() {
        let error = answer("replace", r#"{"code":429,"details":{"retryAfterSeconds":7}}"#);
        assert!(matches!(error, StoreError::Throttled { retry_after: Some(after) } if after.as_secs() == 7));
        let error = answer("replace", r#"{"code":429}"#);
        assert!(matches!(error, StoreError::Throttled { retry_after: None }));
    }

    #[test]
    fn a_config_map_is_an_object_whose_owner_is_the_kv_namespace() {
        let owner = |kind: &str, api_version: &str, uid: &str| OwnerReference {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            name: "settings".to_owned(),
            uid: uid.to_owned(),
            ..OwnerReference::default()
        };
        let map = ConfigMap {
            metadata: ObjectMeta {
                name: Some("settings.kv".to_owned()),
                namespace: Some("team-a".to_owned()),
                uid: Some("uid-2".to_owned()),
                resource_version: Some("7".to_owned()),
                owner_references: Some(vec![
                    owner("Deployment", "apps/v1", "uid-0"),
                    owner(OWNER_KIND, OWNER_API_VERSION, "uid-1"),
                ]),
                ..ObjectMeta::default()
            },
            data: Some([("root".to_owned(), "{}".to_owned())].into()),
            binary_data: Some([("0".to_owned(), ByteString(vec![0, 255]))].into()),
            immutable: Some(true),
        };
        let object = object(map).unwrap();
        assert_eq!(object.meta.name, ObjectName::new("team-a", "settings.kv"));
        assert_eq!(object.meta.owner, Some(Owner { name: "settings".to_owned(), id: "uid-1".to_owned() }));
        assert_eq!((object.meta.id, object.meta.token), (ObjectId("uid-2".into()), Token("7".into())));
        assert_eq!(object.content.text["root"], "{}");
        assert_eq!(object.content.bytes["0"][..], [0, 255]);
    }
}
