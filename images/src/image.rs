//! An OCI image layout (image-spec 1.1) around one layer, as one archive: configuration, manifest, index, blobs. Pure.
//!
//! The documents are written from types of this file, with maps in the order of their keys: the digest is of their
//! bytes, and a library's hash maps would give another one each time.

use std::{collections::BTreeMap, io};

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType};

use crate::{
    catalog::{Image, USER},
    layer::{Layer, append},
};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIGURATION: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// What is said of an image besides what the catalog says.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Registry, path and name.
    pub(crate) name: String,
    /// The tag.
    pub(crate) tag: String,
    /// The version of the software.
    pub(crate) version: String,
    /// The commit, where it is said.
    pub(crate) revision: Option<String>,
    /// `amd64` or `arm64`.
    pub(crate) architecture: &'static str,
}

/// A packed image.
#[derive(Debug)]
pub(crate) struct Packed {
    /// The archive.
    pub(crate) bytes: Vec<u8>,
    /// Of the manifest: what the image is pinned by.
    pub(crate) digest: String,
}

type Texts = BTreeMap<String, String>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: &'static str,
    digest: String,
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<Platform>,
    #[serde(skip_serializing_if = "Texts::is_empty")]
    annotations: Texts,
}

#[derive(Serialize)]
struct Platform {
    architecture: &'static str,
    os: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u8,
    media_type: &'static str,
    config: Descriptor,
    layers: Vec<Descriptor>,
    annotations: Texts,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u8,
    media_type: &'static str,
    manifests: Vec<Descriptor>,
}

#[derive(Serialize)]
struct Configuration {
    architecture: &'static str,
    os: &'static str,
    config: Process,
    rootfs: RootFs,
    history: Vec<History>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Process {
    user: &'static str,
    exposed_ports: BTreeMap<String, Nothing>,
    entrypoint: Vec<String>,
    working_dir: &'static str,
    labels: Texts,
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct RootFs {
    #[serde(rename = "type")]
    kind: &'static str,
    diff_ids: Vec<String>,
}

#[derive(Serialize)]
struct History {
    created_by: &'static str,
}

/// Packs `layer` as `image`.
pub(crate) fn archive(image: &Image, facts: &Facts, layer: Layer) -> io::Result<Packed> {
    let labels = labels(image, facts);
    let configuration = serde_json::to_vec(&Configuration {
        architecture: facts.architecture,
        os: "linux",
        config: Process {
            user: USER,
            exposed_ports: image.ports.iter().map(|port| (format!("{port}/tcp"), Nothing {})).collect(),
            entrypoint: vec![format!("/{}", image.binary)],
            working_dir: "/",
            labels: labels.clone(),
        },
        rootfs: RootFs { kind: "layers", diff_ids: vec![digest(&layer.tar)] },
        history: vec![History { created_by: "nearkv-images" }],
    })?;
    let manifest = serde_json::to_vec(&Manifest {
        schema_version: 2,
        media_type: MANIFEST,
        config: descriptor(CONFIGURATION, &configuration),
        layers: vec![descriptor(LAYER, &layer.compressed)],
        annotations: labels,
    })?;
    let names = [
        ("org.opencontainers.image.ref.name", facts.tag.clone()),
        // By this one containerd and Docker name what they import.
        ("io.containerd.image.name", format!("{}:{}", facts.name, facts.tag)),
    ];
    let index = serde_json::to_vec(&Index {
        schema_version: 2,
        media_type: INDEX,
        manifests: vec![Descriptor {
            platform: Some(Platform { architecture: facts.architecture, os: "linux" }),
            annotations: names.map(|(name, value)| (name.to_owned(), value)).into(),
            ..descriptor(MANIFEST, &manifest)
        }],
    })?;
    let mut tar = Builder::new(Vec::new());
    let mut file = |path: &str, content: &[u8]| append(&mut tar, path, EntryType::Regular, 0o644, content);
    file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    file("index.json", &index)?;
    for blob in [&manifest, &configuration, &layer.compressed] {
        file(&format!("blobs/{}", digest(blob).replace(':', "/")), blob)?;
    }
    Ok(Packed { bytes: tar.into_inner()?, digest: digest(&manifest) })
}

/// The labels that image-spec names; they are the manifest's annotations too.
fn labels(image: &Image, facts: &Facts) -> Texts {
    let labels = [
        ("title", Some(image.title)),
        ("description", Some(image.description)),
        ("version", Some(&*facts.version)),
        ("revision", facts.revision.as_deref()),
        ("licenses", Some("Apache-2.0")),
        ("url", Some("https://nearkv.dev")),
    ];
    let labels = labels.into_iter().filter_map(|(name, value)| Some((name, value?)));
    labels.map(|(name, value)| (format!("org.opencontainers.image.{name}"), value.to_owned())).collect()
}

fn descriptor(media_type: &'static str, content: &[u8]) -> Descriptor {
    let (digest, size) = (digest(content), content.len());
    Descriptor { media_type, digest, size, platform: None, annotations: Texts::new() }
}

/// `sha256:…`.
pub(crate) fn digest(content: &[u8]) -> String {
    let hex: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use serde_json::Value;

    use super::*;
    use crate::{
        catalog::IMAGES,
        layer::{Entry, layer},
    };

    fn packed(program: &[u8]) -> Packed {
        let facts = Facts {
            name: "localhost/nearkv-operator".to_owned(),
            tag: "1".to_owned(),
            version: "1.2.3".to_owned(),
            revision: None,
            architecture: "amd64",
        };
        let entries = [Entry::program("nearkv-operator", program.to_vec())];
        archive(&IMAGES[0], &facts, layer(&entries, flate2::Compression::fast()).unwrap()).unwrap()
    }

    fn files(archive: &Packed) -> BTreeMap<String, Vec<u8>> {
        let mut read = tar::Archive::new(&archive.bytes[..]);
        read.entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                (entry.path().unwrap().display().to_string(), content)
            })
            .collect()
    }

