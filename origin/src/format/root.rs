//! The root: the only object that changes, and the only truth about what the others mean.

use std::collections::BTreeMap;

use nearkv::{Incarnation, Namespace, UnixMillis, Version};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, IntoDeserializer},
};

use crate::{
    format::{FORMAT, FormatError, Record, SegmentRef, Sha, Versioned, bounds, decode_lines, encode_lines},
    store::Content,
};

/// Field of the root object: everything but the records, as indented JSON.
const FIELD_ROOT: &str = "root";
/// Field of the root object: the newest records, a JSON line each.
const FIELD_RECORDS: &str = "records";
/// Field of the root object: SHA-256 over the two others.
const FIELD_DIGEST: &str = "digest";

/// The commit point of a KvNamespace's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Whose data these are: `account/name`.
    pub namespace: Namespace,
    /// Which life of the data this is.
    pub incarnation: Incarnation,
    /// The newest record's version.
    pub version: u64,
    /// How many times the root was replaced: orders two roots of one incarnation.
    pub swap: u64,
    /// How many of these were the collector's, made only to invalidate commits in preparation.
    pub sweep: u64,
    /// The last committed batch of each writer, a process in one life of the KvNamespace; kept at least 10 minutes: it
    /// settles unknown outcomes.
    pub writers: BTreeMap<String, Writer>,
    /// The declaration in force.
    pub declared: Option<DeclaredMark>,
    /// Older segments and the pages.
    pub manifest: Option<ManifestRef>,
    /// The newest segments, oldest first, without gap.
    pub segments: Vec<SegmentRef>,
    /// The newest records; the last has `version`.
    pub records: Vec<Record>,
}

/// The last batch that a writer has committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Writer {
    /// Counted by the writer from 1.
    pub batch: u64,
    /// The version of the batch's last record.
    pub version: u64,
    /// When, by the writer's clock, in ms since the epoch. Only for forgetting it after 10 minutes.
    pub at: u64,
}

/// Which declaration is in force: a commit of an older generation of the same object is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredMark {
    /// The KvNamespace object's UID.
    pub uid: String,
    /// Its generation.
    pub generation: i64,
}

/// Reference to the top of the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestRef {
    /// The object's name.
    pub manifest: String,
    /// SHA-256 of its content.
    pub sha256: Sha,
}

/// The JSON of the field `root`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    format: u32,
    namespace: String,
    #[serde(serialize_with = "show", deserialize_with = "parse")]
    incarnation: Incarnation,
    version: u64,
    swap: u64,
    sweep: u64,
    writers: BTreeMap<String, Writer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    declared: Option<DeclaredMark>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    manifest: Option<ManifestRef>,
    segments: Vec<SegmentRef>,
}

#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

fn show<S: Serializer>(incarnation: &Incarnation, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(incarnation)
}

fn parse<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Incarnation, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

impl Root {
    /// The first root of new data: version 0, nothing in it.
    #[must_use]
    pub fn empty(namespace: Namespace, incarnation: Incarnation) -> Self {
        Self {
            namespace,
            incarnation,
            version: 0,
            swap: 0,
            sweep: 0,
            writers: BTreeMap::new(),
            declared: None,
            manifest: None,
            segments: Vec::new(),
            records: Vec::new(),
        }
    }

    /// The state it stands for.
    #[must_use]
    pub fn state(&self) -> Version {
        Version::new(self.incarnation, self.version)
    }

    /// The version of the first inline record (one past `version` if there is none).
    #[must_use]
    pub fn first_inline(&self) -> u64 {
        self.version + 1 - self.records.len() as u64
    }

