//! The longest single GET while half a million entries pass their deadlines, beside the same run in which none does, and
//! beside a server on the same core that does nothing: what that takes at the longest is the machine's.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use nearkv_tests::bench::{Figures, closed_loops, cpu_time, pin_this_thread};
use tokio::time::{Instant, sleep};

use crate::edge::{Callers, edge, fill};
use crate::upstream::Counting;
use crate::{EDGE_CORE, FOR_EVER, Result};

/// Entries that pass their deadlines.
const EXPIRING: u64 = 500_000;
/// Their time to live: longer than filling takes, so that all of them are fresh when the watch begins.
const DEADLINE: Duration = Duration::from_secs(90);
/// How long a single reader goes on after the first deadline: until well after the last.
const WATCHED: Duration = Duration::from_secs(100);
/// What the longest GET shall not exceed.
const AIM: Duration = Duration::from_millis(5);

/// Both runs.
pub(crate) async fn longest_gets() -> Result<()> {
    for (name, ttl) in [("no deadline passes", FOR_EVER), ("500,000 deadlines pass", DEADLINE)] {
        longest_get(name, ttl).await?;
    }
    Ok(())
}

/// One client reads one key whose own time to live does not end, another asks the server that does nothing.
async fn longest_get(name: &str, ttl: Duration) -> Result<()> {
    let authority = Arc::new(Counting(AtomicU64::new(0)));
    let (edge, address) = edge(ttl, Callers::Anybody, authority).await?;
    let start = Instant::now();
    fill(address, EXPIRING, Callers::Anybody).await?;
    let filled = start.elapsed();
    sleep(DEADLINE.saturating_sub(filled)).await;
    let before = cpu_time(edge.id())?;
    let request = |_, _| Callers::Anybody.get(u64::MAX);
    let (gets, nothing) = tokio::try_join!(
        closed_loops(address, 1, sleep(WATCHED), request),
        closed_loops(does_nothing(), 1, sleep(WATCHED), request),
    )?;
    let cpu = (cpu_time(edge.id())? - before).as_secs_f64() * 1e6 / gets.succeeded as f64;
    println!("{name} (filled in {:.0} s):", filled.as_secs_f64());
    say(&format!("GET, {cpu:.1} µs CPU each"), &gets);
    say("beside it a server that does nothing", &nothing);
    Ok(())
}

fn say(what: &str, figures: &Figures) {
    println!(
        "  {what}: longest {:?} of {}, {} longer than {AIM:?} (p50 {:?}, p99.9 {:?})",
        figures.longest(),
        figures.succeeded,
        figures.longer_than(AIM),
        figures.quantile(0.5),
        figures.quantile(0.999),
    );
}

/// The address of a server on the edge's core that answers one connection, whatever is asked.
fn does_nothing() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let address = listener.local_addr().expect("a bound listener has an address");
    std::thread::spawn(move || {
        pin_this_thread(EDGE_CORE).expect("the core is there");
        let (stream, _) = listener.accept().expect("a client connects");
        // It ends with the connection.
        answer_all(stream).ok()
    });
    address
}

fn answer_all(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut request = [0; 1024];
    while stream.read(&mut request)? > 0 {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
    }
    Ok(())
}
