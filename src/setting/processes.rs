//! The processes of this moment: who runs what. The kernel's own threads are left out.

use super::Sight;
use super::memo::Slot;
use crate::host::{Host, HostResult};
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A process.
#[derive(Debug)]
pub struct Seen {
    pub pid: i32,
    pub uid: u32,
    /// As the kernel keeps it, cut to 15 bytes. The process itself may change it.
    pub name: String,
    /// The file that it runs, where it may be looked at. The process cannot change it.
    pub exe: Option<PathBuf>,
}

impl Seen {
    /// Whether it goes by a name: that of its file, or without one its own.
    pub fn is_called(&self, name: &str) -> bool {
        match self.file_name() {
            Some(file) => file == name,
            None => self.calls_itself(name),
        }
    }

    /// Whether that is the name that it gives itself; the kernel keeps 15 bytes of one.
    pub fn calls_itself(&self, name: &str) -> bool {
        self.name == name.get(..15).unwrap_or(name)
    }

    /// Whether the file that it runs is root's alone to replace; as far as that can be seen.
    pub fn runs_what_root_installed(&self, host: &Host) -> bool {
        let Some(exe) = &self.exe else { return true };
        // One that an upgrade replaced was installed beside the new one.
        let file = without_deleted(exe);
        let looked = [Some(file.as_path()), file.parent()].into_iter().flatten();
        looked
            .filter_map(|path| host.stat_target(path).ok().flatten())
            .all(|stat| host.is_roots(&stat) && stat.mode & 0o022 == 0)
    }

    fn file_name(&self) -> Option<String> {
        let file = without_deleted(self.exe.as_ref()?);
        Some(file.file_name()?.to_string_lossy().into_owned())
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.exe {
            Some(exe) => write!(f, "{}:{}", without_deleted(exe).display(), self.pid),
            None => write!(f, "{}:{}", self.name, self.pid),
        }
    }
}

/// The processes; in a pass of judging they are looked through once.
pub(super) fn seen(sight: Sight) -> HostResult<Rc<Vec<Seen>>> {
    let slot = sight.memo.map(|memo| &memo.processes);
    Slot::read(slot, || processes(sight.host))
}

fn processes(host: &Host) -> HostResult<Vec<Seen>> {
    let names = host.list(Path::new("/proc"))?;
    let pids = names.iter().filter_map(|name| name.parse().ok());
    Ok(pids.filter_map(|pid| process(host, pid)).collect())
}

/// `None` for a thread of the kernel's, and for one that ended between two looks.
fn process(host: &Host, pid: i32) -> Option<Seen> {
    let dir = Path::new("/proc").join(pid.to_string());
    let exe = match host.read_magic_link(&dir.join("exe")) {
        Ok(None) => return None,
        Ok(exe) => exe,
        // Another user's: its name is all that may be seen.
        Err(_) => None,
    };
    let uid = host.stat(&dir).ok()??.uid;
    let name = host.read(&dir.join("comm")).ok()??;
    let name = String::from_utf8_lossy(&name).trim_end().to_owned();
    Some(Seen {
        pid,
        uid,
        name,
        exe,
    })
}

fn without_deleted(exe: &Path) -> PathBuf {
    let text = exe.to_string_lossy();
    PathBuf::from(text.strip_suffix(" (deleted)").unwrap_or(&text))
}
