//! What a sysctl will be after a reboot: the last assignment over all of sysctl.d, as the applier of this host reads it.
//! Source: sysctl.d(5), and sysctl(8) of procps for hosts without systemd.

pub mod text;

use super::memo::Slot;
use super::{Obstacle, Reading, Sight, conf_d, kernel};
use crate::facts::Init;
use crate::host::{Host, HostError, HostResult, Image};
use std::path::{Path, PathBuf};

/// Our file; its name sorts after Debian's `99-sysctl.conf` link.
pub const OURS: &str = "/etc/sysctl.d/99-zz-redis-harden.conf";

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
    let mut text = String::new();
    let (mut uid, mut gid) = (0, 0);
    if let Image::File {
        content,
        uid: u,
        gid: g,
        ..
    } = host.image(path)?
    {
        (uid, gid) = (u, g);
        text = String::from_utf8(content)
            .map_err(|_| HostError::refused(format!("reading {OURS}"), "it is not text"))?;
    } else if !host.is_live_root() {
        (uid, gid) = host
            .stat(Path::new("/"))?
            .map_or((0, 0), |s| (s.uid, s.gid));
    }
    let text = text::with(&text, key, value);
    host.write_file(path, text.as_bytes(), 0o644, uid, gid)
}

/// Files are applied by their names, whichever directory they are in, and `/etc/sysctl.conf` last.
fn comes_after_ours(path: &Path) -> bool {
    path == Path::new(SYSCTL_CONF) || path.file_name() > Path::new(OURS).file_name()
}

fn winner(sight: Sight, key: &str, applier: Applier) -> HostResult<Option<Assignment>> {
    let slot = sight.memo.map(|memo| &memo.sysctl_d);
    let all = Slot::read(slot, || read_all(sight.host))?;
    let last = text::last(&all.sysctl_d, key);
    let after = match applier {
        Applier::Systemd => None,
        Applier::Procps => text::last(&all.sysctl_conf, key),
    };
    Ok(after.or(last).cloned())
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
    let assigned = |(line, key, value)| {
        let file = path.to_path_buf();
        (key, Assignment { file, line, value })
    };
    let text = text.unwrap_or_default();
    Ok(text::assignments(&text).map(assigned).collect())
}
