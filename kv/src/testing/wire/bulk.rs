//! POST /bulk/get with the bodies that workerd sends (contract §1.4).

use futures::FutureExt;

use super::{Case, Outcome, Scene, equal, holds};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("a bulk get answers in the order of the request", |scene| order(scene).boxed()),
        Case::new("a bulk get writes values as text or as JSON", |scene| kinds(scene).boxed()),
        Case::new("a bulk get shows metadata where asked", |scene| metadata(scene).boxed()),
        Case::new("a bulk get is refused in the contract's words", |scene| refusals(scene).boxed()),
        Case::new("a bulk get of more than 25 MB is refused", |scene| too_large(scene).boxed()),
    ]
}

async fn ask(scene: &Scene, body: &str) -> Result<(u16, String), super::Failure> {
    let answer = scene
        .send("POST /bulk/get\nContent-Type: application/json\nAccept-Encoding: gzip", body.as_bytes())
        .await?;
    holds("it is never compressed", answer.header("content-encoding").is_none())?;
    holds("it says when it is true", answer.status != 200 || answer.header("nearkv-version").is_some())?;
    Ok((answer.status, answer.text()))
}

async fn order(scene: Scene) -> Outcome {
    for key in ["b1", "0", "x%20y", "__proto__", "a%2Fb"] {
        scene.put(&format!("/{key}"), "", b"v").await?;
    }
    for (body, answer) in [
        (r#"{"keys":["b1","123","0","01","x y"]}"#, r#"{"b1":"v","123":null,"0":"v","01":null,"x y":"v"}"#),
        (r#"{"keys":["b1","b1","0","b1"]}"#, r#"{"b1":"v","0":"v"}"#),
        (r#"{"keys":["__proto__","a/b"],"type":"text"}"#, r#"{"__proto__":"v","a/b":"v"}"#),
        (r#"{"keys":["\u00fc\"\u0000"],"x":1}"#, r#"{"ü\"\u0000":null}"#),
        (r#"{"keys":["b1"],"cacheTtl":"60"}"#, r#"{"b1":"v"}"#),
        (r#"{"keys":["b1"],"cacheTtl":60,"type":null}"#, r#"{"b1":"v"}"#),
    ] {
        equal(body, ask(&scene, body).await?, (200, answer.to_owned()))?;
    }
    let keys: Vec<String> = (0..100).map(|i| format!("\"k{i}\"")).collect();
    let body = format!("{{\"keys\":[{}]}}", keys.join(","));
    equal("100 keys", ask(&scene, &body).await?.1.matches("null").count(), 100)
}

async fn kinds(scene: Scene) -> Outcome {
    scene.put("/json", "", b" {\"a\": [1, 2.50]}\n").await?;
    scene.put("/false", "", b"false").await?;
    scene.put("/empty", "", b"").await?;
    scene.put("/binary", "", b"a\xffb\"").await?;
    for (body, answer) in [
        (
            r#"{"keys":["json","false"],"type":"json","cacheTtl":"60"}"#,
            r#"{"json":{"a": [1, 2.50]},"false":false}"#,
        ),
        (r#"{"keys":["false","empty"]}"#, r#"{"false":"false","empty":""}"#),
        (r#"{"keys":["binary"]}"#, "{\"binary\":\"a\u{FFFD}b\\\"\"}"),
    ] {
        equal(body, ask(&scene, body).await?, (200, answer.to_owned()))?;
    }
    let text = "At least one of the requested keys corresponds to a non-json value";
    for key in ["empty", "binary"] {
        let body = format!("{{\"keys\":[\"json\",\"{key}\"],\"type\":\"json\"}}");
        scene.refused("POST /bulk/get", body.as_bytes(), 400, text).await?;
    }
    Ok(())
}

async fn metadata(scene: Scene) -> Outcome {
    scene.put("/b1", "CF-KV-Metadata: {\"x\": 1}", b"v").await?;
    scene.put("/s", "CF-KV-Metadata: \"s\"", b"0").await?;
    scene.put("/none", "", b"").await?;
    for (body, answer) in [
        (
            r#"{"keys":["b1","7","none"],"type":"text","withMetadata":true}"#,
            r#"{"b1":{"value":"v","metadata":{"x": 1}},"7":null,"none":{"value":"","metadata":null}}"#,
        ),
        (r#"{"keys":["s"],"type":"json","withMetadata":true}"#, r#"{"s":{"value":0,"metadata":"s"}}"#),
        (r#"{"keys":["s"],"withMetadata":false}"#, r#"{"s":"0"}"#),
    ] {
        equal(body, ask(&scene, body).await?, (200, answer.to_owned()))?;
    }
    Ok(())
}

async fn refusals(scene: Scene) -> Outcome {
    let many = format!("{{\"keys\":[{}]}}", vec!["\"k\""; 101].join(","));
    let long = format!("{{\"keys\":[\"{}\"]}}", "k".repeat(513));
    for (body, status, text) in [
        (r#"{"keys":[]}"#, 400, "You must request a minimum of 1 key"),
        (r#"{}"#, 400, "You must request a minimum of 1 key"),
        (&many, 400, "You can request a maximum of 100 keys"),
        (
            r#"{"keys":["b1"],"type":"arrayBuffer"}"#,
            400,
            "\"arrayBuffer\" is not a valid type. Use \"json\" or \"text\"",
        ),
        (r#"{"keys":["b1",""]}"#, 400, "Key names must not be empty"),
        (r#"{"keys":["."]}"#, 400, "Illegal key name \".\". Please use a different name."),
        (&long, 414, "UTF-8 encoded length of 513 exceeds key length limit of 512."),
        (r#"{"keys":["b1"],"cacheTtl":"0"}"#, 400, "Invalid cache_ttl of 0. Cache TTL must be at least 30."),
        (r#"{"keys":["b1"],"cacheTtl":29}"#, 400, "Invalid cache_ttl of 29. Cache TTL must be at least 30."),
    ] {
        scene.refused("POST /bulk/get", body.as_bytes(), status, text).await?;
    }
    let huge = format!("{{\"keys\":[\"{}\"]}}", "k".repeat(2_000_000));
    for body in ["", "[]", "{\"keys\":\"b1\"}", "{\"keys\":[1]}", "{\"keys\":[\"b1\"]", &huge] {
        let answer = scene.send("POST /bulk/get", body.as_bytes()).await?;
        let got = (answer.status, answer.header("nearkv-reason"));
        equal(&body[..body.len().min(40)], got, (400, Some("body-invalid".to_owned())))?;
    }
    Ok(())
}

async fn too_large(scene: Scene) -> Outcome {
    let half = vec![b'v'; 13_107_201];
    scene.put("/a", "", &half).await?;
    scene.put("/b", "", &half).await?;
    let text = "Total size of request exceeds the limit of 25MB";
    scene.refused("POST /bulk/get", br#"{"keys":["a","b"]}"#, 413, text).await?;
    scene.put("/b", "", &half[..13_107_199]).await?;
    let (status, text) = ask(&scene, r#"{"keys":["a","b"]}"#).await?;
    equal("exactly 25 MiB", (status, text.len()), (200, 26_214_400 + r#"{"a":"","b":""}"#.len()))
}
