//! What a write sends: a ConfigMap in Kubernetes' protobuf encoding. An API server reads a JSON body twice and
//! unescapes every quote of its lines, which was a quarter of the processor time that a full segment cost it. Pure.

use k8s_pb::{
    api::core::v1::ConfigMap,
    apimachinery::pkg::{
        apis::meta::v1::{ObjectMeta, OwnerReference},
        runtime::{TypeMeta, Unknown},
    },
};
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len},
};

use super::convert::{OWNER_API_VERSION, OWNER_KIND};
use nearkv_origin::store::{Content, Draft, Owner, Token};

/// The media type of the encoding.
pub(super) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";
/// What every message starts with (Kubernetes API concepts, "Protobuf encoding idiosyncrasies").
pub(super) const MAGIC: &[u8; 4] = b"k8s\0";

/// Field numbers of Kubernetes' `runtime.Unknown` and `core/v1.ConfigMap`, and of every map's entries.
const UNKNOWN_RAW: u32 = 2;
const CONFIG_MAP_DATA: u32 = 2;
const CONFIG_MAP_BINARY_DATA: u32 = 3;
const ENTRY_KEY: u32 = 1;
const ENTRY_VALUE: u32 = 2;

/// The body that creates a draft's ConfigMap, or replaces the one that has this version now. The content, up to
/// 256 KiB, is copied once, from the draft into the body: as messages of prost it would be there four times over.
pub(super) fn body(draft: &Draft, replaced: Option<&Token>) -> Vec<u8> {
    let kind = TypeMeta { api_version: Some("v1".to_owned()), kind: Some("ConfigMap".to_owned()) };
    let envelope = Unknown { type_meta: Some(kind), ..Unknown::default() };
    let map = without_content(draft, replaced);
    let Content { text, bytes } = &draft.content;
    let texts = text.iter().map(|(key, value)| (CONFIG_MAP_DATA, key.as_bytes(), value.as_bytes()));
    let bytes = bytes.iter().map(|(key, value)| (CONFIG_MAP_BINARY_DATA, key.as_bytes(), value.as_ref()));
    let entries: Vec<_> = texts.chain(bytes).collect();
    let content: usize = entries
        .iter()
        .map(|(field, key, value)| {
            field_len(*field, field_len(ENTRY_KEY, key.len()) + field_len(ENTRY_VALUE, value.len()))
        })
        .sum();
    let raw = map.encoded_len() + content;
    let mut body = Vec::with_capacity(MAGIC.len() + envelope.encoded_len() + field_len(UNKNOWN_RAW, raw));
    body.extend_from_slice(MAGIC);
    envelope.encode_raw(&mut body);
    start_field(UNKNOWN_RAW, raw, &mut body);
    map.encode_raw(&mut body);
    for (field, key, value) in entries {
        start_field(field, field_len(ENTRY_KEY, key.len()) + field_len(ENTRY_VALUE, value.len()), &mut body);
        for (field, bytes) in [(ENTRY_KEY, key), (ENTRY_VALUE, value)] {
            start_field(field, bytes.len(), &mut body);
            body.extend_from_slice(bytes);
        }
    }
    body
}

/// What a field of `length` bytes takes with its number and length.
fn field_len(field: u32, length: usize) -> usize {
    key_len(field) + encoded_len_varint(length as u64) + length
}

fn start_field(field: u32, length: usize, body: &mut Vec<u8>) {
    encode_key(field, WireType::LengthDelimited, body);
    encode_varint(length as u64, body);
}

fn without_content(draft: &Draft, replaced: Option<&Token>) -> ConfigMap {
    let Draft { name, labels, owner, content: _, immutable } = draft;
    ConfigMap {
        metadata: Some(ObjectMeta {
            name: Some(name.name.to_string()),
            namespace: Some(name.folder.to_string()),
            labels: labels.clone(),
            owner_references: owner.iter().map(reference).collect(),
            resource_version: replaced.map(|token| token.0.to_string()),
            ..ObjectMeta::default()
        }),
        immutable: immutable.then_some(true),
        ..ConfigMap::default()
    }
}

/// It does not keep the KvNamespace from being deleted: the data go after it, not before.
fn reference(Owner { name, id }: &Owner) -> OwnerReference {
    OwnerReference {
        api_version: Some(OWNER_API_VERSION.to_owned()),
        kind: Some(OWNER_KIND.to_owned()),
        name: Some(name.clone()),
        uid: Some(id.clone()),
        controller: Some(false),
        block_owner_deletion: Some(false),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use nearkv_origin::store::ObjectName;

    fn draft(text: &str, bytes: Bytes) -> Draft {
        Draft {
            name: ObjectName::new("team-a", "settings.kv"),
            labels: [("nearkv.dev/part".to_owned(), "root".to_owned())].into(),
            owner: Some(Owner { name: "settings".to_owned(), id: "uid-1".to_owned() }),
            content: Content {
                text: [("root".to_owned(), text.to_owned())].into(),
                bytes: [("0".to_owned(), bytes)].into(),
            },
            immutable: true,
        }
    }

    #[test]
    fn a_body_says_all_that_the_draft_does() {
        let draft = draft("{}", Bytes::from_static(&[0, 255]));
        let body = body(&draft, Some(&Token("7".into())));
        let envelope = Unknown::decode(body.strip_prefix(MAGIC).unwrap()).unwrap();
        let kind = envelope.type_meta.unwrap();
        assert_eq!((kind.api_version.as_deref(), kind.kind.as_deref()), (Some("v1"), Some("ConfigMap")));
        let map = ConfigMap::decode(&*envelope.raw.unwrap()).unwrap();
        assert_eq!((map.data, map.immutable), (draft.content.text, Some(true)));
        assert_eq!(map.binary_data["0"], [0, 255]);
        let metadata = map.metadata.unwrap();
        assert_eq!(metadata.name.as_deref(), Some("settings.kv"));
        assert_eq!(metadata.namespace.as_deref(), Some("team-a"));
        assert_eq!(metadata.resource_version.as_deref(), Some("7"));
        assert_eq!(metadata.labels, draft.labels);
        let [owner] = &metadata.owner_references[..] else { panic!("one owner") };
        assert_eq!((owner.kind.as_deref(), owner.uid.as_deref()), (Some("KvNamespace"), Some("uid-1")));
    }

    #[test]
    fn a_body_is_what_the_messages_of_prost_encode_to_and_never_grows_while_it_is_made() {
        // Each length at which one more byte is needed to write it. prost leaves an empty value out, which says the same.
        for length in [1, 127, 128, 16_383, 16_384, 262_144] {
            let draft = draft(&"t".repeat(length), Bytes::from(vec![7; length]));
            let body = body(&draft, None);
            assert_eq!(body.len(), body.capacity(), "{length}");
            let envelope = Unknown::decode(body.strip_prefix(MAGIC).unwrap()).unwrap();
            let raw = envelope.raw.as_deref().unwrap();
            let map = ConfigMap::decode(raw).unwrap();
            assert_eq!(map.encoded_len(), raw.len(), "{length}");
            assert_eq!(envelope.encoded_len(), body.len() - MAGIC.len(), "{length}");
            assert_eq!(map.data, draft.content.text, "{length}");
            assert_eq!(map.binary_data["0"].len(), length);
        }
    }
}
