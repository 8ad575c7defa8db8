//! The choice of service and pod, on objects as a cluster answers them.

use serde_json::{Value, json};

use super::*;

fn service_of(name: &str, component: Option<&str>, ports: Value) -> Service {
    let mut labels = json!({"app.kubernetes.io/name": "nearkv"});
    if let Some(component) = component {
        labels["app.kubernetes.io/component"] = component.into();
    }
    let object = json!({
        "metadata": {"name": name, "namespace": "kv", "labels": labels},
        "spec": {"selector": {"app": name}, "ports": ports}
    });
    serde_json::from_value(object).unwrap()
}

fn pod_of(name: &str, ready: &str, deleted: bool) -> Pod {
    let mut object = json!({
        "metadata": {"name": name, "namespace": "kv"},
        "spec": {"containers": [
            {"name": "other"},
            {"name": "operator", "ports": [{"name": "admin", "containerPort": 9700}, {"name": "data", "containerPort": 8700}]}
        ]},
        "status": {"conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": ready}]}
    });
    if deleted {
        object["metadata"]["deletionTimestamp"] = "2026-11-24T12:00:00Z".into();
    }
    serde_json::from_value(object).unwrap()
}

fn http(target: Value) -> Value {
    json!([{"name": "admin", "port": 9700}, {"name": "http", "port": 80, "targetPort": target}])
}

#[test]
fn the_origins_service_is_preferred_to_those_of_edges() {
    let mut london = service_of("london", Some("edge-cache"), http(json!(1)));
    london.labels_mut().insert("nearkv.dev/region".to_owned(), "london".to_owned());
    let services = vec![
        service_of("edges", Some("edge-cache"), http(json!(1))),
        service_of("origin", Some("operator"), http(json!(1))),
        london,
    ];
    assert_eq!(service(services.clone(), Wanted::Origin).unwrap().name_any(), "origin");
    assert_eq!(service(services, Wanted::Near).unwrap().name_any(), "edges");
    let only = vec![service_of("edges", Some("edge-cache"), http(json!(1)))];
    assert_eq!(service(only, Wanted::Origin).unwrap().name_any(), "edges");
    let only = vec![service_of("origin", Some("operator"), http(json!(1)))];
    assert_eq!(service(only, Wanted::Near).unwrap().name_any(), "origin");
}

#[test]
fn none_and_several_are_told_and_never_guessed() {
    assert_eq!(service(Vec::new(), Wanted::Origin).unwrap_err(), Unchosen::NoService);
    let two =
        vec![service_of("b", Some("operator"), json!([])), service_of("a", Some("operator"), json!([]))];
    assert_eq!(
        service(two, Wanted::Origin).unwrap_err().to_string(),
        "the cluster has several services of nearkv: kv/a, kv/b"
    );
}

#[test]
fn the_port_is_the_one_named_http_or_the_only_one() {
    let number = |ports: Value| port(&service_of("s", None, ports)).map(|port| port.port);
    assert_eq!(number(http(json!(8700))).unwrap(), 80);
    assert_eq!(number(json!([{"port": 8700}])).unwrap(), 8700);
    assert_eq!(number(json!([{"port": 53, "protocol": "UDP"}, {"port": 8700}])).unwrap(), 8700);
    for none in [json!([]), json!([{"name": "a", "port": 1}, {"name": "b", "port": 2}])] {
        assert_eq!(number(none).unwrap_err(), Unchosen::NoPort("kv/s".to_owned()));
    }
}

#[test]
fn the_pod_is_the_first_that_is_ready_and_not_ending() {
    let service = service_of("s", None, http(json!("data")));
    let pods = vec![pod_of("c", "True", false), pod_of("a", "True", true), pod_of("b", "True", false)];
    let chosen = pod(&service, port(&service).unwrap(), pods).unwrap();
    assert_eq!(chosen, ("b".to_owned(), 8700), "a named target is looked up in the pod");

    let none = pod(&service, port(&service).unwrap(), vec![pod_of("a", "False", false)]).unwrap_err();
    assert_eq!(none.to_string(), "service kv/s has no pod that is ready (1 are not)");
}

#[test]
fn a_target_may_be_a_number_or_left_out_and_must_exist() {
    let target = |target: Value| {
        let service = service_of("s", None, http(target));
        pod(&service, port(&service).unwrap(), vec![pod_of("a", "True", false)]).map(|(_, port)| port)
    };
    assert_eq!(target(json!(8701)).unwrap(), 8701);
    assert_eq!(target(Value::Null).unwrap(), 80);
    assert_eq!(target(json!("web")).unwrap_err(), Unchosen::NoTarget("kv/a".to_owned(), "web".to_owned()));
}

#[test]
fn tls_is_spoken_where_the_port_says_so() {
    let scheme_of = |protocol: Value| {
        let ports = json!([{"name": "http", "port": 80, "appProtocol": protocol}]);
        scheme(port(&service_of("origin", Some("operator"), ports)).unwrap())
    };
    assert_eq!([json!("https"), json!("http"), json!(null)].map(scheme_of), ["https", "http", "http"]);
}
