//! The segment that inline records will have to become, written before anybody waits for it: while the clients
//! just answered send their next writes. A later commit then names it and keeps only what came since inline, and so
//! costs its writers one write instead of two in a row.

use nearkv::Clock;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    commit::draft_root::DraftRoot,
    format::{KeyBounds, Record, SegmentRef},
    parts::{
        age::Age,
        writer::{MakeError, PartWriter},
    },
};

/// Inline records from which on they are set aside. Every commit writes the root again, so more of them cost more than a
/// segment now and then. But each segment is an object until a fold has joined it with others and the grace has passed: 200
/// puts a second of 288 bytes make ten of them a second.
const ASIDE_BYTES: u64 = 8 * 1024;
/// And how many batches like the last one they must be: a segment for each batch would be folded and collected again
/// for more processor time than the wait for it is worth.
const ASIDE_BATCHES: u64 = 4;

/// A segment in the making.
pub(crate) struct Presealed {
    segment: SegmentRef,
    born: Age,
    making: AbortOnDropHandle<Result<(), MakeError>>,
}

/// A segment of inline records that exists and that no root names.
pub(crate) struct Sealed {
    pub(crate) segment: SegmentRef,
    pub(crate) born: Age,
}

impl Presealed {
    /// Starts to write the records of a root that has just been swapped in, if there are enough of them.
    pub(crate) fn start(part_writer: PartWriter, committed: &DraftRoot, clock: &dyn Clock) -> Option<Self> {
        let DraftRoot { root, lines, added, .. } = committed;
        // The references to segments, which stay in the root, are no reason.
        if lines.iter().map(|line| line.len() as u64).sum::<u64>() < ASIDE_BYTES.max(ASIDE_BATCHES * *added) {
            return None;
        }
        let born = Age::start(clock);
        let (records, keys) =
            (root.records.len() as u64, KeyBounds::of(root.records.iter().map(Record::key)));
        let (segment, draft) = part_writer.segment(root.first_inline(), records, lines.concat(), keys);
        let making = tokio::spawn(async move { part_writer.create(vec![draft]).await });
        Some(Self { segment, born, making: AbortOnDropHandle::new(making) })
    }

    /// Takes what is there by now; nobody waits for it, and what could not be written is forgotten.
    pub(crate) async fn take(slot: &mut Option<Self>) -> Option<Sealed> {
        let Self { segment, born, making } = slot.take_if(|presealed| presealed.making.is_finished())?;
        matches!(making.await, Ok(Ok(()))).then_some(Sealed { segment, born })
    }
}
