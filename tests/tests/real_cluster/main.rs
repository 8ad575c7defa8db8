//! A release on a real cluster, from `helm install` to `helm uninstall`: pods that run, Services, DNS, a port-forward,
//! and every pod replaced under load. One cluster and one release for all of it, in the order of a release's life.
//!
//! Needs root on Linux, for the namespaces of the node (`tests/node`); where that is not given the test fails and says so.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy sees only functions marked as tests as such, not their helpers"
)]

mod elsewhere;
mod flows;
mod load;
mod outlived;
mod release;
mod replaced;
mod revoked;
mod scoped;
mod tls;
mod toggles;
mod tour;

use nearkv_tests::Cluster;
use nearkv_tests::cluster::Images;

use release::Release;

#[test]
fn a_release_is_installed_used_replaced_under_load_and_uninstalled() {
    let cluster = Cluster::start(&Images::find().unwrap()).unwrap();
    cluster
        .enter(async || {
            let release = Release::install(&cluster).await;
            release.test().await;
            tour::pods_read_by_the_services_dns_name_as_rbac_permits(&release).await;
            tour::a_write_in_one_region_is_read_in_the_other(&release).await;
            tour::a_long_value_of_a_bulk_is_taken_over_rest(&release).await;
            tour::kubectl_kv_reaches_a_pod_through_its_port_forward(&release).await;
            flows::only_the_named_flows_pass(&release).await;
            elsewhere::edges_alone_are_in_front_of_an_origin_elsewhere(&release).await;
            release.say_memory().await;
            revoked::a_revoked_role_and_a_rotated_token_are_refused_within_a_minute(&release).await;
            replaced::every_pod_is_deleted_in_turn_and_no_read_fails(&release).await;
            replaced::the_release_is_upgraded_and_rolled_back_and_no_read_fails(&release).await;
            release.uninstall_keeps_the_data().await;
            tls::every_hop_speaks_tls(&release).await;
            scoped::some_kubernetes_namespaces_are_served_and_the_others_are_out_of_reach(&release).await;
            outlived::a_region_outlives_its_origin_and_its_own_pods(&release).await;
            toggles::every_toggle_is_on_once(&release).await;
        })
        .unwrap();
}
