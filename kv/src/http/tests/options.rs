//! Every option of every operation comes through client and server as it was given: what one of them drops,
//! no model notices that ignores it.

use futures::stream::BoxStream;
use parking_lot::Mutex;

use super::*;
use crate::{
    Answer, BulkOutcome, CacheStatus, Condition, Cursor, DeleteOptions, Entry, Error, Expiration,
    ExpirationRequest, Freshness, GetOptions, Incarnation, ListOptions, Lookup, Metadata, Mutation, Page,
    Prefix, PutOptions, ReadOptions, State, Value, Version,
};

/// What was asked, in the order it came.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Get(Namespace, Key, GetOptions),
    Put(Namespace, Key, PutOptions),
    Delete(Namespace, Key, DeleteOptions),
    List(Namespace, ListOptions),
}

#[derive(Default)]
struct Recorder(Mutex<Vec<Asked>>);

impl Recorder {
    fn answer<T>(&self, asked: Asked, body: T) -> Result<Answer<T>, Error> {
        self.0.lock().push(asked);
        Ok(Answer { body, state: state() })
    }
}

fn version() -> Version {
    Version::new(Incarnation::mint(&Random::seeded(5)), 7)
}

fn state() -> State {
    State {
        version: version(),
        age: Duration::from_millis(1_234),
        time: START,
        freshness: Freshness { max_age: Duration::from_secs(60), stale_if_error: Duration::from_secs(5) },
        served: CacheStatus::Miss.into(),
    }
}

#[async_trait]
impl Kv for Recorder {
    async fn get(
        &self,
        namespace: &Namespace,
        key: &Key,
        options: &GetOptions,
    ) -> Result<Answer<Lookup>, Error> {
        let unchanged = Lookup::Unchanged { version: version(), expiration: Some(Expiration(1_900_000_000)) };
        self.answer(Asked::Get(namespace.clone(), key.clone(), options.clone()), unchanged)
    }

    async fn get_many(
        &self,
        _: &Namespace,
        _: &[Key],
        _: &ReadOptions,
    ) -> Result<Answer<Vec<Option<Entry>>>, Error> {
        unreachable!()
    }

    async fn put(
        &self,
        namespace: &Namespace,
        key: &Key,
        _: Value,
        options: &PutOptions,
    ) -> Result<Answer<Version>, Error> {
        self.answer(Asked::Put(namespace.clone(), key.clone(), options.clone()), version())
    }

    async fn delete(
        &self,
        namespace: &Namespace,
        key: &Key,
        options: &DeleteOptions,
    ) -> Result<Answer<()>, Error> {
        self.answer(Asked::Delete(namespace.clone(), key.clone(), options.clone()), ())
    }

    async fn write_many(
        &self,
        _: &Namespace,
        _: BoxStream<'static, Result<Mutation, Error>>,
    ) -> Result<Answer<BulkOutcome>, Error> {
        unreachable!()
    }

    async fn list(&self, namespace: &Namespace, options: &ListOptions) -> Result<Answer<Page>, Error> {
        let page = Page { keys: Vec::new(), cursor: None };
        self.answer(Asked::List(namespace.clone(), options.clone()), page)
    }
}

#[tokio::test]
async fn every_option_comes_through() {
    let recorder = Arc::new(Recorder::default());
    let server = Running::over(recorder.clone(), &Settings::default()).await;
    let client = server.client(Protocol::Http1);
    let (namespace, key) = ("a/b".parse::<Namespace>().unwrap(), Key::new("k /é").unwrap());
    let read = ReadOptions {
        cache_ttl: Some(Duration::from_secs(45)),
        min_version: Some(version()),
        from_origin: true,
        only_if_cached: false,
    };

    let get = GetOptions { read: read.clone(), if_none_match: Some(version()) };
    let answer = client.get(&namespace, &key, &get).await.unwrap();
    assert_eq!(answer.state, state());
    let Lookup::Unchanged { version: held, expiration } = answer.body else { panic!("{:?}", answer.body) };
    assert_eq!((held, expiration), (version(), Some(Expiration(1_900_000_000))));

    let put = PutOptions {
        expiration: Some(ExpirationRequest::At(-5)),
        metadata: Metadata::parse(r#"{"é": "🤓"}"#).unwrap(),
        condition: Some(Condition::Versions(vec![version()])),
    };
    let answer = client.put(&namespace, &key, "v".into(), &put).await.unwrap();
    assert_eq!((answer.body, answer.state), (version(), state()));

    let delete = DeleteOptions { condition: Some(Condition::Exists) };
    assert_eq!(client.delete(&namespace, &key, &delete).await.unwrap().state, state());

    let cursor = Cursor { incarnation: version().incarnation, after: key.clone() };
    let list =
        ListOptions { prefix: Prefix::new("k +é&").unwrap(), limit: Some(7), cursor: Some(cursor), read };
    assert_eq!(client.list(&namespace, &list).await.unwrap().state, state());

    let expected = [
        Asked::Get(namespace.clone(), key.clone(), get),
        Asked::Put(namespace.clone(), key.clone(), put),
        Asked::Delete(namespace.clone(), key, delete),
        Asked::List(namespace, list),
    ];
    assert_eq!(*recorder.0.lock(), expected);
}
