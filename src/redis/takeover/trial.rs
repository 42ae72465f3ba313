//! Whether a server can save where it now runs: from a child of its own, as it will have to, into its directory.

use crate::facts::Instance;
use crate::host::{HostError, HostResult};
use crate::redis::line::Line;
use crate::redis::{config, silence};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often it is asked whether it is done. It looks for its child ten times a second.
const ASK: Duration = Duration::from_millis(20);

/// How it is told to save, and the fields of INFO that say what became of it.
struct Save {
    command: &'static str,
    under_way: [&'static str; 2],
    status: &'static str,
}

/// A snapshot would stay beside an append-only file, as large as the data.
const APPEND_ONLY: Save = Save {
    command: "BGREWRITEAOF",
    under_way: ["aof_rewrite_in_progress", "aof_rewrite_scheduled"],
    status: "aof_last_bgrewrite_status",
};

const SNAPSHOT: Save = Save {
    command: "BGSAVE",
    under_way: ["rdb_bgsave_in_progress", "rdb_bgsave_in_progress"],
    status: "rdb_last_bgsave_status",
};

/// Tries it in the way that the server keeps its data, if it does. A save that is not over within the start timeout has begun, at least.
pub(crate) fn try_to_save(
    connection: &mut Line,
    known: &Instance,
    info: &BTreeMap<String, String>,
    say: &mut dyn FnMut(&str),
) -> HostResult<()> {
    let append_only = info.get("aof_enabled").is_some_and(|on| on == "1");
    let save = match append_only {
        true => APPEND_ONLY,
        false if config::persists(&known.policy) => SNAPSHOT,
        false => return Ok(()),
    };
    let fail = |why: String| {
        let doing = format!("trying {} in {}", save.command, known.policy.redis.name);
        HostError::refused(doing, why)
    };
    let told: redis::RedisResult<redis::Value> = redis::cmd(save.command).query(connection);
    // It does so by itself just now, or has another child for the moment: it can.
    let busy = |e: &redis::RedisError| {
        let said = e.to_string();
        said.contains("in progress") || said.contains("Another child process is active")
    };
    match told {
        Err(e) if !busy(&e) => return Err(fail(silence(e).to_string())),
        _ => {}
    }
    let deadline = Instant::now() + known.policy.service.start_timeout.std();
    while Instant::now() < deadline {
        let info = super::info(connection).map_err(|why| fail(why.to_string()))?;
        let is = |name: &str, value: &str| info.get(name).is_some_and(|v| v == value);
        if save.under_way.iter().all(|name| is(name, "0")) {
            return match is(save.status, "ok") {
                true => Ok(()),
                false => Err(fail("it failed; the server's log says why".to_owned())),
            };
        }
        std::thread::sleep(ASK);
    }
    say(&format!("{} goes on, and is not waited for", save.command));
    Ok(())
}
