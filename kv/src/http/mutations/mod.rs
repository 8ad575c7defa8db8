//! The body of `POST …/bulk/write`, our own extension of the binding face: newline-delimited JSON, one mutation a
//! line in the shape of the storage's records, and a last line that counts them. Read and written as it streams.
//!
//! ```text
//! {"put":"site_title","value":"My Awesome Blog","metadata":{"lang":"en"},"expiration_ttl":3600}
//! {"put":"logo","base64":"iVBORw0K…"}
//! {"delete":"old","condition":"exists"}
//! {"put":"film","pieces":{"length":24000000}}
//! {"piece":"AAAAIGZ0eXBp…"}
//! {"whole":24000000}
//! {"end":4}
//! ```
//!
//! A long value comes in pieces behind its put, each in base64, and a line that counts its bytes.

mod decode;
mod encode;
mod line;
mod lines;
mod value;

pub use decode::decode;
pub use encode::encode;

/// The media type of such a body.
pub const MEDIA_TYPE: &str = "application/x-ndjson";

/// Longest line: room for a value that one may well send whole, with a key and metadata that are all escapes.
const MAX_LINE_BYTES: usize = 1024 * 1024;
/// How much is gathered before it is sent: few system calls, and little memory. A piece of a value fills it.
const CHUNK_BYTES: usize = 64 * 1024;
/// Longest value that is written into the line of its put.
const LONG_VALUE_BYTES: u64 = 64 * 1024;

#[cfg(test)]
mod tests;
