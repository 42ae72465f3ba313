//! What one pass of judging reads once for all the settings that ask for it. It lives only while nothing is written.

use super::build::{Code, Found};
use super::effective::Views;
use super::processes::Seen;
use super::sysctl_d;
use super::unit::Texts;
use super::{Setting, config_file, firewall};
use crate::host::{Begun, Host, HostResult};
use procfs::process::Status;
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

/// What has been read in this pass.
#[derive(Debug, Default)]
pub struct Memo {
    pub(super) sysctl_d: Slot<sysctl_d::Lines>,
    pub(super) effective: Slot<Views>,
    pub(super) processes: Slot<Vec<Seen>>,
    pub(super) config_files: RefCell<BTreeMap<PathBuf, Rc<config_file::Lines>>>,
    pub(super) statuses: RefCell<BTreeMap<i32, Rc<Status>>>,
    pub(super) builds: RefCell<BTreeMap<(String, Code), Found>>,
    pub(super) units: RefCell<BTreeMap<String, Rc<Texts>>>,
    /// nft takes longer to start than all else takes together: it was asked for the table before it is needed.
    pub(super) firewall: RefCell<Option<Begun>>,
}

impl Memo {
    /// Starts what takes long and is going to be asked for.
    pub fn ahead<'a>(&self, host: &Host, mut settings: impl Iterator<Item = &'a Setting>) {
        let asked = settings.any(Setting::is_asked_ahead);
        if asked && host.is_running() && host.find_program("nft").is_some() {
            // A failure to start it is met again, and told, when the table is read.
            self.firewall.replace(firewall::ask(host).ok());
        }
    }
}

impl Setting {
    /// Whether a program is started for it before it is read.
    pub fn is_asked_ahead(&self) -> bool {
        matches!(self, Setting::Firewall)
    }
}

/// A thing that is read at most once; a failure is not kept, and says so to everyone who asks.
#[derive(Debug)]
pub(super) struct Slot<T>(OnceCell<Rc<T>>);

impl<T> Default for Slot<T> {
    fn default() -> Slot<T> {
        Slot(OnceCell::new())
    }
}

impl<T> Slot<T> {
    /// What was read, or is read now; without a memo (`None`) always the latter.
    pub fn read(slot: Option<&Slot<T>>, read: impl FnOnce() -> HostResult<T>) -> HostResult<Rc<T>> {
        let Some(Slot(cell)) = slot else {
            return read().map(Rc::new);
        };
        if let Some(known) = cell.get() {
            return Ok(Rc::clone(known));
        }
        let found = Rc::new(read()?);
        Ok(Rc::clone(cell.get_or_init(|| found)))
    }
}
