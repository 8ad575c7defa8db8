//! Second step: from entries and sources to declared entries, with every fault that only the controller can
//! see. Pure. A faulty entry is left out and named; the others are in force.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use nearkv::{Error, Expiration, Key, Metadata, limits};

use super::dereference::{Dereferenced, Found, Source};
use crate::api::{Entry, KvNamespaceSpec, QuotaSpec};
use nearkv_origin::DeclaredEntry;

/// The declared set, as far as it is valid.
#[derive(Clone, Debug, PartialEq)]
pub struct Validated {
    /// Valid entries, each key once, in the order of keys.
    pub entries: Vec<DeclaredEntry>,
    /// What is wrong, in the order of the spec.
    pub problems: Vec<Problem>,
}

impl Validated {
    /// Whether every key that the spec declares is among the entries. If a source is missing or an entry is
    /// faulty, others may still be meant: nothing is deleted for their absence.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.problems.iter().all(|problem| match problem.reason {
            // Under its key there is an entry, or can be none.
            ProblemReason::KeyDeclaredTwice | ProblemReason::KeyInvalid => true,
            ProblemReason::ConfigMapMissing
            | ProblemReason::ConfigMapNotUsable
            | ProblemReason::ValueInvalid
            | ProblemReason::MetadataInvalid
            | ProblemReason::QuotaExceeded => false,
        })
    }
}

/// One fault of the declared set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Stable word: the reason of the condition and of the Event.
    pub reason: ProblemReason,
    /// What is wrong, with the key's or the ConfigMap's name.
    pub message: String,
}

/// Why an entry or a source is not in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemReason {
    /// The ConfigMap does not exist and is not optional.
    ConfigMapMissing,
    /// The ConfigMap holds a KvNamespace's data.
    ConfigMapNotUsable,
    /// The key breaks the contract's rules.
    KeyInvalid,
    /// The key is declared elsewhere already.
    KeyDeclaredTwice,
    /// The value is over the limit, or no base64.
    ValueInvalid,
    /// The metadata are over the limit.
    MetadataInvalid,
    /// The declared entries up to this one are more than `spec.quota` allows.
    QuotaExceeded,
}

impl ProblemReason {
    /// Every reason there is.
    pub const ALL: [Self; 7] = [
        Self::ConfigMapMissing,
        Self::ConfigMapNotUsable,
        Self::KeyInvalid,
        Self::KeyDeclaredTwice,
        Self::ValueInvalid,
        Self::MetadataInvalid,
        Self::QuotaExceeded,
    ];

    /// The condition's reason.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMapMissing => "ConfigMapMissing",
            Self::ConfigMapNotUsable => "ConfigMapNotUsable",
            Self::KeyInvalid => "KeyInvalid",
            Self::KeyDeclaredTwice => "KeyDeclaredTwice",
            Self::ValueInvalid => "ValueInvalid",
            Self::MetadataInvalid => "MetadataInvalid",
            Self::QuotaExceeded => "QuotaExceeded",
        }
    }
}

/// Judges the declared set. Where a key is declared more than once, or the quota is too small for all, `entries`
/// wins over `entriesFrom`, and a source over later ones.
#[must_use]
pub fn validate(spec: &KvNamespaceSpec, Dereferenced(sources): &Dereferenced) -> Validated {
    let mut collected = Collected::new(&spec.quota);
    for entry in &spec.entries {
        collected.take("spec.entries", &entry.key, || declared(entry));
    }
    for source in sources {
        collected.take_source(source);
    }
    let Collected { entries, problems, .. } = collected;
    Validated { entries: entries.into_values().map(|(_, entry)| entry).collect(), problems }
}

struct Collected<'a> {
    quota: &'a QuotaSpec,
    /// Of the entries so far: keys, values and metadata.
    bytes: u64,
    /// By key, with the place that declares it.
    entries: BTreeMap<Key, (String, DeclaredEntry)>,
    problems: Vec<Problem>,
}

impl<'a> Collected<'a> {
    fn new(quota: &'a QuotaSpec) -> Self {
        Self { quota, bytes: 0, entries: BTreeMap::new(), problems: Vec::new() }
    }

    fn take_source(&mut self, source: &Source) {
        let Source { name, prefix, optional, found } = source;
        match found {
            Found::Data(data) => {
                let place = format!("ConfigMap {name}");
                for (key, value) in data {
                    self.take(&place, &format!("{prefix}{key}"), || valid_value(value.clone()).map(plain));
                }
            }
            Found::Missing if *optional => {}
            Found::Missing => {
                self.report(ProblemReason::ConfigMapMissing, format!("ConfigMap {name} does not exist"));
            }
            Found::Part => self.report(
                ProblemReason::ConfigMapNotUsable,
                format!("ConfigMap {name} holds the data of a KvNamespace and cannot declare entries"),
            ),
        }
    }

