use super::*;

fn pace() -> Arc<Pace> {
    Pace::new(Some(PacingSettings {
        bytes_per_second: 1000,
        bytes_burst: 10_000,
        writes_per_second: 10,
        writes_burst: 50,
    }))
}

#[tokio::test(start_paused = true)]
async fn a_burst_passes_at_once_and_then_the_rate_holds() {
    let (pace, start) = (pace(), Instant::now());
    for _ in 0..50 {
        pace.admit(Lane::Commit, 10).await;
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    for _ in 0..100 {
        pace.admit(Lane::Commit, 10).await;
    }
    let seconds = start.elapsed().as_secs_f64();
    assert!((9.9..10.3).contains(&seconds), "100 writes at 10 a second took {seconds} s");
}

#[tokio::test(start_paused = true)]
async fn a_write_larger_than_the_burst_passes_and_is_paid_for_afterwards() {
    let (pace, start) = (pace(), Instant::now());
    pace.admit(Lane::Commit, 30_000).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(pace.delay() >= Duration::from_secs(20));
    pace.admit(Lane::Commit, 1).await;
    assert!((20.0..20.2).contains(&start.elapsed().as_secs_f64()));
}

#[tokio::test(start_paused = true)]
async fn maintenance_stands_back_for_commits_but_not_for_ever() {
    let pace = pace();
    for _ in 0..50 {
        pace.admit(Lane::Commit, 0).await;
    }
    let commits = Arc::clone(&pace);
    let commits = tokio::spawn(async move {
        for _ in 0..40 {
            commits.admit(Lane::Commit, 0).await;
        }
    });
    tokio::task::yield_now().await;
    let start = Instant::now();
    pace.admit(Lane::Maintenance, 0).await;
    let waited = start.elapsed();
    assert!(waited >= MAINTENANCE_PATIENCE && waited < Duration::from_secs(2), "{waited:?}");
    commits.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_limits_nothing_waits() {
    let (pace, start) = (Pace::new(None), Instant::now());
    for _ in 0..100_000 {
        pace.admit(Lane::Maintenance, u64::MAX / 2).await;
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}
