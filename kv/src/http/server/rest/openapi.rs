//! The face as an OpenAPI 3.1 document: every place of [`super::route`] with the methods that [`super::face`] gives a
//! meaning there, and the schemas of the very types that are read and written. `docs/openapi.json` is a copy of it.

use std::sync::LazyLock;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderValue, Method, header};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    BASE, bulk,
    envelope::{Cursored, Failure, Numbered},
    face::operation,
    fault::Operation,
    keys, namespaces, pairs,
    route::Storage,
};
use crate::{
    http::server::bulk::Given,
    limits::{
        MAX_BULK_WRITES, MAX_KEY_BYTES, MAX_LIST_KEYS, MAX_REST_NAMESPACES, MIN_REST_LIST_KEYS,
        REST_NAMESPACES,
    },
};

/// Where the document itself is, below [`BASE`].
pub(super) const PATH: &str = "/openapi.json";

/// What is outside of namespaces takes `GET` alone.
const ACCOUNT_PLACES: [(&str, &str); 5] = [
    ("/user/tokens/verify", "verify token"),
    ("/accounts", "list accounts"),
    ("/accounts/{account_id}", "get account"),
    ("/memberships", "list memberships"),
    (PATH, "get this document"),
];

/// Those of them that are read page by page.
const PAGED: [&str; 2] = ["/accounts", "/memberships"];

/// The places below an account's namespaces, as they stand in a path.
const STORAGE_PLACES: [Storage<'static>; 8] = [
    Storage::Namespaces,
    Storage::Namespace(ID),
    Storage::Keys(ID),
    Storage::Value(ID, KEY),
    Storage::Metadata(ID, KEY),
    Storage::Bulk(ID),
    Storage::BulkDelete(ID),
    Storage::BulkGet(ID),
];

const ID: &str = "{namespace_id}";
const KEY: &str = "{key_name}";

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(format!("{:#}\n", document())));

/// Answers with the document.
pub(super) fn answer() -> Response {
    let mut response = Response::new(Body::from(DOCUMENT.clone()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The document.
pub(super) fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut schemas = settings.into_generator();
    let mut paths = Map::new();
    for (path, name) in ACCOUNT_PLACES {
        let is_paged = PAGED.contains(&path);
        let info = is_paged.then(|| schema::<Numbered>(&mut schemas));
        let body = if path == PATH { json!({ "type": "object" }) } else { enveloped(json!({}), info) };
        let answers = answers(&json!({ "application/json": { "schema": body } }), &mut schemas);
        let mut get = json!({ "operationId": name.replace(' ', "-"), "summary": name, "responses": answers });
        if is_paged {
            get["parameters"] = Value::Array(page_parameters());
        }
        paths.insert(path.to_owned(), with_parameters(path, Map::from_iter([("get".to_owned(), get)])));
    }
    for place in STORAGE_PLACES {
        let methods = [Method::GET, Method::POST, Method::PUT, Method::DELETE];
        let meant = methods.iter().filter_map(|method| Some((method, operation(method, place)?)));
        let item = meant
            .map(|(method, meaning)| {
                (method.as_str().to_ascii_lowercase(), described(place, method, meaning, &mut schemas))
            })
            .collect();
        let path = format!("/accounts/{{account_id}}/storage/kv/namespaces{}", place.path());
        let item = with_parameters(&path, item);
        paths.insert(path, item);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "nearkv: the Cloudflare API v4 for Workers KV",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "An account is a Kubernetes namespace. HEAD is taken wherever GET is.",
        },
        "servers": [{ "url": BASE }],
        "paths": paths,
        "components": { "schemas": schemas.take_definitions(true) },
    })
}

fn described(
    place: Storage<'_>,
    method: &Method,
    meaning: Operation,
    schemas: &mut SchemaGenerator,
) -> Value {
    let name = meaning.as_str();
    // Bulk delete has two spellings.
    let older =
        if matches!(place, Storage::Bulk(_)) && method == Method::DELETE { "-older-spelling" } else { "" };
    let mut described = json!({
        "operationId": format!("{}{older}", name.replace(' ', "-")),
        "summary": name,
        "responses": answers(&content(meaning, schemas), schemas),
    });
    let parameters = parameters(meaning);
    if !parameters.is_empty() {
        described["parameters"] = Value::Array(parameters);
    }
    if let Some(content) = body(meaning, schemas) {
        described["requestBody"] = json!({ "required": meaning != Operation::Put, "content": content });
    }
    described
}

