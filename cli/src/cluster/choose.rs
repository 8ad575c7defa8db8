//! Which service of the cluster is nearkv's, and which pod behind it is asked. Pure: the objects are handed in.

use k8s_openapi::api::core::v1::{Pod, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;

/// The label of nearkv's services, as the Kubernetes recommended labels have it.
pub(super) const NAME_LABEL: (&str, &str) = ("app.kubernetes.io/name", "nearkv");
/// The label that tells the origin's service from those of edges.
const COMPONENT_LABEL: &str = "app.kubernetes.io/component";
/// The label of a service over the edges of one region; the one over all edges has none.
const REGION_LABEL: &str = "nearkv.dev/region";
/// The name of the port for data, where a service has several.
pub(super) const PORT_NAME: &str = "http";

/// Which of nearkv's services is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The origin's, which sees every write at once: for a person's commands.
    Origin,
    /// That over all edges, which is near: for programs that are to be bound to it.
    Near,
}

impl Wanted {
    fn is(self, service: &Service) -> bool {
        let component = service.labels().get(COMPONENT_LABEL).map(String::as_str);
        match self {
            Self::Origin => component == Some("operator"),
            Self::Near => component == Some("edge-cache") && !service.labels().contains_key(REGION_LABEL),
        }
    }
}

/// Why no server is chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unchosen {
    /// No service has the label.
    #[error("the cluster has no service labelled {}={}", NAME_LABEL.0, NAME_LABEL.1)]
    NoService,
    /// More than one service may be meant.
    #[error("the cluster has several services of nearkv: {}", .0.join(", "))]
    Ambiguous(Vec<String>),
    /// The service has no port for data.
    #[error("service {0} has no TCP port named {PORT_NAME}, and not exactly one other")]
    NoPort(String),
    /// No pod stands behind the service.
    #[error("service {0} has no pod that is ready ({1} are not)")]
    NoPod(String, usize),
    /// The pod has no port with the name that the service refers to.
    #[error("pod {0} has no container port named {1:?}, to which its service refers")]
    NoTarget(String, String),
}

/// `NAMESPACE/NAME` of an object, as messages name it.
pub(super) fn name_of(object: &impl kube::Resource) -> String {
    format!("{}/{}", object.meta().namespace.as_deref().unwrap_or_default(), object.name_any())
}

/// The service that is wanted; where none is, the origin's; where none is labelled so either, the only one.
pub(super) fn service(services: Vec<Service>, wanted: Wanted) -> Result<Service, Unchosen> {
    let mut candidates = services;
    for kind in [wanted, Wanted::Origin] {
        let (these, others): (Vec<_>, Vec<_>) = candidates.into_iter().partition(|service| kind.is(service));
        candidates = if these.is_empty() { others } else { these };
    }
    match (candidates.pop(), candidates.is_empty()) {
        (None, _) => Err(Unchosen::NoService),
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            let mut names: Vec<String> = candidates.iter().chain([&last]).map(name_of).collect();
            names.sort();
            Err(Unchosen::Ambiguous(names))
        }
    }
}

/// The port of the service: the one named `http`, or else the only one.
pub(super) fn port(service: &Service) -> Result<&ServicePort, Unchosen> {
    let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    let mut tcp = ports.filter(|port| port.protocol.as_deref().unwrap_or("TCP") == "TCP").peekable();
    let first = tcp.peek().copied();
    let count = tcp.clone().count();
    let named = tcp.find(|port| port.name.as_deref() == Some(PORT_NAME));
    named.or(first.filter(|_| count == 1)).ok_or_else(|| Unchosen::NoPort(name_of(service)))
}

/// What is spoken at a port, as the chart says it in `appProtocol` (Kubernetes' Service API).
pub(super) fn scheme(port: &ServicePort) -> &'static str {
    match port.app_protocol.as_deref() {
        Some("https") => "https",
        _ => "http",
    }
}

/// The pod to forward to, and its port: the first in the order of names that is ready and not ending.
pub(super) fn pod(
    service: &Service,
    port: &ServicePort,
    mut pods: Vec<Pod>,
) -> Result<(String, u16), Unchosen> {
    pods.sort_by_key(ResourceExt::name_any);
    let unready = pods.iter().filter(|pod| !is_ready(pod)).count();
    let ready = pods.iter().find(|pod| is_ready(pod));
    let pod = ready.ok_or_else(|| Unchosen::NoPod(name_of(service), unready))?;
    let number = match &port.target_port {
        None => port.port,
        Some(IntOrString::Int(number)) => *number,
        Some(IntOrString::String(name)) => {
            named_port(pod, name).ok_or_else(|| Unchosen::NoTarget(name_of(pod), name.clone()))?
        }
    };
    let number = u16::try_from(number).map_err(|_| Unchosen::NoTarget(name_of(pod), number.to_string()))?;
    Ok((pod.name_any(), number))
}

fn named_port(pod: &Pod, name: &str) -> Option<i32> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
    ports.find(|port| port.name.as_deref() == Some(name)).map(|port| port.container_port)
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let mut ready = conditions.filter(|condition| condition.type_ == "Ready" && condition.status == "True");
    pod.metadata.deletion_timestamp.is_none() && ready.next().is_some()
}

#[cfg(test)]
#[path = "choose_tests.rs"]
mod tests;