    fn take(&mut self, place: &str, key: &str, fields: impl FnOnce() -> Result<Fields, Problem>) {
        let valid = match Key::new(key) {
            Ok(valid) => valid,
            Err(error) => {
                let shown = shorten(key);
                return self.report(ProblemReason::KeyInvalid, format!("key {shown:?} of {place}: {error}"));
            }
        };
        if let Some((first, _)) = self.entries.get(&valid) {
            let message =
                format!("key {key:?} is declared by {first} and again by {place}; the former is in force");
            return self.report(ProblemReason::KeyDeclaredTwice, message);
        }
        match fields().and_then(|fields| self.within_quota(&valid, fields)) {
            Ok(Fields { value, metadata, expiration }) => {
                let entry = DeclaredEntry { key: valid.clone(), value, metadata, expiration };
                self.entries.insert(valid, (place.to_owned(), entry));
            }
            Err(Problem { reason, message }) => {
                self.report(reason, format!("key {key:?} of {place}: {message}"));
            }
        }
    }

    fn within_quota(&mut self, key: &Key, fields: Fields) -> Result<Fields, Problem> {
        let QuotaSpec { max_keys, max_bytes } = self.quota;
        if self.entries.len() as u64 >= u64::try_from(*max_keys).unwrap_or_default() {
            let message = format!(
                "there are as many declared entries before it as spec.quota.maxKeys allows ({max_keys})"
            );
            return Err(problem(ProblemReason::QuotaExceeded, &message));
        }
        let metadata = fields.metadata.as_ref().map_or(0, |metadata| metadata.as_str().len());
        let size = (key.as_str().len() + fields.value.len() + metadata) as u64;
        if self.bytes + size > max_bytes.0 {
            let before = self.bytes;
            let message = format!(
                "its {size} bytes exceed spec.quota.maxBytes ({max_bytes}); declared entries before it have {before}"
            );
            return Err(problem(ProblemReason::QuotaExceeded, &message));
        }
        self.bytes += size;
        Ok(fields)
    }

    fn report(&mut self, reason: ProblemReason, message: String) {
        self.problems.push(Problem { reason, message });
    }
}

/// An entry without its key.
struct Fields {
    value: Bytes,
    metadata: Option<Metadata>,
    expiration: Option<Expiration>,
}

fn plain(value: Bytes) -> Fields {
    Fields { value, metadata: None, expiration: None }
}

fn declared(entry: &Entry) -> Result<Fields, Problem> {
    let Entry { key: _, value, value_base64, metadata, expiration } = entry;
    let value = match (value, value_base64) {
        (Some(text), None) => Bytes::from(text.clone()),
        (None, Some(base64)) => BASE64_STANDARD.decode(base64).map(Bytes::from).map_err(|error| {
            problem(ProblemReason::ValueInvalid, &format!("valueBase64 is no base64: {error}"))
        })?,
        _ => {
            let message = "an entry has exactly one of value and valueBase64";
            return Err(problem(ProblemReason::ValueInvalid, message));
        }
    };
    let metadata = metadata
        .as_ref()
        .map(|json| Metadata::parse(&json.to_string()))
        .transpose()
        .map_err(|error| problem(ProblemReason::MetadataInvalid, &error.to_string()))?
        .flatten();
    let expiration = expiration.and_then(|at| u64::try_from(at).ok()).map(Expiration);
    Ok(Fields { value: valid_value(value)?, metadata, expiration })
}

fn valid_value(value: Bytes) -> Result<Bytes, Problem> {
    let length = value.len() as u64;
    if length > limits::MAX_VALUE_BYTES {
        return Err(problem(ProblemReason::ValueInvalid, &Error::value_too_long(length).to_string()));
    }
    Ok(value)
}

fn problem(reason: ProblemReason, message: &str) -> Problem {
    Problem { reason, message: message.to_owned() }
}

/// A key that is too long would fill the condition's message.
fn shorten(key: &str) -> Cow<'_, str> {
    const SHOWN: usize = 40;
    match key.char_indices().nth(SHOWN) {
        Some((end, _)) => Cow::Owned(format!("{}…", &key[..end])),
        None => Cow::Borrowed(key),
    }
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
