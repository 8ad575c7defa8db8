//! The body of `POST …/bulk/write`, our own extension of the binding face: newline-delimited JSON, one mutation a
//! line in the shape of the storage's records, and a last line that counts them. Read and written as it streams.
//!
//! ```text
//! {"put":"site_title","value":"My Awesome Blog","metadata":{"lang":"en"},"expiration_ttl":3600}
//! {"put":"logo","base64":"iVBORw0K…"}
//! {"delete":"old","condition":"exists"}
//! {"end":3}
//! ```

mod decode;
mod encode;
mod line;

pub use decode::decode;
pub use encode::encode;

/// The media type of such a body.
pub const MEDIA_TYPE: &str = "application/x-ndjson";

/// Longest line: a value of 25 MiB in base64, a key and metadata that are all escapes, and some.
const MAX_LINE_BYTES: usize = 36 * 1024 * 1024;
/// How much is gathered before it is sent: few system calls, and little memory.
const CHUNK_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests;
