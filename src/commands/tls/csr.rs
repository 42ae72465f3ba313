//! `tls csr`: a request for the server's certificate. Its key is made here, and never leaves.

use super::{Context, Outcome, PATIENCE, here, make_ground, names_are_names, only};
use crate::cli::tls::Csr;
use crate::commands::print;
use crate::journal;
use crate::pki;
use crate::policy::Policy;
use crate::policy::tls::DIRECTORY;
use std::path::{Path, PathBuf};

/// Where a key waits for its certificate: the server goes on with the one that it has.
pub(super) fn waiting(policy: &Policy) -> PathBuf {
    Path::new(DIRECTORY).join(format!("{}.key.waiting", policy.redis.name))
}

/// A key that waits already is asked for again: a request that was lost is not one more key.
pub fn run(context: &Context, args: &Csr) -> Outcome {
    names_are_names(&args.names)?;
    let (host, policies, facts) = here(context, "tls csr")?;
    let policy = only(&policies, args.instance.as_ref())?;
    let _lock = journal::lock(&host, "tls csr", PATIENCE)?;
    let path = waiting(policy);
    let old = match args.force {
        true => None,
        false => host.read_text(&path)?,
    };
    let names = pki::of_server(&host, &facts.hostname, policy, &args.names)?;
    let made = pki::request(&names, old.as_deref())?;
    if old.is_none() {
        make_ground(&host)?;
        host.write_file(&path, made.key.as_bytes(), 0o600, 0, 0)?;
    }
    let mut say = context.progress();
    say(&format!("for {}", names.join(" ")));
    say(
        "next: redis-harden tls sign FILE where the authority is, redis-harden tls install FILE here",
    );
    print(&made.certificate)?;
    Ok(0)
}
