//! Judges a manifest of a KvNamespace where there is no API server: development mode. It does what the API
//! server does with a custom resource, by the same schema: drop nulls, set defaults, check the schema, then
//! the CEL rules, and it says the same words.

mod schema;

use kube::core::cel::Validator;
use serde_json::Value;

use super::{KvNamespace, crd};

/// Why a manifest is not taken: every fault with the path of its field, as the API server prints them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("KvNamespace {name:?} is invalid: {}", faults.join("; "))]
pub struct Refusal {
    /// The object's name, as far as it has one.
    pub name: String,
    /// `path: what is wrong`, never empty.
    pub faults: Vec<String>,
}

/// Reads a manifest, with the defaults of the schema in place.
///
/// # Errors
/// A [`Refusal`] that names every fault.
pub fn parse_manifest(mut manifest: Value) -> Result<KvNamespace, Refusal> {
    let name = manifest.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let refuse = |faults| Refusal { name: name.clone(), faults };

    let schema = openapi_schema().map_err(|error| refuse(vec![error]))?;
    schema::prune_nulls(&mut manifest);
    let manifest = kube::core::cel::apply_defaults(&schema, &manifest);
    let faults = schema::faults(&schema, &manifest);
    if !faults.is_empty() {
        return Err(refuse(faults));
    }
    if let Err(errors) = Validator::new().validate(&schema, &manifest, None) {
        let line = |error: &kube::core::cel::ValidationError| match error.field_path.as_str() {
            "" => format!("Invalid value: {}", error.message),
            path => format!("{path}: Invalid value: {}", error.message),
        };
        return Err(refuse(errors.as_slice().iter().map(line).collect()));
    }
    serde_json::from_value(manifest).map_err(|error| refuse(vec![error.to_string()]))
}

/// The schema with what the API server adds to every custom resource.
fn openapi_schema() -> Result<Value, String> {
    let version = crd().spec.versions.into_iter().next();
    let schema = version.and_then(|v| v.schema).and_then(|s| s.open_api_v3_schema);
    let mut schema = serde_json::to_value(schema).map_err(|error| error.to_string())?;
    let text = serde_json::json!({ "type": "string" });
    for (field, of) in [("apiVersion", &text), ("kind", &text)] {
        schema["properties"][field] = of.clone();
    }
    // Kubernetes' own metadata are not ours to judge, beyond the name and what the controller reads of them.
    schema["properties"]["metadata"] = serde_json::json!({
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": true,
        "properties": { "name": text, "namespace": text },
        "required": ["name"],
    });
    schema["required"] = serde_json::json!(["apiVersion", "kind", "metadata", "spec"]);
    Ok(schema)
}

#[cfg(test)]
mod tests;
