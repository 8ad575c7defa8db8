//! What the server does besides the cases: headers of a region, answers that break off, an end in good order.

use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};

use super::*;
use crate::{
    Answer, CacheStatus, Entry, Error, Freshness, GetOptions, Incarnation, ListOptions, Lookup, Page, Reason,
    Served, State, Value, Version,
    http::server::{Admin, admin_router, serve_with_drain},
    testing::Scripted,
};

fn version() -> Version {
    Version::new(Incarnation::mint(&Random::seeded(5)), 7)
}

fn state(served: Served) -> State {
    let freshness = Freshness { max_age: Duration::from_secs(60), stale_if_error: Duration::from_secs(5) };
    State { version: version(), age: Duration::from_millis(1_999), time: START, freshness, served }
}

/// Answers every get with what `get` makes of it, and every list with a stale and empty page.
fn scripted(get: impl Fn() -> Result<Answer<Lookup>, Error> + Send + Sync + 'static) -> Scripted {
    let page = || Page { keys: vec![], cursor: None };
    Scripted::default()
        .on_get(move |_, _, _| get())
        .on_list(move |_, _| Ok(Answer { body: page(), state: state(CacheStatus::Stale.into()) }))
}

fn found(value: Value) -> Lookup {
    Lookup::Found(Entry { value, metadata: None, expiration: None, version: version() })
}

/// Sends one GET with `Connection: close` and reads to the end; `Err` where the connection was reset.
async fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn an_edge_says_in_cache_status_how_it_served() {
    let served = Served { status: CacheStatus::Expired, collapsed: true };
    let kv = scripted(move || Ok(Answer { body: found(Value::from("v")), state: state(served) }));
    let settings = Settings { region: Some("lon don".to_owned()), ..Default::default() };
    let server = Running::over(Arc::new(kv), &settings).await;
    let answer = get(server.address, "/kv/a/b/k").await.unwrap();
    assert!(answer.contains("cache-status: nearkv-lon-don; fwd=stale; collapsed\r\n"), "{answer}");
    assert!(answer.contains("cf-cache-status: EXPIRED\r\n"), "{answer}");
    assert!(answer.contains("\r\nage: 1\r\n") && answer.contains("nearkv-age: 1999\r\n"), "{answer}");
    let listed = get(server.address, "/kv/a/b").await.unwrap();
    assert!(listed.contains("cache-status: nearkv-lon-don; hit; ttl=59; detail=STALE\r\n"), "{listed}");
    assert!(!listed.contains("cf-cache-status"), "{listed}");
}

#[tokio::test]
async fn the_client_reads_back_how_an_edge_served_also_from_a_list() {
    let served = Served { status: CacheStatus::Updating, collapsed: false };
    let kv = scripted(move || Ok(Answer { body: found(Value::from("v")), state: state(served) }));
    let server =
        Running::over(Arc::new(kv), &Settings { region: Some("tokyo".to_owned()), ..Default::default() })
            .await;
    let client = server.client(Protocol::Http1);
    let (namespace, key) = ("a/b".parse().unwrap(), Key::new("k").unwrap());
    let read = client.get(&namespace, &key, &GetOptions::default()).await.unwrap();
    assert_eq!(read.state, state(served));
    let listed = client.list(&namespace, &ListOptions::default()).await.unwrap();
    assert_eq!(listed.state, state(CacheStatus::Stale.into()));
}

#[tokio::test]
async fn an_answer_whose_value_breaks_off_never_ends_as_if_it_were_whole() {
    for (length, surplus) in [(Some(10), false), (None, false), (Some(3), true)] {
        let kv = scripted(move || {
            let broken = Err(Error::new(Reason::Unavailable, "a chunk was lost"));
            let rest = if surplus { Ok(Bytes::from("surplus")) } else { broken };
            let chunks = stream::iter([Ok(Bytes::from("half")), rest]).boxed();
            Ok(Answer {
                body: found(Value::Stream { length, chunks }),
                state: state(CacheStatus::Hit.into()),
            })
        });
        let server = Running::over(Arc::new(kv), &Settings::default()).await;
        // A reset is fine, too.
        let answer = get(server.address, "/kv/a/b/k").await.unwrap_or_default();
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        assert!(
            !body.ends_with("0\r\n\r\n") && body.len() < 3 + usize::from(length != Some(3)) * 8,
            "{answer}"
        );
        for protocol in [Protocol::Http1, Protocol::H2c] {
            let client = server.client(protocol);
            let (namespace, key) = ("a/b".parse().unwrap(), Key::new("k").unwrap());
            let read = client.get(&namespace, &key, &GetOptions::default()).await;
            let error = match read {
                Err(error) => error,
                Ok(Answer { body: Lookup::Found(entry), .. }) => entry.value.into_bytes().await.unwrap_err(),
                Ok(other) => panic!("{other:?}"),
            };
            assert_eq!(error.reason(), Reason::Unavailable, "{error:?}");
        }
    }
}

