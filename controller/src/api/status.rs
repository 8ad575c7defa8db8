//! `status` of a KvNamespace: what the controller has seen and done. Written by the controller alone.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// What the operator has made of the KvNamespace. Its counters are written at most every 30 seconds and only
/// when they have changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KvNamespaceStatus {
    /// The id of the namespace in the Workers KV REST API and in wrangler.toml: the first 16 bytes of
    /// SHA-256("<namespace>/<name>") in hex, the same in every cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready: the data can be trusted and are served. EntriesSynced: every declared entry is in force.
    /// Propagated: every edge has applied this generation's declared entries. DeletionPolicyInForce: all
    /// objects of the data follow spec.deletionPolicy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// How many keys there are that have not expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<i64>,
    /// How many bytes keys, values and metadata have together; this is what spec.quota.maxBytes limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
    /// In how many ConfigMaps the data are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<i64>,
    /// The newest state of the data, "<incarnation>.<number>". Once it is set the data exist: if their root
    /// ConfigMap is missing later, that is damage, and no empty one is made in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The last value of the annotation nearkv.dev/repair that was acted upon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_repair: Option<String>,
    /// What came of that repair. One of Repaired, RepairNotNeeded, RepairRefused and RepairFailed, then why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_repair_result: Option<String>,
    /// Where the tokens of spec.binding are handed out: a Provisioned Service of the Service Binding specification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<BindingStatus>,
}

/// The Secrets of a binding, and what tokens are good.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BindingStatus {
    /// The Secret with the token to read and write values, of type servicebinding.io/workers-kv.
    pub name: String,
    /// The same with the token that only reads.
    pub read_only_name: String,
    /// SHA-256 of the token that reads and writes, in hex. No other is good.
    pub token_hash: String,
    /// SHA-256 of the token that only reads, in hex.
    pub read_only_token_hash: String,
    /// The last value of the annotation nearkv.dev/rotate-binding-token that was acted upon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<String>,
}

/// `metav1.Condition` with the words of its Go type. k8s-openapi has them behind its feature `schemars`, which compiles the
/// schema of every kind there is for this one.
fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {
            "description": "Condition contains details for one aspect of the current state of this API Resource.",
            "type": "object",
            "properties": {
                "lastTransitionTime": {
                    "description": "lastTransitionTime is the last time the condition transitioned from one status to another. This should be when the underlying condition changed.  If that is not known, then using the time when the API field changed is acceptable.",
                    "type": "string",
                    "format": "date-time",
                },
                "message": {
                    "description": "message is a human readable message indicating details about the transition. This may be an empty string.",
                    "type": "string",
                },
                "observedGeneration": {
                    "description": "observedGeneration represents the .metadata.generation that the condition was set based upon. For instance, if .metadata.generation is currently 12, but the .status.conditions[x].observedGeneration is 9, the condition is out of date with respect to the current state of the instance.",
                    "type": "integer",
                    "format": "int64",
                },
                "reason": {
                    "description": "reason contains a programmatic identifier indicating the reason for the condition's last transition. Producers of specific condition types may define expected values and meanings for this field, and whether the values are considered a guaranteed API. The value should be a CamelCase string. This field may not be empty.",
                    "type": "string",
                },
                "status": {
                    "description": "status of the condition, one of True, False, Unknown.",
                    "type": "string",
                },
                "type": {
                    "description": "type of condition in CamelCase or in foo.example.com/CamelCase.",
                    "type": "string",
                },
            },
            "required": ["lastTransitionTime", "message", "reason", "status", "type"],
        },
    })
}
