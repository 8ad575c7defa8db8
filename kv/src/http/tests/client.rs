//! What the client makes of servers that are away, silent, broken, or none of ours.

use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::{
    Answer, DeleteOptions, Error, GetOptions, ListOptions, Lookup, PutOptions, Reason, Value,
    http::client::ClientError,
};

/// A listener that reads one request's beginning per connection, answers with these bytes, and closes.
async fn answering(answer: &'static [u8]) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _count = stream.read(&mut request).await;
            let _written = stream.write_all(answer).await;
        }
    });
    (address, task)
}

fn client(address: SocketAddr) -> Client {
    let timeout = Duration::from_millis(200);
    let settings = ClientSettings {
        protocol: Protocol::Http1,
        connect_timeout: timeout,
        read_timeout: timeout,
        ..ClientSettings::default()
    };
    Client::new(&format!("http://{address}/"), &settings).unwrap()
}

fn place() -> (Namespace, Key) {
    ("a/b".parse().unwrap(), Key::new("k").unwrap())
}

/// The reasons of a failed get, list, put and delete.
async fn reasons(client: &Client) -> [Reason; 4] {
    let (namespace, key) = place();
    let reason = |error: Error| error.reason();
    [
        client.get(&namespace, &key, &GetOptions::default()).await.map_err(reason).unwrap_err(),
        client.list(&namespace, &ListOptions::default()).await.map_err(reason).unwrap_err(),
        client.put(&namespace, &key, "v".into(), &PutOptions::default()).await.map_err(reason).unwrap_err(),
        client.delete(&namespace, &key, &DeleteOptions::default()).await.map_err(reason).unwrap_err(),
    ]
}

const LOST: [Reason; 4] =
    [Reason::Unavailable, Reason::Unavailable, Reason::OutcomeUnknown, Reason::OutcomeUnknown];

#[tokio::test]
async fn without_a_connection_nothing_was_written() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert_eq!(reasons(&client(address)).await, [Reason::Unavailable; 4]);
}

#[tokio::test]
async fn a_server_is_reached_at_an_address_that_dns_does_not_know() {
    let harness = MemoryHarness::new();
    let (namespace, key) = place();
    harness.memory.create(&namespace);
    let server = Running::over(harness.memory, &Settings::default()).await;
    let settings = ClientSettings { address: Some(server.address), ..ClientSettings::default() };
    let base = format!("http://nearkv-operator.nearkv-system.svc:{}", server.address.port());
    let client = Client::new(&base, &settings).unwrap();
    assert!(client.put(&namespace, &key, "v".into(), &PutOptions::default()).await.is_ok());
}

#[tokio::test]
async fn once_a_request_may_have_been_sent_the_outcome_of_a_write_is_unknown() {
    for answer in [
        // Closed without an answer, with half a head, with what is no HTTP, and by servers that are not ours.
        &b""[..],
        b"HTTP/1.1 200 OK\r\nContent-",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    ] {
        let (address, task) = answering(answer).await;
        assert_eq!(reasons(&client(address)).await, LOST, "{:?}", String::from_utf8_lossy(answer));
        task.abort();
    }
}

/// t0: the server closes the connection that the pool keeps. t1: a read is sent on it, and lost. t2: it is
/// asked again on a new one. A write is not.
#[tokio::test]
async fn a_lost_read_is_asked_once_more_and_a_write_is_not() {
    const ABSENT: &[u8] = b"HTTP/1.1 404 Not Found\r\nNearkv-Version: 0000000000000001.1\r\nNearkv-Age: 0\r\nNearkv-Time: 1\r\nContent-Length: 0\r\n\r\n";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut methods = Vec::new();
        for answer in [&b""[..], ABSENT, b""] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let count = stream.read(&mut request).await.unwrap();
            methods.push(String::from_utf8_lossy(&request[..count.min(3)]).into_owned());
            stream.write_all(answer).await.unwrap();
        }
        let more = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
        (methods, more.is_err())
    });
    let (namespace, key) = place();
    let read = client.get(&namespace, &key, &GetOptions::default()).await.unwrap();
    assert!(matches!(read.body, Lookup::Absent));
    let error = client.delete(&namespace, &key, &DeleteOptions::default()).await.unwrap_err();
    assert_eq!(error.reason(), Reason::OutcomeUnknown);
    let (methods, nothing_more) = server.await.unwrap();
    assert_eq!(methods, ["GET", "GET", "DEL"]);
    assert!(nothing_more, "the write was sent again");
}

