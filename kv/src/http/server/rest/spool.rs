//! A value on its way through a pair: in memory while it is short, in an unnamed temporary file from then on. What
//! belongs to it, its key and whether it is base64, may stand behind it, and has to be known before any of it is
//! written (docs/decisions/0007).

use std::io::{self, SeekFrom};

use base64::{DecodeError, Engine, prelude::BASE64_STANDARD};
use bytes::{Bytes, BytesMut};
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt},
    task::spawn_blocking,
};

use crate::{Error, Key, Reason, Value, limits::MAX_VALUE_BYTES};

/// Longest value that is held in memory: what one chunk of the store takes.
const HELD_BYTES: usize = 256 * 1024;
/// Longest text of a value: the largest one in base64.
const MAX_TEXT_BYTES: u64 = MAX_VALUE_BYTES.div_ceil(3) * 4;
/// How much is read back at a time: a multiple of the four digits of base64 that stand for three bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// Takes a value's text in.
#[derive(Default)]
pub(super) struct Spool {
    held: BytesMut,
    file: Option<File>,
    length: u64,
    /// How many `=` the text ends with.
    padding: u64,
}

/// A value's text, whole.
pub(super) enum Spooled {
    /// In memory.
    Held(Bytes),
    /// In a file, at its start.
    Filed { file: File, length: u64, padding: u64 },
}

impl Spool {
    /// Takes more of the text.
    ///
    /// # Errors
    /// `value-too-long` (413) for what is too long even as base64; `internal` (500) where no file can be written.
    pub(super) async fn write(&mut self, text: &str) -> Result<(), Error> {
        self.length += text.len() as u64;
        if self.length > MAX_TEXT_BYTES {
            return Err(Error::value_too_long(self.length));
        }
        let padding = text.bytes().rev().take_while(|digit| *digit == b'=').count() as u64;
        self.padding = if padding == text.len() as u64 { self.padding + padding } else { padding };
        if self.file.is_none() && self.length > HELD_BYTES as u64 {
            let mut file = create().await.map_err(failed)?;
            file.write_all(&self.held).await.map_err(failed)?;
            (self.file, self.held) = (Some(file), BytesMut::new());
        }
        match &mut self.file {
            Some(file) => file.write_all(text.as_bytes()).await.map_err(failed),
            None => {
                self.held.extend_from_slice(text.as_bytes());
                Ok(())
            }
        }
    }

    /// Ends the text.
    ///
    /// # Errors
    /// `internal` (500) where the file cannot be written.
    pub(super) async fn finish(self) -> Result<Spooled, Error> {
        let Self { held, file, length, padding } = self;
        let Some(mut file) = file else { return Ok(Spooled::Held(held.freeze())) };
        file.flush().await.map_err(failed)?;
        file.seek(SeekFrom::Start(0)).await.map_err(failed)?;
        Ok(Spooled::Filed { file, length, padding })
    }
}

impl Spooled {
    /// The value that the text stands for.
    ///
    /// # Errors
    /// `body-invalid` (400) where it should be base64 and is not. Of a long one the stream says so.
    pub(super) fn into_value(self, key: &Key, base64: bool) -> Result<Value, Error> {
        Ok(match self {
            Self::Held(text) if base64 => {
                let bytes = BASE64_STANDARD.decode(&text).map_err(|error| no_base64(key, error))?;
                Value::Bytes(bytes.into())
            }
            Self::Held(text) => Value::Bytes(text),
            Self::Filed { file, length, padding } if base64 => {
                let length = (length / 4 * 3).saturating_sub(padding);
                Value::Stream { length: Some(length), chunks: decoded(key.clone(), pieces(file)) }
            }
            Self::Filed { file, length, padding: _ } => {
                Value::Stream { length: Some(length), chunks: pieces(file) }
            }
        })
    }
}

async fn create() -> io::Result<File> {
    spawn_blocking(tempfile::tempfile).await.map_err(io::Error::other)?.map(File::from_std)
}

