//! Landlock: the files, the TCP ports, the signals and the abstract sockets that are in reach, for the process and all that it starts.
//! Built before the fork; between fork and exec the kernel is only told to enforce it.

use super::plan::Plan;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath,
    PathFd, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
    make_bitflags,
};
use nix::errno::Errno;
use std::path::Path;

/// Below it a rename from one directory to another, as Redis's rewrite of the AOF makes, is always refused. Linux 5.19 has it.
const NEEDED: u8 = 2;

/// A level of the kernel's, and asking for the right that came with it.
type Level = (u8, fn(Ruleset) -> Result<Ruleset, RulesetError>);

/// One a kernel that brought something.
const LEVELS: [Level; 6] = [
    (1, |r| r.handle_access(AccessFs::ReadFile)),
    (2, |r| r.handle_access(AccessFs::Refer)),
    (3, |r| r.handle_access(AccessFs::Truncate)),
    (4, |r| r.handle_access(AccessNet::ConnectTcp)),
    (5, |r| r.handle_access(AccessFs::IoctlDev)),
    (6, |r| r.scope(Scope::Signal)),
];

const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});
const RUN: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | Execute});
const LOG: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | WriteFile | MakeReg});
const PROC: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir | WriteFile});
/// The C library asks each device whether it is a terminal.
const DEVICE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | WriteFile | IoctlDev});
const SOCKETS: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | WriteFile | MakeReg | MakeSock | RemoveFile | Truncate
});
const DATA: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | WriteFile | MakeReg | MakeDir | RemoveFile | RemoveDir | Refer | Truncate
});

/// The loaders of dynamic programs: the kernel runs them in the place of the program.
const LOADERS: [&str; 4] = [
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
];

/// What any server reads of its system: libraries, names, time zones, trust. Not /etc.
const SYSTEM: [(&str, BitFlags<AccessFs>); 29] = [
    ("/usr/lib", READ),
    ("/usr/lib64", READ),
    ("/usr/local/lib", READ),
    ("/lib", READ),
    ("/lib64", READ),
    ("/etc/ld.so.cache", READ),
    ("/etc/hosts", READ),
    ("/etc/host.conf", READ),
    ("/etc/gai.conf", READ),
    ("/etc/resolv.conf", READ),
    ("/run/systemd/resolve", READ),
    ("/etc/nsswitch.conf", READ),
    ("/etc/localtime", READ),
    ("/etc/timezone", READ),
    ("/usr/share/zoneinfo", READ),
    ("/usr/share/locale", READ),
    ("/etc/locale.alias", READ),
    ("/etc/ssl/openssl.cnf", READ),
    ("/etc/ssl/certs", READ),
    ("/usr/share/ca-certificates", READ),
    ("/usr/local/share/ca-certificates", READ),
    // oom_score_adj is written there; what is another's, the file modes keep.
    ("/proc", PROC),
    ("/sys/devices/system", READ),
    ("/sys/kernel/mm/transparent_hugepage", READ),
    ("/dev/null", DEVICE),
    ("/dev/zero", DEVICE),
    ("/dev/full", DEVICE),
    ("/dev/random", DEVICE),
    ("/dev/urandom", DEVICE),
];

/// A set of rules that waits to be enforced.
pub struct Rules {
    rules: Option<RulesetCreated>,
    level: u8,
}

impl Rules {
    /// Everything that the plan allows; nothing where the kernel has no Landlock that Redis can live with.
    pub fn build(plan: &Plan) -> Result<Rules, RulesetError> {
        let level = level();
        if level < NEEDED {
            return Ok(Rules { rules: None, level });
        }
        let ruleset = Ruleset::default()
            .handle_access(AccessFs::from_all(ABI::V6))?
            .handle_access(AccessNet::from_all(ABI::V6))?
            .scope(Scope::from_all(ABI::V6))?
            .create()?
            // Our own test before exec is no incident; what the server tries afterwards is.
            .log_same_exec(false)?
            .log_new_exec(true)?;
        let ruleset = add_files(ruleset, plan)?;
        let rules = Some(add_ports(ruleset, plan)?);
        Ok(Rules { rules, level })
    }

    /// The level of this kernel that is made use of, 0 to 6.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// Enforces it on this thread, for good. System calls only.
    pub fn enforce(&mut self) -> Result<(), Errno> {
        match self.rules.take() {
            Some(rules) => rules.restrict_self().map(drop).map_err(|_| Errno::last()),
            None => Err(Errno::EOPNOTSUPP),
        }
    }
}

/// The highest level whose rights this kernel knows. The crate knows it too, but does not tell.
fn level() -> u8 {
    let known = |(_, right): &&Level| {
        right(Ruleset::default().set_compatibility(CompatLevel::HardRequirement)).is_ok()
    };
    LEVELS
        .iter()
        .take_while(known)
        .map(|(level, _)| *level)
        .last()
        .unwrap_or(0)
}

fn add_files(mut ruleset: RulesetCreated, plan: &Plan) -> Result<RulesetCreated, RulesetError> {
    let own = [
        (&plan.data, DATA),
        (&plan.run, SOCKETS),
        (&plan.logs, LOG),
        (&plan.read, READ),
    ];
    let own = own
        .iter()
        .flat_map(|(paths, access)| paths.iter().map(|p| (p.as_path(), *access)));
    let system = SYSTEM
        .iter()
        .map(|(path, access)| (Path::new(*path), *access));
    let run = LOADERS
        .iter()
        .map(Path::new)
        .chain([plan.program.as_path()]);
    for (path, access) in own.chain(system).chain(run.map(|path| (path, RUN))) {
        // What is not there needs no right.
        if let Ok(opened) = PathFd::new(path) {
            ruleset = ruleset.add_rule(PathBeneath::new(opened, access))?;
        }
    }
    Ok(ruleset)
}

fn add_ports(mut ruleset: RulesetCreated, plan: &Plan) -> Result<RulesetCreated, RulesetError> {
    let listen = plan.listen.iter().map(|port| (*port, AccessNet::BindTcp));
    let connect = plan
        .connect
        .iter()
        .map(|port| (*port, AccessNet::ConnectTcp));
    for (port, access) in listen.chain(connect) {
        ruleset = ruleset.add_rule(NetPort::new(port, access))?;
    }
    Ok(ruleset)
}
