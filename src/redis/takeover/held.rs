//! What a server holds when it is about to end, and whether what was saved, or the server after it, has all of it.

use crate::redis::line::Line;
use crate::redis::{Silence, fields, silence};
use std::collections::BTreeMap;

/// How long writes wait, at most. A server that has been told to end takes none anyway.
const PAUSE_MS: u32 = 10_000;

/// Commands that take no key away. All others may.
const KEEPS: [&str; 48] = [
    "acl",
    "append",
    "auth",
    "bitfield",
    "client",
    "cluster",
    "command",
    "config",
    "dbsize",
    "decr",
    "decrby",
    "exists",
    "geoadd",
    "get",
    "hello",
    "hget",
    "hgetall",
    "hincrby",
    "hincrbyfloat",
    "hmset",
    "hset",
    "hsetnx",
    "incr",
    "incrby",
    "incrbyfloat",
    "info",
    "linsert",
    "lpush",
    "lset",
    "memory",
    "mget",
    "module",
    "mset",
    "pfadd",
    "ping",
    "psetex",
    "rpush",
    "sadd",
    "select",
    "set",
    "setbit",
    "setex",
    "setnx",
    "slowlog",
    "ttl",
    "xadd",
    "zadd",
    "zincrby",
];

/// What INFO keyspace calls hashes whose fields expire: Redis from 7.4 on, and Valkey from 9.0 on.
const FLEETING: [&str; 2] = ["subexpiry", "keys_with_volatile_items"];

/// The dataset of a server whose clients do not write for the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub keys: u64,
    /// Hashes among them whose fields expire: with its last one a hash goes too, and only the fields are counted as expired.
    fleeting: u64,
    /// Bytes of its append-only file, unless it is being written anew: it is shorter then whenever that ends.
    aof: Option<u64>,
    /// A replica's primary writes on, pause or not.
    replica: bool,
}

/// Lets the clients' writes wait for a moment, and counts. `None` where it refuses the former: then the count would mean nothing.
pub(crate) fn hold(connection: &mut Line) -> Result<Option<Held>, Silence> {
    let paused: redis::RedisResult<redis::Value> = redis::cmd("CLIENT")
        .arg("PAUSE")
        .arg(PAUSE_MS)
        .arg("WRITE")
        .query(connection);
    match paused.map_err(silence) {
        Ok(_) => match info(connection) {
            Ok(info) => Ok(Some(Held::of(&info))),
            Err(why) => {
                // They would wait for nothing.
                let _ = release(connection);
                Err(why)
            }
        },
        Err(Silence::Refused(_)) => Ok(None),
        Err(why) => Err(why),
    }
}

/// Lets them write again. One that refused to let them wait refuses this too.
pub(crate) fn release(connection: &mut Line) -> Result<(), Silence> {
    let released: redis::RedisResult<redis::Value> =
        redis::cmd("CLIENT").arg("UNPAUSE").query(connection);
    match released.map_err(silence) {
        Ok(_) | Err(Silence::Refused(_)) => Ok(()),
        Err(why) => Err(why),
    }
}

/// `INFO everything`.
pub(crate) fn info(connection: &mut Line) -> Result<BTreeMap<String, String>, Silence> {
    let info: String = redis::cmd("INFO")
        .arg("everything")
        .query(connection)
        .map_err(silence)?;
    Ok(fields(&info))
}

impl Held {
    fn of(info: &BTreeMap<String, String>) -> Held {
        let is_on = |name: &str| number(info, name) == Some(1);
        let grows_only = is_on("aof_enabled") && !is_on("aof_rewrite_in_progress");
        Held {
            keys: keys(info),
            fleeting: FLEETING.map(|name| sum(info, name)).iter().sum(),
            aof: number(info, "aof_current_size").filter(|_| grows_only),
            replica: info.get("role").is_some_and(|role| role == "slave"),
        }
    }

    /// What the server that came after it has not loaded of it, by its `INFO everything`. What expired or was evicted was loaded;
    /// where clients have removed keys since, their number says nothing any more: then what the load counted has to do, or the size of
    /// the append-only file, though it may have been written anew at the last moment.
    pub(crate) fn missing(self, info: &BTreeMap<String, String>) -> Option<String> {
        if self.replica {
            return None;
        }
        let is = |name: &str| number(info, name).unwrap_or(0);
        if is("aof_enabled") == 0 {
            // Redis before 7.0 counts neither.
            let loaded = number(info, "rdb_last_load_keys_loaded")?;
            return self.more_than(loaded + is("rdb_last_load_keys_expired"));
        }
        if !has_removed(info) {
            let fields = is("expired_subkeys") + is("expired_fields");
            let gone = is("expired_keys") + is("evicted_keys") + fields.min(self.fleeting);
            return self.more_than(keys(info) + gone);
        }
        let (before, now) = (self.aof?, is("aof_current_size"));
        let shorter = is("aof_rewrites") == 0 && now < before;
        shorter.then(|| {
            format!(
                "its append-only file had {before} bytes, and the one that was loaded has {now}"
            )
        })
    }

    fn more_than(self, loaded: u64) -> Option<String> {
        let held = self.keys;
        (loaded < held).then(|| format!("it held {held} keys, and {loaded} of them were loaded"))
    }
}

/// The keys of all databases.
fn keys(info: &BTreeMap<String, String>) -> u64 {
    sum(info, "keys")
}

