//! Request coalescing: callers that need the same answer at the same time share one request.
//!
//! The user of this module holds an [`InFlightTable`] under a lock of its own. A caller either joins the request in
//! flight for its key or starts one ([`InFlightTable::join_or_start`]), releases the lock, and waits ([`Waiter`]). A
//! started request runs as a task of its own ([`FetchTask::run`]), so it survives the caller that started it. It always
//! ends: when its task panics or is dropped, its waiters get an error.
//!
//! Everything else is the user's, through [`Settle`]: what a result changes, which error a lost request returns, how
//! many requests there may be, and how long a caller waits.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    mem,
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{Error, Reason};

/// The user's part of one request.
pub trait Settle: Send + 'static {
    /// What the request returns to each of its waiters.
    type Output: Clone + Send + Sync + 'static;

    /// Removes the request from its table ([`InFlightTable::remove`]) and stores the result. Both must happen under one
    /// lock of the table: a caller that finds the request gone must find its result. Called once, before any waiter
    /// gets the result, and never while the calling thread holds that lock.
    fn settle(&self, result: &Result<Self::Output, Error>);

    /// The error for the waiters of a request that ended without a result. Called before [`Settle::settle`].
    fn abandon(&self, cause: Abandoned) -> Error;
}

/// Why a request ended without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abandoned {
    /// The process shuts down.
    Shutdown,
    /// Its task panicked, or was dropped before its end.
    BrokenOff,
}

/// `None` while the request is in flight.
type Completion<T> = Option<Result<T, Error>>;

/// A request in flight. `C` is what its starter tells those who join, for instance when it began.
#[derive(Debug)]
struct InFlight<T, C> {
    context: C,
    completion: watch::Receiver<Completion<T>>,
}

/// The requests in flight, by key: at most one for each.
#[derive(Debug)]
pub struct InFlightTable<K, T, C = (), H = RandomState>(HashMap<K, InFlight<T, C>, H>);

impl<K, T, C, H: Default> Default for InFlightTable<K, T, C, H> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<K, T, C, H> InFlightTable<K, T, C, H>
where
    K: Hash + Eq + Clone,
    C: Clone,
    H: BuildHasher,
{
    /// Joins the request in flight for `key`, or starts one. The returned task is the started request: its receiver
    /// must run it ([`FetchTask::run`]) after releasing the table's lock.
    ///
    /// `admit` decides about a new request. It is given the number of requests in flight, and is not called to join.
    ///
    /// # Errors
    /// As `admit` returns it; then no request was started.
    pub fn join_or_start<S, E>(
        &mut self,
        key: &K,
        admit: impl FnOnce(usize) -> Result<(C, S), E>,
    ) -> Result<Joined<S, C>, E>
    where
        S: Settle<Output = T>,
    {
        if let Some(InFlight { context, completion }) = self.0.get(key) {
            let (context, completion) = (context.clone(), completion.clone());
            return Ok((Waiter { context, joined: true, completion }, None));
        }
        let (context, settle) = admit(self.0.len())?;
        let (sender, completion) = watch::channel(None);
        let in_flight = InFlight { context: context.clone(), completion: completion.clone() };
        self.0.insert(key.clone(), in_flight);
        let task = FetchTask { settle, completion: sender, is_complete: false };
        Ok((Waiter { context, joined: false, completion }, Some(task)))
    }

    /// Removes a request that has ended, for [`Settle::settle`].
    pub fn remove(&mut self, key: &K) {
        self.0.remove(key);
    }
}

/// A caller's place at a request in flight, and the task of the request if this caller started it.
pub type Joined<S, C = ()> = (Waiter<<S as Settle>::Output, C>, Option<FetchTask<S>>);

/// A caller's place at a request in flight.
#[derive(Debug)]
pub struct Waiter<T, C = ()> {
    /// What the starter of the request told.
    pub context: C,
    /// Another caller started the request.
    pub joined: bool,
    completion: watch::Receiver<Completion<T>>,
}

impl<T: Clone> Waiter<T> {
    /// A waiter whose result is already known.
    #[must_use]
    pub fn completed(result: Result<T, Error>) -> Self {
        Self { context: (), joined: false, completion: watch::channel(Some(result)).1 }
    }
}

impl<T: Clone, C> Waiter<T, C> {
    /// Waits for the result. May be cancelled and called again.
    ///
    /// # Errors
    /// As the request failed, or as [`Settle::abandon`] returned it.
    pub async fn result(&mut self) -> Result<T, Error> {
        let completion = self.completion.wait_for(Option::is_some).await;
        match completion.ok().as_deref() {
            Some(Some(result)) => result.clone(),
            // Only where `settle` itself panicked.
            Some(None) | None => Err(Error::new(Reason::Internal, "The shared request broke off; try again")),
        }
    }
}

/// A started request, to be run by a task of its own. Dropped before its end, it completes with the error of
/// [`Settle::abandon`].
#[must_use = "a request that is not run ends with an error"]
pub struct FetchTask<S: Settle> {
    settle: S,
    completion: watch::Sender<Completion<S::Output>>,
    is_complete: bool,
}

impl<S: Settle> FetchTask<S> {
    /// Runs the request to its end, or until `stop`.
    pub async fn run(
        mut self,
        fetch: impl Future<Output = Result<S::Output, Error>>,
        stop: CancellationToken,
    ) {
        let result = tokio::select! {
            result = fetch => result,
            () = stop.cancelled() => Err(self.settle.abandon(Abandoned::Shutdown)),
        };
        self.complete(result);
    }

    fn complete(&mut self, result: Result<S::Output, Error>) {
        self.is_complete = true;
        self.settle.settle(&result);
        self.completion.send_replace(Some(result));
    }
}

impl<S: Settle> Drop for FetchTask<S> {
    fn drop(&mut self) {
        if !mem::replace(&mut self.is_complete, true) {
            let error = self.settle.abandon(Abandoned::BrokenOff);
            self.complete(Err(error));
        }
    }
}

#[cfg(test)]
mod tests;
