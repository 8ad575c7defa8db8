//! What is asked for over REST: KvNamespaces created, renamed and deleted, as the API server would do it, with what it
//! refuses.

use nearkv::{Error, Namespace, NamespaceInfo, Reason, check_title, namespace_for_title};
use nearkv_controller::api::KvNamespace;

use super::{FollowError, World, is_loading};
use crate::dev::objects::title_of;

/// Why a change that was asked for over REST is not made.
#[derive(Debug, thiserror::Error)]
pub(in crate::dev) enum ChangeError {
    /// It may not be made.
    #[error(transparent)]
    Refused(#[from] Error),
    /// It cannot be made.
    #[error(transparent)]
    Failed(#[from] FollowError),
}

impl World {
    /// Creates a KvNamespace with this title, as REST asks for it. It is loaded when this returns.
    pub(in crate::dev) async fn create(
        &mut self,
        account: &str,
        title: &str,
    ) -> Result<NamespaceInfo, ChangeError> {
        self.free_title(account, title, None)?;
        let mut salt = 0;
        let namespace = loop {
            let namespace = namespace_for_title(account, title, salt)?;
            if !self.objects.all.namespaces.contains_key(&namespace) {
                break namespace;
            }
            salt += 1;
        };
        let mut object = KvNamespace::new(namespace.name(), Default::default());
        object.spec.title = Some(title.to_owned());
        self.apply(&namespace, object).await?;
        if is_loading(&self.parts.origin, &namespace) {
            return Err(Error::namespace_loading(&namespace).into());
        }
        Ok(NamespaceInfo { namespace, title: title.to_owned() })
    }

    /// Gives a KvNamespace another title.
    pub(in crate::dev) async fn rename(
        &mut self,
        namespace: &Namespace,
        title: &str,
    ) -> Result<NamespaceInfo, ChangeError> {
        let mut object = self.changeable(namespace)?.clone();
        self.free_title(namespace.account(), title, Some(namespace))?;
        object.spec.title = Some(title.to_owned());
        self.apply(namespace, object).await?;
        Ok(NamespaceInfo { namespace: namespace.clone(), title: title.to_owned() })
    }

    /// Deletes a KvNamespace.
    pub(in crate::dev) async fn delete(
        &mut self,
        namespace: &Namespace,
    ) -> Result<NamespaceInfo, ChangeError> {
        let object = self.changeable(namespace)?.clone();
        self.objects.all.namespaces.remove(namespace);
        let title = title_of(&object);
        self.remove(namespace, object).await?;
        Ok(NamespaceInfo { namespace: namespace.clone(), title })
    }

    async fn apply(&mut self, namespace: &Namespace, object: KvNamespace) -> Result<(), FollowError> {
        self.objects.put(namespace, object, &self.parts.random);
        if let Some(object) = self.objects.all.namespaces.get(namespace) {
            self.parts.kept.keep_namespace(namespace, object)?;
        }
        self.reconcile(namespace).await
    }

    /// A KvNamespace that is in no manifest that is followed: such a one would be put back at the next change of it.
    fn changeable(&self, namespace: &Namespace) -> Result<&KvNamespace, Error> {
        if self.objects.is_followed(namespace) {
            let text = format!(
                "KvNamespace {namespace} belongs to a manifest given with -f; please change it there"
            );
            return Err(Error::new(Reason::NamespaceDeclared, text));
        }
        let object = self.objects.all.namespaces.get(namespace);
        object.ok_or_else(|| Error::namespace_unknown(namespace.account(), namespace.id()))
    }

    /// Whether the title may be given to a KvNamespace of the account, other than to the one that has it.
    fn free_title(&self, account: &str, title: &str, own: Option<&Namespace>) -> Result<(), Error> {
        check_title(title)?;
        let mut others = self.objects.all.namespaces.iter().filter(|(namespace, _)| Some(*namespace) != own);
        if others.any(|(other, object)| other.account() == account && title_of(object) == title) {
            return Err(Error::title_taken(account, title));
        }
        Ok(())
    }
}