#[tokio::test]
async fn an_error_is_an_ascii_reason_phrase_and_says_when_to_try_again() {
    let kv = scripted(|| {
        let text = format!("no\r\nInjected: é {}", "x".repeat(600));
        let error = Error::new(Reason::Throttled, text).with_version(version());
        Err(error.with_retry_after(Duration::from_millis(1_001)))
    });
    let server = Running::over(Arc::new(kv), &Settings::default()).await;
    let answer = get(server.address, "/kv/a/b/k").await.unwrap();
    let phrase = format!("HTTP/1.1 429 no??Injected: ? {}\r\n", "x".repeat(512 - 16));
    assert!(answer.starts_with(&phrase), "{answer}");
    assert!(answer.contains("retry-after: 2\r\n"), "{answer}");
    assert!(answer.contains("nearkv-reason: throttled\r\n"), "{answer}");
    assert!(answer.contains(&format!("nearkv-version: {}\r\n", version())), "{answer}");
}

#[tokio::test]
async fn shutdown_ends_idle_connections_and_lets_requests_in_flight_end() {
    let (started, proceed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let kv = {
        let (started, proceed) = (started.clone(), proceed.clone());
        scripted(move || {
            let (started, proceed) = (started.clone(), proceed.clone());
            let chunk = async move {
                started.notify_one();
                proceed.notified().await;
                Ok(Bytes::from("late"))
            };
            let chunks = stream::once(chunk).boxed();
            Ok(Answer {
                body: found(Value::Stream { length: Some(4), chunks }),
                state: state(CacheStatus::Hit.into()),
            })
        })
    };
    let server = Running::over(Arc::new(kv), &Settings::default()).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    let request = tokio::spawn(get(server.address, "/kv/a/b/k"));
    started.notified().await;
    server.shutdown.cancel();
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0, "an idle connection is closed");
    assert!(TcpStream::connect(server.address).await.is_err(), "no connection is taken any more");
    proceed.notify_one();
    assert!(request.await.unwrap().unwrap().ends_with("\r\n\r\nlate"));
    server.ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_is_leaving_still_answers_and_asks_its_clients_to_go() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (leaving, shutdown) = (CancellationToken::new(), CancellationToken::new());
    let admin = admin_router(Arc::new(Process { waits_for: None }), None);
    let ended = tokio::spawn(serve_with_drain(listener, admin, None, leaving.clone(), shutdown.clone()));
    let mut kept = TcpStream::connect(address).await.unwrap();
    let mut ask = async || {
        kept.write_all(b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        let mut answer = [0; 1024];
        let length = kept.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    };
    let before = ask().await;
    assert!(before.ends_with("ok\n") && !before.contains("connection: close"), "{before}");
    leaving.cancel();
    let after = ask().await;
    assert!(after.ends_with("ok\n") && after.contains("connection: close"), "{after}");
    assert_eq!(kept.read(&mut [0; 1]).await.unwrap(), 0, "and closes after that answer");
    assert!(get(address, "/livez").await.unwrap().ends_with("ok\n"), "whoever comes anew is answered");
    shutdown.cancel();
    ended.await.unwrap().unwrap();
}

struct Process {
    waits_for: Option<String>,
}

impl Admin for Process {
    fn waits_for(&self) -> Option<String> {
        self.waits_for.clone()
    }

    fn metrics(&self) -> String {
        "# EOF\n".to_owned()
    }
}

#[tokio::test]
async fn the_admin_listener_says_what_a_process_waits_for() {
    for (waits_for, status, text) in
        [(None, "200", "ok\n"), (Some("the API server"), "503", "waits for the API server\n")]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let admin = admin_router(Arc::new(Process { waits_for: waits_for.map(str::to_owned) }), None);
        let ended = tokio::spawn(serve(listener, admin, shutdown.clone()));
        let ready = get(address, "/readyz").await.unwrap();
        assert!(ready.starts_with(&format!("HTTP/1.1 {status} ")) && ready.ends_with(text), "{ready}");
        assert!(get(address, "/livez").await.unwrap().starts_with("HTTP/1.1 200 "));
        let metrics = get(address, "/metrics").await.unwrap();
        assert!(
            metrics.contains("content-type: application/openmetrics-text") && metrics.ends_with("# EOF\n")
        );
        shutdown.cancel();
        ended.await.unwrap().unwrap();
    }
}
