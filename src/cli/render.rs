//! `render`.

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub struct Render {
    /// For what.
    #[arg(value_enum)]
    pub target: RenderTarget,
    /// The instance; by default the policy's only one.
    #[arg(long, value_name = "NAME")]
    pub instance: Option<crate::policy::scalar::Name>,
    /// The image, as the Dockerfile builds it; by default redis-harden-redis with this version.
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// The container's memory, from which `maxmemory = "auto"` is worked out at its start; by default 4gb, or what the policy's sizes need.
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<crate::policy::scalar::Size>,
    /// The size of the volume; by default five times the memory. Kubernetes only.
    #[arg(long, value_name = "SIZE")]
    pub storage: Option<crate::policy::scalar::Size>,
}

/// For what `render` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RenderTarget {
    /// A Compose file: docker compose, podman compose.
    Compose,
    /// Manifests: a StatefulSet and what belongs to it, and a DaemonSet that prepares the nodes.
    Kubernetes,
}
