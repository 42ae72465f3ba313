//! `supervise`: run redis-server in the foreground, as the main process of its service.

use super::{Context, Outcome};
use crate::cli::Supervise;

/// A start that was refused, by the gate or the configuration: sysexits.h.
const EX_CONFIG: u8 = 78;

/// Runs until it is told to stop; the exit code is the server's own, or 78.
pub fn run(context: &Context, args: &Supervise) -> Outcome {
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
