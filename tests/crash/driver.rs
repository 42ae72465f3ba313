//! Apply and rollback on a fake host that runs, in a process of their own which can be killed: the library as `src/commands` calls it.
//! The binary itself takes a tree below `--root` for one that does not run.

use crate::fake::PHASES;
use redis_harden::audit::Selection;
use redis_harden::control::Control;
use redis_harden::controls::all;
use redis_harden::facts::Facts;
use redis_harden::host::{Host, HostResult, Reach};
use redis_harden::journal::{self, Outcome, Run};
use redis_harden::policy::Policies;
use redis_harden::setting::Sight;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// Where the host is, and what is to be done to it.
pub const ROOT: &str = "REDIS_HARDEN_CRASH_ROOT";
pub const COMMAND: &str = "REDIS_HARDEN_CRASH_COMMAND";

/// As this program's arguments. One thread: the calls of a thread are counted.
pub const ARGUMENTS: [&str; 5] = [
    "driver::run",
    "--exact",
    "--ignored",
    "--nocapture",
    "--test-threads=1",
];

#[test]
#[ignore = "the program that the other tests start"]
fn run() {
    let given = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let (root, command) = (given(ROOT), given(COMMAND));
    let code = act(Path::new(&root), &command).unwrap_or_else(|error| {
        tell(&format!("redis-harden: {error}"));
        2
    });
    std::process::exit(code);
}

/// As the binary does: where standard error fails as well, there is nowhere to say so.
fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn act(root: &Path, command: &str) -> HostResult<i32> {
    let host = Host::at(root, Reach::Running)?;
    let policies = Policies::parse("test.toml", "[redis]\nmaxmemory = \"64mb\"\n")
        .expect("the production policy");
    let mut say = |text: &str| tell(&format!("· {text}"));
    let _lock = journal::lock(&host, command, Duration::from_secs(60))?;
    journal::recover(&host, &policies, &mut say)?;
    match command {
        "apply" => apply(&host, &policies, &mut say),
        "rollback" => rollback(&host, &policies, &mut say),
        other => panic!("{other} is neither apply nor rollback"),
    }
}

fn apply(host: &Host, policies: &Policies, say: &mut dyn FnMut(&str)) -> HostResult<i32> {
    let mut run = Run::prepare(
        host,
        (&policies.name, &policies.sha256),
        journal::Terms::default(),
    )?;
    let every = Selection::default();
    let applied = journal::apply(host, policies, &controls(), &every, &PHASES, &mut run, say)?;
    let failed = applied.failed.iter().map(ToString::to_string);
    let troubles: Vec<String> = failed
        .chain(applied.open.iter().map(ToString::to_string))
        .collect();
    for trouble in &troubles {
        tell(&format!("redis-harden: {trouble}"));
    }
    Ok(if troubles.is_empty() { 0 } else { 2 })
}

/// All but the copy of the running program, which is this test, and what is this machine's.
fn controls() -> Vec<&'static Control> {
    let elsewhere = ["service.binary", "kernel.clock-cost"];
    let ours = all().into_iter();
    ours.filter(|c| !elsewhere.contains(&c.id)).collect()
}

fn rollback(host: &Host, policies: &Policies, say: &mut dyn FnMut(&str)) -> HostResult<i32> {
    let facts = Facts::gather(host, policies)?;
    let newest = journal::runs(host)?
        .into_iter()
        .rfind(|s| s.outcome != Some(Outcome::RolledBack) && !s.in_force().is_empty());
    let Some(story) = newest else {
        println!("nothing to roll back");
        return Ok(0);
    };
    match journal::rollback(
        Sight::new(host, &facts),
        &story,
        &journal::Force::Named(Vec::new()),
        journal::Outcome::RolledBack,
        say,
    )? {
        Ok(()) => Ok(0),
        Err(conflicts) => {
            for conflict in conflicts {
                tell(&format!("redis-harden: {conflict:?}"));
            }
            Ok(1)
        }
    }
}
