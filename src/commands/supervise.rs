//! `supervise`: run redis-server in the foreground, as the main process of its service.

use super::{Context, Outcome};
use crate::cli::Supervise;

/// Runs until it is told to stop; the exit code is the server's own, or 78.
pub fn run(context: &Context, args: &Supervise) -> Outcome {
    let host = context.host()?;
    let code = crate::supervise::run(&host, args.instance.as_str())?;
    Ok(u8::try_from(code).unwrap_or(1))
}
