//! The seed of what is random in a test: printed, so that what failed can be done again.

/// Chooses another start: what a failed run has printed.
const VARIABLE: &str = "NEARKV_TEST_SEED";

/// The seed that the environment names, else another each time.
pub fn seed() -> u64 {
    seed_or(u64::from(rand::random::<u32>()))
}

/// The seed that the environment names, else `usual`.
pub fn seed_or(usual: u64) -> u64 {
    let seed = std::env::var(VARIABLE).ok().and_then(|seed| seed.parse().ok()).unwrap_or(usual);
    println!("{VARIABLE}={seed}");
    seed
}
