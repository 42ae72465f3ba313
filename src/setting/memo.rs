//! What one pass of judging reads once for all the settings that ask for it. It lives only while nothing is written.

use super::build::{Code, Found};
use super::effective::Views;
use super::processes::Seen;
use super::unit::Texts;
use super::{Setting, config_file, firewall, sysctl_d, tmpfiles};
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
    pub(super) tmpfiles: Slot<Vec<tmpfiles::Line>>,
    pub(super) effective: Slot<Views>,
    pub(super) processes: Slot<Vec<Seen>>,
    pub(super) config_files: RefCell<BTreeMap<PathBuf, Rc<config_file::Lines>>>,
    pub(super) statuses: RefCell<BTreeMap<i32, Rc<Status>>>,
    pub(super) builds: RefCell<BTreeMap<(String, Code), Found>>,
    pub(super) units: RefCell<BTreeMap<String, Rc<Texts>>>,
    pub(super) ahead: RefCell<Ahead>,
}

impl Memo {
    /// One that takes over what was asked ahead.
    pub fn with(ahead: Ahead) -> Memo {
        Memo {
            ahead: RefCell::new(ahead),
            ..Memo::default()
        }
    }
}

/// What was asked before it is needed: nft takes longer to start than all else takes together.
#[derive(Debug, Default)]
pub struct Ahead {
    pub(super) firewall: Option<Begun>,
}

impl Ahead {
    /// Asks for the firewall's table, where a program can be run for it.
    pub fn of_the_firewall(host: &Host) -> Ahead {
        let there =
            host.is_running() && host.find_program("nft").is_some() && !firewall::is_absent(host);
        // A failure to start it is met again, and told, when the table is read.
        let firewall = there.then(|| firewall::ask(host).ok()).flatten();
        Ahead { firewall }
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
