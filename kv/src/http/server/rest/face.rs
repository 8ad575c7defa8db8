//! Dispatch: from method and raw path to one operation, and from its error to a refusal in the envelope.

use std::sync::Arc;

use axum::{body::Body, response::Response};
use http::{Method, Request, request::Parts};

use super::{
    BASE, envelope,
    fault::{Fault, Operation},
    ids::Ids,
    openapi,
    route::{Route, Storage},
};
use crate::{
    Error, Kv, Namespace, Namespaces, ReadOptions,
    access::{Guard, GuardedNamespaces},
    http::{
        paths::{decode, decode_key},
        server::{face::Asked, operation, upload::Upload},
    },
};

/// How everything here is read (design §7).
pub(super) const FROM_ORIGIN: ReadOptions =
    ReadOptions { cache_ttl: None, min_version: None, from_origin: true, only_if_cached: false };

/// What every operation of the face needs.
pub(in crate::http::server) struct RestFace {
    pub(super) kv: Arc<dyn Kv>,
    pub(super) namespaces: Arc<dyn Namespaces>,
    pub(super) ids: Ids,
}

impl RestFace {
    /// With a guard, `kv` is only for those whom it lets in.
    pub(in crate::http::server) fn new(
        kv: Arc<dyn Kv>,
        namespaces: Arc<dyn Namespaces>,
        guard: Option<Arc<Guard>>,
    ) -> Self {
        let ids = Ids::new(Arc::clone(&namespaces), guard.clone());
        let namespaces: Arc<dyn Namespaces> = match &guard {
            Some(guard) => Arc::new(GuardedNamespaces::new(namespaces, Arc::clone(guard))),
            None => namespaces,
        };
        Self { kv, namespaces, ids }
    }

    /// Answers a request whose path is below [`BASE`]; `told` becomes the operation that it asks for.
    pub(in crate::http::server) async fn answer(
        &self,
        request: Request<Body>,
        told: &mut operation::Operation,
    ) -> Response {
        let (parts, body) = request.into_parts();
        let upload = Upload::new(body, &parts.headers);
        match self.dispatch(&parts, upload.as_ref(), told).await {
            Ok(response) if parts.method == Method::HEAD => response.map(|_| Body::empty()),
            Ok(response) => response,
            Err(fault) => envelope::failure(fault, upload),
        }
    }

    async fn dispatch(
        &self,
        parts: &Parts,
        upload: Option<&Upload>,
        told: &mut operation::Operation,
    ) -> Result<Response, Fault> {
        let path = parts.uri.path();
        let inner = path.strip_prefix(BASE).unwrap_or(path);
        let route = Route::of(inner).ok_or_else(Fault::no_route)?;
        *told = operation::Operation::Account;
        let method = if parts.method == Method::HEAD { &Method::GET } else { &parts.method };
        let asked = Asked { headers: &parts.headers, query: parts.uri.query().unwrap_or_default() };
        let (account, place) = match route {
            Route::Storage(account, place) => (account, place),
            Route::VerifyToken
            | Route::Accounts
            | Route::Account(_)
            | Route::Memberships
            | Route::OpenApi
                if method != Method::GET =>
            {
                return Err(Fault::method("GET, HEAD"));
            }
            Route::OpenApi => return Ok(openapi::answer()),
            Route::VerifyToken => return self.verify_token().await.map_err(of(Operation::Account)),
            Route::Accounts => return self.accounts(&asked).await.map_err(of(Operation::Account)),
            Route::Memberships => return self.memberships(&asked).await.map_err(of(Operation::Account)),
            Route::Account(account) => {
                let account = account_of(account).ok_or_else(|| Fault::bad_account(path))?;
                return self.account(&account).await.map_err(of(Operation::Account));
            }
        };
        *told = operation::Operation::Unknown;
        let account = account_of(account).ok_or_else(|| Fault::bad_account(path))?;
        let operation = operation(method, place).ok_or_else(|| Fault::method(place.methods()))?;
        *told = operation.into();
        let with_body = parts.method != Method::HEAD;
        let call = Call { account: &account, asked: &asked, upload, with_body };
        self.perform(operation, place, &call).await.map_err(of(operation))
    }

