//! The options of `rediss://`: whom to trust, and what to show. The files are this machine's.

use crate::cli::Remote;
use crate::commands::{Trouble, absolute};
use crate::host::{Host, HostResult};
use crate::redis::remote::Client;
use std::path::{Path, PathBuf};

/// The authorities that Debian's ca-certificates has gathered, and where OpenSSL and redis-cli look by default.
const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The bit that lets everybody read.
const WORLD_READS: u32 = 0o004;

/// The client that the options describe.
pub fn client(remote: &Remote) -> Result<Client, Trouble> {
    let client = trusting(remote)?.asking_for(remote.sni.clone());
    let client = match &remote.insecure {
        true => client.regardless(),
        false => client,
    };
    let (Some(certificate), Some(key)) = (&remote.cert, &remote.key) else {
        return Ok(client);
    };
    let host = Host::live()?;
    let (certificate, key) = (absolute(certificate)?, absolute(key)?);
    warn_of_readers(&host, &key)?;
    let (shown, secret) = (read("--cert", &certificate)?, read("--key", &key)?);
    Ok(client.showing(&shown, &secret)?)
}

/// The options that mean nothing without TLS, where they are given.
pub fn given(remote: &Remote) -> Option<&'static str> {
    [
        ("--cacert", remote.cacert.is_some()),
        ("--cert", remote.cert.is_some()),
        ("--sni", remote.sni.is_some()),
        ("--insecure", remote.insecure),
    ]
    .into_iter()
    .find_map(|(option, is_given)| is_given.then_some(option))
}

fn trusting(remote: &Remote) -> Result<Client, Trouble> {
    let (option, path) = match &remote.cacert {
        Some(path) => ("--cacert", absolute(path)?),
        None => ("the system's authorities", PathBuf::from(SYSTEM)),
    };
    let missing = remote.cacert.is_none() && Host::live()?.stat_target(&path)?.is_none();
    match (missing, remote.insecure) {
        (true, true) => Ok(Client::onlooker()),
        (true, false) => Err(Trouble::from(format!(
            "{SYSTEM} does not exist, so nobody is trusted\n  = install ca-certificates, or give an authority by --cacert FILE"
        ))),
        (false, _) => Client::trusting(&read(option, &path)?)
            .map_err(|why| Trouble::from(format!("{option}: {}: {why}", path.display()))),
    }
}

fn read(option: &str, path: &Path) -> Result<Vec<u8>, Trouble> {
    let content = Host::live()?.read(path)?;
    content.ok_or_else(|| Trouble::from(format!("{option}: {} does not exist", path.display())))
}

fn warn_of_readers(host: &Host, key: &Path) -> HostResult<()> {
    let stat = host.stat_target(key)?;
    if stat.is_some_and(|stat| stat.mode & WORLD_READS != 0) {
        tracing::warn!(
            key = %key.display(),
            "everybody on this machine can read the private key: chmod 0600, and replace it"
        );
    }
    Ok(())
}
