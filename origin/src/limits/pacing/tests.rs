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

/// How many writes of each lane go within 10 s by so many at once, of 100 for which there is room.
async fn share(commits: usize, maintenance: usize) -> [usize; 2] {
    let pace = pace();
    for _ in 0..50 {
        pace.admit(Lane::Commit, 0).await;
    }
    let gone = Arc::new([const { AtomicUsize::new(0) }; 2]);
    let lanes = [(Lane::Commit, commits), (Lane::Maintenance, maintenance)];
    let mut running = tokio::task::JoinSet::new();
    for (lane, writers) in lanes {
        for _ in 0..writers {
            let (pace, gone) = (Arc::clone(&pace), Arc::clone(&gone));
            running.spawn(async move {
                loop {
                    pace.admit(lane, 0).await;
                    gone[lane as usize].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    }
    sleep(Duration::from_secs(10)).await;
    gone.each_ref().map(|gone| gone.load(Ordering::Relaxed))
}

#[tokio::test(start_paused = true)]
async fn commits_and_maintenance_have_half_each_while_both_wait_however_many_they_are() {
    for (commits, maintenance) in [(1, 1), (1, 8), (8, 1), (4, 4)] {
        let shares = share(commits, maintenance).await;
        assert!(shares.iter().all(|share| (45..=55).contains(share)), "{shares:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lane_alone_has_all_there_is() {
    assert!(matches!(share(4, 0).await, [95..=105, 0]));
    assert!(matches!(share(0, 4).await, [0, 95..=105]));
}

#[tokio::test(start_paused = true)]
async fn while_there_is_enough_nobody_waits_for_a_turn() {
    let (pace, start) = (pace(), Instant::now());
    for lane in [Lane::Commit, Lane::Commit, Lane::Maintenance, Lane::Maintenance] {
        pace.admit(lane, 0).await;
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn without_limits_nothing_waits() {
    let (pace, start) = (Pace::new(None), Instant::now());
    for _ in 0..100_000 {
        pace.admit(Lane::Maintenance, u64::MAX / 2).await;
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}
