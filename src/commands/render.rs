//! `render`: prints what runs a policy's server in containers; touches nothing.

use super::{Context, Outcome, Trouble, print};
use crate::cli::{Render, RenderTarget};
use crate::policy::{Policies, Policy, Trust};
use crate::render::{Choice, compose, kubernetes};

/// Prints it.
pub fn run(context: &Context, args: &Render) -> Outcome {
    let policies = context.policies(&context.host()?, Trust::Reader)?;
    let policy = chosen(&policies, args)?;
    let choice = Choice {
        image: args.image.clone(),
        memory: args.memory.map(|size| size.0),
        storage: args.storage.map(|size| size.0),
    };
    let text = match args.target {
        RenderTarget::Compose => compose(policy, &choice),
        RenderTarget::Kubernetes => kubernetes(policy, &choice),
    };
    print(&text?)?;
    Ok(0)
}

fn chosen<'a>(policies: &'a Policies, args: &Render) -> Result<&'a Policy, Trouble> {
    match &args.instance {
        Some(name) => policies.instance(name.as_str()).ok_or_else(|| {
            Trouble(format!(
                "--instance {name}: the policy has no such instance"
            ))
        }),
        None => policies.only_one().ok_or_else(|| {
            Trouble("the policy has several instances: name one with --instance".to_owned())
        }),
    }
}
