//! Words for people: reasons in CamelCase, and lists of keys that fit into an Event.

use nearkv::{Key, Reason};

/// Most keys that an Event names: its note holds 1024 bytes, and a key may have 512.
const KEYS_NAMED: usize = 6;
/// Most characters of a key in an Event.
const KEY_SHOWN: usize = 60;
/// The longest note of an Event (`events.k8s.io/v1`).
const NOTE_BYTES: usize = 1024;

/// `quota-exceeded` as a condition's reason: `QuotaExceeded`.
pub(super) fn reason_word(reason: Reason) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    reason.as_str().split('-').map(capital).collect()
}

/// `"a", "b" and 3 more`.
pub(super) fn name_keys(keys: &[Key]) -> String {
    let show = |key: &Key| match key.as_str().char_indices().nth(KEY_SHOWN) {
        Some((end, _)) => format!("{:?}…", &key.as_str()[..end]),
        None => format!("{:?}", key.as_str()),
    };
    let named: Vec<String> = keys.iter().take(KEYS_NAMED).map(show).collect();
    match keys.len().saturating_sub(KEYS_NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// The text, cut to what an Event takes.
pub(super) fn note(text: &str) -> String {
    if text.len() <= NOTE_BYTES {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(NOTE_BYTES - '…'.len_utf8())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_camel_case_words() {
        assert_eq!(reason_word(Reason::QuotaExceeded), "QuotaExceeded");
        assert_eq!(reason_word(Reason::Throttled), "Throttled");
    }

    #[test]
    fn many_long_keys_fit_into_an_event() {
        let keys: Vec<Key> = (0..100).map(|n| Key::new(&format!("{n:0>512}")).unwrap()).collect();
        let text = name_keys(&keys);
        assert!(text.len() < NOTE_BYTES && text.ends_with("… and 94 more"), "{text}");
        assert_eq!(name_keys(&keys[..0]), "");
        assert_eq!(note(&"é".repeat(1000)).len(), NOTE_BYTES - 1);
    }
}
