//! What a binding's Secrets are called and what they say: the entries of a Provisioned Service, and where the service is.
//! Pure.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Resource, ResourceExt, api::ObjectMeta};
use nearkv::Namespace;

use nearkv_controller::api::KvNamespace;

use crate::access::binding::Grade;

/// The type of the Secrets: `servicebinding.io/{type}` as the specification recommends it.
pub(super) const SECRET_TYPE: &str = "servicebinding.io/workers-kv";
/// One Secret for each, in this order.
pub(super) const GRADES: [Grade; 2] = [Grade::ReadWrite, Grade::ReadOnly];

/// Where programs reach the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceUrl {
    pub(super) base: String,
    pub(super) host: String,
    pub(super) port: u16,
}

impl std::str::FromStr for ServiceUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = || format!("{text:?} is no URL such as http://nearkv.nearkv-system.svc:80");
        let uri: http::Uri = text.parse().map_err(|_| malformed())?;
        let default_port = match uri.scheme_str() {
            Some("http") => 80,
            Some("https") => 443,
            _ => return Err(malformed()),
        };
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(malformed());
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(malformed)?.to_owned();
        let port = uri.port_u16().unwrap_or(default_port);
        Ok(Self { base: text.trim_end_matches('/').to_owned(), host, port })
    }
}

pub(super) fn secret_name(namespace: &Namespace, grade: Grade) -> String {
    match grade {
        Grade::ReadWrite => format!("{}-kv", namespace.name()),
        Grade::ReadOnly => format!("{}-kv-read-only", namespace.name()),
    }
}

/// The entries that the specification knows, and nearkv's own.
pub(super) fn content(url: &ServiceUrl, namespace: &Namespace, token: &str) -> BTreeMap<String, ByteString> {
    let entries = [
        ("type", "workers-kv".to_owned()),
        ("provider", "nearkv".to_owned()),
        ("uri", format!("{}/kv/{namespace}", url.base)),
        ("host", url.host.clone()),
        ("port", url.port.to_string()),
        ("account", namespace.account().to_owned()),
        ("namespace", namespace.name().to_owned()),
        ("namespace-id", namespace.id().to_string()),
        ("token", token.to_owned()),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), ByteString(value.into_bytes()))).collect()
}

pub(super) fn secret(name: &str, desired: &KvNamespace, content: BTreeMap<String, ByteString>) -> Secret {
    let label = ("nearkv.dev/kvnamespace".to_owned(), desired.name_any());
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: desired.namespace(),
            labels: Some([label].into()),
            owner_references: desired.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        type_: Some(SECRET_TYPE.to_owned()),
        data: Some(content),
        ..Secret::default()
    }
}
