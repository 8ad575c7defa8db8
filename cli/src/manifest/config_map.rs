//! A ConfigMap manifest, judged as the API server judges one (`ValidateConfigMap`): field names, types, keys.

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;

use super::document::member;

/// The fields of a ConfigMap manifest.
const FIELDS: [&str; 6] = ["apiVersion", "kind", "metadata", "data", "binaryData", "immutable"];
/// Longest key of `data` (`validation.IsConfigMapKey`).
const MAX_KEY_BYTES: usize = 253;

/// Reads one.
///
/// # Errors
/// Every fault as path and text.
pub(super) fn read(manifest: &Value) -> Result<ConfigMap, Vec<(String, String)>> {
    let mut faults = Vec::new();
    let mut fault = |path: String, text: &str| faults.push((path.clone(), format!("{path}: {text}")));
    for name in manifest.as_object().into_iter().flatten().map(|(name, _)| name) {
        if !FIELDS.contains(&name.as_str()) {
            fault(name.clone(), "unknown field");
        }
    }
    if manifest.pointer("/metadata/name").and_then(Value::as_str).is_none_or(str::is_empty) {
        fault("metadata.name".to_owned(), "Required value");
    }
    let mut seen = Vec::new();
    for field in ["data", "binaryData"] {
        for (key, value) in manifest.get(field).and_then(Value::as_object).into_iter().flatten() {
            let path = member(field, key);
            let is_legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            if key.is_empty()
                || key.len() > MAX_KEY_BYTES
                || !key.bytes().all(is_legal)
                || key == "."
                || key == ".."
            {
                fault(path.clone(), "a key has at most 253 letters, digits, -, _ and .");
            }
            if seen.contains(&key) {
                fault(path.clone(), "the key is in data already");
            }
            if !value.is_string() {
                fault(path, "must be a string: put it into quotes");
            }
            seen.push(key);
        }
    }
    if faults.is_empty() {
        return serde_json::from_value(manifest.clone()).map_err(|e| vec![(String::new(), e.to_string())]);
    }
    Err(faults)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_and_bytes_are_read() {
        let read = read(&json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fr"},
            "data": {"hello": "Bonjour"}, "binaryData": {"icon.png": "AAEC"},
        }));
        let read = read.unwrap();
        assert_eq!(read.data.unwrap()["hello"], "Bonjour");
        assert_eq!(read.binary_data.unwrap()["icon.png"].0, [0, 1, 2]);
    }

    #[test]
    fn what_the_api_server_refuses_is_refused_by_its_field() {
        let read = read(&json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {}, "spec": {},
            "data": {"a/b": "", "flag": true, "both": "x"}, "binaryData": {"both": "AAEC"},
        }));
        let paths: Vec<String> = read.unwrap_err().into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["spec", "metadata.name", "data[a/b]", "data.flag", "binaryData.both"]);
    }
}
