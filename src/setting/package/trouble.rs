//! What apt and dpkg say when they fail, and what to do about it. Their messages are untranslated: programs run with `LC_ALL=C.UTF-8`.

/// A kind of failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// Texts that give it away.
    signs: &'static [&'static str],
    pub remedy: Remedy,
    pub cause: &'static str,
    /// What a person can do.
    pub next: &'static str,
}

/// What we can try ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Fetch the package index and try again.
    Update,
    /// Finish what dpkg has begun and try again.
    Mend,
    /// Wait for the lock and try again.
    Wait,
    Nothing,
}

/// From the most telling to the least: the first that fits is it.
const TROUBLES: [Trouble; 9] = [
    Trouble {
        signs: &[
            "Could not get lock",
            "Unable to acquire the dpkg frontend lock",
            "is locked by another process",
            "Unable to lock directory",
        ],
        remedy: Remedy::Wait,
        cause: "another package manager holds the lock",
        next: "let it finish, then run this again",
    },
    Trouble {
        signs: &[
            "dpkg was interrupted",
            "you must manually run 'dpkg --configure -a'",
        ],
        remedy: Remedy::Mend,
        cause: "an interrupted dpkg could not be finished",
        next: "run `dpkg --configure -a` and see what it says",
    },
    Trouble {
        signs: &[
            "No space left on device",
            "You don't have enough free space",
        ],
        remedy: Remedy::Nothing,
        cause: "the disk is full",
        next: "free some space on the file systems of /var and /usr, then run this again",
    },
    Trouble {
        signs: &["Read-only file system"],
        remedy: Remedy::Nothing,
        cause: "the file system is read-only",
        next: "build the packages into the image, or set `install = \"never\"` in [redis]",
    },
    Trouble {
        signs: &["is not valid yet", "Release file for", "is expired"],
        remedy: Remedy::Update,
        cause: "the package index is out of its time",
        next: "set this machine's clock, then run `apt-get update`",
    },
    Trouble {
        signs: &[
            "Could not resolve",
            "Temporary failure resolving",
            "Unable to connect",
            "Could not connect",
            "Connection timed out",
            "Network is unreachable",
            "Connection failed",
            "Cannot initiate the connection",
            "Could not handshake",
        ],
        remedy: Remedy::Nothing,
        cause: "the package mirror cannot be reached",
        next: "check the network and /etc/apt/sources.list.d; a proxy belongs into /etc/apt/apt.conf.d (Acquire::http::Proxy), the environment is not used",
    },
    Trouble {
        signs: &[
            "is not signed",
            "NO_PUBKEY",
            "could not be authenticated",
            "There were unauthenticated packages",
            "couldn't be verified",
        ],
        remedy: Remedy::Nothing,
        cause: "the package mirror's signature is not trusted",
        next: "run `apt-get update` and see which key is missing",
    },
    Trouble {
        signs: &[
            "Unable to locate package",
            "has no installation candidate",
            "404  Not Found",
            "Hash Sum mismatch",
            "File has unexpected size",
            "maybe run apt-get update",
            "Couldn't find any package",
        ],
        remedy: Remedy::Update,
        cause: "the package sources do not have it",
        next: "see `apt-cache policy` for it, and which suites and components /etc/apt/sources.list.d names",
    },
    Trouble {
        signs: &[
            "unmet dependencies",
            "held broken packages",
            "Unmet dependencies",
            "needs to be reinstalled",
            "dependency problems",
        ],
        remedy: Remedy::Mend,
        cause: "packages on this host contradict each other",
        next: "run `apt-get -f install` and see what it says",
    },
];

const OTHER: Trouble = Trouble {
    signs: &[],
    remedy: Remedy::Mend,
    cause: "the package manager failed",
    next: "run `apt-get install` by hand and see what it says",
};

/// The trouble that these messages tell of.
pub(super) fn recognise(messages: &str) -> &'static Trouble {
    let fits = |trouble: &&Trouble| trouble.signs.iter().any(|sign| messages.contains(sign));
    TROUBLES.iter().find(fits).unwrap_or(&OTHER)
}

/// The lines that say what is wrong, at most four, without apt's prefix.
pub(super) fn essence(messages: &str) -> String {
    let mut errors: Vec<String> = Vec::new();
    let mut lines = messages
        .lines()
        .filter(|line| !line.trim().is_empty())
        .peekable();
    while let Some(line) = lines.next() {
        if !(line.starts_with("E: ") || line.contains("error") || line.contains("cannot")) {
            continue;
        }
        let mut error = line.strip_prefix("E: ").unwrap_or(line).trim().to_owned();
        // dpkg gives the reason on the next line, indented.
        if let Some(reason) = lines.next_if(|next| line.ends_with(':') && next.starts_with(' ')) {
            error.push(' ');
            error.push_str(reason.trim());
        }
        if !errors.contains(&error) {
            errors.push(error);
        }
    }
    if errors.is_empty() {
        errors = messages
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty())
            .map(str::to_owned)
            .collect();
    }
    errors.truncate(4);
    errors.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_apt_are_recognised() {
        let table = [
            (
                "E: Unable to locate package redis-server",
                Remedy::Update,
                "the package sources do not have it",
            ),
            (
                "E: Failed to fetch http://m/pool/r.deb  404  Not Found [IP: 1.2.3.4 80]\nE: Unable to fetch some archives, maybe run apt-get update or try with --fix-missing?",
                Remedy::Update,
                "the package sources do not have it",
            ),
            (
                "E: Failed to fetch http://m/pool/r.deb  Could not connect to m:80 (1.2.3.4). - connect (111: Connection refused)\nE: Unable to fetch some archives, maybe run apt-get update or try with --fix-missing?",
                Remedy::Nothing,
                "the package mirror cannot be reached",
            ),
            (
                "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem. ",
                Remedy::Mend,
                "an interrupted dpkg could not be finished",
            ),
            (
                "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 5 (apt-get)\nE: Unable to lock directory /var/lib/apt/lists/",
                Remedy::Wait,
                "another package manager holds the lock",
            ),
            (
                "E: You don't have enough free space in /var/cache/apt/archives/.",
                Remedy::Nothing,
                "the disk is full",
            ),
            (
                "E: Sub-process /usr/bin/dpkg returned an error code (1)",
                Remedy::Mend,
                "the package manager failed",
            ),
            ("", Remedy::Mend, "the package manager failed"),
        ];
        for (messages, remedy, cause) in table {
            let trouble = recognise(messages);
            assert_eq!(
                (trouble.remedy, trouble.cause),
                (remedy, cause),
                "{messages}"
            );
        }
    }

    #[test]
    fn the_essence_is_the_errors_without_warnings() {
        let messages =
            "W: Some index files failed to download.\n\nE: Unable to locate package redis-server\n";
        assert_eq!(essence(messages), "Unable to locate package redis-server");
        assert_eq!(essence("something else\n"), "something else");
        let dpkg = "dpkg: error processing package redis-tools (--configure):\n installed redis-tools package post-installation script subprocess returned error exit status 1\nErrors were encountered while processing:\n redis-tools\n";
        assert_eq!(
            essence(dpkg),
            "dpkg: error processing package redis-tools (--configure): installed redis-tools package post-installation script subprocess returned error exit status 1"
        );
    }
}