    async fn perform(
        &self,
        operation: Operation,
        place: Storage<'_>,
        call: &Call<'_>,
    ) -> Result<Response, Error> {
        let Call { account, asked, upload, with_body } = *call;
        let find = |id| self.ids.namespace(account, id);
        match (operation, place) {
            (Operation::CreateNamespace, _) => self.create_namespace(account, upload).await,
            (Operation::GetNamespace, Storage::Namespace(id)) => self.get_namespace(account, id).await,
            (Operation::RenameNamespace, Storage::Namespace(id)) => {
                self.rename_namespace(account, id, upload).await
            }
            (Operation::RemoveNamespace, Storage::Namespace(id)) => self.remove_namespace(account, id).await,
            (_, Storage::Namespaces | Storage::Namespace(_)) => self.list_namespaces(account, asked).await,
            (_, Storage::Keys(id)) => self.list_keys(&find(id).await?, asked).await,
            (_, Storage::Metadata(id, key)) => {
                let namespace = find(id).await?;
                self.get_metadata(&namespace, &decode_key(key)?).await
            }
            (Operation::Put, Storage::Value(id, key)) => {
                let namespace = find(id).await?;
                self.put(&namespace, &decode_key(key)?, asked, upload).await
            }
            (Operation::RemoveKey, Storage::Value(id, key)) => {
                let namespace = find(id).await?;
                self.remove_key(&namespace, &decode_key(key)?, asked).await
            }
            (_, Storage::Value(id, key)) => {
                let namespace = find(id).await?;
                self.get(&namespace, &decode_key(key)?, with_body).await
            }
            (Operation::BulkPut, Storage::Bulk(id)) => self.bulk_put(&find(id).await?, upload).await,
            (_, Storage::Bulk(id) | Storage::BulkDelete(id)) => {
                self.bulk_remove(&find(id).await?, upload).await
            }
            (_, Storage::BulkGet(id)) => self.bulk_get(&find(id).await?, upload).await,
        }
    }
}

/// What a request says besides its place.
struct Call<'a> {
    account: &'a str,
    asked: &'a Asked<'a>,
    upload: Option<&'a Upload>,
    with_body: bool,
}

/// What a method means at a place; `None` where it means nothing. An empty id takes no method.
pub(super) fn operation(method: &Method, place: Storage<'_>) -> Option<Operation> {
    Some(match (method, place) {
        (_, Storage::Namespace("")) => return None,
        (&Method::GET, Storage::Namespaces) => Operation::ListNamespaces,
        (&Method::POST, Storage::Namespaces) => Operation::CreateNamespace,
        (&Method::GET, Storage::Namespace(_)) => Operation::GetNamespace,
        (&Method::PUT, Storage::Namespace(_)) => Operation::RenameNamespace,
        (&Method::DELETE, Storage::Namespace(_)) => Operation::RemoveNamespace,
        (&Method::GET, Storage::Keys(_)) => Operation::ListKeys,
        (&Method::GET, Storage::Value(..)) => Operation::Get,
        (&Method::PUT, Storage::Value(..)) => Operation::Put,
        (&Method::DELETE, Storage::Value(..)) => Operation::RemoveKey,
        (&Method::GET, Storage::Metadata(..)) => Operation::GetMetadata,
        (&Method::PUT, Storage::Bulk(_)) => Operation::BulkPut,
        (&Method::DELETE, Storage::Bulk(_)) | (&Method::POST, Storage::BulkDelete(_)) => {
            Operation::BulkRemove
        }
        (&Method::POST, Storage::BulkGet(_)) => Operation::BulkGet,
        _ => return None,
    })
}

fn of(operation: Operation) -> impl Fn(Error) -> Fault {
    move |error| Fault::new(operation, error)
}

/// The account of a path, if it can be one: the name of a Kubernetes namespace.
fn account_of(raw: &str) -> Option<String> {
    let account = decode(raw, false).ok()?;
    Namespace::new(&account, "any").ok()?;
    Some(account.into_owned())
}
