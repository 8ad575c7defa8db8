//! The coalescer with a user that only counts: one lock, one table, and a list of what was settled.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::time::sleep;

use super::*;

/// Most requests in flight.
const CAPACITY: usize = 2;

#[derive(Default)]
struct Inner {
    table: InFlightTable<&'static str, u32>,
    /// The results, in the order in which they were settled.
    settled: Vec<Result<u32, Reason>>,
    /// A waiter that must not have the result when it is settled.
    early: Option<Waiter<u32>>,
}

/// A user of the coalescer. Cheap to clone: all clones are one.
#[derive(Clone, Default)]
struct User {
    inner: Arc<Mutex<Inner>>,
    requests: Arc<AtomicUsize>,
    stop: CancellationToken,
}

struct Request {
    user: User,
    key: &'static str,
}

impl Settle for Request {
    type Output = u32;

    fn settle(&self, result: &Result<u32, Error>) {
        let mut inner = self.user.inner.lock();
        if let Some(waiter) = &mut inner.early {
            assert!(waiter.result().now_or_never().is_none(), "a waiter has the result");
        }
        inner.table.remove(&self.key);
        inner.settled.push(result.as_ref().copied().map_err(Error::reason));
    }

    fn abandon(&self, cause: Abandoned) -> Error {
        let reason = match cause {
            Abandoned::Shutdown => Reason::Unavailable,
            Abandoned::BrokenOff => Reason::OutcomeUnknown,
        };
        Error::new(reason, "abandoned")
    }
}

impl User {
    fn join_or_start(&self, key: &'static str) -> Result<Joined<Request>, usize> {
        let request = || Request { user: self.clone(), key };
        let admit = |in_flight| if in_flight < CAPACITY { Ok(((), request())) } else { Err(in_flight) };
        self.inner.lock().table.join_or_start(&key, admit)
    }

    /// Joins, or starts a task with this request.
    fn ask(
        &self,
        key: &'static str,
        request: impl Future<Output = Result<u32, Error>> + Send + 'static,
    ) -> Waiter<u32> {
        let (waiter, task) = self.join_or_start(key).unwrap();
        if let Some(task) = task {
            self.requests.fetch_add(1, Ordering::SeqCst);
            drop(tokio::spawn(task.run(request, self.stop.clone())));
        }
        waiter
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    fn settled(&self) -> Vec<Result<u32, Reason>> {
        self.inner.lock().settled.clone()
    }
}

async fn seven() -> Result<u32, Error> {
    sleep(Duration::from_secs(1)).await;
    Ok(7)
}

#[tokio::test(start_paused = true)]
async fn callers_at_the_same_time_share_one_request_and_later_ones_start_their_own() {
    let user = User::default();
    let mut waiters: Vec<_> = (0..100).map(|_| user.ask("k", seven())).collect();
    assert_eq!(waiters.iter().filter(|waiter| !waiter.joined).count(), 1);
    for waiter in &mut waiters {
        assert_eq!(waiter.result().await.unwrap(), 7);
    }
    assert_eq!((user.requests(), user.settled()), (1, vec![Ok(7)]));
    assert!(!user.ask("k", seven()).joined, "the request has ended");
    assert_eq!(user.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn requests_for_different_keys_are_not_shared() {
    let user = User::default();
    let mut eight = user.ask("a", async { Ok(8) });
    let mut seven = user.ask("b", seven());
    assert_eq!((eight.result().await.unwrap(), seven.result().await.unwrap()), (8, 7));
}

#[tokio::test(start_paused = true)]
async fn the_caller_that_started_a_request_may_go_away() {
    let user = User::default();
    let starter = user.ask("k", seven());
    let mut joiner = user.ask("k", seven());
    drop(starter);
    assert_eq!(joiner.result().await.unwrap(), 7);
    drop(user.ask("k", seven()));
    sleep(Duration::from_secs(2)).await;
    assert_eq!(user.settled(), [Ok(7), Ok(7)], "also a request that no caller waits for is settled");
}

#[tokio::test(start_paused = true)]
async fn a_waiter_may_give_up_and_wait_again() {
    let user = User::default();
    let mut waiter = user.ask("k", seven());
    assert!(tokio::time::timeout(Duration::from_millis(10), waiter.result()).await.is_err());
    assert_eq!(waiter.result().await.unwrap(), 7);
}

#[tokio::test]
async fn a_request_that_panics_ends_its_waiters_and_makes_room_for_the_next() {
    let user = User::default();
    let mut first = user.ask("k", async { panic!("broken") });
    let mut second = user.ask("k", seven());
    for waiter in [&mut first, &mut second] {
        assert_eq!(waiter.result().await.unwrap_err().reason(), Reason::OutcomeUnknown);
    }
    assert_eq!(user.settled(), [Err(Reason::OutcomeUnknown)]);
    assert_eq!(user.ask("k", async { Ok(8) }).result().await.unwrap(), 8);
}

#[tokio::test]
async fn a_request_that_is_dropped_before_it_runs_ends_its_waiters() {
    let user = User::default();
    let (mut first, task) = user.join_or_start("k").unwrap();
    let (mut second, none) = user.join_or_start("k").unwrap();
    assert!(none.is_none());
    drop(task);
    for waiter in [&mut first, &mut second] {
        assert_eq!(waiter.result().await.unwrap_err().reason(), Reason::OutcomeUnknown);
    }
}

#[tokio::test]
async fn shutdown_ends_a_request_and_its_waiters() {
    let user = User::default();
    let mut waiter = user.ask("k", pending());
    user.stop.cancel();
    assert_eq!(waiter.result().await.unwrap_err().reason(), Reason::Unavailable);
    assert_eq!(user.settled(), [Err(Reason::Unavailable)]);
}

#[tokio::test(start_paused = true)]
async fn a_result_is_settled_before_any_waiter_gets_it() {
    let user = User::default();
    let mut waiter = user.ask("k", seven());
    user.inner.lock().early = Some(user.ask("k", seven()));
    assert_eq!(waiter.result().await.unwrap(), 7);
    assert_eq!(user.settled(), [Ok(7)]);
}

#[tokio::test(start_paused = true)]
async fn the_user_bounds_what_is_started_and_not_who_joins() {
    let user = User::default();
    let (mut a, mut b) = (user.ask("a", seven()), user.ask("b", seven()));
    assert_eq!(user.join_or_start("c").err(), Some(CAPACITY));
    assert!(user.ask("a", seven()).joined);
    assert_eq!((a.result().await.unwrap(), b.result().await.unwrap()), (7, 7));
    assert_eq!(user.ask("c", seven()).result().await.unwrap(), 7);
}