fn failed(error: io::Error) -> Error {
    let folder = std::env::temp_dir();
    let text = format!(
        "Failed to set a long value of a bulk put aside in {}: {error}; TMPDIR may name another folder",
        folder.display()
    );
    Error::new(Reason::Internal, text).with_source(error)
}

/// What a file holds, in pieces of [`PIECE_BYTES`] but for the last.
fn pieces(file: File) -> BoxStream<'static, Result<Bytes, Error>> {
    let pieces = stream::unfold(Some(file), |file| async move {
        let file = file?;
        let mut piece = BytesMut::with_capacity(PIECE_BYTES);
        let mut part = file.take(PIECE_BYTES as u64);
        loop {
            match part.read_buf(&mut piece).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => return Some((Err(failed(error)), None)),
            }
        }
        (!piece.is_empty()).then(|| (Ok(piece.freeze()), Some(part.into_inner())))
    });
    pieces.boxed()
}

/// What pieces of base64 stand for.
fn decoded(
    key: Key,
    pieces: BoxStream<'static, Result<Bytes, Error>>,
) -> BoxStream<'static, Result<Bytes, Error>> {
    let padded = false;
    let decoded = pieces.scan(padded, move |padded, piece| {
        // Padding is the end of the whole, not of a piece.
        let bytes = piece.and_then(|piece| match *padded {
            true => Err(no_base64(&key, DecodeError::InvalidByte(0, piece.first().copied().unwrap_or(b'=')))),
            false => {
                *padded = piece.ends_with(b"=");
                BASE64_STANDARD.decode(&piece).map(Bytes::from).map_err(|error| no_base64(&key, error))
            }
        });
        std::future::ready(Some(bytes))
    });
    decoded.boxed()
}

fn no_base64(key: &Key, error: DecodeError) -> Error {
    let text = format!("the value of key {:?} is no base64: {error}", key.as_str());
    Error::new(Reason::BodyInvalid, text).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn value(text: &str, base64: bool) -> Result<Bytes, Error> {
        let mut spool = Spool::default();
        for part in text.as_bytes().chunks(50_001) {
            spool.write(std::str::from_utf8(part).unwrap()).await?;
        }
        let spooled = spool.finish().await?;
        let is_filed = matches!(spooled, Spooled::Filed { .. });
        assert_eq!(is_filed, text.len() > HELD_BYTES, "{} bytes", text.len());
        spooled.into_value(&Key::new("k").unwrap(), base64)?.into_bytes().await
    }

    #[tokio::test]
    async fn a_long_value_is_read_as_a_short_one_is() {
        for length in [0, 1, 2, 3, 49_152, 196_607, 196_608, 196_609, 600_000, 600_001, 600_002] {
            let bytes: Vec<u8> = (0..length).map(|n: u32| (n % 251) as u8).collect();
            let text = BASE64_STANDARD.encode(&bytes);
            assert_eq!(value(&text, true).await.unwrap(), bytes, "{length}");
            assert_eq!(value(&text, false).await.unwrap(), text, "{length}");
            for broken in [format!("?{text}"), format!("{text}A"), format!("AA=={text}A===")] {
                assert_eq!(value(&broken, true).await.unwrap_err().reason(), Reason::BodyInvalid, "{length}");
            }
        }
    }

    #[tokio::test]
    async fn padding_ends_a_value_wherever_a_piece_does() {
        let text = format!("{}AA=={}", "A".repeat(PIECE_BYTES * 5 - 4), "AAAA".repeat(4));
        assert_eq!(value(&text, true).await.unwrap_err().reason(), Reason::BodyInvalid);
    }

    #[tokio::test]
    async fn a_text_that_is_too_long_even_for_base64_is_refused_while_it_comes() {
        let mut spool = Spool { length: MAX_TEXT_BYTES, ..Spool::default() };
        assert_eq!(spool.write("A").await.unwrap_err().reason(), Reason::ValueTooLong);
    }
}
