//! An object as the manifest of a ConfigMap: what a file of the directory holds, and what `kubectl apply`
//! takes. Pure: text in, text out.
//!
//! What only an API server may set is left out (`resourceVersion`, `uid`) or stands in an annotation. The
//! owner does too: its identity is not the one that the KvNamespace would have in a cluster.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use nearkv::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_saphyr::{LitStr, Options, SerializerOptions, options, ser_options};

use crate::store::{Content, Draft, ObjectId, ObjectName, Owner};

const API_VERSION: &str = "v1";
const KIND: &str = "ConfigMap";
/// Annotation: [`ObjectId`].
const ID: &str = "nearkv.dev/id";
/// Annotation: when the object was created, RFC 3339.
const CREATED: &str = "nearkv.dev/created";
/// Annotation: the owner's name.
const OWNER_NAME: &str = "nearkv.dev/owner-name";
/// Annotation: the owner's identity.
const OWNER_ID: &str = "nearkv.dev/owner-id";

/// What a file says. `id` and `created` are absent where a person has written it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) draft: Draft,
    pub(super) id: Option<ObjectId>,
    pub(super) created: Option<UnixMillis>,
}

/// Why a file's text is no manifest.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    /// Counted from 1, where the fault has a place.
    pub(super) line: Option<u64>,
    pub(super) message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: WrittenMetadata<'a>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    data: BTreeMap<&'a str, Text<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    binary_data: BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    immutable: bool,
}

#[derive(Serialize)]
struct WrittenMetadata<'a> {
    name: &'a str,
    namespace: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<String, String>,
    annotations: BTreeMap<&'static str, String>,
}

