//! Randomness, passed in: from the operating system in a program, from a printed seed in a test.

use std::{fmt, time::Duration};

use parking_lot::Mutex;
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

/// A source of random numbers for nonces, incarnations and jitter. Shared by reference.
pub struct Random(Mutex<StdRng>);

impl Random {
    /// Seeded by the operating system.
    #[must_use]
    pub fn from_os() -> Self {
        Self(Mutex::new(rand::make_rng()))
    }

    /// The same sequence for the same seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    /// Any 64-bit number.
    #[must_use]
    pub fn u64(&self) -> u64 {
        self.0.lock().next_u64()
    }

    /// A number in `0..bound`; 0 if `bound` is 0.
    #[must_use]
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.0.lock().random_range(0..bound) }
    }

    /// A duration in `0..longest`, for pauses that must not fall into step.
    #[must_use]
    pub fn jitter(&self, longest: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(longest.as_micros()).unwrap_or(u64::MAX)))
    }

    /// 32 hex digits of 128 random bits: an object's nonce, a process's id.
    #[must_use]
    pub fn hex128(&self) -> String {
        let mut rng = self.0.lock();
        format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64())
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}
