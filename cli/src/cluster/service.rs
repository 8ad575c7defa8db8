//! nearkv's service in the cluster, and the pods behind it. What is chosen of them is decided in
//! `choose`.

use k8s_openapi::api::core::v1::{Pod, Service as ServiceObject};
use kube::api::ListParams;
use kube::{Api, Client, Config, ResourceExt};

use super::choose::{self, NAME_LABEL, Unchosen, Wanted, name_of};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::reach::ServiceName;

/// What to do where the cluster's service cannot be used.
const ADVICE: &str = "name a server with --server URL, or a service with --service NAMESPACE/NAME";

/// nearkv's service in a cluster.
pub(super) struct Service {
    client: Client,
    object: ServiceObject,
    scheme: &'static str,
    port: i32,
}

impl Service {
    /// Finds it by its label, or takes the one that is named.
    pub(super) async fn find(
        config: Config,
        named: Option<&ServiceName>,
        wanted: Wanted,
    ) -> Result<Self, Failure> {
        let client = Client::try_from(config).map_err(|error| {
            Failure::new(Exit::Unreachable, format!("failed to set up a client of the cluster: {error}"))
        })?;
        let object = match named {
            Some(ServiceName { namespace, name }) => {
                let api: Api<ServiceObject> = Api::namespaced(client.clone(), namespace);
                api.get(name)
                    .await
                    .map_err(|error| failed(&format!("get service {namespace}/{name}"), &error))?
            }
            None => {
                let api: Api<ServiceObject> = Api::all(client.clone());
                let labelled = ListParams::default().labels(&format!("{}={}", NAME_LABEL.0, NAME_LABEL.1));
                let services = api.list(&labelled).await;
                let services = services.map_err(|error| failed("list the cluster's services", &error))?;
                choose::service(services.items, wanted).map_err(unchosen)?
            }
        };
        let port = choose::port(&object).map_err(unchosen)?;
        let (scheme, port) = (choose::scheme(port), port.port);
        Ok(Self { client, object, scheme, port })
    }

    /// Its URL inside of the cluster.
    pub(super) fn url(&self) -> String {
        self.url_with(self.port)
    }

    /// The same with another port: that of a port-forward's near end.
    pub(super) fn url_with(&self, port: i32) -> String {
        let namespace = self.object.namespace().unwrap_or_default();
        format!("{}://{}.{namespace}.svc:{port}", self.scheme, self.object.name_any())
    }

    /// `NAMESPACE/NAME`.
    pub(super) fn name(&self) -> String {
        name_of(&self.object)
    }

    /// A pod behind it that is ready now, and its port.
    pub(super) async fn pod(&self) -> Result<(Api<Pod>, String, u16), Failure> {
        let namespace = self.object.namespace().unwrap_or_default();
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
        let selector = self.object.spec.iter().flat_map(|spec| spec.selector.iter().flatten());
        let selector: Vec<String> = selector.map(|(key, value)| format!("{key}={value}")).collect();
        if selector.is_empty() {
            return Err(unchosen(Unchosen::NoPod(self.name(), 0)));
        }
        let behind = pods.list(&ListParams::default().labels(&selector.join(","))).await;
        let behind =
            behind.map_err(|error| failed(&format!("list the pods of service {}", self.name()), &error))?;
        let port = choose::port(&self.object).map_err(unchosen)?;
        let (pod, port) = choose::pod(&self.object, port, behind.items).map_err(unchosen)?;
        Ok((pods, pod, port))
    }
}

fn failed(action: &str, error: &kube::Error) -> Failure {
    Failure::new(Exit::Unreachable, format!("failed to {action}: {error}")).with_advice(ADVICE)
}

fn unchosen(why: Unchosen) -> Failure {
    Failure::new(Exit::Unreachable, why.to_string()).with_advice(ADVICE)
}
