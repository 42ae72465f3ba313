//! `start`, `stop`, `restart`: the service, by systemd where it runs, else by the detached supervisor.

use super::{Context, Outcome, Trouble, print};
use crate::cli::Service;
use crate::host::HostResult;
use crate::setting::{Sight, service};

/// Starts.
pub fn start(context: &Context, args: &Service) -> Outcome {
    each(context, args, ("start", "started"), |sight, name, say| {
        service::start(sight, name, say)
    })
}

/// Stops.
pub fn stop(context: &Context, args: &Service) -> Outcome {
    each(context, args, ("stop", "stopped"), |sight, name, _| {
        service::end(sight, name)
    })
}

/// Restarts.
pub fn restart(context: &Context, args: &Service) -> Outcome {
    each(context, args, ("restart", "restarted"), service::restart)
}

fn each(
    context: &Context,
    args: &Service,
    (command, done): (&str, &str),
    act: impl Fn(Sight, &str, &mut dyn FnMut(&str)) -> HostResult<()>,
) -> Outcome {
    let (host, policies, facts) = context.look_as_root(command)?;
    let names = names(&policies, args.instance.as_deref())?;
    let mut say = context.progress();
    for name in names {
        act(Sight::new(&host, &facts), &name, &mut say)?;
        print(&format!("{name} {done}\n"))?;
    }
    Ok(0)
}

/// The instance named, or all of the policy.
pub fn names(
    policies: &crate::policy::Policies,
    wanted: Option<&str>,
) -> Result<Vec<String>, Trouble> {
    let all: Vec<String> = policies
        .instances
        .iter()
        .map(|p| p.redis.name.to_string())
        .collect();
    match wanted {
        None => Ok(all),
        Some(name) if all.iter().any(|n| n == name) => Ok(vec![name.to_owned()]),
        Some(name) => Err(Trouble(format!(
            "the policy has no instance {name:?}, only {}",
            all.join(", ")
        ))),
    }
}