    /// The inline records with their versions.
    pub fn versioned(&self) -> impl Iterator<Item = Versioned> + '_ {
        (self.first_inline()..)
            .zip(&self.records)
            .map(|(version, record)| Versioned { version, record: record.clone() })
    }

    /// Forgets writers that have not committed since `before`.
    pub fn forget_writers(&mut self, before: UnixMillis) {
        self.writers.retain(|_, writer| writer.at >= before.0);
    }

    /// The object's content.
    #[must_use]
    pub fn encode(&self) -> Content {
        self.encode_with(encode_lines(&self.records))
    }

    /// The object's content, where the lines of its records are known already.
    pub(crate) fn encode_with(&self, records: String) -> Content {
        let Self {
            namespace,
            incarnation,
            version,
            swap,
            sweep,
            writers,
            declared,
            manifest,
            segments,
            records: _,
        } = self;
        let wire = Wire {
            format: FORMAT,
            namespace: namespace.to_string(),
            incarnation: *incarnation,
            version: *version,
            swap: *swap,
            sweep: *sweep,
            writers: writers.clone(),
            declared: declared.clone(),
            manifest: manifest.clone(),
            segments: segments.clone(),
        };
        // Strings and numbers: serialising cannot fail; an empty field would fail its digest at once.
        let root = serde_json::to_string_pretty(&wire).unwrap_or_default();
        let digest = digest(&root, &records);
        let beside = bounds::write(segments, digest).map(|text| (bounds::FIELD_BOUNDS, text));
        let text = [(FIELD_ROOT, root), (FIELD_RECORDS, records), (FIELD_DIGEST, digest.to_string())];
        Content {
            text: text.into_iter().chain(beside).map(|(field, text)| (field.to_owned(), text)).collect(),
            bytes: BTreeMap::new(),
        }
    }

    /// The version that a root's content states, be the rest of it damaged. To be believed of nothing but that something was
    /// there.
    #[must_use]
    pub fn stated(content: &Content) -> Option<Version> {
        let wire: Wire = serde_json::from_str(content.text.get(FIELD_ROOT)?).ok()?;
        Some(Version::new(wire.incarnation, wire.version))
    }

    /// The digest that a root's content states: the right one, where the content was just encoded or has been decoded.
    pub(super) fn stated_digest(content: &Content) -> Option<Sha> {
        let stated = content.text.get(FIELD_DIGEST)?.as_str();
        let parsed: Result<Sha, de::value::Error> = Sha::deserialize(stated.into_deserializer());
        parsed.ok()
    }

    /// Reads an object's content, and believes it only if digest, format and sequence are right.
    ///
    /// # Errors
    /// What is wrong with it; the caller makes that `RootDamaged`.
    pub fn decode(content: &Content) -> Result<Self, FormatError> {
        let field = |name| content.text.get(name).ok_or(FormatError::FieldMissing(name));
        let root = field(FIELD_ROOT)?;
        // Before all else: another format may have other fields, and another digest.
        if let Ok(FormatOnly { format }) = serde_json::from_str(root)
            && format != FORMAT
        {
            return Err(FormatError::Unknown(format));
        }
        let (lines, stated) = (field(FIELD_RECORDS)?, field(FIELD_DIGEST)?);
        let digest = digest(root, lines);
        if digest.to_string() != *stated {
            return Err(FormatError::Digest);
        }
        let broken =
            |error: serde_json::Error| FormatError::Line { line: error.line(), message: error.to_string() };
        let wire: Wire = serde_json::from_str(root).map_err(broken)?;
        let Wire {
            format: _,
            namespace,
            incarnation,
            version,
            swap,
            sweep,
            writers,
            declared,
            manifest,
            mut segments,
        } = wire;
        let mut known = bounds::read(content.text.get(bounds::FIELD_BOUNDS), digest);
        segments.iter_mut().for_each(|segment| segment.keys = known.remove(&segment.first));
        let namespace = namespace
            .parse()
            .map_err(|error: nearkv::Error| FormatError::Line { line: 1, message: error.to_string() })?;
        let records: Vec<Record> = decode_lines(lines, Some(1))?.into_iter().map(|v| v.record).collect();
        Ok(Self {
            namespace,
            incarnation,
            version,
            swap,
            sweep,
            writers,
            declared,
            manifest,
            segments,
            records,
        })
    }
}

fn digest(root: &str, records: &str) -> Sha {
    Sha::of(format!("{root}\n{records}").as_bytes())
}

#[cfg(test)]
mod tests;
