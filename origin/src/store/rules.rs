//! What every store refuses before it writes: the rules of a Kubernetes ConfigMap, so that what development
//! mode and the simulation take, a cluster takes as well. The cluster's own API server checks for itself.

use bytes::Bytes;

use crate::store::{Content, Draft, StoreError};

/// Largest content of a ConfigMap: the values of `data` and `binaryData` together, in bytes, without their names.
const MAX_CONTENT_BYTES: usize = 1024 * 1024;
/// Longest name of an object: a DNS subdomain (RFC 1123 as Kubernetes uses it).
const MAX_NAME_BYTES: usize = 253;
/// Longest folder: a DNS label.
const MAX_FOLDER_BYTES: usize = 63;

/// Checks a draft by itself.
///
/// # Errors
/// [`StoreError::Refused`] with the rule that it breaks.
pub(super) fn check(draft: &Draft) -> Result<(), StoreError> {
    let refused = |message: String| Err(StoreError::Refused { name: draft.name.clone(), message });
    let Content { text, bytes } = &draft.content;
    if !is_label(&draft.name.folder) || draft.name.folder.len() > MAX_FOLDER_BYTES {
        return refused(format!("folder {:?} is no DNS label", draft.name.folder));
    }
    if draft.name.name.len() > MAX_NAME_BYTES || !draft.name.name.split('.').all(is_label) {
        return refused("its name is no DNS subdomain of at most 253 characters".to_owned());
    }
    for key in text.keys().chain(bytes.keys()) {
        let is_legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if key.is_empty() || key.len() > MAX_NAME_BYTES || !key.bytes().all(is_legal) {
            return refused(format!("field {key:?} has a character other than letters, digits, -, _ and ."));
        }
    }
    if let Some(key) = text.keys().find(|key| bytes.contains_key(*key)) {
        return refused(format!("field {key:?} is there as text and as bytes"));
    }
    let size = text.values().map(String::len).chain(bytes.values().map(Bytes::len)).sum::<usize>();
    if size > MAX_CONTENT_BYTES {
        return refused(format!("{size} bytes are more than the {MAX_CONTENT_BYTES} of a ConfigMap"));
    }
    Ok(())
}

/// Checks a draft against the object it replaces: what is immutable stays, and stays immutable.
///
/// # Errors
/// [`StoreError::Refused`] if the content changes.
pub(super) fn check_replacement(draft: &Draft, present: &Content, immutable: bool) -> Result<(), StoreError> {
    if immutable && !(draft.immutable && draft.content == *present) {
        let message = "it is immutable".to_owned();
        return Err(StoreError::Refused { name: draft.name.clone(), message });
    }
    Ok(())
}

fn is_label(text: &str) -> bool {
    let is_legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.bytes().all(is_legal) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::store::ObjectName;

    fn draft(folder: &str, name: &str, field: &str, text: String) -> Draft {
        Draft {
            name: ObjectName::new(folder, name),
            labels: BTreeMap::new(),
            owner: None,
            content: Content { text: [(field.to_owned(), text)].into(), bytes: BTreeMap::new() },
            immutable: false,
        }
    }

    #[test]
    fn what_a_config_map_cannot_be_is_refused() {
        let text = || "v".to_owned();
        assert!(check(&draft("team-a", "settings.kv.log.9f", "records", text())).is_ok());
        for bad in [
            draft("", "a", "f", text()),
            draft("..", "a", "f", text()),
            draft("team-a", "../a", "f", text()),
            draft("team-a", "a..b", "f", text()),
            draft("team-a", "A", "f", text()),
            draft("team-a", "a", "f/g", text()),
            draft("team-a", "a", "f", "v".repeat(1024 * 1024 + 1)),
        ] {
            assert!(matches!(check(&bad), Err(StoreError::Refused { .. })), "{}", bad.name);
        }
    }

    #[test]
    fn an_immutable_object_takes_no_other_content() {
        let same = Draft { immutable: true, ..draft("team-a", "a", "f", "v".to_owned()) };
        assert!(check_replacement(&same, &same.content, true).is_ok());
        let mutable = Draft { immutable: false, ..same.clone() };
        assert!(check_replacement(&mutable, &same.content, true).is_err());
        let other = draft("team-a", "a", "f", "w".to_owned());
        assert!(check_replacement(&Draft { immutable: true, ..other }, &same.content, true).is_err());
    }
}
