//! An unknown outcome is resolved, not guessed (invariant 5): by the own entry among the root's writers, or by
//! the same swap sent again, which can succeed only if neither it nor any other has been committed.

use nearkv::{Error, Reason};
use tokio::time::sleep;

use crate::{
    commit::committer::Committer,
    follow::recognise::{self, Kind},
    format::{Root, root_name},
    parts::age::Age,
    settings::{ABSENCE_PROVES, UNKNOWN_PAUSE, UNKNOWN_PAUSE_MOST},
    state::snapshot::Snapshot,
    store::{Draft, Meta, Object},
};

/// A swap whose outcome is unknown.
pub(crate) struct Swap<'a> {
    pub(crate) draft: &'a Draft,
    pub(crate) base: &'a Snapshot,
    pub(crate) root: &'a Root,
    pub(crate) batch: u64,
    /// The moment before it was sent first.
    pub(crate) sent: Age,
}

/// What has become of it.
pub(crate) enum Outcome {
    /// It was committed; with the root object's state if the root is still the one that was swapped in. If not, a
    /// later one has been applied.
    Committed(Option<Meta>),
    /// It was not, and never will be: its token is gone.
    NotCommitted,
    /// It cannot be told.
    Unknown,
}

/// What one look at the root shows.
enum Look {
    Settled(Outcome),
    /// Nothing has been committed since; the request may still be on its way.
    Pending,
    /// The root was committed, and a later one has to be applied.
    Behind,
    /// The root says nothing about it any more.
    Lost,
}

impl Committer {
    /// Finds out, however long it takes: the caller gives up once nobody waits for it.
    pub(crate) async fn resolve(&self, swap: &Swap<'_>) -> Outcome {
        let mut pause = UNKNOWN_PAUSE;
        loop {
            let look = match self.space.context.store.get(&root_name(&self.space.namespace)).await {
                Ok(Some(object)) => self.look(swap, &object),
                Ok(None) => Look::Lost,
                Err(_) => Look::Pending,
            };
            match look {
                Look::Settled(outcome) => return outcome,
                Look::Pending => {
                    self.space.context.pace.spend(swap.draft.content.size());
                    let again = self.space.context.commit_store.replace(swap.draft, &swap.base.token);
                    if let Ok(meta) = again.await {
                        return Outcome::Committed(Some(meta));
                    }
                }
                Look::Behind => {
                    if self.follower.refresh().await.is_ok() {
                        return Outcome::Committed(None);
                    }
                }
                Look::Lost => {
                    self.follower.request_check();
                    return Outcome::Unknown;
                }
            }
            sleep(pause + self.space.context.random.jitter(pause)).await;
            pause = (pause * 2).min(UNKNOWN_PAUSE_MOST);
        }
    }

    fn look(&self, swap: &Swap<'_>, object: &Object) -> Look {
        if object.meta.token == swap.base.token {
            return Look::Pending;
        }
        let Kind::Ours(root) = recognise::kind(&self.space.config(), object) else { return Look::Lost };
        if root.incarnation != swap.root.incarnation {
            return Look::Lost;
        }
        let own = root.writers.get(&self.writer);
        if own.is_some_and(|own| own.batch == swap.batch) {
            return if *root == *swap.root {
                Look::Settled(Outcome::Committed(Some(object.meta.clone())))
            } else {
                Look::Behind
            };
        }
        // Another swap was first, so the token that this one waits for never comes back. Unless so much time has
        // passed that the own entry may have been forgotten.
        if swap.sent.elapsed(&*self.space.context.clock) < ABSENCE_PROVES {
            Look::Settled(Outcome::NotCommitted)
        } else {
            Look::Lost
        }
    }
}

pub(crate) fn unknown() -> Error {
    Error::new(
        Reason::OutcomeUnknown,
        "The store did not say whether the write was committed: it may have happened; read before writing again",
    )
}
