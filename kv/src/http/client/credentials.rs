//! Which token goes with a request. A server's client has two: its own, with which it reads for its cache, and its
//! caller's, with which a write and the management of KvNamespaces are sent on. So a server lends nobody its rights.

use std::sync::Arc;

use http::HeaderValue;

use crate::{
    Error,
    access::{BearerToken, Caller, TokenFile},
};

/// The own token of a client.
#[derive(Clone, Debug, Default)]
pub enum Credentials {
    /// None: for servers that ask for none.
    #[default]
    None,
    /// One that stays.
    Token(BearerToken),
    /// One in a file that is replaced from time to time.
    File(Arc<TokenFile>),
}

/// For what a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To read values.
    Read,
    /// To write values, or to see or change KvNamespaces.
    WriteOrManage,
}

impl Credentials {
    /// The value of `Authorization`.
    ///
    /// # Errors
    /// `unavailable` (503) where the own token is needed and cannot be read.
    pub(super) fn authorization(&self, purpose: Purpose) -> Result<Option<HeaderValue>, Error> {
        match (purpose, Caller::current()) {
            (Purpose::WriteOrManage, Caller::Bearer(token)) => Ok(Some(token.header())),
            (Purpose::WriteOrManage, Caller::Anonymous | Caller::Malformed) => Ok(None),
            (Purpose::WriteOrManage, Caller::Internal) | (Purpose::Read, _) => self.own(),
        }
    }

    fn own(&self) -> Result<Option<HeaderValue>, Error> {
        Ok(match self {
            Self::None => None,
            Self::Token(token) => Some(token.header()),
            Self::File(file) => Some(file.token()?.header()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_write_goes_with_its_callers_token_and_never_with_the_servers_own() {
        let token = |text: &str| BearerToken::new(text).unwrap();
        let own = Credentials::Token(token("own"));
        let sent =
            |purpose| own.authorization(purpose).unwrap().map(|value| value.to_str().unwrap().to_owned());
        let (own_header, client_header) = (Some("Bearer own".to_owned()), Some("Bearer client".to_owned()));
        for (caller, written) in [
            (Caller::Bearer(token("client")), client_header),
            (Caller::Anonymous, None),
            (Caller::Malformed, None),
            (Caller::Internal, own_header.clone()),
        ] {
            let (read, write) =
                caller.clone().scope(async { (sent(Purpose::Read), sent(Purpose::WriteOrManage)) }).await;
            assert_eq!(read, own_header, "{caller:?}");
            assert_eq!(write, written, "{caller:?}");
        }
    }
}
