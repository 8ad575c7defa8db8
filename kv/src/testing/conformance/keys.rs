//! Keys with everything in them that some layer might take for its own.

use futures::FutureExt;

use super::{Case, Outcome, Scene, equal, key};
use crate::{Key, ListOptions, ReadOptions};

pub(super) fn cases() -> Vec<Case> {
    vec![Case::new("nasty keys are keys, each its own", |scene| nasty(scene).boxed())]
}

/// All of them at once, so that two that some layer takes for the same show.
fn names() -> Vec<String> {
    let mut names: Vec<String> = [
        "%",
        "%%",
        "%2F",
        "%252F",
        "%41",
        "A",
        "/",
        "//",
        "a/b",
        "a//b",
        "a/",
        "/a",
        "a",
        "+",
        "a+b",
        "a b",
        "a%20b",
        " ",
        " a",
        "a ",
        "\t",
        "\n",
        "\r\n",
        "\0",
        "a\0b",
        "\u{1b}[0m",
        "\u{7f}",
        "\u{85}",
        "[]^|",
        "\"",
        "'",
        "?",
        "a?b=c",
        "#",
        "a#b",
        "&",
        "=",
        "...",
        "./x",
        "../x",
        "x/..",
        "x/.",
        "a/../b",
        "a/./b",
        "bulk/get",
        "kv/a/b",
        "\\",
        "<>",
        "{}",
        "`",
        "~",
        "*",
        ":",
        "@",
        ";",
        ",",
        "$",
        "!",
        "()",
        "é",
        "e\u{301}",
        "ü",
        "日本語",
        "🤓",
        "\u{FFFD}",
        "\u{FEFF}a",
        "\u{202e}x",
        "__proto__",
        "constructor",
        "0",
        "123",
        "01",
        "null",
        "true",
        "a b/c+d:e@f&g=h?i#j%k\"l<m>ü~'()*![]^|{}`\\;,$_-.",
    ]
    .map(str::to_owned)
    .into();
    names.push("k".repeat(512));
    names.push("é".repeat(256));
    names.push("/".repeat(512));
    names.push("\0".repeat(512));
    names.sort();
    names
}

async fn nasty(scene: Scene) -> Outcome {
    let keys = names().iter().map(|name| key(name)).collect::<Result<Vec<_>, _>>()?;
    for key in &keys {
        scene.put(key, bytes::Bytes::from(format!("value of {key}"))).await?;
    }
    for key in &keys {
        let expected = bytes::Bytes::from(format!("value of {key}"));
        equal(&format!("{key:?}"), scene.bytes(key).await?, Some(expected))?;
    }
    for some in keys.chunks(50) {
        let answer = scene.kv.get_many(&scene.namespace, some, &ReadOptions::default()).await?;
        let found: Vec<_> = answer.body.iter().map(Option::is_some).collect();
        equal("found in bulk", found, vec![true; some.len()])?;
    }
    let listed = scene.kv.list(&scene.namespace, &ListOptions::default()).await?;
    let listed: Vec<Key> = listed.body.keys.into_iter().map(|listed| listed.name).collect();
    equal("listed", listed, keys.clone())?;
    for (i, key) in keys.iter().enumerate() {
        scene.delete(key).await?;
        equal(&format!("deleted {key:?}"), scene.bytes(key).await?, None)?;
        if let Some(next) = keys.get(i + 1) {
            equal(&format!("after it, {next:?}"), scene.bytes(next).await?.is_some(), true)?;
        }
    }
    Ok(())
}
