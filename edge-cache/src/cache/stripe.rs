//! One fetch per slot: whoever misses first starts a flight, the others take a seat in it. A flight is a task of
//! its own, so the one who started it may go away.

use std::collections::HashMap;

use nearkv::{Error, Reason, Version};
use tokio::{sync::watch, time::Instant};

use crate::{
    circuit::Passage,
    floor::{Floor, Floors},
    held::{Held, Landing},
    settings::{PROBE_PATIENCE, STALE_PATIENCE},
    slot::Slot,
};

/// How a flight ended.
pub(crate) type End = Result<Landing, Error>;

/// Everything that changes what is held of a slot happens under the lock of its stripe: flights taking off and
/// landing, writes raising floors. Reads from memory take no lock.
#[derive(Debug, Default)]
pub(crate) struct Stripe {
    pub(crate) floors: Floors,
    pub(crate) flights: HashMap<Slot, Flight>,
}

/// A fetch in the air, as the table of flights has it.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) started: Instant,
    pub(crate) passage: Passage,
    pub(crate) end: watch::Receiver<Option<End>>,
}

/// A place in a flight.
#[derive(Debug)]
pub(crate) struct Seat {
    started: Instant,
    passage: Passage,
    end: watch::Receiver<Option<End>>,
    /// Somebody else started it (RFC 9211 §2.7).
    pub(crate) collapsed: bool,
}

impl Flight {
    pub(crate) fn seat(&self, collapsed: bool) -> Seat {
        Seat { started: self.started, passage: self.passage, end: self.end.clone(), collapsed }
    }
}

impl Seat {
    /// Until when its holder waits; `None` for as long as the flight takes, which is bounded by its own time-outs.
    /// Counted from the take-off: a flight that is late already is waited for by nobody who has a stale copy.
    pub(crate) fn patience(&self, has_stale_copy: bool) -> Option<Instant> {
        match (self.passage, has_stale_copy) {
            (Passage::Probe, true) => Some(self.started),
            (Passage::Probe, false) => Some(self.started + PROBE_PATIENCE),
            (Passage::Normal, true) => Some(self.started + STALE_PATIENCE),
            (Passage::Normal, false) => None,
        }
    }

    /// Waits for the end.
    pub(crate) async fn landed(&mut self) -> End {
        match self.end.wait_for(Option::is_some).await {
            Ok(end) => end.clone().unwrap_or_else(|| Err(lost())),
            Err(_) => Err(lost()),
        }
    }
}

/// The error of a flight that ended without an end.
pub(crate) fn lost() -> Error {
    Error::new(Reason::Internal, "The fetch from upstream broke off; try again")
}

/// What an answer must show to satisfy one read, as of the read's beginning. A write that is acknowledged later
/// overlaps the read, so the read may miss it: without that, a key written more often than upstream answers
/// could never be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need {
    /// What this edge knows to exist.
    pub(crate) floor: Floor,
    /// What the reader asks for.
    pub(crate) reader: Option<Version>,
}

impl Need {
    /// Whether the answer will do.
    pub(crate) fn is_met_by(&self, held: &Held) -> bool {
        !held.life.is_over()
            && self.floor.admits(held.version, held.proof.ticket)
            && self.reader.is_none_or(|wanted| held.version >= wanted)
    }
}
