//! What a sysctl will be after a reboot: the last assignment over all of sysctl.d, as the applier of this host reads it.
//! Source: sysctl.d(5), and sysctl(8) of procps for hosts without systemd.

pub mod text;

use super::memo::Slot;
use super::{Obstacle, Reading, Sight, conf_d, kernel};
use crate::facts::Init;
use crate::host::{Host, HostError, HostResult, Image};
use std::path::{Path, PathBuf};
use text::Says;

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

/// Process 1 is the supervisor.
const NO_BOOT: &str = "nothing boots in this container: whoever runs it sets the kernel's values";

/// What one line says of a sysctl, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    file: PathBuf,
    line: usize,
    /// None where the line excludes the sysctl.
    value: Option<String>,
}

impl Says for Said {
    fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }
}

/// All that a host says of sysctls by name, in the order in which its appliers read it.
#[derive(Debug)]
pub struct Lines {
    all: Vec<(String, Said)>,
    /// How many of them are of sysctl.d, which both read; procps reads `/etc/sysctl.conf` besides.
    of_sysctl_d: usize,
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
    if sight.facts.entrypoint.is_some() {
        return Reading::NotApplicable(NO_BOOT.into());
    }
    reading(assignment(sight, key, at_boot(sight)))
}

/// The value that the other applier would leave, where that is another line: `sysctl --system` by hand on a host with systemd.
pub fn read_by_other(sight: Sight, key: &str) -> Reading {
    if sight.facts.entrypoint.is_some() {
        return Reading::NotApplicable(NO_BOOT.into());
    }
    let other = match at_boot(sight) {
        Applier::Systemd => Applier::Procps,
        Applier::Procps => Applier::Systemd,
    };
    let winners = (
        assignment(sight, key, at_boot(sight)),
        assignment(sight, key, other),
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

fn reading(assignment: HostResult<Option<Said>>) -> Reading {
    match assignment {
        Ok(Some(said)) => {
            let source = format!("{}:{}", said.file.display(), said.line);
            let value = said.value.unwrap_or_default();
            Reading::Value(kernel::typed(&value), Some(source))
        }
        Ok(None) => Reading::Absent,
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

fn assignment(sight: Sight, key: &str, applier: Applier) -> HostResult<Option<Said>> {
    Ok(winner(sight, key, applier)?.filter(|said| said.value.is_some()))
}

/// A later line that would win over ours, which only its owner can decide about.
pub fn obstacle(sight: Sight, key: &str) -> Option<Obstacle> {
    let winner = winner(sight, key, at_boot(sight)).ok()??;
    comes_after_ours(&winner.file).then(|| {
        let says = match winner.value {
            Some(value) => format!("says {value}"),
            None => "takes it back".to_owned(),
        };
        Obstacle::Hand(format!(
            "{}:{} is read after {OURS} and {says}; change or remove that line",
            winner.file.display(),
            winner.line,
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

fn winner(sight: Sight, key: &str, applier: Applier) -> HostResult<Option<Said>> {
    let slot = sight.memo.map(|memo| &memo.sysctl_d);
    let lines = Slot::read(slot, || read_all(sight.host))?;
    let winner = match applier {
        Applier::Procps => text::by_procps(&lines.all, key),
        Applier::Systemd => {
            let (sysctl_d, _) = lines.all.split_at(lines.of_sysctl_d);
            text::by_systemd(sysctl_d, key)
        }
    };
    Ok(winner.cloned())
}

/// Reads the files in the order in which they are applied.
fn read_all(host: &Host) -> HostResult<Lines> {
    let mut all = Vec::new();
    for path in conf_d::files(host, &DIRS)? {
        all.extend(read_file(host, &path)?);
    }
    let of_sysctl_d = all.len();
    all.extend(read_file(host, Path::new(SYSCTL_CONF))?);
    Ok(Lines { all, of_sysctl_d })
}

fn read_file(host: &Host, path: &Path) -> HostResult<Vec<(String, Said)>> {
    let text = conf_d::text(host, path)?.unwrap_or_default();
    let said = |line: text::Line| {
        let said = Said {
            file: path.to_path_buf(),
            line: line.number,
            value: line.value,
        };
        (line.name, said)
    };
    Ok(text::lines(&text).map(said).collect())
}