/// A field of INFO keyspace, over all databases.
fn sum(info: &BTreeMap<String, String>, field: &str) -> u64 {
    let databases = info.iter().filter(|(name, _)| super::is_database(name));
    let pairs = databases.flat_map(|(_, value)| value.split(','));
    pairs
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| *name == field)
        .filter_map(|(_, number)| number.parse::<u64>().ok())
        .sum()
}

/// Whether a command that may remove a key has been called since the server began. Loading calls none.
fn has_removed(info: &BTreeMap<String, String>) -> bool {
    let called = info.keys().filter_map(|key| key.strip_prefix("cmdstat_"));
    let mut commands = called.map(|name| name.split('|').next().unwrap_or(name));
    commands.any(|command| !KEEPS.contains(&command))
}

fn number(info: &BTreeMap<String, String>, name: &str) -> Option<u64> {
    info.get(name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> BTreeMap<String, String> {
        let pairs = text.split_whitespace().filter_map(|w| w.split_once(':'));
        pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
    }

    #[test]
    fn a_snapshot_is_counted_as_it_was_loaded() {
        let held = Held::of(&told(
            "role:master db0:keys=7,expires=2,avg_ttl=0 db3:keys=3,expires=0 aof_enabled:0",
        ));
        assert_eq!(held.keys, 10);
        for (after, short) in [
            ("rdb_last_load_keys_loaded:10", false),
            // Two had expired when they were loaded.
            (
                "rdb_last_load_keys_loaded:8 rdb_last_load_keys_expired:2",
                false,
            ),
            // Clients have come back since, and removed all.
            (
                "rdb_last_load_keys_loaded:10 cmdstat_flushall:calls=1",
                false,
            ),
            ("rdb_last_load_keys_loaded:9", true),
            ("rdb_last_load_keys_loaded:0", true),
            // More keys that are new do not make up for one that is gone.
            (
                "rdb_last_load_keys_loaded:9 db0:keys=30,expires=0 cmdstat_set:calls=21",
                true,
            ),
        ] {
            let after = told(&format!("role:master aof_enabled:0 {after}"));
            assert_eq!(held.missing(&after).is_some(), short, "{after:?}");
        }
    }

    #[test]
    fn an_append_only_file_is_counted_by_its_bytes_and_by_what_is_there() {
        let held = Held::of(&told(
            "role:master db0:keys=10,expires=2 aof_enabled:1 aof_current_size:300",
        ));
        for (after, short) in [
            ("aof_current_size:300 db0:keys=10,expires=2", false),
            (
                "aof_current_size:420 db0:keys=9,expires=1 expired_keys:1",
                false,
            ),
            (
                "aof_current_size:420 db0:keys=8,expires=1 evicted_keys:2",
                false,
            ),
            (
                "aof_current_size:420 db0:keys=2,expires=1 cmdstat_del:calls=1",
                false,
            ),
            (
                "aof_current_size:300 db0:keys=9,expires=1 cmdstat_set:calls=1",
                true,
            ),
            ("aof_current_size:299 db0:keys=10,expires=2", false),
            (
                "aof_current_size:299 db0:keys=2,expires=1 cmdstat_del:calls=1",
                true,
            ),
            (
                "aof_current_size:89 aof_rewrites:1 db0:keys=10,expires=2",
                false,
            ),
            ("aof_current_size:89 aof_rewrites:1", true),
        ] {
            let after = told(&format!("role:master aof_enabled:1 {after}"));
            assert_eq!(held.missing(&after).is_some(), short, "{after:?}");
        }
    }

    #[test]
    fn a_server_that_does_not_count_what_it_loads_is_not_said_to_miss_all() {
        let held = Held::of(&told("role:master db0:keys=10 aof_enabled:0"));
        let after = told("role:master aof_enabled:0 db0:keys=10");
        assert_eq!(held.missing(&after), None);
    }

    /// As Redis 8.0.2 told it, of five hashes whose only field expired while it was down.
    #[test]
    fn a_hash_goes_with_its_last_field_that_expires() {
        let held = Held::of(&told(
            "role:master db0:keys=6,expires=0,avg_ttl=0,subexpiry=5 aof_enabled:1",
        ));
        for (after, short) in [
            ("expired_subkeys:5 db0:keys=1,expires=0,subexpiry=0", false),
            ("expired_subkeys:4 db0:keys=1,expires=0,subexpiry=0", true),
            ("expired_subkeys:50", true),
        ] {
            let after = told(&format!("role:master aof_enabled:1 expired_keys:0 {after}"));
            assert_eq!(held.missing(&after).is_some(), short, "{after:?}");
        }
    }

    #[test]
    fn a_file_that_is_being_written_anew_is_not_measured() {
        let held = Held::of(&told(
            "role:master db0:keys=10 aof_enabled:1 aof_current_size:300 aof_rewrite_in_progress:1",
        ));
        let after = "role:master aof_enabled:1 aof_current_size:89 db0:keys=";
        let removed = told(&format!("{after}2 cmdstat_del:calls=1"));
        assert_eq!(held.missing(&removed), None);
        assert!(held.missing(&told(&format!("{after}9"))).is_some());
    }

    #[test]
    fn a_replica_gets_its_data_from_its_primary() {
        let held = Held::of(&told("role:slave db0:keys=10 aof_enabled:0"));
        let after = told("role:slave aof_enabled:0 rdb_last_load_keys_loaded:0");
        assert_eq!(held.missing(&after), None);
    }
}
