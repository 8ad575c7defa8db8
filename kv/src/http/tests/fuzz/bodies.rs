//! Bodies as they arrive: cut into chunks anywhere, and damaged.

use std::io;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;

use super::World;

/// The body in chunks of any size; some do not announce their length, and some break off behind the last chunk.
pub(super) fn arriving(world: &World, whole: &[u8], breaks_off: bool) -> Body {
    if !breaks_off && world.one_in(4) {
        return Body::from(whole.to_vec());
    }
    let mut chunks: Vec<Result<Bytes, io::Error>> = Vec::new();
    let most = 1 + world.below(40);
    let mut rest = whole;
    while !rest.is_empty() {
        let (chunk, behind) = rest.split_at((1 + world.below(most)).min(rest.len()));
        chunks.push(Ok(Bytes::copy_from_slice(chunk)));
        rest = behind;
    }
    if breaks_off {
        chunks.push(Err(io::ErrorKind::ConnectionReset.into()));
    }
    Body::from_stream(stream::iter(chunks))
}

/// Flips, drops, doubles and adds bytes, in one to three places.
pub(super) fn damaged(world: &World, whole: &[u8]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..=world.below(3) {
        let at = world.below(bytes.len().max(1)).min(bytes.len());
        let end = (at + 1 + world.below(12)).min(bytes.len());
        match world.below(5) {
            0 if at < bytes.len() => bytes[at] ^= 1 << world.below(8),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let doubled = bytes[at..end].to_vec();
                bytes.splice(at..at, doubled);
            }
            3 => {
                let added =
                    world.pick(&["[", "]", "{", "}", "\"", ",", "\\", "\0", "\r\n", "--", "\u{fc}", "1e999"]);
                bytes.splice(at..at, added.bytes());
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}
