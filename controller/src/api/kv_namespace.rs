//! `KvNamespace`: a Workers KV namespace as a Kubernetes object. The attributes here become the schema of the
//! CustomResourceDefinition; what the schema cannot say (conflicts between sources, the length of metadata,
//! quotas) is judged by the controller and shown as a condition.

#![expect(unreachable_pub, reason = "the derived schema repeats each struct inside of a function")]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ByteSize, KvNamespaceStatus};

/// The desired state of a KvNamespace.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "nearkv.dev",
    version = "v1alpha1",
    kind = "KvNamespace",
    plural = "kvnamespaces",
    shortname = "kvns",
    category = "nearkv",
    namespaced,
    status = "KvNamespaceStatus",
    derive = "PartialEq",
    doc = "A Workers KV namespace: keys with values, written centrally and read near.",
    printcolumn(name = "Title", type_ = "string", json_path = ".spec.title"),
    printcolumn(name = "Keys", type_ = "integer", json_path = ".status.keys"),
    printcolumn(name = "Bytes", type_ = "integer", json_path = ".status.bytes"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(
        name = "Entries",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"EntriesSynced\")].reason",
        description = "Whether every declared entry is in force",
        priority = 1
    ),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new(
        "size(self.metadata.name) <= 52 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')"
    )
    .message("the name of a KvNamespace is a DNS label of at most 52 characters"),
)]
#[serde(rename_all = "camelCase")]
pub struct KvNamespaceSpec {
    /// The title that the Workers KV REST API and wrangler show; unique in the Kubernetes namespace. Default:
    /// the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub title: Option<String>,
    /// Declared entries. Their keys belong to this object: nobody else can write or delete them, and a key
    /// that is taken off the list is deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["key"]))]
    pub entries: Vec<Entry>,
    /// ConfigMaps whose keys all become declared entries; they are followed when they change. Where a key is
    /// declared more than once, entries comes before entriesFrom and a source before later ones, and the
    /// condition EntriesSynced names the key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub entries_from: Vec<EntriesFrom>,
    /// How fresh answers are.
    #[serde(default)]
    pub cache: CacheSpec,
    /// Limits of expiring entries.
    #[serde(default)]
    pub expiration: ExpirationSpec,
    /// How much the namespace may hold. A write beyond it is refused.
    #[serde(default)]
    pub quota: QuotaSpec,
    /// What becomes of the data when this object is deleted. Delete: they go with it. Retain: the ConfigMaps
    /// stay, and a KvNamespace created again with the same name adopts them.
    #[serde(default)]
    pub deletion_policy: PolicySpec,
    /// Asks for a binding: two Secrets beside this object with what a program needs to use the namespace, among it a
    /// token, one to read and write and one to read. status.binding names them. The annotation
    /// nearkv.dev/rotate-binding-token with a new value replaces both tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<BindingSpec>,
}

/// A binding has no options.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BindingSpec {}

/// A declared entry: a key with its value, as text or as base64.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.value) != has(self.valueBase64)")
    .message("an entry has exactly one of value and valueBase64"))]
pub struct Entry {
    /// The key: 1 to 512 bytes of UTF-8, neither "." nor "..".
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(
        validation = Rule::new("self != '.' && self != '..'")
            .message(Message::Expression(
                "'Illegal key name \"' + self + '\". Please use a different name.'".into()
            )),
        validation = Rule::new("size(bytes(self)) <= 512")
            .message("the UTF-8 encoded length exceeds the key length limit of 512")
    )]
    pub key: String,
    /// The value as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1_048_576))]
    pub value: Option<String>,
    /// The value as standard base64 with padding, for what is not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    // Not `format: byte`: the CEL rule on the entry would read such a field as URL-safe base64, and fail.
    #[schemars(
        length(max = 1_398_104),
        regex(pattern = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$")
    )]
    pub value_base64: Option<String>,
    /// Any JSON value but null, at most 1024 bytes long when written without spaces. Answered beside the
    /// value and in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_json")]
    pub metadata: Option<serde_json::Value>,
    /// When the entry ceases to exist, in seconds since 1970-01-01T00:00:00Z. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub expiration: Option<i64>,
}

/// A source of declared entries.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntriesFrom {
    /// The ConfigMap, in the KvNamespace's own Kubernetes namespace. Each of its keys, in data and in
    /// binaryData, becomes a declared entry.
    pub config_map_ref: ConfigMapRef,
    /// Put before each of the ConfigMap's keys.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub prefix: String,
}

/// A ConfigMap by name.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapRef {
    /// The ConfigMap's name.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Whether it is fine that the ConfigMap does not exist: then it declares nothing. Otherwise its absence
    /// is shown by the condition EntriesSynced, and nothing is deleted for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// The freshness of answers, as edges and clients see it in Cache-Control. At most a year each.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CacheSpec {
    /// How many seconds an edge answers from its memory before it asks the origin again.
    #[schemars(range(min = 0, max = 31_536_000))]
    pub ttl_seconds: i32,
    /// The same for a key that does not exist, if lower.
    #[schemars(range(min = 0, max = 31_536_000))]
    pub negative_ttl_seconds: i32,
    /// For how many seconds more an edge answers from its memory while the origin cannot be asked.
    #[schemars(range(min = 0, max = 31_536_000))]
    pub stale_if_error_seconds: i32,
}

impl Default for CacheSpec {
    fn default() -> Self {
        Self { ttl_seconds: 60, negative_ttl_seconds: 60, stale_if_error_seconds: 86_400 }
    }
}

/// The limits of expiring entries.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExpirationSpec {
    /// The shortest time to live that a write may ask for, in seconds. Workers KV's is 60.
    #[schemars(range(min = 1, max = 31_536_000))]
    pub min_ttl_seconds: i32,
}

impl Default for ExpirationSpec {
    fn default() -> Self {
        Self { min_ttl_seconds: 60 }
    }
}

/// How much a KvNamespace may hold.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QuotaSpec {
    /// The most keys.
    #[schemars(range(min = 1))]
    pub max_keys: i64,
    /// The most bytes of keys, values and metadata together, such as 64Mi.
    pub max_bytes: ByteSize,
}

impl Default for QuotaSpec {
    fn default() -> Self {
        Self { max_keys: 100_000, max_bytes: ByteSize(64 << 20) }
    }
}

/// What becomes of the data when the KvNamespace is deleted.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PolicySpec {
    /// They go with it.
    #[default]
    Delete,
    /// They stay, and a KvNamespace created again with the name adopts them.
    Retain,
}

/// The API server keeps any JSON under the field as it is.
fn any_json(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "x-kubernetes-preserve-unknown-fields": true })
}
