//! Which images there are, and what each says of itself.

/// The user that the programs run as: no root, and the number that images without one of their own use by custom.
pub(crate) const USER: &str = "65532:65532";

/// An image with one program.
#[derive(Debug)]
pub(crate) struct Image {
    /// The program's name, and the image's.
    pub(crate) binary: &'static str,
    /// `org.opencontainers.image.title`.
    pub(crate) title: &'static str,
    /// `org.opencontainers.image.description`.
    pub(crate) description: &'static str,
    /// The ports it listens on by default.
    pub(crate) ports: &'static [u16],
}

/// All images.
pub(crate) const IMAGES: [Image; 3] = [
    Image {
        binary: "nearkv-operator",
        title: "nearkv operator",
        description: "The controller of KvNamespaces, and the origin that keeps their data in ConfigMaps",
        ports: &[8700, 9700],
    },
    Image {
        binary: "nearkv-edge-cache",
        title: "nearkv edge cache",
        description: "Workers KV reads from memory, near the reader",
        ports: &[8701, 9701],
    },
    Image {
        binary: "kubectl-kv",
        title: "kubectl kv",
        description: "Workers KV on the command line",
        ports: &[],
    },
];
