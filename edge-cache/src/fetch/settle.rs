//! The end of a flight: what it brought is kept if it is newer than what is there and not below the floor.
//!
//! Stories, all decided under the stripe's lock:
//!
//! *Put during fetch.* t0 a miss sends a fetch of k; t1 a put of k is sent; t2 upstream reads k at state 9 for
//! the fetch; t3 it commits the put as 10 and acknowledges: k's floor is 10, the new value is held; t4 the answer
//! of state 9 lands. It is below the floor: not kept. The reader of t0 began before the acknowledgement and may
//! have it; a reader who began after t3 and took a seat meanwhile has a need of 10, and flies again, asking for
//! at least that.
//!
//! *Delete during refresh.* The same with an absence held at t3: the refresh cannot bring the entry back.
//!
//! *Lagging replica.* t0 a put through this edge is acknowledged as 10, and later evicted; t1 a miss goes to a
//! replica that is at 9. The floor is outside the cache and goes with the request: the replica must catch up.
//!
//! *Unknown outcome.* t0 a refresh is sent; t1 a put fails with its outcome unknown: k's floor asks for answers to
//! requests sent after t1, and what is held is suspect; t2 the refresh lands, and its request was sent before:
//! not kept. The next read asks again.

use std::{mem, sync::Arc};

use nearkv::{Error, Kv, Reason};
use tokio::{sync::watch, time::Instant};

use crate::{
    cache::Shared,
    fetch::Ask,
    flight::{End, lost},
    floor::Ticket,
    settings::REFRESH_PAUSE,
    slot::Slot,
};

/// A flight in the air, as its own task has it. It always lands: a task that is dropped or panics lands with an
/// error, so nobody waits for ever.
pub(crate) struct Airborne<K: Kv> {
    shared: Arc<Shared<K>>,
    slot: Slot,
    ticket: Ticket,
    end: watch::Sender<Option<End>>,
    landed: bool,
}

impl<K: Kv> Airborne<K> {
    pub(crate) fn take_off(
        shared: Arc<Shared<K>>,
        slot: Slot,
        ticket: Ticket,
    ) -> (Self, watch::Receiver<Option<End>>) {
        let (end, seats) = watch::channel(None);
        (Self { shared, slot, ticket, end, landed: false }, seats)
    }

    /// The whole flight.
    pub(crate) async fn fly(mut self, ask: Ask) {
        let end = tokio::select! {
            end = self.shared.fly(&self.slot, ask) => end,
            () = self.shared.stop.cancelled() => Err(shutting_down()),
        };
        self.land(end);
    }

    fn land(&mut self, end: End) {
        self.landed = true;
        let mut stripe = self.shared.stripe(&self.slot);
        self.keep(&end, self.shared.floor(&stripe, &self.slot));
        stripe.flights.remove(&self.slot);
        drop(stripe);
        if let Err(error) = &end {
            tracing::debug!(slot = ?self.slot, reason = error.reason().as_str(), %error, "a fetch failed");
        }
        self.end.send_replace(Some(end));
    }

    fn keep(&self, end: &End, floor: crate::floor::Floor) {
        let Self { shared, slot, .. } = self;
        let present = shared.cache.get(slot);
        let asked_in_time = floor.after.is_none_or(|after| self.ticket > after);
        let is_news = match end {
            Ok(landing) => {
                let held = &landing.held;
                let newer = present.as_ref().is_none_or(|present| held.supersedes(present));
                let keeps = newer && !held.life.is_over() && floor.admits(held.version, held.proof.ticket);
                if keeps {
                    shared.cache.insert(slot.clone(), held.clone());
                }
                keeps && !landing.stale
            }
            Err(_) => false,
        };
        // A suspect one whose upstream was not asked since must be asked for by the next read.
        if !is_news
            && asked_in_time
            && let Some(present) = shared.cache.get(slot)
        {
            present.pause_until(Instant::now() + REFRESH_PAUSE);
        }
    }
}

impl<K: Kv> Drop for Airborne<K> {
    fn drop(&mut self) {
        if !mem::replace(&mut self.landed, true) {
            // As the probe it would leave the circuit half-open for ever.
            let now = Instant::now();
            self.shared.circuit.silent(now, now);
            self.land(Err(lost()));
        }
    }
}

fn shutting_down() -> Error {
    Error::new(Reason::Unavailable, "This edge is shutting down; try again").with_retry_after(REFRESH_PAUSE)
}
