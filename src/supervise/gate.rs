//! The gate before every start: a start that would load less than the data directory holds is refused.
//! With `appendonly yes` Redis reads only the append-only file; a snapshot beside it is ignored, and overwritten at the next save.
//! Refusing changes nothing; what it refuses is for `apply`, or for a person, to put right.

mod beyond;
mod newer;
mod sweep;

use super::settings::Settings;
use crate::host::{Host, HostError, HostResult, Stat};
use crate::redis::{config, rdb};
use beyond::Directives;
use std::path::{Path, PathBuf};
pub(super) use sweep::sweep;

/// Where a configuration says that the data is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub appendonly: bool,
    pub dir: PathBuf,
    pub snapshot: PathBuf,
    pub aof_dir: PathBuf,
    /// The name that every file in `aof_dir` begins with; also the file of Redis before 7.
    pub aof_name: String,
    /// Whether it has save points: then a clean stop writes a snapshot.
    pub saves: bool,
}

/// What tells one snapshot from the next: seconds and nanoseconds of its last change, and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub modified: (i64, i64),
    pub size: u64,
}

/// What our last server in a data directory left there. Source: the lock file, which is the server's user's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// The snapshot at its clean end; `None` where it had no such end, or left none.
    pub snapshot: Option<Mark>,
    /// Whether it wrote that snapshot at its end, so that all its data is in there: without save points Redis writes none.
    pub complete: bool,
    /// Append-only files that lay there when it started without them: unchanged since, they are older than its data.
    pub unused_aof: Option<Mark>,
}

/// What lies in the data directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// A snapshot that is not empty.
    pub snapshot: Option<Mark>,
    /// A snapshot without a key, in its place: what a server leaves that was emptied, or never used.
    pub empty: Option<Mark>,
    pub manifest: bool,
    /// `appendonly.aof` of Redis before 7, which 7 converts.
    pub old_aof: bool,
    /// Append-only files that hold something, whether a manifest names them or not.
    pub aof_files: bool,
    /// The newest change of the append-only files and their manifest, and their size together.
    pub aof: Option<Mark>,
    /// The first base is a second name of the snapshot: `apply` makes that, and it holds all that the snapshot does.
    pub linked: bool,
}

impl Layout {
    /// Reads it from a redis.conf; `data_dir` is where the server is started, which a relative `dir` is below.
    pub(crate) fn parse(conf: &str, data_dir: &Path) -> Layout {
        let lines = config::parse(conf);
        let last = |name: &str, default: &str| {
            let mut found = lines.iter().rev().filter(|(n, _)| n == name);
            let value = found.next().and_then(|(_, words)| words.first());
            value.map_or(default, String::as_str).to_owned()
        };
        let dir = data_dir.join(last("dir", "."));
        let points = lines.iter().rev().find(|(name, _)| name == "save");
        Layout {
            saves: points.is_none_or(|(_, words)| words.iter().any(|word| !word.is_empty())),
            appendonly: last("appendonly", "no").eq_ignore_ascii_case("yes"),
            snapshot: dir.join(last("dbfilename", "dump.rdb")),
            aof_dir: dir.join(last("appenddirname", "appendonlydir")),
            aof_name: last("appendfilename", "appendonly.aof"),
            dir,
        }
    }

    pub(crate) fn manifest(&self) -> PathBuf {
        self.aof_dir.join(format!("{}.manifest", self.aof_name))
    }

    /// Moves append-only files that nothing reads any more to another name, so that no later server takes them for the data.
    pub(crate) fn set_aside(&self, host: &Host, say: &mut dyn FnMut(&str)) -> HostResult<()> {
        let stamp = host.now().strftime("%Y%m%dT%H%M%SZ").to_string();
        for path in [self.aof_dir.clone(), self.dir.join(&self.aof_name)] {
            if host.stat(&path)?.is_none() {
                continue;
            }
            let mut aside = path.clone().into_os_string();
            aside.push(format!(".set-aside-{stamp}"));
            say(&format!("moving {} to {}", path.display(), aside.display()));
            host.rename(&path, Path::new(&aside))?;
        }
        Ok(())
    }

