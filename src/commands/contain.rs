//! `contain`: any command in the sandbox that the server runs in.

use super::{Context, Outcome};
use crate::cli::Contain;
use crate::contain::layers::Layer;
use crate::supervise::{Places, contain};

/// The exit code is the command's own; 128 and the number for a signal, as a shell says it.
pub fn run(context: &Context, args: &Contain) -> Outcome {
    let host = context.host()?;
    let [program, rest @ ..] = args.command.as_slice() else {
        return Err("there is no command to run".to_owned().into());
    };
    let mut say = context.progress();
    let mut tell = |layer: &Layer| match layer.holds {
        true if context.style.verbose => say(&format!("{} holds: {}", layer.name, layer.note)),
        true => {}
        false => say(&format!("{} does not hold: {}", layer.name, layer.note)),
    };
    let places = Places::of(args.instance.as_str());
    let code = contain(&host, &places, (program, rest), &mut tell)?;
    Ok(u8::try_from(code).unwrap_or(1))
}
