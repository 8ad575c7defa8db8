//! What a cluster store does when the API server does not answer as it should: a socket plays the server.
//! The real API server stands behind `tests/tests/store.rs`.

use std::sync::atomic::{AtomicUsize, Ordering};

use nearkv::SystemClock;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::store::Content;

/// A server that gives every request this answer, or none, and counts them.
async fn server(answer: Option<&'static str>) -> (Cluster, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            let counter = Arc::clone(&counter);
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.windows(4).any(|window| window == b"\r\n\r\n") {
                    if connection.read_buf(&mut request).await.unwrap() == 0 {
                        return;
                    }
                }
                counter.fetch_add(1, Ordering::Relaxed);
                let Some(answer) = answer else { return std::future::pending().await };
                let answer = format!("HTTP/1.1 {answer}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
                connection.write_all(answer.as_bytes()).await.unwrap();
            });
        }
    });
    let config = Config::new(format!("http://{address}").parse().unwrap());
    let random = Arc::new(Random::seeded(1));
    (Cluster::connect(config, Vec::new(), Arc::new(SystemClock), random).unwrap(), requests)
}

fn draft() -> Draft {
    Draft {
        name: ObjectName::new("team-a", "settings.kv"),
        labels: [].into(),
        owner: None,
        content: Content::default(),
        immutable: false,
    }
}

#[tokio::test]
async fn a_write_is_sent_once_whatever_the_server_answers() {
    // t0 the swap of a root is committed; t1 a proxy answers 504; t2 the client repeats it by itself and meets
    // a conflict with its own write; t3 the engine takes that for definite, rebases, and commits it twice.
    for answer in ["503 Service Unavailable", "504 Gateway Timeout", "429 Too Many Requests"] {
        let (store, requests) = server(Some(answer)).await;
        let error = store.replace(&draft(), &Token("7".into())).await.unwrap_err();
        assert_eq!(requests.load(Ordering::Relaxed), 1, "{answer}: {error}");
        assert_eq!(error.is_unknown(), !answer.starts_with("429"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_ends_with_its_deadline() {
    let (store, _) = server(None).await;
    let start = tokio::time::Instant::now();
    let error = store.create(&draft()).await.unwrap_err();
    assert!(error.is_unknown() && start.elapsed() >= CALL_DEADLINE, "{error}");
}

#[tokio::test]
async fn a_token_that_means_any_version_is_never_sent() {
    let (store, requests) = server(Some("500 Internal Server Error")).await;
    for token in ["", "0", "other"] {
        let error = store.replace(&draft(), &Token(token.into())).await.unwrap_err();
        assert!(matches!(error, StoreError::Conflict(_)), "{error}");
    }
    assert_eq!(requests.load(Ordering::Relaxed), 0);
}
