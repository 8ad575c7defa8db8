//! The file of a snapshot, written and read as a stream of records, each with its checksum:
//!
//! ```text
//! "nearkv-snapshot\n"      the magic
//! format        u32        little-endian, as all numbers outside of records
//! record …                 Head, then Incarnation and Entry in any order, then End
//!   length      u32        of what follows the checksum
//!   checksum    u32        CRC-32 of the length and of what follows
//!   record                 postcard; behind that of an entry, its value
//! ```
//!
//! A file counts as a whole or not at all: one that is cut off, also between two records, has no `End`.

use std::{
    io::{self, Read, Write},
    time::Duration,
};

use nearkv::limits::MAX_VALUE_BYTES;
use serde::{Deserialize, Serialize};

/// The first bytes of the file.
const MAGIC: &[u8; 16] = b"nearkv-snapshot\n";
/// Raised by every change that an older program would misread. Other formats are not read: a snapshot is only a cache.
const FORMAT: u32 = 1;
/// Most bytes of a record: the largest value, with room for the longest key, metadata and the numbers.
const MAX_RECORD_BYTES: u64 = MAX_VALUE_BYTES + 64 * 1024;
/// Longest time in a record: nothing is cached for a century, and sums of a few of them do not overflow.
const LONGEST_MS: u64 = 100 * 365 * 24 * 3600 * 1000;

/// Why a file is not a valid snapshot.
#[derive(Debug, thiserror::Error)]
pub(super) enum FormatError {
    #[error("it cannot be read")]
    Io(#[from] io::Error),
    #[error("it is no snapshot of an edge")]
    Foreign,
    #[error("it has format {0}, and this program reads format {FORMAT} only")]
    OtherFormat(u32),
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
}

impl FormatError {
    /// The label in metrics.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Io(_) => "unreadable",
            Self::Foreign => "foreign",
            Self::OtherFormat(_) => "other-format",
            Self::Damaged(_) => "damaged",
        }
    }
}

/// A record of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Record<'a> {
    /// The first.
    Head {
        /// The wall clock when the ages were taken, in ms since the epoch.
        saved_at_ms: u64,
    },
    /// An incarnation of a KvNamespace's data. Entries refer to it by its index among these.
    Incarnation { namespace: &'a str, incarnation: &'a str },
    /// A cached entry or absence.
    Entry(#[serde(borrow)] EntryRecord<'a>),
    /// The last.
    End { entries: u64 },
}

/// A cached entry or absence without its value. Its versions belong to its incarnation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EntryRecord<'a> {
    pub(super) incarnation: u32,
    pub(super) key: &'a str,
    pub(super) version: u64,
    pub(super) age_ms: u64,
    pub(super) origin_time_ms: u64,
    pub(super) max_age_ms: u64,
    pub(super) stale_if_error_ms: u64,
    pub(super) suspect: bool,
    /// `None` for an absence.
    #[serde(borrow)]
    pub(super) found: Option<FoundRecord<'a>>,
}

/// The rest of an entry beside its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FoundRecord<'a> {
    pub(super) version: u64,
    pub(super) metadata: Option<&'a str>,
    pub(super) expiration: Option<u64>,
}

/// A duration as a record has it, rounded up: an entry must not become younger.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).min(LONGEST_MS)
}

/// A duration of a record.
pub(super) fn duration(millis: u64) -> Result<Duration, FormatError> {
    if millis > LONGEST_MS {
        return Err(FormatError::Damaged("a time is longer than any"));
    }
    Ok(Duration::from_millis(millis))
}

/// Writes records.
pub(super) struct Writer<W> {
    out: W,
    head: Vec<u8>,
    entries: u64,
    bytes: u64,
}

