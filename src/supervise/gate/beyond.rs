//! What besides a wrong snapshot keeps a start from being right: a power loss in the append-only file, a cluster's member without its
//! identity, a certificate that no client would take, and a primary whose replicas would follow it into emptiness.

use super::Layout;
use crate::host::{Host, HostResult};
use crate::redis::config;
use crate::setting::tls::unfit;
use std::path::{Path, PathBuf};

/// So many of them at the end were never written by Redis: the disk has lost what was there.
const LOST: u64 = 16;

/// The directives of a configuration, the last of each.
pub(super) struct Directives(Vec<(String, Vec<String>)>);

impl Directives {
    pub(super) fn parse(conf: &str) -> Directives {
        Directives(config::parse(conf))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut lines = self.0.iter().rev().filter(|(n, _)| n == name);
        let value = lines.next()?.1.first()?;
        (!value.is_empty()).then_some(value.as_str())
    }

    fn is(&self, name: &str) -> bool {
        self.get(name) == Some("yes")
    }

    fn path(&self, name: &str, dir: &Path) -> Option<PathBuf> {
        self.get(name).map(|file| dir.join(file))
    }
}

/// Why it must not start, with the next step.
pub(super) fn danger(
    host: &Host,
    layout: &Layout,
    directives: &Directives,
    replicas: u32,
) -> HostResult<Option<String>> {
    if layout.appendonly
        && let Some(file) = ends_in_nothing(host, layout)?
    {
        let (file, manifest) = (file.display(), layout.manifest());
        return Ok(Some(format!(
            "{file} ends in zeros, as after a power loss, and Redis would not load it: copy {} away, then \
             redis-check-aof --fix {} cuts them off",
            layout.aof_dir.display(),
            manifest.display()
        )));
    }
    if let Some(nodes) = nobody(host, layout, directives)? {
        let nodes = nodes.display();
        return Ok(Some(format!(
            "there is data, and no {nodes}: the node would come back as another one, without its slots. Put the file back from a backup; \
             to begin as a new node with this data, make an empty one"
        )));
    }
    if let Some(port) = beyond_the_last_port(directives) {
        return Ok(Some(format!(
            "the cluster's bus would be at port {port} and 10000 more: choose a port below 55536, or set cluster-port"
        )));
    }
    if replicas > 0 && !layout.appendonly && !layout.saves {
        return Ok(Some(format!(
            "{replicas} replicas had its data, and it kept none on disk: started again it is empty, and so would they be. Promote one of \
             them (REPLICAOF NO ONE) and point the others to it; redis-harden restart starts it all the same"
        )));
    }
    Ok(certificate(host, layout, directives))
}

/// The append-only file that ends in zeros. Of several the last one is written to.
fn ends_in_nothing(host: &Host, layout: &Layout) -> HostResult<Option<PathBuf>> {
    let manifest = host.read_untrusted(&layout.manifest())?.unwrap_or_default();
    let manifest = String::from_utf8_lossy(&manifest);
    let mut names = manifest.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let name = words.find(|word| *word == "file").and(words.next())?;
        (line.ends_with("type i")).then_some(name)
    });
    let last = names.next_back().map(|name| layout.aof_dir.join(name));
    let path = last.unwrap_or_else(|| layout.dir.join(&layout.aof_name));
    let end = host.read_tail(&path, LOST)?.unwrap_or_default();
    let lost = end.len() as u64 == LOST && end.iter().all(|byte| *byte == 0);
    Ok(lost.then_some(path))
}

/// The file of its identity, where a member of a cluster has lost it.
fn nobody(host: &Host, layout: &Layout, directives: &Directives) -> HostResult<Option<PathBuf>> {
    if !directives.is("cluster-enabled") {
        return Ok(None);
    }
    let name = directives
        .get("cluster-config-file")
        .unwrap_or("nodes.conf");
    let nodes = layout.dir.join(name);
    let found = layout.look(host)?;
    let has_data = found.snapshot.is_some() || found.aof_files;
    Ok((has_data && host.stat(&nodes)?.is_none()).then_some(nodes))
}

/// The port whose bus would be at none.
fn beyond_the_last_port(directives: &Directives) -> Option<u16> {
    let own = directives
        .get("cluster-port")
        .is_some_and(|port| port != "0");
    let base = if directives.is("tls-cluster") {
        "tls-port"
    } else {
        "port"
    };
    let port: u16 = directives.get(base)?.parse().ok()?;
    (directives.is("cluster-enabled") && !own && port > u16::MAX - 10_000).then_some(port)
}

/// Redis starts with one that has expired, and no client takes it.
fn certificate(host: &Host, layout: &Layout, directives: &Directives) -> Option<String> {
    let serves = directives.get("tls-port").is_some_and(|port| port != "0");
    let asks = directives.is("tls-replication") || directives.is("tls-cluster");
    if !(serves || asks) {
        return None;
    }
    let certificate = directives.path("tls-cert-file", &layout.dir)?;
    let key = directives.path("tls-key-file", &layout.dir)?;
    let ca = directives.path("tls-ca-cert-file", &layout.dir);
    // One that may not be looked for is Redis's own to miss.
    let missing = |path: &&PathBuf| matches!(host.stat_target(path), Ok(None));
    if let Some(path) = [Some(&certificate), Some(&key), ca.as_ref()]
        .into_iter()
        .flatten()
        .find(missing)
    {
        let path = path.display();
        return Some(format!(
            "there is no {path}, which TLS needs: redis-harden tls init makes a pair, tls install puts one there"
        ));
    }
    unfit(host, &certificate, &key).map(|why| {
        format!(
            "{} {why}: no client would take it. Put a valid pair there",
            certificate.display()
        )
    })
}
