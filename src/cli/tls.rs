//! `tls`: clap's types.

use crate::pki;
use crate::policy::Name;
use clap::{Args, Subcommand, value_parser};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum TlsCommand {
    /// Make a private authority, and by it the server's certificate; what is there already stays.
    #[command(
        after_help = "Example:\n  sudo redis-harden tls init --name cache.example\n  redis-harden tls init --authority-only --ca ./ca   (on the machine that signs for several hosts)"
    )]
    Init(Init),
    /// Issue a client's certificate and key; or a server's, where no agent is beside it, as in a container.
    #[command(
        after_help = "Example:\n  sudo redis-harden tls issue app --days 90\n  redis-harden tls issue redis-tls --server --name redis --ca ./ca --out ./secrets"
    )]
    Issue(Issue),
    /// Issue the server's certificate anew, and have the running server take it: no restart, every connection kept.
    #[command(after_help = "Example:\n  sudo redis-harden tls renew --within 30")]
    Renew(Renew),
    /// Print a request for the server's certificate, for an authority elsewhere; the key stays here.
    #[command(after_help = "Example:\n  sudo redis-harden tls csr > cache.csr")]
    Csr(Csr),
    /// Sign a request from another host; print the certificate.
    #[command(after_help = "Example:\n  redis-harden tls sign cache.csr --ca ./ca > cache.crt")]
    Sign(Sign),
    /// Put in place what an authority has signed, and have the running server take it: also as the hook of certbot or step.
    #[command(
        after_help = "Example:\n  sudo redis-harden tls install cache.crt --ca-cert ca.crt\n  sudo redis-harden tls install /etc/letsencrypt/live/cache.example/fullchain.pem --key /etc/letsencrypt/live/cache.example/privkey.pem"
    )]
    Install(Install),
}

/// Where an authority is.
#[derive(Debug, Args)]
pub struct At {
    /// The directory of the authority: ca.crt and ca.key.
    #[arg(long, value_name = "DIR", default_value = pki::AUTHORITY)]
    pub ca: PathBuf,
}

/// For how long.
#[derive(Debug, Args)]
pub struct Term {
    /// How many days the certificate is valid; never longer than its authority.
    #[arg(long, value_name = "DAYS", default_value_t = pki::DAYS, value_parser = value_parser!(u16).range(1..=3650))]
    pub days: u16,
}

#[derive(Debug, Args)]
pub struct Init {
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub term: Term,
    /// Another name or address that clients use; may be repeated. This host's own are known.
    #[arg(long = "name", value_name = "NAME")]
    pub names: Vec<String>,
    /// Make the authority, and no certificate.
    #[arg(long, conflicts_with_all = ["names", "days"])]
    pub authority_only: bool,
    /// How many days the authority is valid.
    #[arg(long, value_name = "DAYS", default_value_t = pki::AUTHORITY_DAYS, value_parser = value_parser!(u16).range(1..=9125))]
    pub authority_days: u16,
    /// Begin anew over an authority that is there: what it has issued is worth nothing any more.
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct Issue {
    /// The client: the common name of its certificate, and the name of its files.
    pub name: String,
    /// For a server, which is also a client of its primary: with the names that its clients use.
    #[arg(long, requires = "names")]
    pub server: bool,
    /// A name or address of that server; may be repeated.
    #[arg(long = "name", value_name = "NAME", requires = "server")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub term: Term,
    /// Where to put NAME.crt and NAME.key.
    #[arg(long, value_name = "DIR", default_value = pki::CLIENTS)]
    pub out: PathBuf,
    /// Replace those of a former certificate.
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct Renew {
    /// The instance; by default all of the policy that speak TLS.
    pub instance: Option<Name>,
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub term: Term,
    /// Another name or address, besides those that it is for and the host's own; may be repeated.
    #[arg(long = "name", value_name = "NAME")]
    pub names: Vec<String>,
    /// Only what is valid for fewer days yet.
    #[arg(long, value_name = "DAYS")]
    pub within: Option<u16>,
    /// Also over a certificate of another authority's.
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct Csr {
    /// The instance, where the policy has several that speak TLS.
    pub instance: Option<Name>,
    /// Another name or address that clients use; may be repeated. This host's own are known.
    #[arg(long = "name", value_name = "NAME")]
    pub names: Vec<String>,
    /// A new key, in place of one that waits for its certificate.
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct Sign {
    /// The request, in PEM.
    pub request: PathBuf,
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub term: Term,
    /// For a client alone, not for a server.
    #[arg(long)]
    pub client: bool,
}

#[derive(Debug, Args)]
pub struct Install {
    /// The certificate in PEM, with those between it and the authority.
    pub certificate: PathBuf,
    /// Its private key; without it the one of `tls csr`, or one in the same file.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// The authorities by which clients and other servers are verified from now on, in PEM.
    #[arg(long, value_name = "FILE")]
    pub ca_cert: Option<PathBuf>,
    /// The instance, where the policy has several that speak TLS.
    #[arg(long, value_name = "NAME")]
    pub instance: Option<Name>,
}