#[tokio::test]
async fn a_silent_server_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(listener.local_addr().unwrap());
    assert_eq!(reasons(&client).await, LOST);
    // A value that keeps moving is no silence, however slow it is; one that stops is.
    let (namespace, key) = place();
    let never = stream::iter([Ok(Bytes::from("first"))]).chain(stream::pending()).boxed();
    let value = Value::Stream { length: None, chunks: never };
    let error = client.put(&namespace, &key, value, &PutOptions::default()).await.unwrap_err();
    assert_eq!(error.reason(), Reason::OutcomeUnknown);
}

#[tokio::test]
async fn an_error_of_a_newer_server_is_understood_by_its_status() {
    for (answer, reason) in [
        (&b"HTTP/1.1 429 x\r\nNearkv-Reason: new\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\ntext"[..], Reason::Throttled),
        (b"HTTP/1.1 413 x\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\ntext", Reason::ValueTooLong),
        (b"HTTP/1.1 404 x\r\nNearkv-Reason: route-missing\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\ntext", Reason::RouteMissing),
        (b"HTTP/1.1 503 x\r\nNearkv-Reason: throttled\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\ntext", Reason::Throttled),
    ] {
        let (address, task) = answering(answer).await;
        let (namespace, key) = place();
        let error = client(address).get(&namespace, &key, &GetOptions::default()).await.unwrap_err();
        assert_eq!((error.reason(), error.to_string()), (reason, "text".to_owned()));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
        task.abort();
    }
}

#[tokio::test]
async fn a_truncated_answer_is_an_error() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nETag: \"0000000000000001.1\"\r\nNearkv-Version: 0000000000000001.1\r\nNearkv-Age: 0\r\nNearkv-Time: 1\r\n";
    for rest in [
        "Content-Length: 10\r\n\r\nhalf",
        "Content-Length: 100000\r\n\r\nhalf",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let answer: &'static str = Box::leak(format!("{HEAD}{rest}").into_boxed_str());
        let (address, task) = answering(answer.as_bytes()).await;
        let (namespace, key) = place();
        let error = match client(address).get(&namespace, &key, &GetOptions::default()).await {
            Err(error) => error,
            Ok(Answer { body: Lookup::Found(entry), .. }) => entry.value.into_bytes().await.unwrap_err(),
            Ok(other) => panic!("{other:?}"),
        };
        assert_eq!(error.reason(), Reason::Unavailable, "{rest}");
        task.abort();
    }
}

#[tokio::test]
async fn a_put_that_streams_slowly_is_not_given_up() {
    let memory = MemoryHarness::new();
    let namespace = memory.fresh().await;
    let server = Running::over(memory.memory.clone(), &Settings::default()).await;
    let ticks = stream::iter(0..8).then(|_| async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(Bytes::from("tick"))
    });
    let value = Value::Stream { length: None, chunks: ticks.boxed() };
    let key = Key::new("k").unwrap();
    client(server.address).put(&namespace, &key, value, &PutOptions::default()).await.unwrap();
}

#[test]
fn a_base_is_the_url_of_a_server() {
    for bad in ["", "localhost:8700", "ftp://h", "http://h/?q", "http://h/#f", "unix:/x"] {
        let result = Client::new(bad, &ClientSettings::default());
        assert!(matches!(result, Err(ClientError::Base(_))), "{bad}");
    }
    Client::new("https://kv.example.com/nearkv/", &ClientSettings::default()).unwrap();
}
