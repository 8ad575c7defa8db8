//! Lists: order, prefixes, pages, and cursors that outlive changes but not an incarnation.

use futures::{FutureExt, StreamExt, stream};

use super::{Case, Failure, Outcome, Scene, equal, holds, key, metadata, refused};
use crate::{
    Cursor, Error, Expiration, ExpirationRequest, Incarnation, Key, ListOptions, Listed, Page, Prefix,
    PutOptions, Random, Reason,
};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("an empty KvNamespace lists nothing", |scene| empty(scene).boxed()),
        Case::new("2,500 keys are listed page by page in the order of their bytes", |scene| {
            pages(scene).boxed()
        }),
        Case::new("keys are ordered by UTF-8 bytes and not by UTF-16 units", |scene| order(scene).boxed()),
        Case::new("a prefix selects by bytes", |scene| prefixes(scene).boxed()),
        Case::new("a list shows metadata and expiration", |scene| details(scene).boxed()),
        Case::new("a cursor goes on behind deleted keys", |scene| deletes(scene).boxed()),
        Case::new("a cursor of another incarnation is invalid", |scene| foreign(scene).boxed()),
        Case::new("a list shows what was just written and deleted", |scene| own_writes(scene).boxed()),
    ]
}

async fn list(
    scene: &Scene,
    prefix: &str,
    limit: Option<usize>,
    cursor: Option<Cursor>,
) -> Result<Page, Failure> {
    let prefix = Prefix::new(prefix)?;
    let options = ListOptions { prefix, limit, cursor, ..ListOptions::default() };
    Ok(scene.kv.list(&scene.namespace, &options).await?.body)
}

fn names(page: &Page) -> Vec<String> {
    page.keys.iter().map(|listed| listed.name.to_string()).collect()
}

/// Follows the cursors to the end.
async fn all(scene: &Scene, prefix: &str, limit: Option<usize>) -> Result<Vec<Vec<String>>, Failure> {
    let (mut pages, mut cursor) = (Vec::new(), None);
    loop {
        let page = list(scene, prefix, limit, cursor).await?;
        pages.push(names(&page));
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(pages);
        }
        holds("a list ends", pages.len() <= 3000)?;
    }
}

async fn put_all(scene: &Scene, keys: impl IntoIterator<Item = String>) -> Outcome {
    let keys = keys.into_iter().map(|name| key(&name)).collect::<Result<Vec<Key>, _>>()?;
    let puts = keys.iter().map(|key| scene.put(key, "v")).collect::<Vec<_>>();
    let results: Vec<Result<_, Error>> = stream::iter(puts).buffer_unordered(32).collect().await;
    results.into_iter().try_for_each(|result| result.map(|_| ()))?;
    Ok(())
}

async fn empty(scene: Scene) -> Outcome {
    let page = list(&scene, "", None, None).await?;
    equal("page", page, Page { keys: Vec::new(), cursor: None })
}

async fn pages(scene: Scene) -> Outcome {
    // The names' order is not the order of their numbers.
    let mut expected: Vec<String> = (0..2500).map(|i| format!("k{}", i * 7)).collect();
    put_all(&scene, expected.clone()).await?;
    expected.sort();
    let pages = all(&scene, "", None).await?;
    let sizes: Vec<_> = pages.iter().map(Vec::len).collect();
    equal("page sizes", sizes, vec![1000, 1000, 500])?;
    equal("keys", pages.concat(), expected.clone())?;
    let pages = all(&scene, "k1", Some(100)).await?;
    let selected: Vec<String> = expected.iter().filter(|name| name.starts_with("k1")).cloned().collect();
    holds("all pages but the last are full", pages.iter().rev().skip(1).all(|page| page.len() == 100))?;
    equal("keys with prefix", pages.concat(), selected)?;
    let few = expected.iter().filter(|name| name.starts_with("k17")).count();
    let full = list(&scene, "k17", Some(few), None).await?;
    equal("an exactly full page is the last", (full.keys.len(), full.cursor), (few, None))?;
    let less = list(&scene, "k17", Some(few - 1), None).await?;
    holds("a page with one key less is not", less.cursor.is_some())
}

