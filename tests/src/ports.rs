//! Free loopback ports for processes that have to be told theirs.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::error::{HarnessError, Result};

/// Below the range from which Linux (32768 and up) and macOS (49152 and up) take the local ports of
/// outgoing connections, so that no connection of a neighbour takes a port between its choice here
/// and the start of its process.
const FIRST: u16 = 16_000;
const COUNT: u16 = 16_000;

/// A loopback port that nobody listens on. No two calls in one process give the same one before
/// the range is used up; processes that run at the same time start at different places of it.
pub fn free_port() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    if NEXT.load(Ordering::Relaxed) == 0 {
        let start = rand::random_range(1..COUNT);
        // When another thread was first, its start is as good.
        let _ = NEXT.compare_exchange(0, start, Ordering::Relaxed, Ordering::Relaxed);
    }
    for _ in 0..COUNT {
        let port = FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(HarnessError::Missing(format!("no free port on 127.0.0.1 from {FIRST} to {}", FIRST + COUNT - 1)))
}
