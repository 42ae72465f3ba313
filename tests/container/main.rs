//! The image, the Compose file and the Kubernetes manifests: held against the tools that read them, and run by a real OCI runtime.
//!
//! Needs root and `tests/install-deps`; without them every test here fails and says so.
#![expect(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a test drives this machine itself, the boundary is for src/; what a document lacks fails the test"
)]

mod ansible;
mod artefacts;
mod findings;
mod image;
mod life;
mod oci;
