//! Every option of every operation comes through client and server as it was given: what one of them drops,
//! no model notices that ignores it.

use parking_lot::Mutex;

use super::*;
use crate::{
    Answer, CacheStatus, Condition, Cursor, DeleteOptions, Error, Expiration, ExpirationRequest, Freshness,
    GetOptions, Incarnation, ListOptions, Lookup, Metadata, Page, Prefix, PutOptions, ReadOptions, State,
    Version, testing::Scripted,
};

/// What was asked.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Get(Namespace, Key, GetOptions),
    Put(Namespace, Key, PutOptions),
    Delete(Namespace, Key, DeleteOptions),
    List(Namespace, ListOptions),
}

/// All that was asked, in the order it came.
#[derive(Clone, Default)]
struct Record(Arc<Mutex<Vec<Asked>>>);

impl Record {
    /// Answers to `asked`, which is kept.
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

/// Answers to everything, and keeps in `record` what it was.
fn recorder(record: &Record) -> Scripted {
    let [gets, puts, deletes, lists] = std::array::from_fn(|_| record.clone());
    Scripted::default()
        .on_get(move |namespace, key, options| {
            let asked = Asked::Get(namespace.clone(), key.clone(), options.clone());
            let expiration = Some(Expiration(1_900_000_000));
            gets.answer(asked, Lookup::Unchanged { version: version(), expiration })
        })
        .on_put(move |namespace, key, options| {
            puts.answer(Asked::Put(namespace.clone(), key.clone(), options.clone()), version())
        })
        .on_delete(move |namespace, key, options| {
            deletes.answer(Asked::Delete(namespace.clone(), key.clone(), options.clone()), ())
        })
        .on_list(move |namespace, options| {
            let page = Page { keys: Vec::new(), cursor: None };
            lists.answer(Asked::List(namespace.clone(), options.clone()), page)
        })
}

#[tokio::test]
async fn every_option_comes_through() {
    let record = Record::default();
    let server = Running::over(Arc::new(recorder(&record)), &Settings::default()).await;
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
    assert_eq!(*record.0.lock(), expected);
}