impl<W: Write> Writer<W> {
    pub(super) fn begin(mut out: W, saved_at_ms: u64) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        out.write_all(&FORMAT.to_le_bytes())?;
        let mut writer =
            Self { out, head: Vec::new(), entries: 0, bytes: (MAGIC.len() + size_of::<u32>()) as u64 };
        writer.record(&Record::Head { saved_at_ms }, &[])?;
        Ok(writer)
    }

    pub(super) fn incarnation(&mut self, namespace: &str, incarnation: &str) -> io::Result<()> {
        self.record(&Record::Incarnation { namespace, incarnation }, &[])
    }

    pub(super) fn entry(&mut self, entry: EntryRecord<'_>, value: &[u8]) -> io::Result<()> {
        self.entries += 1;
        self.record(&Record::Entry(entry), value)
    }

    /// Writes the last record, and returns the number of entries and of bytes.
    pub(super) fn finish(mut self) -> io::Result<(W, u64, u64)> {
        self.record(&Record::End { entries: self.entries }, &[])?;
        Ok((self.out, self.entries, self.bytes))
    }

    fn record(&mut self, record: &Record<'_>, value: &[u8]) -> io::Result<()> {
        self.head.clear();
        self.head = postcard::to_extend(record, std::mem::take(&mut self.head)).map_err(io::Error::other)?;
        let length = u32::try_from(self.head.len() + value.len()).map_err(io::Error::other)?;
        let sum = checksum(length, &[&self.head, value]);
        for part in [&length.to_le_bytes()[..], &sum.to_le_bytes(), &self.head, value] {
            self.out.write_all(part)?;
            self.bytes += part.len() as u64;
        }
        Ok(())
    }
}

/// Reads records, one at a time.
pub(super) struct Reader<R> {
    input: R,
    frame: Vec<u8>,
    entries: u64,
}

impl<R: Read> Reader<R> {
    /// Reads up to the first record behind the head; with the wall clock of the head.
    pub(super) fn begin(mut input: R) -> Result<(Self, u64), FormatError> {
        let magic: [u8; MAGIC.len()] = array(&mut input)?;
        if &magic != MAGIC {
            return Err(FormatError::Foreign);
        }
        let format = u32::from_le_bytes(array(&mut input)?);
        if format != FORMAT {
            return Err(FormatError::OtherFormat(format));
        }
        let mut reader = Self { input, frame: Vec::new(), entries: 0 };
        reader.read_frame()?;
        match parse(&reader.frame)? {
            (Record::Head { saved_at_ms }, _) => Ok((reader, saved_at_ms)),
            _ => Err(FormatError::Damaged("it begins with another record than its head")),
        }
    }

    /// The next record and, behind that of an entry, its value; `None` behind the last.
    pub(super) fn next(&mut self) -> Result<Option<(Record<'_>, &[u8])>, FormatError> {
        self.read_frame()?;
        let (record, value) = parse(&self.frame)?;
        match record {
            Record::End { entries } if entries == self.entries => return Ok(None),
            Record::End { .. } => return Err(FormatError::Damaged("entries are missing")),
            Record::Head { .. } => return Err(FormatError::Damaged("it has a second head")),
            Record::Entry(_) => self.entries += 1,
            Record::Incarnation { .. } => {}
        }
        Ok(Some((record, value)))
    }

    /// Nothing may follow the last record.
    pub(super) fn finish(mut self) -> Result<(), FormatError> {
        let mut more = [0];
        match self.input.read(&mut more)? {
            0 => Ok(()),
            _ => Err(FormatError::Damaged("it goes on behind its end")),
        }
    }

    fn read_frame(&mut self) -> Result<(), FormatError> {
        let length = u32::from_le_bytes(array(&mut self.input)?);
        let sum = u32::from_le_bytes(array(&mut self.input)?);
        if u64::from(length) > MAX_RECORD_BYTES {
            return Err(FormatError::Damaged("a record is longer than any"));
        }
        self.frame.clear();
        // Grows with what comes, not with what a damaged length says.
        let read = (&mut self.input).take(u64::from(length)).read_to_end(&mut self.frame)?;
        if read < length as usize {
            return Err(cut_off());
        }
        if checksum(length, &[&self.frame]) != sum {
            return Err(FormatError::Damaged("a checksum is wrong"));
        }
        Ok(())
    }
}

fn parse(frame: &[u8]) -> Result<(Record<'_>, &[u8]), FormatError> {
    postcard::take_from_bytes(frame).map_err(|_| FormatError::Damaged("a record makes no sense"))
}

fn array<const N: usize>(input: &mut impl Read) -> Result<[u8; N], FormatError> {
    let mut bytes = [0; N];
    match input.read_exact(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(cut_off()),
        Err(error) => Err(error.into()),
    }
}

fn checksum(length: u32, parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_le_bytes());
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

fn cut_off() -> FormatError {
    FormatError::Damaged("it is cut off")
}
