//! Bulk put, bulk delete and bulk get. A bulk that is refused has written nothing: it becomes visible by one swap, and
//! so `unsuccessful_keys` is always empty.

use axum::response::Response;
use bytes::Bytes;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    envelope::success,
    face::{FROM_ORIGIN, RestFace},
    pairs,
};
use crate::{
    Error, Key, Mutation, Namespace, Reason,
    http::server::{
        bulk::{BulkGet, Flavour, read_values, write},
        upload::Upload,
    },
};

/// The result of a bulk put or bulk delete.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BulkWritten")]
pub(super) struct Written {
    successful_key_count: u64,
    #[schemars(with = "[String; 0]")]
    unsuccessful_keys: [Key; 0],
}

/// The result of a bulk get.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BulkRead")]
pub(super) struct Read<'a> {
    #[schemars(with = "std::collections::BTreeMap<String, serde_json::Value>")]
    values: &'a RawValue,
}

impl RestFace {
    pub(super) async fn bulk_put(
        &self,
        namespace: &Namespace,
        upload: Option<&Upload>,
    ) -> Result<Response, Error> {
        self.write_many(namespace, pairs::puts(chunks(upload))).await
    }

    pub(super) async fn bulk_remove(
        &self,
        namespace: &Namespace,
        upload: Option<&Upload>,
    ) -> Result<Response, Error> {
        self.write_many(namespace, pairs::deletes(chunks(upload))).await
    }

    async fn write_many(
        &self,
        namespace: &Namespace,
        mutations: BoxStream<'static, Result<Mutation, Error>>,
    ) -> Result<Response, Error> {
        let answer = self.kv.write_many(namespace, mutations).await?;
        let written = Written { successful_key_count: answer.body.mutations, unsuccessful_keys: [] };
        success(written, Some(&answer.state))
    }

    pub(super) async fn bulk_get(
        &self,
        namespace: &Namespace,
        upload: Option<&Upload>,
    ) -> Result<Response, Error> {
        let asked = BulkGet::read(upload, Flavour::Rest).await?;
        let answer = self.kv.get_many(namespace, &asked.keys, &FROM_ORIGIN).await?;
        let values = read_values(answer.body).await?;
        let text = write(&asked.keys, &values, asked.style)?;
        let values: &RawValue = serde_json::from_slice(&text).map_err(|error| {
            Error::new(Reason::Internal, "Failed to write the values as JSON").with_source(error)
        })?;
        success(Read { values }, Some(&answer.state))
    }
}

fn chunks(upload: Option<&Upload>) -> BoxStream<'static, Result<Bytes, Error>> {
    upload.map_or_else(|| stream::empty().boxed(), Upload::chunks)
}
