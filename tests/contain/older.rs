//! Kernels that lack a layer: what the missing call would say is said by a filter, laid over the supervisor before it starts.

use super::instance::{self, Instance, status};
use nix::libc;
use redis_harden::contain::layers::Name;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};
use std::collections::BTreeMap;
use std::process::{Command, ExitCode, Stdio};

/// A call that answers with an error, whatever its arguments or only with this first one.
struct Lacking {
    word: &'static str,
    call: libc::c_long,
    first: Option<libc::c_int>,
    errno: libc::c_int,
    layers: &'static [Name],
}

/// landlock(7): ENOSYS of a kernel before 5.13. prctl(2): EINVAL for an operation that it does not know. seccomp(2): ENOSYS.
/// A container's root without CAP_SYS_ADMIN gets EPERM of unshare(2), one without CAP_SETPCAP of PR_CAPBSET_DROP.
const LACKING: [Lacking; 5] = [
    Lacking {
        word: "landlock",
        call: libc::SYS_landlock_create_ruleset,
        first: None,
        errno: libc::ENOSYS,
        layers: &[Name::Files, Name::Network, Name::Signals],
    },
    Lacking {
        word: "mdwe",
        call: libc::SYS_prctl,
        first: Some(libc::PR_SET_MDWE),
        errno: libc::EINVAL,
        layers: &[Name::WritableCode],
    },
    Lacking {
        word: "seccomp",
        call: libc::SYS_seccomp,
        first: None,
        errno: libc::ENOSYS,
        layers: &[Name::SystemCalls],
    },
    Lacking {
        word: "mounts",
        call: libc::SYS_unshare,
        first: None,
        errno: libc::EPERM,
        layers: &[Name::Mounts],
    },
    Lacking {
        word: "capabilities",
        call: libc::SYS_prctl,
        first: Some(libc::PR_CAPBSET_DROP),
        errno: libc::EPERM,
        layers: &[Name::Capabilities],
    },
];

/// `--without WORD DIR`: the supervisor on such a kernel.
pub fn supervise(args: &[String]) -> ExitCode {
    let [word, dir] = args else {
        panic!("WORD DIR");
    };
    let lacking = LACKING.iter().find(|lacking| lacking.word == word);
    take_away(lacking.unwrap());
    instance::supervise(dir.as_ref())
}

fn take_away(lacking: &Lacking) {
    let only = |first: libc::c_int| {
        let value = u64::from(first.unsigned_abs());
        let is = (SeccompCmpArgLen::Dword, SeccompCmpOp::Eq);
        let condition = SeccompCondition::new(0, is.0, is.1, value).unwrap();
        SeccompRule::new(vec![condition]).unwrap()
    };
    let rules = lacking.first.map(only).into_iter().collect();
    let filter = SeccompFilter::new(
        BTreeMap::from([(lacking.call, rules)]),
        SeccompAction::Allow,
        SeccompAction::Errno(lacking.errno.unsigned_abs()),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    apply_filter(&program).unwrap();
}

pub fn each_layer_is_missed_alone_and_the_server_runs_without_it() {
    for lacking in &LACKING {
        let mut instance = Instance::new(&[], "");
        let plain = instance.command("output");
        let output = std::fs::File::create(instance.path("output")).unwrap();
        let supervisor = Command::new(plain.get_program())
            .args(["--without", lacking.word])
            .arg(instance.dir.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn();
        instance.supervisor = Some(supervisor.unwrap());
        let report = instance.wait_for("ready server", |report| report.ready);
        let missing = report.layers.iter().filter(|layer| !layer.holds);
        let names: Vec<Name> = missing.map(|layer| layer.name).collect();
        assert_eq!(
            names, lacking.layers,
            "without {}: {:?}",
            lacking.word, report.layers
        );
        assert_eq!(instance.ask("SET key value"), "+OK");
        assert_eq!(status(report.server_pid.unwrap(), "NoNewPrivs"), "1");
        assert!(instance.output().contains("the sandbox lacks a layer"));
    }
}
