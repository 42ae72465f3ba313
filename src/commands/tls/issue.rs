//! `tls issue`: a client's certificate and its key, or a server's that runs elsewhere.

use super::{Context, Outcome, Trouble, absolute, authority, day, maker, names_are_names};
use crate::cli::tls::Issue;
use crate::commands::print;
use crate::host::Host;
use crate::journal;
use crate::pki::{self, Uses};
use std::path::{Path, PathBuf};

/// Two files, of which neither is replaced unasked.
pub fn run(context: &Context, args: &Issue) -> Outcome {
    named(&args.name)?;
    names_are_names(&args.names)?;
    let host = context.host()?;
    let out = absolute(&args.out)?;
    let file = |end: &str| out.join(format!("{}.{end}", args.name));
    let (crt, key) = (file("crt"), file("key"));
    let authority = authority(&host, &absolute(&args.at.ca)?)?;
    if !args.force {
        is_free(&host, &[&crt, &key])?;
    }
    let owner = maker(&host);
    if host.stat(&out)?.is_none() {
        host.make_dir(&out, 0o700, owner.0, owner.1)?;
    }
    if out == Path::new(pki::CLIENTS) {
        // A private key that a killed run was writing.
        journal::sweep_in(&host, [&out])?;
    }
    let (uses, names) = match args.server {
        true => (Uses::Server, args.names.clone()),
        false => (Uses::Client, vec![args.name.clone()]),
    };
    let made = authority.issue(uses, &names, args.term.days, host.now())?;
    host.write_file(&key, made.key.as_bytes(), 0o600, owner.0, owner.1)?;
    host.write_file(&crt, made.certificate.as_bytes(), 0o644, owner.0, owner.1)?;
    let fingerprint = pki::fingerprint(made.certificate.as_bytes()).unwrap_or_default();
    let what = format!("{} was issued, sha256 {fingerprint}", crt.display());
    journal::note(&host, "tls issue", &what);
    let until = pki::until(made.certificate.as_bytes()).map(day);
    print(&format!(
        "{} until {}: {} and {}\nredis-cli --tls --cacert ca.crt --cert {}.crt --key {}.key   (ca.crt is {})\n",
        args.name,
        until.unwrap_or_default(),
        crt.display(),
        key.display(),
        args.name,
        args.name,
        pki::Place::at(&absolute(&args.at.ca)?)
            .certificate()
            .display()
    ))?;
    Ok(0)
}

fn is_free(host: &Host, files: &[&PathBuf]) -> Result<(), Trouble> {
    for path in files {
        if host.stat(path)?.is_some() {
            return Err(Trouble(format!(
                "there is {} already: another NAME, another --out, or --force replaces it",
                path.display()
            )));
        }
    }
    Ok(())
}

/// A name of a file that is one everywhere.
fn named(name: &str) -> Result<(), Trouble> {
    let known = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    let plain = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let whole = Path::new(name).file_name().is_some_and(|n| n == name);
    if plain && whole && name.len() <= 64 && name.chars().all(known) {
        return Ok(());
    }
    Err(Trouble(format!(
        "{name:?} is no name of a client: letters, digits and . _ - @, at most 64"
    )))
}
