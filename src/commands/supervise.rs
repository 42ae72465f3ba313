//! `supervise`: run redis-server in the foreground, as the main process of its service.

use super::{Context, Outcome, Trouble};
use crate::cli::Supervise;
use crate::policy::Trust;

/// A start that was refused, by the gate or the configuration: sysexits.h.
const EX_CONFIG: u8 = 78;

/// Runs until it is told to stop; the exit code is the server's own, or 78.
pub fn run(context: &Context, args: &Supervise) -> Outcome {
    if args.render
        && let Err(trouble) = render(context, args)
    {
        super::complain(&trouble.0);
        return Ok(EX_CONFIG);
    }
    let host = context.host()?;
    match crate::supervise::run(&host, args.instance.as_str()) {
        Ok(code) => Ok(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            // One line on standard error, as any trouble; but systemd must not start it again: RestartPreventExitStatus=78.
            super::complain(&error.to_string());
            Ok(EX_CONFIG)
        }
    }
}

/// Root does what root's policy says; whoever else starts the container could only change what is their own.
fn render(context: &Context, args: &Supervise) -> Result<(), Trouble> {
    let host = context.host()?;
    let trust = match crate::facts::is_root(&host)? {
        true => Trust::Root,
        false => Trust::Reader,
    };
    let (host, policies, mut facts) = context.look(trust)?;
    Ok(crate::entrypoint::render(
        &host,
        &policies,
        &mut facts,
        &args.instance,
    )?)
}