async fn order(scene: Scene) -> Outcome {
    // U+1F913 is D83E DD13 in UTF-16, before U+F8FF; in UTF-8 it comes after.
    let expected =
        ["\0", " ", "A", "a", "a\0", "a/b", "aa", "b", "~", "é", "日", "\u{F8FF}", "\u{FFFD}", "\u{1F913}"];
    put_all(&scene, expected.iter().rev().map(ToString::to_string)).await?;
    for limit in [None, Some(3), Some(1)] {
        equal("order", all(&scene, "", limit).await?.concat(), expected.map(str::to_owned).to_vec())?;
    }
    Ok(())
}

async fn prefixes(scene: Scene) -> Outcome {
    put_all(&scene, ["a", "a/1", "a/2", "a%2F3", "a_x", "a*", "b", "é1", "ê1"].map(str::to_owned)).await?;
    for (prefix, expected) in [
        ("a/", vec!["a/1", "a/2"]),
        ("a", vec!["a", "a%2F3", "a*", "a/1", "a/2", "a_x"]),
        ("a_", vec!["a_x"]),
        ("a%", vec!["a%2F3"]),
        ("é", vec!["é1"]),
        ("a/1", vec!["a/1"]),
        ("c", vec![]),
        ("a/1/", vec![]),
    ] {
        let page = list(&scene, prefix, None, None).await?;
        equal(prefix, names(&page), expected.iter().map(ToString::to_string).collect())?;
    }
    let long = "k".repeat(512);
    put_all(&scene, [long.clone()]).await?;
    equal("a prefix of 512 bytes", names(&list(&scene, &long, None, None).await?), vec![long])
}

async fn details(scene: Scene) -> Outcome {
    let at = scene.harness.now().seconds() + 3600;
    for (name, text, expires) in [("a", "\"s\"", true), ("b", "{\"x\": [1]}", false), ("c", "null", true)] {
        let expiration = expires.then(|| ExpirationRequest::At(i64::try_from(at).unwrap_or(i64::MAX)));
        let options = PutOptions { expiration, metadata: metadata(text)?, condition: None };
        scene.put_with(&key(name)?, "v", options).await?;
    }
    let listed = |name, text, expires: bool| -> Result<Listed, Failure> {
        let expiration = expires.then_some(Expiration(at));
        Ok(Listed { name: key(name)?, expiration, metadata: metadata(text)? })
    };
    let expected =
        vec![listed("a", "\"s\"", true)?, listed("b", "{\"x\": [1]}", false)?, listed("c", "null", true)?];
    equal("keys", list(&scene, "", None, None).await?.keys, expected)
}

async fn deletes(scene: Scene) -> Outcome {
    put_all(&scene, (0..10).map(|i| i.to_string())).await?;
    let first = list(&scene, "", Some(4), None).await?;
    equal("first page", names(&first).concat(), "0123".to_owned())?;
    for name in ["3", "4", "0"] {
        scene.delete(&key(name)?).await?;
    }
    put_all(&scene, ["35".to_owned(), "05".to_owned()]).await?;
    let second = list(&scene, "", Some(4), first.cursor).await?;
    equal("second page", names(&second), ["35", "5", "6", "7"].map(str::to_owned).to_vec())?;
    let third = list(&scene, "", Some(4), second.cursor).await?;
    equal("third page", names(&third), ["8", "9"].map(str::to_owned).to_vec())?;
    equal("its cursor", third.cursor, None)
}

async fn foreign(scene: Scene) -> Outcome {
    put_all(&scene, ["a".to_owned(), "b".to_owned()]).await?;
    let cursor = Cursor { incarnation: Incarnation::mint(&Random::seeded(0x0a1d)), after: key("a")? };
    let options = ListOptions { cursor: Some(cursor), ..ListOptions::default() };
    let result = scene.kv.list(&scene.namespace, &options).await;
    refused("list", result, Reason::CursorInvalid, "Invalid cursor.")
}

async fn own_writes(scene: Scene) -> Outcome {
    put_all(&scene, ["a".to_owned()]).await?;
    equal("one", names(&list(&scene, "", None, None).await?).concat(), "a".to_owned())?;
    put_all(&scene, ["b".to_owned()]).await?;
    equal("two", names(&list(&scene, "", None, None).await?).concat(), "ab".to_owned())?;
    scene.delete(&key("a")?).await?;
    equal("one again", names(&list(&scene, "", None, None).await?).concat(), "b".to_owned())
}
