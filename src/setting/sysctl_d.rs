//! What a sysctl will be after a reboot: the last assignment over all of sysctl.d, as the applier of this host reads it.
//! Source: sysctl.d(5), and sysctl(8) of procps for hosts without systemd.

use super::memo::Slot;
use super::{Obstacle, Reading, Sight, conf_d, kernel};
use crate::facts::Init;
use crate::host::{Host, HostError, HostResult, Image};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Our file; its name sorts after Debian's `99-sysctl.conf` link.
pub const OURS: &str = "/etc/sysctl.d/99-zz-redis-harden.conf";

const HEADER: &str =
    "# Written by redis-harden; `redis-harden explain kernel.somaxconn` and its like say why.\n";

/// Where sysctl.d is; of files with one name, the first directory's counts.
const DIRS: [&str; 5] = [
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
    "/lib/sysctl.d",
];

/// procps reads this after all of sysctl.d; systemd only through the link that Debian 12 ships.
const SYSCTL_CONF: &str = "/etc/sysctl.conf";

/// One assignment: where it stands and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Assignment {
    file: PathBuf,
    line: usize,
    value: String,
}

/// All assignments of a host, in the order in which its appliers make them.
#[derive(Debug)]
pub struct Assignments {
    /// Those of sysctl.d, which both make.
    sysctl_d: Vec<(String, Assignment)>,
    /// Those of `/etc/sysctl.conf`, which procps makes last.
    sysctl_conf: Vec<(String, Assignment)>,
}

/// The two programs that apply sysctl.d.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Applier {
    /// systemd-sysctl.
    Systemd,
    /// `sysctl --system`, which is also what init scripts run.
    Procps,
}

/// The value that the host's applier will leave, and the line that says so.
pub fn read(sight: Sight, key: &str) -> Reading {
    reading(winner(sight, key, at_boot(sight)))
}

/// The value that the other applier would leave, where that is another line: `sysctl --system` by hand on a host with systemd.
pub fn read_by_other(sight: Sight, key: &str) -> Reading {
    let other = match at_boot(sight) {
        Applier::Systemd => Applier::Procps,
        Applier::Procps => Applier::Systemd,
    };
    let winners = (
        winner(sight, key, at_boot(sight)),
        winner(sight, key, other),
    );
    match winners {
        (Ok(one), Ok(two)) if one == two => {
            Reading::NotApplicable("both appliers come to the same line".into())
        }
        (_, found) => reading(found),
    }
}

/// Which of them runs when this host boots.
fn at_boot(sight: Sight) -> Applier {
    match sight.facts.init {
        Init::Systemd => Applier::Systemd,
        _ => Applier::Procps,
    }
}

fn reading(winner: HostResult<Option<Assignment>>) -> Reading {
    match winner {
        Ok(Some(a)) => {
            let source = format!("{}:{}", a.file.display(), a.line);
            Reading::Value(kernel::typed(&a.value), Some(source))
        }
        Ok(None) => Reading::Absent,
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

/// A later file that would win over ours, which only its owner can decide about.
pub fn obstacle(sight: Sight, key: &str) -> Option<Obstacle> {
    let winner = winner(sight, key, at_boot(sight)).ok()??;
    comes_after_ours(&winner.file).then(|| {
        Obstacle::Hand(format!(
            "{}:{} is read after {OURS} and says {}; change or remove that line",
            winner.file.display(),
            winner.line,
            winner.value
        ))
    })
}

/// Sets a key in our file, keeping the others.
pub fn write(host: &Host, key: &str, value: &str) -> HostResult<()> {
    let path = Path::new(OURS);
    let mut lines: BTreeMap<String, String> = BTreeMap::new();
    let (mut uid, mut gid) = (0, 0);
    if let Image::File {
        content,
        uid: u,
        gid: g,
        ..
    } = host.image(path)?
    {
        (uid, gid) = (u, g);
        let text = String::from_utf8(content)
            .map_err(|_| HostError::refused(format!("reading {OURS}"), "it is not text"))?;
        lines.extend(assignments(path, &text).map(|(key, a)| (key, a.value)));
    } else if !host.is_live_root() {
        (uid, gid) = host
            .stat(Path::new("/"))?
            .map_or((0, 0), |s| (s.uid, s.gid));
    }
    lines.insert(key.to_owned(), value.to_owned());
    let body: String = lines
        .iter()
        .map(|(key, value)| format!("{key} = {value}\n"))
        .collect();
    host.write_file(path, format!("{HEADER}{body}").as_bytes(), 0o644, uid, gid)
}

/// Files are applied by their names, whichever directory they are in, and `/etc/sysctl.conf` last.
fn comes_after_ours(path: &Path) -> bool {
    path == Path::new(SYSCTL_CONF) || path.file_name() > Path::new(OURS).file_name()
}

fn winner(sight: Sight, key: &str, applier: Applier) -> HostResult<Option<Assignment>> {
    let slot = sight.memo.map(|memo| &memo.sysctl_d);
    let all = Slot::read(slot, || read_all(sight.host))?;
    let last = last_assignment(&all.sysctl_d, key);
    let after = match applier {
        Applier::Systemd => None,
        Applier::Procps => last_assignment(&all.sysctl_conf, key),
    };
    Ok(after.or(last).cloned())
}

/// The last exact assignment, else the last glob that matches: an exact key is exempt from globs.
fn last_assignment<'a>(all: &'a [(String, Assignment)], key: &str) -> Option<&'a Assignment> {
    let (mut exact, mut glob) = (None, None);
    for (name, assignment) in all {
        if name == key {
            exact = Some(assignment);
        } else if name.contains(['*', '?', '[']) && matches(name, key) {
            glob = Some(assignment);
        }
    }
    exact.or(glob)
}

