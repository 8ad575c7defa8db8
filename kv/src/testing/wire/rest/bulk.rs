//! Bulk put, bulk delete and bulk get over REST.

use futures::FutureExt;
use serde_json::json;

use super::{Outcome, Rest, RestCase, equal};

pub(super) fn cases() -> Vec<RestCase> {
    vec![
        RestCase::new("a bulk put writes pairs with all that belongs to them", |r| put(r).boxed()),
        RestCase::new("a bulk put that is refused has written nothing", |r| refused(r).boxed()),
        RestCase::new("a bulk put takes 10,000 pairs, and counts more", |r| many(r).boxed()),
        RestCase::new("a bulk delete has two spellings", |r| delete(r).boxed()),
        RestCase::new("a bulk get answers in the contract's words", |r| get(r).boxed()),
    ]
}

async fn put(rest: Rest) -> Outcome {
    let body = r#" [ {"key":"a","value":"1","base64":false},
        {"key":"b/é","value":"AP8=","base64":true,"metadata":{"x":[1]},"expiration_ttl":60,"other":1},
        {"key":"a","value":"line\n\u0000","metadata":null,"expiration":null} ] "#;
    let written = rest.ok(&format!("PUT {}", rest.at("/bulk")), body.as_bytes()).await?;
    equal("result", &written["result"], &json!({ "successful_key_count": 3, "unsuccessful_keys": [] }))?;
    equal("of duplicate keys the last wins", rest.value("a").await?, Some(b"line\n\0".to_vec()))?;
    equal("base64", rest.value("b%2F%C3%A9").await?, Some(vec![0, 0xff]))?;
    let metadata = rest.ok(&format!("GET {}", rest.at("/metadata/b%2F%C3%A9")), b"").await?;
    equal("metadata", &metadata["result"], &json!({ "x": [1] }))?;
    let empty = rest.ok(&format!("PUT {}", rest.at("/bulk")), b"[]").await?;
    equal("nothing", &empty["result"]["successful_key_count"], &json!(0))
}

async fn refused(rest: Rest) -> Outcome {
    let long = format!(r#"[{{"key":"a","value":"1"}},{{"key":"{}","value":"1"}}]"#, "k".repeat(513));
    for (second, status, code) in [
        (r#"{"key":"b","value":"?","base64":true}"#, 400, 10_012),
        (r#"{"key":"b","value":1}"#, 400, 10_012),
        (r#"{"key":"b"}"#, 400, 10_012),
        (r#"{"key":"","value":"1"}"#, 400, 10_012),
        (r#"{"key":"..","value":"1"}"#, 400, 10_012),
        (r#"{"key":"b","value":"1","expiration_ttl":59}"#, 400, 10_034),
        (r#"{"key":"b","value":"1","expiration":1}"#, 400, 10_033),
        (r#""b""#, 400, 10_012),
        (r#"{"key":"b","value":"1"}]x"#, 400, 10_012),
        (r#"{"key":"b","value":"1""#, 400, 10_012),
    ] {
        let body = format!(r#"[{{"key":"a","value":"1"}},{second}]"#);
        rest.refused(&format!("PUT {}", rest.at("/bulk")), body.as_bytes(), status, code).await?;
        equal(second, rest.value("a").await?, None)?;
    }
    rest.refused(&format!("PUT {}", rest.at("/bulk")), long.as_bytes(), 414, 10_030).await?;
    for body in ["", "{}", r#"[{"key":"a","value":"1"},"#, "null"] {
        rest.refused(&format!("PUT {}", rest.at("/bulk")), body.as_bytes(), 400, 10_012).await?;
    }
    equal("nothing is written", rest.value("a").await?, None)
}

async fn many(rest: Rest) -> Outcome {
    let pairs = |count: usize| {
        let pairs: Vec<String> =
            (0..count).map(|n| format!(r#"{{"key":"k{n:05}","value":"{n}"}}"#)).collect();
        format!("[{}]", pairs.join(","))
    };
    let put = format!("PUT {}", rest.at("/bulk"));
    let text = rest.refused(&put, pairs(12_762).as_bytes(), 400, 10_012).await?;
    let expected = "bulk put: 'received 12762 key/value pairs, but max allowed per request is: 10000'";
    equal("its text", text.as_str(), expected)?;
    equal("nothing is written", rest.value("k00000").await?, None)?;
    let written = rest.ok(&put, pairs(10_000).as_bytes()).await?;
    equal("10,000", &written["result"]["successful_key_count"], &json!(10_000))?;
    equal("the last", rest.value("k09999").await?, Some(b"9999".to_vec()))
}

async fn delete(rest: Rest) -> Outcome {
    for head in [format!("DELETE {}", rest.at("/bulk")), format!("POST {}", rest.at("/bulk/delete"))] {
        for key in ["a", "b%2F", "c"] {
            rest.ok(&format!("PUT {}", rest.at(&format!("/values/{key}"))), b"v").await?;
        }
        let deleted = rest.ok(&head, br#"["a","b/","missing"]"#).await?;
        equal(&head, &deleted["result"], &json!({ "successful_key_count": 3, "unsuccessful_keys": [] }))?;
        equal("a", rest.value("a").await?, None)?;
        equal("b/", rest.value("b%2F").await?, None)?;
        for body in [r#"["c",1]"#, r#"["c",""]"#, r#"["c""#, r#"{"c":1}"#] {
            rest.refused(&head, body.as_bytes(), 400, 10_012).await?;
        }
        equal("c stays", rest.value("c").await?, Some(b"v".to_vec()))?;
        equal("none", &rest.ok(&head, b"[]").await?["result"]["successful_key_count"], &json!(0))?;
    }
    Ok(())
}

async fn get(rest: Rest) -> Outcome {
    rest.ok(
        &format!("PUT {}", rest.at("/bulk")),
        br#"[{"key":"t","value":"text"},{"key":"j","value":"[1]","metadata":"m"}]"#,
    )
    .await?;
    rest.ok(&format!("PUT {}", rest.at("/values/b")), b"\xff").await?;
    let ask = format!("POST {}", rest.at("/bulk/get"));
    for (body, values) in [
        (r#"{"keys":["t","x"]}"#, json!({ "t": "text", "x": null })),
        (r#"{"keys":["j"],"type":"json"}"#, json!({ "j": [1] })),
        (r#"{"keys":["j"],"withMetadata":true}"#, json!({ "j": { "value": "[1]", "metadata": "m" } })),
    ] {
        equal(body, &rest.ok(&ask, body.as_bytes()).await?["result"], &json!({ "values": values }))?;
    }
    let many = json!({ "keys": vec!["k"; 101] }).to_string();
    for (body, text) in [
        (many.as_str(), "You can request a maximum of 100 keys"),
        (r#"{"keys":[]}"#, "You must request a minimum of 1 key"),
        (r#"{"keys":["t","b"]}"#, "At least one of the requested keys corresponds to a non-text value"),
        (
            r#"{"keys":["t"],"type":"json"}"#,
            "At least one of the requested keys corresponds to a non-json value",
        ),
    ] {
        let refused = rest.refused(&ask, body.as_bytes(), 400, 10_029).await?;
        equal(body, refused, format!("bulk get keys: '{text}'"))?;
    }
    rest.refused(&ask, b"[", 400, 10_012).await.map(drop)
}
