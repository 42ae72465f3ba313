//! Completions and manual pages, generated from the command line's own types.

use super::{Context, Outcome, Trouble, absolute, print};
use crate::cli::{Cli, Completions, Man};
use crate::host::Host;
use clap::CommandFactory;
use std::path::Path;

/// Prints the completions of a shell.
pub fn completions(args: &Completions) -> Outcome {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "redis-harden", &mut text);
    print(&String::from_utf8_lossy(&text))?;
    Ok(0)
}

/// Writes `redis-harden.1` and a page for each subcommand.
pub fn man(_: &Context, args: &Man) -> Outcome {
    let dir = absolute(&args.dir)?;
    let host = Host::live()?;
    let mut command = Cli::command();
    command.build();
    page(&host, &dir, &command, "redis-harden".to_owned())?;
    for sub in command
        .get_subcommands()
        .filter(|c| !c.is_hide_set() && c.get_name() != "help")
    {
        page(&host, &dir, sub, format!("redis-harden-{}", sub.get_name()))?;
    }
    Ok(0)
}

fn page(host: &Host, dir: &Path, command: &clap::Command, name: String) -> Result<(), Trouble> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone())
        .title(name.clone())
        .render(&mut text)
        .map_err(|e| Trouble(format!("rendering {name}.1: {e}")))?;
    let (uid, gid) = (
        nix::unistd::geteuid().as_raw(),
        nix::unistd::getegid().as_raw(),
    );
    Ok(host.write_file(&dir.join(format!("{name}.1")), &text, 0o644, uid, gid)?)
}
