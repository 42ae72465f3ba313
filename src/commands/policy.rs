//! `policy show|validate|schema|init`.

use super::{Context, Outcome, count, print};
use crate::audit::ids;
use crate::cli::{PolicyCommand, SchemaFormat};
use crate::policy::{Trust, reference, schema, show, starter};

/// Runs one of them.
pub fn run(context: &Context, command: &PolicyCommand) -> Outcome {
    match command {
        PolicyCommand::Show => {
            let policies = context.policies(&context.host()?, Trust::Reader)?;
            print(&show(&policies))?;
        }
        PolicyCommand::Validate => {
            let policies = context.policies(&context.host()?, Trust::Reader)?;
            policies.waivers_fit(&ids(&crate::controls::with_attempts()))?;
            print(&format!(
                "valid: {} ({})\n",
                policies.name,
                count(policies.instances.len(), "instance")
            ))?;
        }
        PolicyCommand::Schema(args) => match args.format {
            SchemaFormat::Json => print(&(serde_json::to_string_pretty(&schema())? + "\n"))?,
            SchemaFormat::Markdown => print(&reference())?,
        },
        PolicyCommand::Init => print(&starter())?,
    }
    Ok(0)
}
