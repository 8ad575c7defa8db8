//! HTTP/1.1 by hand: what is written is on the wire byte for byte, and nothing of the answer is smoothed out.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::Failure;

/// Longest wait for the next bytes of an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection to the server.
pub(super) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

/// An answer as it came.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) phrase: String,
    headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
    /// Whether the body came to its end, and was not broken off.
    pub(super) whole: bool,
}

impl Answered {
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let value = self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value);
        value.map(|value| String::from_utf8_lossy(value).into_owned())
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::new() })
    }

    /// A server that refuses early must still take what is sent: a client that meets a reset while it writes
    /// never reads why it was refused.
    pub(super) async fn write(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), Failure> {
        Ok(self.stream.write_all(bytes.as_ref()).await?)
    }

    /// Says that nothing more will be written.
    pub(super) async fn end(&mut self) -> Result<(), Failure> {
        Ok(self.stream.shutdown().await?)
    }

    /// Reads one answer with its body; `head_only` after a HEAD.
    pub(super) async fn read(&mut self, head_only: bool) -> Result<Answered, Failure> {
        let mut answer = self.read_head().await?;
        if head_only || answer.status == 304 {
            return Ok(answer);
        }
        let length = answer.header("content-length").and_then(|length| length.parse::<usize>().ok());
        match length {
            Some(length) => {
                while self.read.len() < length && self.more().await? {}
                answer.whole = self.read.len() >= length;
                answer.body = self.read.drain(..length.min(self.read.len())).collect();
            }
            None if answer.header("transfer-encoding").is_some() => self.read_chunks(&mut answer).await?,
            None => {
                while self.more().await? {}
                answer.body = std::mem::take(&mut self.read);
            }
        }
        Ok(answer)
    }

    /// Reads one answer's head, and past a `100 Continue` if there is one.
    pub(super) async fn read_head(&mut self) -> Result<Answered, Failure> {
        loop {
            let head = self.until(b"\r\n\r\n").await?;
            let answer = parse_head(&head)?;
            if answer.status != 100 {
                return Ok(answer);
            }
        }
    }

    async fn read_chunks(&mut self, answer: &mut Answered) -> Result<(), Failure> {
        loop {
            let Ok(line) = self.until(b"\r\n").await else {
                answer.whole = false;
                return Ok(());
            };
            let size = usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16)
                .map_err(|_| Failure(format!("no chunk size: {line:?}")))?;
            while self.read.len() < size + 2 {
                if !self.more().await? {
                    answer.whole = false;
                    return Ok(());
                }
            }
            answer.body.extend(self.read.drain(..size + 2).take(size));
            if size == 0 {
                return Ok(());
            }
        }
    }

    async fn until(&mut self, end: &[u8]) -> Result<Vec<u8>, Failure> {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|window| window == end) {
                return Ok(self.read.drain(..at + end.len()).collect());
            }
            if !self.more().await? {
                return Err(Failure(format!(
                    "the connection ended after {:?}",
                    String::from_utf8_lossy(&self.read)
                )));
            }
        }
    }

    /// Whether anything more came.
    async fn more(&mut self) -> Result<bool, Failure> {
        match timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await {
            Ok(Ok(count)) => Ok(count > 0),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => Ok(false),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Failure(format!("no answer within {PATIENCE:?}"))),
        }
    }
}

fn parse_head(head: &[u8]) -> Result<Answered, Failure> {
    let malformed = || Failure(format!("no head of an answer: {:?}", String::from_utf8_lossy(head)));
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let line = String::from_utf8_lossy(lines.next().ok_or_else(malformed)?).into_owned();
    let mut parts = line.splitn(3, ' ');
    if parts.next() != Some("HTTP/1.1") {
        return Err(malformed());
    }
    let status = parts.next().and_then(|status| status.parse().ok()).ok_or_else(malformed)?;
    let phrase = parts.next().unwrap_or_default().to_owned();
    let headers = lines.filter(|line| !line.is_empty()).map(|line| {
        let colon = line.iter().position(|byte| *byte == b':').ok_or_else(malformed)?;
        let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
        Ok((name, line[colon + 1..].trim_ascii().to_vec()))
    });
    let headers = headers.collect::<Result<_, Failure>>()?;
    Ok(Answered { status, phrase, headers, body: Vec::new(), whole: true })
}