/// The content of an answer that is a success.
fn content(meaning: Operation, schemas: &mut SchemaGenerator) -> Value {
    let array = |of: Value| json!({ "type": "array", "items": of });
    let schema = match meaning {
        Operation::Get => return json!({ "application/octet-stream": {} }),
        Operation::Account | Operation::GetMetadata => enveloped(json!({}), None),
        Operation::ListNamespaces => {
            let namespace = schema::<namespaces::Shown<'_>>(schemas);
            enveloped(array(namespace), Some(schema::<Numbered>(schemas)))
        }
        Operation::GetNamespace | Operation::CreateNamespace | Operation::RenameNamespace => {
            enveloped(schema::<namespaces::Shown<'_>>(schemas), None)
        }
        Operation::ListKeys => {
            let key = schema::<keys::Shown<'_>>(schemas);
            enveloped(array(key), Some(schema::<Cursored>(schemas)))
        }
        Operation::RemoveNamespace | Operation::Put | Operation::RemoveKey => {
            enveloped(json!({ "type": "null" }), None)
        }
        Operation::BulkPut | Operation::BulkRemove => enveloped(schema::<bulk::Written>(schemas), None),
        Operation::BulkGet => enveloped(schema::<bulk::Read<'_>>(schemas), None),
    };
    json!({ "application/json": { "schema": schema } })
}

/// The content of a request; `None` for an operation that reads no body.
fn body(meaning: Operation, schemas: &mut SchemaGenerator) -> Option<Value> {
    let array = |of: Value| json!({ "type": "array", "items": of, "maxItems": MAX_BULK_WRITES });
    let schema = match meaning {
        Operation::Put => {
            let fields = json!({ "value": {}, "metadata": { "type": "string", "contentMediaType": "application/json" } });
            let form = json!({ "type": "object", "required": ["value"], "properties": fields });
            return Some(
                json!({ "application/octet-stream": {}, "multipart/form-data": { "schema": form } }),
            );
        }
        Operation::CreateNamespace | Operation::RenameNamespace => schema::<namespaces::Given>(schemas),
        Operation::BulkPut => array(schema::<pairs::Pair<'_>>(schemas)),
        Operation::BulkRemove => array(key()),
        Operation::BulkGet => schema::<Given>(schemas),
        _ => return None,
    };
    Some(json!({ "application/json": { "schema": schema } }))
}

/// What a query may say.
fn parameters(meaning: Operation) -> Vec<Value> {
    let words =
        |first: &str, second: &str| json!({ "type": "string", "enum": [first, second], "default": first });
    match meaning {
        Operation::ListNamespaces => {
            let order = [query("order", words("id", "title")), query("direction", words("asc", "desc"))];
            page_parameters().into_iter().chain(order).collect()
        }
        Operation::ListKeys => {
            let limit = json!({ "type": "integer", "minimum": MIN_REST_LIST_KEYS, "maximum": MAX_LIST_KEYS, "default": MAX_LIST_KEYS });
            let text = || json!({ "type": "string" });
            vec![query("limit", limit), query("prefix", text()), query("cursor", text())]
        }
        Operation::Put => {
            // An expiration beside a time to live is not looked at.
            let ttl = json!({ "type": "integer", "minimum": 1 });
            vec![query("expiration", json!({ "type": "integer" })), query("expiration_ttl", ttl)]
        }
        _ => Vec::new(),
    }
}

/// Which page (`pages`).
fn page_parameters() -> Vec<Value> {
    let per_page = json!({ "type": "integer", "minimum": 1, "maximum": MAX_REST_NAMESPACES, "default": REST_NAMESPACES });
    let page = json!({ "type": "integer", "minimum": 1, "maximum": usize::MAX, "default": 1 });
    vec![query("page", page), query("per_page", per_page)]
}

fn query(name: &str, schema: Value) -> Value {
    json!({ "name": name, "in": "query", "schema": schema })
}

/// The parameters that stand in a path, beside its methods.
fn with_parameters(path: &str, mut methods: Map<String, Value>) -> Value {
    let names = path.split('{').skip(1).filter_map(|part| part.split('}').next());
    let one = |name: &str| {
        let schema = match name {
            "namespace_id" => json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" }),
            "key_name" => key(),
            _ => json!({ "type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$" }),
        };
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    };
    let parameters: Vec<Value> = names.map(one).collect();
    if !parameters.is_empty() {
        methods.insert("parameters".to_owned(), Value::Array(parameters));
    }
    Value::Object(methods)
}

/// A key. What JSON Schema cannot say: the limit is one of bytes, and `.` and `..` are none.
fn key() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": MAX_KEY_BYTES })
}

fn answers(content: &Value, schemas: &mut SchemaGenerator) -> Value {
    let failure = schema::<Failure>(schemas);
    json!({
        "200": { "description": "Done.", "content": content },
        "default": {
            "description": "Refused or failed; nothing was written.",
            "content": { "application/json": { "schema": failure } },
        },
    })
}

/// The envelope around a result (contract §3.2).
fn enveloped(result: Value, info: Option<Value>) -> Value {
    let nothing = json!({ "type": "array", "maxItems": 0 });
    let mut properties = json!({
        "success": { "const": true }, "errors": nothing, "messages": nothing, "result": result,
    });
    if let Some(info) = info {
        properties["result_info"] = info;
    }
    json!({ "type": "object", "required": ["success", "errors", "messages", "result"], "properties": properties })
}

fn schema<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Value {
    schemas.subschema_for::<T>().to_value()
}