/// A text of one line, or of several in a block, so that records read as they are.
#[derive(Serialize)]
#[serde(untagged)]
enum Text<'a> {
    Line(&'a str),
    Block(LitStr<'a>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Read {
    api_version: String,
    kind: String,
    metadata: ReadMetadata,
    #[serde(default)]
    data: BTreeMap<String, String>,
    #[serde(default)]
    binary_data: BTreeMap<String, String>,
    #[serde(default)]
    immutable: bool,
}

/// Other fields (`creationTimestamp`, `managedFields`, …) are allowed, since a file may come from kubectl.
#[derive(Deserialize)]
struct ReadMetadata {
    name: String,
    namespace: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// The file's text.
    pub(super) fn to_yaml(&self) -> Result<String, String> {
        let Self { draft: Draft { name, labels, owner, content, immutable }, id, created } = self;
        let mut annotations = BTreeMap::new();
        if let Some(id) = id {
            annotations.insert(ID, id.0.to_string());
        }
        if let Some(created) = created {
            let moment = i64::try_from(created.0).unwrap_or(i64::MAX);
            let moment = Timestamp::from_millisecond(moment).map_err(|error| error.to_string())?;
            annotations.insert(CREATED, moment.to_string());
        }
        if let Some(Owner { name, id }) = owner {
            annotations.insert(OWNER_NAME, name.clone());
            annotations.insert(OWNER_ID, id.clone());
        }
        let text =
            |text| if str::contains(text, '\n') { Text::Block(LitStr(text)) } else { Text::Line(text) };
        let written = Written {
            api_version: API_VERSION,
            kind: KIND,
            metadata: WrittenMetadata { name: &name.name, namespace: &name.folder, labels, annotations },
            data: content.text.iter().map(|(key, value)| (key.as_str(), text(value))).collect(),
            binary_data: content
                .bytes
                .iter()
                .map(|(key, value)| (key.as_str(), STANDARD.encode(value)))
                .collect(),
            immutable: *immutable,
        };
        serde_saphyr::to_string_with_options(&written, written_so()).map_err(|error| error.to_string())
    }

    /// Reads a file's text.
    pub(super) fn from_yaml(text: &str) -> Result<Self, Malformed> {
        let read: Read = serde_saphyr::from_str_with_options(text, read_so()).map_err(|error| Malformed {
            line: error.location().map(|location| location.line()),
            message: error.to_string(),
        })?;
        let at = |field: &str, message: String| Malformed { line: line_of(text, field), message };
        let Read { api_version, kind, metadata, data, binary_data, immutable } = read;
        if (api_version.as_str(), kind.as_str()) != (API_VERSION, KIND) {
            return Err(at("kind", format!("{api_version} {kind} is not {API_VERSION} {KIND}")));
        }
        let mut bytes = BTreeMap::new();
        for (key, base64) in binary_data {
            // A person, or kubectl, may have broken the line.
            let joined: String = base64.split_ascii_whitespace().collect();
            let value = STANDARD.decode(joined).map_err(|error| at(&key, error.to_string()))?;
            bytes.insert(key, value.into());
        }
        let ReadMetadata { name, namespace, labels, mut annotations } = metadata;
        let created = annotations
            .get(CREATED)
            .map(|text| text.parse::<Timestamp>())
            .transpose()
            .map_err(|error| at(CREATED, error.to_string()))?
            .map(|moment| UnixMillis(u64::try_from(moment.as_millisecond()).unwrap_or_default()));
        let owner = match (annotations.remove(OWNER_NAME), annotations.remove(OWNER_ID)) {
            (Some(name), Some(id)) => Some(Owner { name, id }),
            (None, None) => None,
            _ => return Err(at("nearkv.dev/owner-", format!("{OWNER_NAME} and {OWNER_ID} go together"))),
        };
        Ok(Self {
            draft: Draft {
                name: ObjectName::new(&namespace, &name),
                labels,
                owner,
                content: Content { text: data, bytes },
                immutable,
            },
            id: annotations.remove(ID).map(|id| ObjectId(id.into())),
            created,
        })
    }
}

/// Blocks only where [`Text`] asks for them: folded lines would read back, and read badly.
fn written_so() -> SerializerOptions {
    ser_options! { prefer_block_scalars: false }
}

/// Files hold up to 1 MiB of content and a few dozen nodes: the parser's own bounds are far above that. The
/// excerpt that it would show is left out, since a message is one line of a log.
fn read_so() -> Options {
    options! { with_snippet: false }
}

/// The last line on which a field of this name begins: values stand below the metadata.
fn line_of(text: &str, field: &str) -> Option<u64> {
    let is_there = |line: &str| line.trim_start().trim_start_matches('"').starts_with(field);
    let above = text.lines().collect::<Vec<_>>().iter().rposition(|line| is_there(line))?;
    u64::try_from(above + 1).ok()
}

#[cfg(test)]
mod tests {
    use nearkv::Random;

    use super::*;

    fn manifest() -> Manifest {
        let records = "{\"put\":\"title\",\"value\":\"My Awesome Blog\"}\n{\"delete\":\"old\"}\n";
        Manifest {
            draft: Draft {
                name: ObjectName::new("team-a", "settings.kv"),
                labels: [("nearkv.dev/part".to_owned(), "root".to_owned())].into(),
                owner: Some(Owner { name: "settings".to_owned(), id: "0b".to_owned() }),
                content: Content {
                    text: [
                        ("records".to_owned(), records.to_owned()),
                        ("digest".to_owned(), "00ff".to_owned()),
                    ]
                    .into(),
                    bytes: [("0".to_owned(), vec![0, 255].into())].into(),
                },
                immutable: true,
            },
            id: Some(ObjectId("7f".into())),
            created: Some(UnixMillis(1_800_000_000_123)),
        }
    }

    const YAML: &str = r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: settings.kv
  namespace: team-a
  labels:
    nearkv.dev/part: root
  annotations:
    nearkv.dev/created: "2027-01-15T08:00:00.123Z"
    nearkv.dev/id: 7f
    nearkv.dev/owner-id: 0b
    nearkv.dev/owner-name: settings
data:
  digest: 00ff
  records: |
    {"put":"title","value":"My Awesome Blog"}
    {"delete":"old"}
binaryData:
  "0": AP8=
immutable: true
"#;

    #[test]
    fn a_manifest_is_a_config_map_that_a_person_can_read() {
        assert_eq!(manifest().to_yaml().unwrap(), YAML);
        assert_eq!(Manifest::from_yaml(YAML).unwrap(), manifest());
    }

    #[test]
    fn any_text_reads_back_as_it_was_written() {
        const PIECES: &[&str] = &[
            "a", " ", "  ", "\n", "\n\n", "\t", "\r", ":", ": ", "#", " #", "- ", "---\n", "...", "\"", "'",
            "\\", "{", "}", "[", "]", "&a", "*a", "!", "|", ">", "%", "@", "`", "?", ",", "0", "1e3", "0x1",
            "null", "~", "true", "yes", "é", "🤓", "\0", "\u{7f}", "\u{85}", "\u{2028}", "\u{feff}",
            "\u{fffe}", "=", "<<",
        ];
        let random = Random::seeded(1);
        for _ in 0..5000 {
            let pieces = (0..random.below(8)).map(|_| PIECES[random.below(PIECES.len() as u64) as usize]);
            let text: String = pieces.collect();
            let mut wanted = manifest();
            wanted.draft.content.text.insert("any".to_owned(), text);
            let yaml = wanted.to_yaml().unwrap();
            assert_eq!(Manifest::from_yaml(&yaml).as_ref(), Ok(&wanted), "{yaml}");
        }
    }

    #[test]
    fn a_damaged_manifest_is_refused_with_its_line() {
        for (from, to, line) in [
            ("kind: ConfigMap", "kind: Secret", 2),
            ("  namespace: team-a", "  namespace: [", 5),
            ("  records: |", "  records: |\n  x", 16),
            ("AP8=", "AP8", 19),
            ("immutable: true", "immutable: perhaps", 20),
            ("2027-01-15T08", "yesterday", 9),
            ("    nearkv.dev/owner-id: 0b\n", "", 11),
            ("\ndata:", "\ndate:", 13),
        ] {
            let error = Manifest::from_yaml(&YAML.replacen(from, to, 1)).unwrap_err();
            let near = error.line.is_some_and(|at| at.abs_diff(line) <= 1);
            assert!(near && !error.message.contains('\n'), "{to}: {error:?}");
        }
    }
}
