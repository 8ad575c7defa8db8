//! The key pair with which a test's API server signs ServiceAccount tokens.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

use crate::error::{HarnessError, Result};

/// RFC 5480: the DER of a SubjectPublicKeyInfo for `id-ecPublicKey` on `secp256r1`, up to the point.
const P256_PUBLIC_KEY_HEADER: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Two PEM files.
pub(crate) struct ServiceAccountKey {
    pub(crate) private: PathBuf,
    pub(crate) public: PathBuf,
}

impl ServiceAccountKey {
    /// Makes a new pair and writes `sa.key` and `sa.pub` into `folder`.
    pub(crate) fn create(folder: &Path) -> Result<ServiceAccountKey> {
        let refused = |_| HarnessError::Missing("the system gave no randomness for a key".to_owned());
        let random = SystemRandom::new();
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).map_err(refused)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random)
            .map_err(|_| HarnessError::Missing("the new key could not be read back".to_owned()))?;
        let mut public = P256_PUBLIC_KEY_HEADER.to_vec();
        public.extend_from_slice(pair.public_key().as_ref());
        Ok(ServiceAccountKey {
            private: write(folder.join("sa.key"), "PRIVATE KEY", pkcs8.as_ref())?,
            public: write(folder.join("sa.pub"), "PUBLIC KEY", &public)?,
        })
    }
}

fn write(file: PathBuf, label: &str, der: &[u8]) -> Result<PathBuf> {
    let base64 = STANDARD.encode(der);
    let pem = format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n");
    std::fs::write(&file, pem).map_err(HarnessError::io("write", &file))?;
    Ok(file)
}