fn matches(glob: &str, key: &str) -> bool {
    let path = |name: &str| name.replace('.', "/");
    globset::GlobBuilder::new(&path(glob))
        .literal_separator(true)
        .build()
        .is_ok_and(|g| g.compile_matcher().is_match(path(key)))
}

/// Reads the files in the order in which they are applied.
fn read_all(host: &Host) -> HostResult<Assignments> {
    let mut sysctl_d = Vec::new();
    for path in conf_d::files(host, &DIRS)? {
        sysctl_d.extend(read_file(host, &path)?);
    }
    let sysctl_conf = read_file(host, Path::new(SYSCTL_CONF))?;
    Ok(Assignments {
        sysctl_d,
        sysctl_conf,
    })
}

fn read_file(host: &Host, path: &Path) -> HostResult<Vec<(String, Assignment)>> {
    let text = conf_d::text(host, path)?;
    Ok(text.map_or(Vec::new(), |text| assignments(path, &text).collect()))
}

/// `key = value` lines: comments and broken lines are skipped as the appliers do, names dotted.
fn assignments<'a>(
    path: &'a Path,
    text: &'a str,
) -> impl Iterator<Item = (String, Assignment)> + 'a {
    text.lines().enumerate().filter_map(move |(n, line)| {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            return None;
        }
        let (key, value) = line.split_once('=')?;
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        let assignment = Assignment {
            file: path.to_path_buf(),
            line: n + 1,
            value,
        };
        Some((
            dotted(key.trim().trim_start_matches('-').trim()),
            assignment,
        ))
    })
}

/// The first separator decides: `net/ipv4/…` has slashes for separators, and its dots are slashes of the dotted form.
fn dotted(key: &str) -> String {
    match key.find(['.', '/']).and_then(|i| key.get(i..=i)) {
        Some("/") => key
            .chars()
            .map(|c| match c {
                '/' => '.',
                '.' => '/',
                other => other,
            })
            .collect(),
        _ => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(files: &[(&str, &str)], key: &str) -> Option<String> {
        let all: Vec<_> = files
            .iter()
            .flat_map(|(path, text)| assignments(Path::new(path), text).collect::<Vec<_>>())
            .collect();
        last_assignment(&all, key).map(|a| format!("{}:{} {}", a.file.display(), a.line, a.value))
    }

    #[test]
    fn the_last_assignment_wins() {
        let files = [
            ("60-a.conf", "# x\nvm.swappiness = 60\n"),
            ("99-z.conf", "vm/swappiness=1\n"),
        ];
        assert_eq!(
            last(&files, "vm.swappiness").as_deref(),
            Some("99-z.conf:1 1")
        );
    }

    #[test]
    fn an_exact_key_is_exempt_from_a_later_glob() {
        let files = [
            ("50.conf", "net.ipv4.conf.all.rp_filter = 2"),
            ("90.conf", "net.ipv4.conf.*.rp_filter = 0"),
        ];
        assert_eq!(
            last(&files, "net.ipv4.conf.all.rp_filter").as_deref(),
            Some("50.conf:1 2")
        );
        assert_eq!(
            last(&files, "net.ipv4.conf.eth0.rp_filter").as_deref(),
            Some("90.conf:1 0")
        );
    }

    #[test]
    fn a_dash_tolerates_failure_and_is_no_part_of_the_key() {
        assert_eq!(
            last(&[("a.conf", "-vm.swappiness = 5")], "vm.swappiness").as_deref(),
            Some("a.conf:1 5")
        );
    }
}
