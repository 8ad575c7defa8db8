//! The binary as a process, before an origin that comes, goes, and comes back.

use std::{
    net::SocketAddr,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use nearkv::{
    CacheStatus, GetOptions, Kv, Lookup, PutOptions, Random, Reason, SystemClock,
    http::{
        Client,
        client::ClientSettings,
        server::{self, serve},
    },
    testing::Memory,
};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::harness::{key, namespace};

/// Longest wait for a process on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

struct Process {
    child: Child,
    data: SocketAddr,
    admin: SocketAddr,
}

impl Process {
    fn start(origin: SocketAddr) -> Self {
        let (data, admin) = (free_address(), free_address());
        let child = Command::new(env!("CARGO_BIN_EXE_nearkv-edge-cache"))
            .args(["--origin", &format!("http://{origin}"), "--region", "london"])
            .args(["--listen", &data.to_string(), "--admin-listen", &admin.to_string()])
            .env("NEARKV_AUTH", "off")
            .env("NEARKV_LOG", "warn")
            .env("NEARKV_LOG_FORMAT", "json")
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { child, data, admin }
    }

    /// What `/readyz` or `/metrics` says; empty where nobody listens yet.
    async fn admin(&self, path: &str) -> String {
        get(self.admin, path).await
    }

    async fn until_ready_says(&self, expected: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = self.admin("/readyz").await;
            if said.contains(expected) {
                return;
            }
            assert!(Instant::now() < deadline, "/readyz never said {expected:?}, but {said:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn terminate(mut self) -> ExitStatus {
        let pid = Pid::from_raw(self.child.id().unwrap() as i32).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap()
    }
}

/// The whole answer to a GET; empty where nobody listens.
pub(crate) async fn get(server: SocketAddr, path: &str) -> String {
    let Ok(mut connection) = TcpStream::connect(server).await else { return String::new() };
    let request = format!("GET {path} HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_waits_for_its_origin_outlives_it_and_ends_in_order() {
    let memory = Arc::new(Memory::new(Arc::new(SystemClock), Random::seeded(1)));
    memory.create(&namespace());
    memory.put(&namespace(), &key("k"), "v".into(), &PutOptions::default()).await.unwrap();
    let origin = free_address();
    let process = Process::start(origin);
    process.until_ready_says(&format!("waits for the first answer of http://{origin}")).await;

    let stop = CancellationToken::new();
    let listener = TcpListener::bind(origin).await.unwrap();
    let router = server::binding_router(memory, &server::Settings::default());
    let serving = tokio::spawn(serve(listener, router, stop.clone()));
    process.until_ready_says("200 OK").await;

    let client = Client::new(&format!("http://{}", process.data), &ClientSettings::default()).unwrap();
    for status in [CacheStatus::Miss, CacheStatus::Hit] {
        let answer = client.get(&namespace(), &key("k"), &GetOptions::default()).await.unwrap();
        assert!(matches!(answer.body, Lookup::Found(_)));
        assert_eq!(answer.state.served.status, status);
    }

    stop.cancel();
    serving.await.unwrap().unwrap();
    let error = client.get(&namespace(), &key("other"), &GetOptions::default()).await.unwrap_err();
    assert_eq!(error.reason(), Reason::Unavailable);
    assert!(error.retry_after().unwrap() >= Duration::from_secs(1));
    let answer = client.get(&namespace(), &key("k"), &GetOptions::default()).await.unwrap();
    assert_eq!(answer.state.served.status, CacheStatus::Hit);
    process.until_ready_says("200 OK").await;

    let metrics = process.admin("/metrics").await;
    for line in [
        r#"nearkv_edge_reads_total{operation="get",status="HIT"} 2"#,
        r#"nearkv_edge_circuit{state="closed"} 1"#,
        "nearkv_edge_cache_entries 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    assert!(process.terminate().await.success());
}

#[tokio::test]
async fn a_flag_that_makes_no_sense_is_refused_with_what_to_do() {
    for (flags, said) in [
        (["--origin", "ftp://x", "--region", "london"], "like http://127.0.0.1:8700"),
        (["--origin", "http://x", "--region", "Lon don"], "like `london`"),
    ] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_nearkv-edge-cache")).args(flags).output().await.unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains(said), "{text}");
    }
}
