//! What must hold after any crash: the next apply comes to the tree of one that was left alone, and rollbacks to the first tree.

use crate::fake::{Tree, differences};
use crate::host::{Host, Kind};
use std::sync::OnceLock;

/// A host before and after an apply that nothing disturbed.
pub struct Known {
    pub first: Host,
    pub before: Tree,
    pub applied: Host,
    pub after: Tree,
}

/// The host of this kind.
pub fn known(kind: Kind) -> &'static Known {
    static OFFLINE: OnceLock<Known> = OnceLock::new();
    static RUNNING: OnceLock<Known> = OnceLock::new();
    static COPYING: OnceLock<Known> = OnceLock::new();
    let known = match kind {
        Kind::Offline => &OFFLINE,
        Kind::Running => &RUNNING,
        Kind::Copying => &COPYING,
    };
    known.get_or_init(|| {
        let first = Host::new(kind);
        let before = first.tree();
        let applied = first.copy();
        let ran = applied.run("apply");
        assert_eq!(ran.code, Some(0), "{ran}");
        let after = applied.tree();
        assert!(differences(&before, &after).len() > 10, "{ran}");
        Known {
            first,
            before,
            applied,
            after,
        }
    })
}

impl Known {
    /// An apply now ends well, on the tree of an undisturbed one. What is wrong, if anything.
    pub fn converges(&self, host: &Host, what: &str) -> Vec<String> {
        let ran = host.run("apply");
        let mut wrong = differences(&self.after, &host.tree());
        wrong.extend((ran.code != Some(0)).then(|| format!("{ran}")));
        wrong.extend(host.litter());
        explained(wrong, format!("{what}: then apply"))
    }

    /// Rolled back until nothing is left, it is as it was at the start.
    pub fn goes_back(&self, host: &Host, what: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        for round in 1.. {
            let ran = host.run("rollback");
            if ran.code != Some(0) || round > 9 {
                wrong.push(format!("{ran}"));
                break;
            }
            if ran.out.contains("nothing to roll back") {
                break;
            }
        }
        wrong.extend(differences(&self.before, &host.tree()));
        wrong.extend(host.litter());
        explained(wrong, format!("{what}: then rollback"))
    }

    /// Both, each from where the crash left it, and the way back from the new apply too.
    pub fn survives(&self, host: &Host, what: &str) -> Vec<String> {
        let other = host.copy();
        let mut wrong = self.converges(host, what);
        wrong.extend(self.goes_back(host, &format!("{what}: then apply")));
        wrong.extend(self.goes_back(&other, what));
        wrong
    }
}

fn explained(wrong: Vec<String>, what: String) -> Vec<String> {
    let explained = (!wrong.is_empty()).then(|| format!("{what}:\n{}", wrong.join("\n")));
    explained.into_iter().collect()
}
