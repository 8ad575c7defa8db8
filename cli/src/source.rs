//! Where values come from: the command line, a file, standard input. Files are streamed.

use std::io::{self, IsTerminal};
use std::path::Path;

use bytes::Bytes;
use futures::StreamExt;
use nearkv::{Error, Reason, Value};
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;

use crate::failure::Failure;

/// How much of a file is read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// The value to be written. What is named wins; without anything it is what is piped in.
///
/// # Errors
/// A file that cannot be read; a terminal where a value was to be piped in.
pub async fn value(given: Option<String>, path: Option<&Path>) -> Result<Value, Failure> {
    match (given, path) {
        (Some(text), _) => Ok(Value::Bytes(Bytes::from(text))),
        (None, Some(path)) if path != Path::new("-") => file(path).await,
        (None, path) => {
            if path.is_none() && io::stdin().is_terminal() {
                return Err(Failure::usage("there is no value")
                    .with_advice("give one as VALUE, as --path FILE, or through a pipe"));
            }
            Ok(stream(tokio::io::stdin(), None, "standard input".to_owned()))
        }
    }
}

async fn file(path: &Path) -> Result<Value, Failure> {
    let failed = |error| Failure::file("read", path, &error);
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let found = file.metadata().await.map_err(failed)?;
    if found.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    // A pipe or a device does not know its length.
    let length = found.is_file().then_some(found.len());
    Ok(stream(file, length, path.display().to_string()))
}

fn stream(reader: impl AsyncRead + Send + 'static, length: Option<u64>, name: String) -> Value {
    let chunks = ReaderStream::with_capacity(reader, PIECE_BYTES).map(move |chunk| {
        chunk.map_err(|error| Error::new(Reason::Internal, format!("{name} cannot be read: {error}")))
    });
    Value::Stream { length, chunks: chunks.boxed() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_taken_byte_for_byte_with_its_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("value");
        let bytes: Vec<u8> = (0..=255).cycle().take(200_000).collect();
        std::fs::write(&path, &bytes).unwrap();
        let value = value(None, Some(&path)).await.unwrap();
        assert_eq!(value.length(), Some(200_000));
        assert_eq!(value.into_bytes().await.unwrap(), bytes);
    }

    #[tokio::test]
    async fn an_empty_value_is_a_value_and_a_folder_is_none() {
        assert_eq!(value(Some(String::new()), None).await.unwrap().length(), Some(0));
        let folder = tempfile::tempdir().unwrap();
        let failure = value(None, Some(folder.path())).await.unwrap_err();
        assert!(failure.message.contains("directory"), "{failure}");
    }
}