    /// Whether a snapshot holds no key, as one that a stock server leaves when it is stopped unused.
    fn is_without_keys(&self, host: &Host, stat: Stat) -> HostResult<bool> {
        if stat.size > rdb::LONGEST_EMPTY {
            return Ok(false);
        }
        let content = host.read_untrusted(&self.snapshot)?.unwrap_or_default();
        Ok(rdb::is_empty(&content))
    }

    /// Looks at what is there.
    pub(crate) fn look(&self, host: &Host) -> HostResult<Found> {
        let holds = |path: &Path| host.stat(path).map(|s| s.filter(|s| s.size > 0));
        let (mut snapshot, mut empty) = (holds(&self.snapshot)?, None);
        if let Some(stat) = snapshot
            && self.is_without_keys(host, stat)?
        {
            empty = snapshot.take();
        }
        let mut found = Found {
            snapshot: snapshot.map(Mark::from),
            empty: empty.map(Mark::from),
            manifest: holds(&self.manifest())?.is_some(),
            old_aof: holds(&self.dir.join(&self.aof_name))?.is_some(),
            aof_files: false,
            aof: None,
            linked: false,
        };
        found.newer(holds(&self.manifest())?);
        found.newer(holds(&self.dir.join(&self.aof_name))?);
        let (base, incr) = (
            format!("{}.1.base.rdb", self.aof_name),
            format!("{}.", self.aof_name),
        );
        for name in host.list(&self.aof_dir)? {
            let is_data = name.starts_with(&incr) && !name.ends_with(".manifest");
            if is_data && let Some(stat) = holds(&self.aof_dir.join(&name))? {
                found.newer(Some(stat));
                let linked = stat.links == 2 && Some(Mark::from(stat)) == found.snapshot;
                found.linked |= name == base && linked;
                found.aof_files |=
                    !(name == base && (linked || is_empty(stat) && found.snapshot.is_none()));
            }
        }
        Ok(found)
    }
}

impl Found {
    fn newer(&mut self, stat: Option<Stat>) {
        let Some(mark) = stat.map(Mark::from) else {
            return;
        };
        let before = self.aof.unwrap_or(mark);
        self.aof = Some(Mark {
            modified: before.modified.max(mark.modified),
            size: self.aof.map_or(0, |aof| aof.size) + mark.size,
        });
    }

    /// The snapshot, with keys or without: a server that holds none writes that it does.
    fn written(&self) -> Option<Mark> {
        self.snapshot.or(self.empty)
    }

    /// Whether the snapshot holds all data: our last server wrote it when it ended.
    pub(crate) fn snapshot_has_all(&self, left: Left) -> bool {
        self.written().is_some() && left.complete && self.written() == left.snapshot
    }

    /// Whether the snapshot was written after the append-only files, as it is at a server's end: one that was told to go without
    /// (`CONFIG SET save ""`, `SHUTDOWN NOSAVE`) leaves an older one, whatever its file says.
    fn snapshot_is_newest(&self) -> bool {
        let at = |mark: Option<Mark>| mark.map(|mark| mark.modified);
        at(self.written()) >= at(self.aof)
    }

    /// Whether the append-only files are older than the data: our last server started without them and left them as they were.
    pub(crate) fn has_stale_aof(&self, left: Left) -> bool {
        self.aof.is_some() && self.aof == left.unused_aof
    }
}

/// The base of an empty dataset, whose manifest is still to be written when a server is killed in its first moments.
fn is_empty(base: Stat) -> bool {
    const EMPTY_RDB: u64 = 256;
    base.size <= EMPTY_RDB
}

impl From<Stat> for Mark {
    fn from(stat: Stat) -> Mark {
        Mark {
            modified: stat.modified,
            size: stat.size,
        }
    }
}

