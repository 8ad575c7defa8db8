//! The structural schema: types, limits, formats, list keys, unknown fields. Pure; speaks as
//! `k8s.io/apimachinery/pkg/util/validation/field` and `k8s.io/kube-openapi/pkg/validation` do.

use serde_json::{Map, Value};

const KEEP_ANY: &str = "x-kubernetes-preserve-unknown-fields";

/// Removes what is null: the API server does so wherever the schema does not say `nullable`.
pub(super) fn prune_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            // What is inside of an entry's metadata is the user's own JSON.
            let is_entry = fields.contains_key("key");
            let fields = fields.iter_mut().filter(|(name, _)| !(is_entry && *name == "metadata"));
            fields.for_each(|(_, value)| prune_nulls(value));
        }
        Value::Array(items) => items.iter_mut().for_each(prune_nulls),
        _ => {}
    }
}

/// Every fault of the value.
pub(super) fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(schema, value, "", &mut faults);
    faults
}

fn check(schema: &Value, value: &Value, path: &str, faults: &mut Vec<String>) {
    if schema["x-kubernetes-int-or-string"] == true {
        match value {
            Value::String(_) | Value::Number(_) => check_scalar(schema, value, path, faults),
            _ => faults.push(wrong_type(path, "integer,string", value)),
        }
        return;
    }
    match (schema["type"].as_str(), value) {
        (None, _) => {}
        (Some("object"), Value::Object(fields)) => check_object(schema, fields, path, faults),
        (Some("array"), Value::Array(items)) => check_array(schema, items, path, faults),
        (Some("string"), Value::String(_)) | (Some("boolean"), Value::Bool(_)) => {
            check_scalar(schema, value, path, faults);
        }
        (Some("integer"), Value::Number(number)) if !number.is_f64() => {
            check_scalar(schema, value, path, faults);
        }
        (Some(wanted), _) => faults.push(wrong_type(path, wanted, value)),
    }
}

fn check_object(schema: &Value, fields: &Map<String, Value>, path: &str, faults: &mut Vec<String>) {
    let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for name in strings(&schema["required"]).filter(|name| !fields.contains_key(*name)) {
        faults.push(format!("{}: Required value", join(name)));
    }
    for (name, value) in fields {
        match schema["properties"].get(name) {
            Some(schema) => check(schema, value, &join(name), faults),
            None if schema[KEEP_ANY] == true || schema["additionalProperties"].is_object() => {}
            None => faults.push(format!("unknown field {:?}", join(name))),
        }
    }
}

fn check_array(schema: &Value, items: &[Value], path: &str, faults: &mut Vec<String>) {
    if let Some(most) = schema["maxItems"].as_u64().filter(|most| (items.len() as u64) > *most) {
        faults.push(format!("{path}: Too many: {}: must have at most {most} items", items.len()));
        return;
    }
    let keys: Vec<&str> = strings(&schema["x-kubernetes-list-map-keys"]).collect();
    let key_of = |item: &Value| -> Map<String, Value> {
        keys.iter().map(|k| ((*k).into(), item[*k].clone())).collect()
    };
    let mut seen = std::collections::BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let path = format!("{path}[{index}]");
        check(&schema["items"], item, &path, faults);
        let key = Value::Object(key_of(item)).to_string();
        if !keys.is_empty() && !seen.insert(key.clone()) {
            faults.push(format!("{path}: Duplicate value: {key}"));
        }
    }
}

fn check_scalar(schema: &Value, value: &Value, path: &str, faults: &mut Vec<String>) {
    let mut invalid =
        |rule: String| faults.push(format!("{path}: Invalid value: {value}: {path} in body {rule}"));
    if let Some(number) = value.as_i64() {
        if let Some(least) = schema["minimum"].as_f64().filter(|least| (number as f64) < *least) {
            invalid(format!("should be greater than or equal to {least}"));
        }
        if let Some(most) = schema["maximum"].as_f64().filter(|most| (number as f64) > *most) {
            invalid(format!("should be less than or equal to {most}"));
        }
    }
    let Some(text) = value.as_str() else { return };
    let length = text.chars().count() as u64;
    if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
        invalid(format!("should be at least {least} chars long"));
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        match regex::Regex::new(pattern) {
            Ok(regex) if regex.is_match(text) => {}
            Ok(_) => invalid(format!("should match '{pattern}'")),
            Err(error) => invalid(format!("cannot be matched with '{pattern}': {error}")),
        }
    }
    if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
        faults.push(format!("{path}: Too long: may not be more than {most} bytes"));
    }
    if schema["enum"].as_array().is_some_and(|allowed| !allowed.contains(value)) {
        let allowed: Vec<String> = strings(&schema["enum"]).map(|word| format!("{word:?}")).collect();
        faults.push(format!("{path}: Unsupported value: {value}: supported values: {}", allowed.join(", ")));
    }
}

fn wrong_type(path: &str, wanted: &str, value: &Value) -> String {
    let actual = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    format!("{path}: Invalid value: \"{actual}\": {path} in body must be of type {wanted}: \"{actual}\"")
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}
