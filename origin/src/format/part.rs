//! The immutable parts as objects: how a name, labels and an owner are put on content, and which field holds
//! the lines. Every object that the origin creates besides the root is drafted here.

use std::collections::BTreeMap;

use bytes::Bytes;
use nearkv::Namespace;

use crate::{
    format::{
        BoundsByFirst, FormatError, LABEL_NAMESPACE, LABEL_PART, ManifestObject, Part, Sha, bounds,
        part_name, root_name,
    },
    store::{Content, Draft, ObjectName, Owner},
};

/// Label: the content's size in bytes, so that a metadata-only list is enough to count a budget.
pub const LABEL_BYTES: &str = "nearkv.dev/bytes";

/// Field of a segment: its records, a JSON line each.
const FIELD_RECORDS: &str = "records";
/// Field of a page: its entries, a JSON line each.
const FIELD_ENTRIES: &str = "entries";
/// Field of a manifest: references, a JSON line each.
const FIELD_REFERENCES: &str = "references";
/// Field of a chunk: its bytes.
const FIELD_CHUNK: &str = "chunk";

/// Drafts the objects of one KvNamespace under one ownership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drafter {
    /// Whose parts they are.
    pub namespace: Namespace,
    /// The KvNamespace's life that they go with; `None` under the policy `Retain`.
    pub owner: Option<Owner>,
}

impl Drafter {
    /// The root with this content. The only object that may change.
    #[must_use]
    pub fn root(&self, content: Content) -> Draft {
        self.draft(Part::Root, root_name(&self.namespace), content, false)
    }

    /// A segment, page or manifest of these lines.
    #[must_use]
    pub fn lines(&self, part: Part, nonce: &str, lines: String) -> Draft {
        let text = [(lines_field(part).to_owned(), lines)].into();
        let content = Content { text, bytes: BTreeMap::new() };
        self.draft(part, part_name(&self.namespace, part, nonce), content, true)
    }

    /// An object of a manifest, with what is known of its segments beside it.
    #[must_use]
    pub fn manifest(&self, object: ManifestObject) -> Draft {
        let ManifestObject { nonce, lines, segments } = object;
        let beside = bounds::write(&segments, Sha::of(lines.as_bytes()));
        let mut draft = self.lines(Part::Manifest, &nonce, lines);
        draft.content.text.extend(beside.map(|text| (bounds::FIELD_BOUNDS.to_owned(), text)));
        draft.labels.insert(LABEL_BYTES.to_owned(), draft.content.size().to_string());
        draft
    }

    /// The chunk `index` of a value.
    #[must_use]
    pub fn chunk(&self, nonce: &str, index: u32, bytes: Bytes) -> Draft {
        let bytes = [(FIELD_CHUNK.to_owned(), bytes)].into();
        let content = Content { text: BTreeMap::new(), bytes };
        self.draft(Part::Value, chunk_name(&self.namespace, nonce, index), content, true)
    }

    fn draft(&self, part: Part, name: ObjectName, content: Content, immutable: bool) -> Draft {
        let labels = [
            (LABEL_NAMESPACE.to_owned(), self.namespace.name().to_owned()),
            (LABEL_PART.to_owned(), part.as_str().to_owned()),
            (LABEL_BYTES.to_owned(), content.size().to_string()),
        ];
        Draft { name, labels: labels.into(), owner: self.owner.clone(), content, immutable }
    }
}

/// The name of the chunk `index` of the value with this nonce.
#[must_use]
pub fn chunk_name(namespace: &Namespace, nonce: &str, index: u32) -> ObjectName {
    part_name(namespace, Part::Value, &format!("{nonce}.{index}"))
}

/// The lines of a segment, page or manifest, if they are the ones that its reference names.
///
/// # Errors
/// [`FormatError::FieldMissing`] and [`FormatError::Digest`].
pub fn checked_lines(part: Part, content: &Content, sha256: Sha) -> Result<&str, FormatError> {
    let field = lines_field(part);
    let lines = content.text.get(field).ok_or(FormatError::FieldMissing(field))?;
    if Sha::of(lines.as_bytes()) == sha256 { Ok(lines) } else { Err(FormatError::Digest) }
}

/// What an object of a manifest, whose lines have this digest, says of the keys of its segments.
#[must_use]
pub fn bounds_beside(content: &Content, sha256: Sha) -> BoundsByFirst {
    bounds::read(content.text.get(bounds::FIELD_BOUNDS), sha256)
}

/// The bytes of a chunk.
///
/// # Errors
/// [`FormatError::FieldMissing`].
pub fn chunk_bytes(content: &Content) -> Result<&Bytes, FormatError> {
    content.bytes.get(FIELD_CHUNK).ok_or(FormatError::FieldMissing(FIELD_CHUNK))
}

fn lines_field(part: Part) -> &'static str {
    match part {
        Part::Page => FIELD_ENTRIES,
        Part::Manifest => FIELD_REFERENCES,
        Part::Log | Part::Root => FIELD_RECORDS,
        Part::Value => FIELD_CHUNK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edited_part_is_not_believed() {
        let drafter = Drafter { namespace: "a/b".parse().unwrap(), owner: None };
        let mut draft = drafter.lines(Part::Log, "9f", "{\"delete\":\"x\"}\n".into());
        assert_eq!(draft.name.to_string(), "a/b.kv.log.9f");
        assert_eq!(draft.labels[LABEL_BYTES], "22");
        let sha256 = Sha::of(b"{\"delete\":\"x\"}\n");
        assert!(checked_lines(Part::Log, &draft.content, sha256).is_ok());
        assert_eq!(
            checked_lines(Part::Page, &draft.content, sha256),
            Err(FormatError::FieldMissing(FIELD_ENTRIES))
        );
        draft.content.text.insert(FIELD_RECORDS.into(), "{\"delete\":\"y\"}\n".into());
        assert_eq!(checked_lines(Part::Log, &draft.content, sha256), Err(FormatError::Digest));
    }
}
