//! The model's KvNamespaces as the REST face manages them.

use async_trait::async_trait;

use super::{Data, Memory};
use crate::{Error, Namespace, NamespaceId, NamespaceInfo, Namespaces, check_title, namespace_for_title};

#[async_trait]
impl Namespaces for Memory {
    async fn accounts(&self) -> Result<Vec<String>, Error> {
        let namespaces = self.namespaces.lock();
        let mut accounts: Vec<_> =
            namespaces.keys().map(|namespace| namespace.account().to_owned()).collect();
        accounts.dedup();
        Ok(accounts)
    }

    async fn list(&self, account: &str) -> Result<Vec<NamespaceInfo>, Error> {
        let namespaces = self.namespaces.lock();
        let own = namespaces.iter().filter(|(namespace, _)| namespace.account() == account);
        let info = |(namespace, data): (&Namespace, &Data)| NamespaceInfo {
            namespace: namespace.clone(),
            title: data.title.clone(),
        };
        Ok(own.map(info).collect())
    }

    async fn find(&self, account: &str, id: NamespaceId) -> Result<Option<NamespaceInfo>, Error> {
        Ok(Namespaces::list(self, account).await?.into_iter().find(|info| info.namespace.id() == id))
    }

    async fn create(&self, account: &str, title: &str) -> Result<NamespaceInfo, Error> {
        if Namespaces::list(self, account).await?.iter().any(|info| info.title == title) {
            return Err(Error::title_taken(account, title));
        }
        let namespace = namespace_for_title(account, title, 0)?;
        self.create_titled(&namespace, title);
        Ok(NamespaceInfo { namespace, title: title.to_owned() })
    }

    async fn rename(&self, account: &str, id: NamespaceId, title: &str) -> Result<NamespaceInfo, Error> {
        check_title(title)?;
        let all = Namespaces::list(self, account).await?;
        if all.iter().any(|info| info.title == title && info.namespace.id() != id) {
            return Err(Error::title_taken(account, title));
        }
        let found = all.into_iter().find(|info| info.namespace.id() == id);
        let namespace = found.ok_or_else(|| Error::namespace_unknown(account, id))?.namespace;
        self.with(&namespace, |data, _| {
            data.title = title.to_owned();
            Ok(())
        })?;
        Ok(NamespaceInfo { namespace, title: title.to_owned() })
    }

    async fn delete(&self, account: &str, id: NamespaceId) -> Result<(), Error> {
        let found = self.find(account, id).await?.ok_or_else(|| Error::namespace_unknown(account, id))?;
        self.remove(&found.namespace);
        Ok(())
    }
}
