//! A file that is one JSON array, element by element: of 100 MB no more than a few elements are in memory.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::marker::PhantomData;
use std::path::Path;

use futures::{StreamExt, stream::BoxStream};
use nearkv::{Error, Reason};
use serde::de::{DeserializeOwned, DeserializeSeed, SeqAccess, Visitor};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::failure::Failure;

/// Elements that wait for their taker. A full channel makes the reader wait.
const AHEAD: usize = 4;
/// How much of the file is read at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// The elements of an array.
pub type Elements<T> = BoxStream<'static, Result<T, Error>>;

/// Reads the elements of the file; `-` is standard input. The thread that reads ends with the file, or when the stream is
/// dropped.
///
/// # Errors
/// A file that cannot be opened. In the stream `body-invalid`, with line and column, for what is no such array.
pub fn elements<T: DeserializeOwned + Send + 'static>(path: &Path) -> Result<Elements<T>, Failure> {
    let reader: Box<dyn Read + Send> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(|error| Failure::file("read", path, &error))?)
    };
    let (sender, receiver) = mpsc::channel(AHEAD);
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    tokio::task::spawn_blocking(move || read_all(reader, &name, &sender));
    Ok(ReceiverStream::new(receiver).boxed())
}

fn read_all<T: DeserializeOwned>(reader: impl Read, name: &str, sender: &mpsc::Sender<Result<T, Error>>) {
    let mut deserializer =
        serde_json::Deserializer::from_reader(BufReader::with_capacity(BUFFER_BYTES, reader));
    let read = Array { sender, kind: PhantomData }.deserialize(&mut deserializer);
    if let Err(error) = read.and_then(|()| deserializer.end()) {
        let invalid = Error::new(Reason::BodyInvalid, format!("{name}: {error}")).with_source(error);
        // Where nobody takes it any more, nobody wants to know.
        let _ = sender.blocking_send(Err(invalid));
    }
}

/// Hands every element over as soon as it is read.
struct Array<'a, T> {
    sender: &'a mpsc::Sender<Result<T, Error>>,
    kind: PhantomData<T>,
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Array<'_, T> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Array<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element()? {
            if self.sender.blocking_send(Ok(element)).is_err() {
                return Err(serde::de::Error::custom("nobody takes the elements"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;

    async fn read(text: &str) -> Result<Vec<u32>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("array.json");
        std::fs::write(&path, text).unwrap();
        let elements = elements::<u32>(&path).unwrap();
        elements.try_collect().await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn elements_come_in_their_order() {
        let many: Vec<u32> = (0..1000).collect();
        assert_eq!(read(&format!("{many:?}")).await.unwrap(), many);
        assert!(read(" [ ]\n").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_fault_is_told_with_its_place_after_the_elements_before_it() {
        for (text, told) in [
            ("[1,\n\"x\"]", "line 2"),
            ("[1", "EOF"),
            ("[1] 2", "trailing characters"),
            ("{}", "expected a JSON array"),
            ("", "EOF"),
        ] {
            let error = read(text).await.unwrap_err();
            assert!(error.contains(told) && error.contains("array.json: "), "{error}");
        }
    }
}
