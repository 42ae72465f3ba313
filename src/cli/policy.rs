//! `policy`.

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// The merged policy, with where each value came from.
    #[command(after_help = "Example:\n  redis-harden policy show")]
    Show,
    /// Whether a policy is valid; its errors with file, line and column.
    #[command(after_help = "Example:\n  redis-harden --policy ./policy.toml policy validate")]
    Validate,
    /// The JSON Schema of a policy, or the reference that is made from it.
    #[command(
        after_help = "Example:\n  redis-harden policy schema > policy.schema.json\n  redis-harden policy schema --format markdown"
    )]
    Schema(Schema),
    /// A commented starter file, or the policy of the Redis that is here.
    #[command(
        after_help = "Example:\n  redis-harden policy init > /etc/redis-harden/policy.toml\n  sudo redis-harden policy init --from-host > policy.toml"
    )]
    Init(Init),
}

#[derive(Debug, Args)]
pub struct Init {
    /// Take over what this host's redis.conf says: addresses, memory, persistence, users. No password is printed.
    #[arg(long)]
    pub from_host: bool,
}

/// What `policy schema` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaFormat {
    Json,
    Markdown,
}

#[derive(Debug, Args)]
pub struct Schema {
    #[arg(long, value_enum, default_value_t = SchemaFormat::Json)]
    pub format: SchemaFormat,
}
