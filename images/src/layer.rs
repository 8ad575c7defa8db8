//! The one layer of an image: a tar whose bytes depend on names, modes and contents alone. Pure.

use std::io::{self, Write};

use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

/// Read and execute for everybody, write for nobody but the owner, who is root.
const PROGRAM: u32 = 0o755;
const FILE: u32 = 0o644;

/// A file of the layer.
#[derive(Debug)]
pub(crate) struct Entry {
    path: String,
    mode: u32,
    content: Vec<u8>,
}

impl Entry {
    /// A program at `/path`.
    pub(crate) fn program(path: impl Into<String>, content: Vec<u8>) -> Self {
        Self { path: path.into(), mode: PROGRAM, content }
    }

    /// A file at `/path`.
    pub(crate) fn file(path: impl Into<String>, content: Vec<u8>) -> Self {
        Self { path: path.into(), mode: FILE, content }
    }
}

/// A layer: compressed, and as it is told from others.
#[derive(Debug)]
pub(crate) struct Layer {
    /// The tar.
    pub(crate) tar: Vec<u8>,
    /// The same, gzip.
    pub(crate) compressed: Vec<u8>,
}

/// Packs `entries` in their order, each behind the folders above it.
pub(crate) fn layer(entries: &[Entry], compression: Compression) -> io::Result<Layer> {
    let mut builder = Builder::new(Vec::new());
    let mut folders: Vec<&str> = Vec::new();
    for entry in entries {
        for (end, _) in entry.path.match_indices('/') {
            let folder = &entry.path[..end];
            if !folders.contains(&folder) {
                folders.push(folder);
                append(&mut builder, &format!("{folder}/"), EntryType::Directory, PROGRAM, &[])?;
            }
        }
        append(&mut builder, &entry.path, EntryType::Regular, entry.mode, &entry.content)?;
    }
    let tar = builder.into_inner()?;
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), compression);
    gzip.write_all(&tar)?;
    Ok(Layer { compressed: gzip.finish()?, tar })
}

/// Appends a file, or a folder, of root's, from the beginning of time.
pub(crate) fn append(
    builder: &mut Builder<Vec<u8>>,
    path: &str,
    kind: EntryType,
    mode: u32,
    content: &[u8],
) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(content.len() as u64);
    builder.append_data(&mut header, path, content)
}

/// For which processor an ELF program is, in the words of OCI images; a program that is not static is refused, since
/// FROM scratch there is nothing that could load it.
pub(crate) fn architecture(program: &[u8]) -> Result<&'static str, String> {
    /// `e_machine`, and the first of the program headers' types (ELF-64, little endian).
    const MACHINE: usize = 18;
    const PROGRAM_HEADERS_OFFSET: usize = 32;
    const PROGRAM_HEADERS_SIZE: usize = 54;
    const PT_INTERP: u32 = 3;
    let short = |at: usize| program.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]));
    if !program.starts_with(b"\x7fELF\x02\x01") {
        return Err("the program is no 64-bit ELF".to_owned());
    }
    let offset = program
        .get(PROGRAM_HEADERS_OFFSET..PROGRAM_HEADERS_OFFSET + 8)
        .and_then(|bytes| usize::try_from(u64::from_le_bytes(bytes.try_into().ok()?)).ok());
    let (Some(machine), Some(offset), Some(size), Some(count)) =
        (short(MACHINE), offset, short(PROGRAM_HEADERS_SIZE), short(PROGRAM_HEADERS_SIZE + 2))
    else {
        return Err("the program ends within its header".to_owned());
    };
    for number in 0..usize::from(count) {
        let at = offset + number * usize::from(size);
        if program.get(at..at + 4) == Some(&PT_INTERP.to_le_bytes()) {
            return Err(
                "the program is linked dynamically, and there is no loader in an empty image".to_owned()
            );
        }
    }
    match machine {
        0x3e => Ok("amd64"),
        0xb7 => Ok("arm64"),
        other => Err(format!("the program is for a processor that is not known here, {other:#x}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer_of(order: [usize; 2]) -> Layer {
        let entries = order.map(|n| Entry::file(format!("usr/share/{n}"), vec![n as u8; 5]));
        layer(&entries, Compression::fast()).unwrap()
    }

    #[test]
    fn the_same_files_are_the_same_bytes_and_folders_come_once_and_first() {
        let (one, two) = (layer_of([1, 2]), layer_of([1, 2]));
        assert_eq!((&one.tar, &one.compressed), (&two.tar, &two.compressed));
        assert_ne!(one.tar, layer_of([2, 1]).tar);
        let mut read = tar::Archive::new(&one.tar[..]);
        let seen: Vec<_> = read
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                assert_eq!((header.mtime().unwrap(), header.uid().unwrap()), (0, 0));
                (entry.path().unwrap().display().to_string(), header.mode().unwrap())
            })
            .collect();
        let expected =
            [("usr/", PROGRAM), ("usr/share/", PROGRAM), ("usr/share/1", FILE), ("usr/share/2", FILE)];
        assert_eq!(seen, expected.map(|(path, mode)| (path.to_owned(), mode)));
    }

    #[test]
    fn a_program_that_needs_a_loader_is_refused() {
        // The test itself is one, on a machine whose compiler links dynamically.
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(architecture(&this).unwrap_err().contains("linked dynamically"));
        assert!(architecture(b"#!/bin/sh").unwrap_err().contains("no 64-bit ELF"));
    }
}
