//! The lines of the file that is imported: counted, and digested, so that the place where an import ended can be found
//! again and recognised.

use std::io::SeekFrom;
use std::path::Path;

use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, BufReader};

use crate::exit::Exit;
use crate::failure::Failure;

/// Longest line: a value of 25 MiB that is all escapes, a key, metadata, and some.
const MAX_LINE_BYTES: u64 = 160 * 1024 * 1024;
/// How much of the file is read at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// An open file of lines.
pub(super) struct Lines {
    reader: Box<dyn AsyncBufRead + Send + Unpin>,
    name: String,
    total: u64,
    digest: Sha256,
    bytes: u64,
    number: u64,
    line: Vec<u8>,
}

impl Lines {
    /// Opens the file; `-` is standard input.
    pub(super) async fn open(path: &Path) -> Result<Self, Failure> {
        let (reader, name, total): (Box<dyn AsyncBufRead + Send + Unpin>, _, _) = if path == Path::new("-") {
            let reader = BufReader::with_capacity(BUFFER_BYTES, tokio::io::stdin());
            (Box::new(reader), "standard input".to_owned(), 0)
        } else {
            let failed = |error| Failure::file("read", path, &error);
            let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
            let total = file.seek(SeekFrom::End(0)).await.map_err(failed)?;
            file.rewind().await.map_err(failed)?;
            (Box::new(BufReader::with_capacity(BUFFER_BYTES, file)), path.display().to_string(), total)
        };
        let digest = Sha256::new();
        Ok(Self { reader, name, total, digest, bytes: 0, number: 0, line: Vec::new() })
    }

    /// The next line without its line feed; `None` behind the last.
    pub(super) async fn next(&mut self) -> Result<Option<&[u8]>, Failure> {
        self.line.clear();
        let mut limited = (&mut self.reader).take(MAX_LINE_BYTES);
        let read = limited.read_until(b'\n', &mut self.line).await;
        read.map_err(|error| Failure::file("read", Path::new(&self.name), &error))?;
        if self.line.is_empty() {
            return Ok(None);
        }
        self.digest.update(&self.line);
        self.bytes += self.line.len() as u64;
        self.number += 1;
        Ok(Some(self.line.strip_suffix(b"\n").unwrap_or(&self.line)))
    }

    /// Reads so many bytes, which end with a line; false where the file does not have them.
    pub(super) async fn skip(&mut self, bytes: u64) -> Result<bool, Failure> {
        while self.bytes < bytes {
            if self.next().await?.is_none() {
                return Ok(false);
            }
        }
        Ok(self.bytes == bytes)
    }

    /// A fault of the line that was read last.
    pub(super) fn fault(&self, what: &str) -> Failure {
        Failure::new(Exit::Refused, format!("{}, line {}: {what}", self.name, self.number))
    }

    /// SHA-256 of everything that was read.
    pub(super) fn digest(&self) -> String {
        self.digest.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// How many bytes were read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many lines were read.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// How many bytes there are; 0 where nobody knows.
    pub(super) fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_place_of_an_earlier_end_is_found_and_recognised() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        std::fs::write(&path, "one\ntwo\nthree").unwrap();
        let mut lines = Lines::open(&path).await.unwrap();
        assert_eq!(lines.next().await.unwrap(), Some(&b"one"[..]));
        assert_eq!(lines.next().await.unwrap(), Some(&b"two"[..]));
        let (bytes, digest) = (lines.bytes(), lines.digest());

        let mut again = Lines::open(&path).await.unwrap();
        assert!(again.skip(bytes).await.unwrap());
        assert_eq!((again.digest(), again.number()), (digest, 2));
        assert_eq!(again.next().await.unwrap(), Some(&b"three"[..]));
        assert_eq!(again.next().await.unwrap(), None);
        assert!(!Lines::open(&path).await.unwrap().skip(5).await.unwrap(), "in the middle of a line");
        assert!(!Lines::open(&path).await.unwrap().skip(99).await.unwrap(), "behind the end");
    }
}
