//! Packs nearkv's binaries into OCI images: compiles them to static ones and puts each, FROM scratch, into an OCI archive
//! `NAME.tar`, with its bill of materials `NAME.cdx.json` beside it. No container engine, no registry, no root.
//!
//! [`Args`] → `compile` → for each of `catalog`: `sbom` → `layer` → `image` → files

mod catalog;
mod compile;
mod image;
mod layer;
mod sbom;

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
};

use clap::Parser;
use flate2::Compression;

use catalog::{IMAGES, Image};
use image::{Facts, archive};
use layer::{Entry, layer};
use sbom::Materials;

/// Compiles nearkv's binaries to static ones and packs each into an OCI archive.
#[derive(Debug, Parser)]
#[command(name = "nearkv-images", version, about)]
pub struct Args {
    /// Where the archives go. Default: `images` in cargo's target folder.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// A folder with static binaries that are there already. Default: they are compiled.
    #[arg(long, value_name = "FOLDER")]
    binaries: Option<PathBuf>,
    /// The cargo profile that they are compiled with.
    #[arg(long, value_name = "NAME", default_value = "dist", conflicts_with = "binaries")]
    profile: String,
    /// What the images' names begin with: a registry and a path in it.
    #[arg(long, value_name = "PREFIX", default_value = "localhost")]
    registry: String,
    /// The images' tag. Default: the version of the workspace.
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// The commit that the images are of; stands in a label. Default: none, so that the digest depends on the content
    /// alone.
    #[arg(long, value_name = "COMMIT")]
    revision: Option<String>,
}

/// Does what `args` say.
///
/// # Errors
/// What could not be compiled, read, packed or written, and why.
pub fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let materials = Materials::of_workspace()?;
    let out = args.out.unwrap_or_else(|| materials.target().join("images"));
    let binaries = match args.binaries {
        Some(folder) => folder,
        None => compile::compile(&materials, &args.profile)?,
    };
    fs::create_dir_all(&out).map_err(|error| format!("failed to create {}: {error}", out.display()))?;
    for image in &IMAGES {
        let binary = read(&binaries.join(image.binary))?;
        let sbom = materials.of(image.binary, &binary)?;
        let facts = Facts {
            name: format!("{}/{}", args.registry, image.binary),
            tag: args.tag.clone().unwrap_or_else(|| materials.version()),
            version: materials.version(),
            revision: args.revision.clone(),
            architecture: layer::architecture(&binary)?,
        };
        let layer = layer(&entries(image, &materials, binary, &sbom)?, Compression::default())?;
        let packed = archive(image, &facts, layer)?;
        write(&out.join(format!("{}.tar", image.binary)), &packed.bytes)?;
        write(&out.join(format!("{}.cdx.json", image.binary)), &sbom)?;
        write(&out.join(format!("{}.digest", image.binary)), packed.digest.as_bytes())?;
        println!("{}:{} {} {} bytes", facts.name, facts.tag, packed.digest, packed.bytes.len());
    }
    Ok(())
}

/// An image of one static program and nothing else, as an OCI archive: for tests, which need more images than nearkv's.
///
/// # Errors
/// A program that is not static, or for another processor.
pub fn of_program(name: &'static str, binary: Vec<u8>, registry: &str, tag: &str) -> io::Result<Vec<u8>> {
    let image = Image { binary: name, title: name, description: name, ports: &[] };
    let facts = Facts {
        name: format!("{registry}/{name}"),
        tag: tag.to_owned(),
        version: tag.to_owned(),
        revision: None,
        architecture: layer::architecture(&binary).map_err(io::Error::other)?,
    };
    let layer = layer(&[Entry::program(name, binary)], Compression::fast())?;
    Ok(archive(&image, &facts, layer)?.bytes)
}

/// What is in an image: the program, the licence, and the bill of materials where scanners look for it.
fn entries(
    image: &Image,
    materials: &Materials,
    binary: Vec<u8>,
    sbom: &[u8],
) -> Result<Vec<Entry>, Box<dyn Error>> {
    Ok(vec![
        Entry::program(image.binary, binary),
        Entry::file("LICENSE", read(&materials.root().join("LICENSE"))?),
        Entry::file(format!("usr/share/sbom/{}.cdx.json", image.binary), sbom.to_vec()),
    ])
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("failed to read {}: {error}", path.display()))
}

fn write(path: &Path, content: &[u8]) -> Result<(), String> {
    fs::write(path, content).map_err(|error| format!("failed to write {}: {error}", path.display()))
}
