//! Paths of a policy: whole, safe in every file that they are written to, and not the system's.

use super::{Verdict, wrong};
use std::path::Path;

/// Source: `sun_path` has 108 bytes, its terminating zero included (unix(7)).
pub(super) fn socket(text: &str) -> Verdict {
    if text.len() >= 108 {
        return wrong(
            format!("a socket's path of {} bytes is too long", text.len()),
            "the kernel takes at most 107",
        );
    }
    path_or_auto(text)
}

/// A container's log is its standard output.
pub(super) fn log_file(text: &str) -> Verdict {
    match text == crate::policy::places::STDOUT {
        true => Ok(()),
        false => path_or_auto(text),
    }
}

pub(super) fn path_or_auto(text: &str) -> Verdict {
    if text == "auto" {
        Ok(())
    } else {
        absolute(text)
    }
}

/// A path that is safe in redis.conf, a unit and a tmpfiles.d line alike.
pub(super) fn absolute(text: &str) -> Verdict {
    let odd = |c: char| c.is_control() || c.is_whitespace() || "\"'\\%$*?[]".contains(c);
    if !text.starts_with('/') || text.ends_with('/') || text.split('/').any(|part| part == "..") {
        return wrong(
            format!("{text:?} is no absolute path"),
            "write the whole path, from / on, without .. and without a / at its end",
        );
    }
    if text.contains(odd) {
        return wrong(
            format!("{text:?} has a character that redis.conf or systemd would read otherwise"),
            "use a path without blanks, quotes, backslashes, %, $ and wildcards",
        );
    }
    Ok(())
}

/// Directories that others use as well: given to Redis, they would be taken from them.
const SHARED: [&str; 28] = [
    "/",
    "/home",
    "/media",
    "/mnt",
    "/opt",
    "/root",
    "/run",
    "/run/lock",
    "/run/user",
    "/srv",
    "/tmp",
    "/usr",
    "/usr/games",
    "/usr/include",
    "/usr/local",
    "/usr/share",
    "/usr/src",
    "/var",
    "/var/backups",
    "/var/cache",
    "/var/lib",
    "/var/local",
    "/var/lock",
    "/var/log",
    "/var/mail",
    "/var/run",
    "/var/spool",
    "/var/tmp",
];

/// Nor is there a place for Redis anywhere below these: the system's, and our own.
const CLOSED: [&str; 19] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/proc",
    "/run/systemd",
    "/sbin",
    "/sys",
    "/usr/bin",
    "/usr/lib",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/sbin",
    "/var/lib/dpkg",
    "/var/lib/redis-harden",
    "/var/lib/systemd",
];

/// A directory that can be made the service user's alone.
pub(super) fn own_directory(text: &str) -> Verdict {
    // Compared by components: `//var/./lib` is `/var/lib`.
    let path = Path::new(text);
    let shared = SHARED.iter().any(|dir| path == Path::new(dir));
    if text == "auto" || !shared && !CLOSED.iter().any(|dir| path.starts_with(dir)) {
        return Ok(());
    }
    wrong(
        format!("{text:?} is a directory of the system's, and it would be given to Redis alone"),
        "name a directory of its own below it, such as \"/srv/redis\", or leave the key out",
    )
}

/// A file in such a directory.
pub(super) fn in_own_directory(text: &str) -> Verdict {
    let parent = Path::new(text).parent().and_then(Path::to_str);
    let Some(Err((what, _))) = parent.map(own_directory) else {
        return Ok(());
    };
    wrong(
        what,
        "put the file into a directory of its own, such as \"/srv/redis\", or leave the key out",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_the_systems_is_not_given_to_redis() {
        for (dir, good) in [
            ("auto", true),
            ("/srv/redis", true),
            ("/var/lib/redis", true),
            ("/mnt/disk", true),
            ("/", false),
            ("/var/lib", false),
            ("//var/./lib", false),
            ("/home", false),
            ("/etc", false),
            ("/etc/redis-harden", false),
            ("/proc/1", false),
            ("/dev/shm", false),
            ("/var/lib/redis-harden/x", false),
        ] {
            assert_eq!(own_directory(dir).is_ok(), good, "{dir}");
            let file = format!("{dir}/redis.log");
            assert!(
                dir == "auto" || in_own_directory(&file).is_ok() == good,
                "{file}"
            );
        }
        assert!(in_own_directory("auto").is_ok());
    }
}
