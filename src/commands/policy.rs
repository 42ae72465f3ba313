//! `policy show|validate|schema|init`.

use super::{Context, Outcome, Trouble, count, print};
use crate::audit::ids;
use crate::cli::{PolicyCommand, SchemaFormat};
use crate::host::{Host, Sayers};
use crate::policy::adopt::{Found, adopt};
use crate::policy::{Trust, reference, schema, show, starter};
use crate::redis::config;
use std::path::{Path, PathBuf};

/// Where the server's configuration is once `apply` has taken it over: the package's is read by nobody then.
const OURS: &str = "/etc/redis-harden/redis/default.conf";

/// More than an honest configuration nests.
const DEEPEST: usize = 8;

/// How long `default` lets in at first.
const TRANSITION: i32 = 90;

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
        PolicyCommand::Init(args) if args.from_host => {
            let host = context.host()?;
            print(&from_host(&host)?)?;
            if host.stat(Path::new(OURS))?.is_some() {
                let what = "this is not the Redis of redis-harden, which has its configuration in";
                context.progress()(&format!(
                    "{what} {OURS}: redis-harden policy show prints that one's"
                ));
            }
        }
        PolicyCommand::Init(_) => print(&starter())?,
    }
    Ok(0)
}

/// The policy of the server that Debian's package configures here.
fn from_host(host: &Host) -> Result<String, Trouble> {
    let candidates = [
        ("redis", "/etc/redis/redis.conf"),
        ("valkey", "/etc/valkey/valkey.conf"),
    ];
    for (flavour, path) in candidates {
        let mut lines = Vec::new();
        // Debian gives the server's user its directory: what it names is read as far as he could.
        let mut sayers = Sayers::default();
        if !read(host, Path::new(path), 0, &mut sayers, &mut lines)? {
            continue;
        }
        let mut users = String::new();
        if let Some((_, words)) = lines.iter().rev().find(|(name, _)| name == "aclfile")
            && let Some(file) = words.first().filter(|file| file.starts_with('/'))
        {
            let text = host
                .read_named(Path::new(file), &mut sayers)?
                .unwrap_or_default();
            users = String::from_utf8_lossy(&text).into_owned();
        }
        let today = host.now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let until = today.checked_add(jiff::Span::new().days(TRANSITION));
        let until = until.map_err(|e| Trouble(format!("the end of the transition: {e}")))?;
        return Ok(adopt(&Found {
            flavour,
            path,
            lines,
            users: &users,
            until,
        })?);
    }
    Err(Trouble(
        "neither /etc/redis/redis.conf nor /etc/valkey/valkey.conf is there: `policy init` alone writes a starter".into(),
    ))
}

/// Its directives, those of its includes in their place; false where there is no such file.
fn read(
    host: &Host,
    path: &Path,
    depth: usize,
    sayers: &mut Sayers,
    lines: &mut Vec<(String, Vec<String>)>,
) -> Result<bool, Trouble> {
    if depth > DEEPEST {
        return Err(Trouble(format!(
            "{}: its includes go too deep",
            path.display()
        )));
    }
    let Some(text) = host.read_named(path, sayers)? else {
        return Ok(false);
    };
    for (name, words) in config::parse(&String::from_utf8_lossy(&text)) {
        if name != "include" {
            lines.push((name, words));
            continue;
        }
        for word in words {
            let included = PathBuf::from(&word);
            if !included.is_absolute() || word.contains(['*', '?', '[']) {
                return Err(Trouble(format!(
                    "{}: it includes {word}, which is not looked into: put what it says into the policy by hand",
                    path.display()
                )));
            }
            if !read(host, &included, depth + 1, sayers, lines)? {
                return Err(Trouble(format!(
                    "{}: it includes {word}, which is not there",
                    path.display()
                )));
            }
        }
    }
    Ok(true)
}