    #[test]
    fn the_same_input_is_the_same_archive_and_another_program_another_digest() {
        let (one, two) = (packed(b"program"), packed(b"program"));
        assert_eq!((&one.bytes, &one.digest), (&two.bytes, &two.digest));
        assert_ne!(one.digest, packed(b"another").digest);
    }

    #[test]
    fn every_reference_of_the_layout_leads_to_a_blob_with_that_digest_and_size() {
        let image = packed(b"program");
        let files = files(&image);
        let blob = |descriptor: &Value| {
            let name = descriptor["digest"].as_str().unwrap();
            let blob = &files[&format!("blobs/{}", name.replace(':', "/"))];
            assert_eq!(
                (digest(blob), Some(blob.len() as u64)),
                (name.to_owned(), descriptor["size"].as_u64())
            );
            blob.clone()
        };
        let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
        assert_eq!(index["manifests"][0]["digest"], *image.digest);
        let manifest: Value = serde_json::from_slice(&blob(&index["manifests"][0])).unwrap();
        let configuration: Value = serde_json::from_slice(&blob(&manifest["config"])).unwrap();
        let mut tar = Vec::new();
        let compressed = blob(&manifest["layers"][0]);
        flate2::read::GzDecoder::new(&compressed[..]).read_to_end(&mut tar).unwrap();
        assert_eq!(configuration["rootfs"]["diff_ids"][0], *digest(&tar));
    }

    #[test]
    fn an_image_runs_its_program_as_nobody_and_says_what_it_is() {
        let files = files(&packed(b"program"));
        let configuration = files.values().find_map(|content| {
            serde_json::from_slice::<Value>(content).ok().filter(|value| value.get("rootfs").is_some())
        });
        let process = &configuration.unwrap()["config"];
        assert_eq!(process["User"], "65532:65532");
        assert_eq!(process["Entrypoint"], serde_json::json!(["/nearkv-operator"]));
        assert_eq!(process["Labels"]["org.opencontainers.image.version"], "1.2.3");
    }
}
