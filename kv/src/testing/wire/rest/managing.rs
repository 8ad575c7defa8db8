//! Namespaces over REST, and what wrangler asks for when it starts.

use futures::FutureExt;
use serde_json::{Value, json};

use super::{Outcome, Rest, RestCase, equal, holds};

pub(super) fn cases() -> Vec<RestCase> {
    vec![
        RestCase::new("what wrangler asks for when it starts is answered", |r| starting(r).boxed()),
        RestCase::new("a namespace is created, found, renamed and deleted", |r| life(r).boxed()),
        RestCase::new("a title is given once in an account", |r| titles(r).boxed()),
        RestCase::new("a page of namespaces past the last is empty", |r| pages(r).boxed()),
    ]
}

async fn starting(rest: Rest) -> Outcome {
    let verified = rest.ok("GET /client/v4/user/tokens/verify", b"").await?;
    equal("the token", &verified["result"]["status"], &json!("active"))?;
    let accounts = rest.ok("GET /client/v4/accounts", b"").await?;
    let ids = |list: &Value| {
        list.as_array()
            .is_some_and(|list| list.iter().any(|one| one["id"] == json!(rest.namespace.account())))
    };
    holds("the account is listed", ids(&accounts["result"]))?;
    let memberships = rest.ok("GET /client/v4/memberships", b"").await?;
    let account = memberships["result"][0]["account"]["id"].is_string();
    holds("a membership names its account", account)?;
    let one = rest.ok(&format!("GET /client/v4/accounts/{}", rest.namespace.account()), b"").await?;
    equal("the account", &one["result"]["id"], &json!(rest.namespace.account()))
}

async fn life(rest: Rest) -> Outcome {
    let title = format!("Life of {}", rest.namespace.name());
    let body = json!({ "title": title }).to_string();
    let created = rest.ok(&format!("POST {}", rest.account()), body.as_bytes()).await?;
    let id = created["result"]["id"].as_str().unwrap_or_default().to_owned();
    equal("length of the id", id.len(), 32)?;
    equal("title", &created["result"]["title"], &json!(title))?;
    let one = format!("{}/{id}", rest.account());
    rest.ok(&format!("PUT {one}/values/k"), b"usable at once").await?;
    let value = rest.send(&format!("GET {one}/values/k"), b"").await?;
    equal("its value", value.text().as_str(), "usable at once")?;

    equal("found", &rest.ok(&format!("GET {one}"), b"").await?["result"], &created["result"])?;
    let listed = rest.ok(&format!("GET {}?per_page=1000", rest.account()), b"").await?;
    let has = |id: &str| {
        listed["result"].as_array().is_some_and(|list| list.iter().any(|one| one["id"] == json!(id)))
    };
    holds("it is listed, and so is the other one", has(&id) && has(&rest.namespace.id().to_string()))?;
    let body = json!({ "title": format!("{title}, renamed") }).to_string();
    let renamed = rest.ok(&format!("PUT {one}"), body.as_bytes()).await?;
    equal("the id stays", &renamed["result"]["id"], &json!(id))?;
    equal("renamed", &rest.ok(&format!("GET {one}"), b"").await?["result"], &renamed["result"])?;

    equal("deleted", &rest.ok(&format!("DELETE {one}"), b"").await?["result"], &Value::Null)?;
    for head in [format!("GET {one}"), format!("DELETE {one}"), format!("GET {one}/values/k")] {
        let text = rest.refused(&head, b"", 404, 10_013).await?;
        holds(&text, text.ends_with(": 'namespace not found'"))?;
    }
    Ok(())
}

async fn titles(rest: Rest) -> Outcome {
    let title = format!("Titles of {}", rest.namespace.name());
    let body = json!({ "title": title }).to_string();
    let create = format!("POST {}", rest.account());
    let created = rest.ok(&create, body.as_bytes()).await?;
    let text = rest.refused(&create, body.as_bytes(), 400, 10_014).await?;
    let expected = "create namespace: 'a namespace with this account ID and title already exists'";
    equal("created twice", text.as_str(), expected)?;
    let other = json!({ "title": format!("{title}!") }).to_string();
    let second = rest.ok(&create, other.as_bytes()).await?;
    let one = |created: &Value| {
        format!("{}/{}", rest.account(), created["result"]["id"].as_str().unwrap_or_default())
    };
    let rename = format!("PUT {}", one(&second));
    rest.refused(&rename, body.as_bytes(), 400, 10_014).await?;
    rest.ok(&rename, other.as_bytes()).await?;
    for body in ["{}", r#"{"title":""}"#, &json!({ "title": "t".repeat(513) }).to_string()] {
        rest.refused(&create, body.as_bytes(), 400, 10_019).await?;
    }
    for body in ["", "[]", "{", r#"{"title":1}"#, r#"{"title":"x","jurisdiction":"eu"}"#] {
        rest.refused(&create, body.as_bytes(), 400, 10_012).await?;
    }
    for created in [created, second] {
        rest.ok(&format!("DELETE {}", one(&created)), b"").await?;
    }
    Ok(())
}

async fn pages(rest: Rest) -> Outcome {
    rest.harness.fresh().await;
    let page = |query: &str| format!("GET {}?{query}", rest.account());
    let first = rest.ok(&page("page=1&per_page=1&order=title&direction=asc"), b"").await?;
    let info = &first["result_info"];
    equal(
        "count, page and size",
        (&info["count"], &info["page"], &info["per_page"]),
        (&json!(1), &json!(1), &json!(1)),
    )?;
    let total = info["total_count"].as_u64().unwrap_or_default();
    holds("there are at least two", total >= 2)?;
    let past = rest.ok(&page(&format!("page={}&per_page=1", total + 1000)), b"").await?;
    equal("past the last", &past["result"], &json!([]))?;
    for query in ["page=0", "per_page=0", "per_page=1001", "order=x", "direction=up"] {
        rest.refused(&page(query), b"", 400, 10_012).await?;
    }
    Ok(())
}