/// Why a start would lose data, with the next step. Of a last server that left nothing nothing can be said.
pub(crate) fn danger(layout: &Layout, found: &Found, left: Left) -> Option<String> {
    let (snapshot, aof_dir) = (layout.snapshot.display(), layout.aof_dir.display());
    if !layout.appendonly {
        let needed = (found.aof_files || found.old_aof) && !found.has_stale_aof(left);
        return (needed && !found.snapshot_has_all(left)).then(|| {
            format!(
                "{aof_dir} may hold what {snapshot} does not, and would not be read: start it with persistence.appendonly = true, \
                 and change that while it runs; to go without what is in {aof_dir}, move it aside"
            )
        });
    }
    let has_aof = found.manifest || found.old_aof;
    if !has_aof && found.aof_files {
        return Some(format!(
            "{aof_dir} holds append-only files without their manifest, so Redis would begin empty: \
             put {} back, or move {aof_dir} aside and run `redis-harden apply`",
            layout.manifest().display()
        ));
    }
    if found.has_stale_aof(left) {
        return Some(format!(
            "{aof_dir} is older than the data: the last server here ran without it. Run `redis-harden apply`, which moves it aside \
             and goes on from {snapshot}; to go back to it instead, move {snapshot} away and remove .redis-harden.lock beside it"
        ));
    }
    let mark = found.snapshot?;
    if !has_aof {
        return Some(format!(
            "{snapshot} would be ignored and then overwritten, since there is no append-only file yet: \
             run `redis-harden apply`, which builds one from it"
        ));
    }
    let other = !found.linked && left.snapshot.is_some_and(|left| left != mark);
    other.then(|| {
        format!(
            "{snapshot} is not the one that this server left, so another one has saved to it since, and the append-only file is older: \
             to keep the snapshot, move {aof_dir} aside and run `redis-harden apply`; to keep the append-only file, move the snapshot away"
        )
    })
}

/// Refuses a start that would lose data. `replicas` had their data from the last server that this supervisor ran.
pub(super) fn pass(host: &Host, settings: &Settings, left: Left, replicas: u32) -> HostResult<()> {
    let conf = host.read(&settings.config)?.unwrap_or_default();
    let directives = Directives::parse(&String::from_utf8_lossy(&conf));
    let layout = layout(host, settings)?;
    let of_data = danger(&layout, &layout.look(host)?, left);
    let why = match of_data {
        Some(why) => Some(why),
        None => match beyond::danger(host, &layout, &directives, replicas)? {
            Some(why) => Some(why),
            None => newer::danger(host, settings, &layout, &directives)?,
        },
    };
    match why {
        Some(why) => Err(HostError::refused(
            format!("starting {}", settings.server.display()),
            why,
        )),
        None => Ok(()),
    }
}

/// What a server finds when it begins.
#[derive(Debug)]
pub(super) struct Stood {
    layout: Layout,
    left: Left,
    snapshot: Option<Mark>,
    aof: Option<Mark>,
}

impl Stood {
    /// Looks at it; `left` is by the one before.
    pub(super) fn of(host: &Host, settings: &Settings, left: Left) -> HostResult<Stood> {
        let layout = layout(host, settings)?;
        let found = layout.look(host)?;
        Ok(Stood {
            layout,
            left,
            snapshot: found.written(),
            aof: found.aof,
        })
    }

    /// What is noted before it starts: it has left nothing yet, and append-only files that it does not read are unused.
    pub(super) fn begun(&self) -> Left {
        Left {
            unused_aof: self.aof.filter(|_| !self.layout.appendonly),
            ..Left::default()
        }
    }

    /// What was left before, where nothing was written since: a server that could not begin takes nothing from it.
    pub(super) fn unwritten(&self, host: &Host) -> HostResult<Option<Left>> {
        let found = self.layout.look(host)?;
        let is_same = found.written() == self.snapshot && found.aof == self.aof;
        Ok(is_same.then(|| Left {
            unused_aof: self.begun().unused_aof.or(self.left.unused_aof),
            ..self.left
        }))
    }
}

/// What is noted when it has ended cleanly.
pub(super) fn after(host: &Host, settings: &Settings, noted: Left) -> HostResult<Left> {
    let layout = layout(host, settings)?;
    let found = layout.look(host)?;
    Ok(Left {
        snapshot: found.written(),
        complete: layout.saves && found.snapshot_is_newest(),
        ..noted
    })
}

fn layout(host: &Host, settings: &Settings) -> HostResult<Layout> {
    let conf = host.read(&settings.config)?.unwrap_or_default();
    let conf = String::from_utf8_lossy(&conf);
    Ok(Layout::parse(&conf, &settings.data_dir))
}

#[cfg(test)]
mod tests;
