//! The census: counts for the budget what lies in the store of KvNamespaces that this process does not serve. Those are
//! retained data of a deleted KvNamespace, also of one deleted before this process started, and what was written for one
//! while it was forgotten. A KvNamespace that is served is counted by its own collector.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use nearkv::Namespace;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    follow::root_watch::Followers,
    format::{LABEL_NAMESPACE, LABEL_PART, Part, root_name},
    limits::budget::Usage,
    state::context::Context,
    store::{Meta, Selector, Token},
    upkeep::collect::list,
};

/// From the start to the first look: by then the KvNamespaces that exist are served, and need not be counted here.
const FIRST_AFTER: Duration = Duration::from_secs(5);
/// Between two looks: as long as a full budget may be believed to be full after a KvNamespace was deleted.
const EVERY: Duration = Duration::from_secs(60);
/// From the deletion of a KvNamespace to the look that it causes: most objects have gone with it by then.
const AFTER_DELETION: Duration = Duration::from_secs(5);
/// How long objects are not listed again whose root is unchanged: only a hand takes some of them away.
const RECOUNT_EVERY: Duration = Duration::from_secs(600);

/// What was found of a KvNamespace that is not served.
struct Counted {
    root: Option<Token>,
    usage: Usage,
    at: Instant,
}

/// Counts for as long as it is polled.
pub(crate) async fn run(context: &Context, served: &dyn Followers) {
    let mut counted = HashMap::new();
    sleep(FIRST_AFTER).await;
    loop {
        look(context, served, &mut counted).await;
        if timeout(EVERY, context.deleted.notified()).await.is_ok() {
            sleep(AFTER_DELETION).await;
        }
    }
}

async fn look(context: &Context, served: &dyn Followers, counted: &mut HashMap<Namespace, Counted>) {
    let selector = Selector {
        folder: None,
        labels: vec![(LABEL_PART.to_owned(), vec![Part::Root.as_str().to_owned()])],
    };
    let roots = match context.upkeep_store.list(&selector).await {
        Ok(roots) => roots,
        Err(error) => return tracing::debug!(%error, "the roots could not be listed for the budget"),
    };
    let charged = context.budget.namespaces().into_iter().map(|namespace| (namespace, None));
    let mut found: BTreeMap<Namespace, Option<Token>> = charged.collect();
    found.extend(roots.iter().filter_map(|meta| Some((namespace_of(meta)?, Some(meta.token.clone())))));
    found.retain(|namespace, _| served.of(namespace).is_none());
    counted.retain(|namespace, _| found.contains_key(namespace));
    for (namespace, root) in found {
        let is_known = counted.get(&namespace).is_some_and(|known| {
            known.root == root
                && root.is_some()
                && known.usage == context.budget.used(&namespace)
                && known.at.elapsed() < RECOUNT_EVERY
        });
        if is_known {
            continue;
        }
        let usage = match list(&*context.upkeep_store, &namespace).await {
            Ok(listed) => Usage::of(&listed),
            Err(error) => {
                tracing::debug!(%namespace, %error, "objects could not be listed for the budget");
                continue;
            }
        };
        if served.of(&namespace).is_some() {
            continue;
        }
        if usage.objects == 0 {
            context.budget.forget(&namespace);
        } else {
            context.budget.recount(&namespace, usage);
            // Nothing of it is collected.
            context.budget.reached(&namespace, usage);
        }
        counted.insert(namespace, Counted { root, usage, at: Instant::now() });
    }
}

/// Whose root it is; `None` for an object that only bears the label.
fn namespace_of(meta: &Meta) -> Option<Namespace> {
    let namespace = Namespace::new(&meta.name.folder, meta.labels.get(LABEL_NAMESPACE)?).ok()?;
    (root_name(&namespace) == meta.name).then_some(namespace)
}
