//! The filter of system calls: what is listed is allowed, what attacks the kernel ends the process, all else is refused with EPERM.
//! Compiled before the fork; between fork and exec it is only handed to the kernel.

use super::calls::{
    CPU_LISTS, Call, DEADLY, DEADLY_OF_ARCHITECTURE, NEWER, OF_ARCHITECTURE, REDIS_7,
};
use nix::errno::Errno;
use nix::libc;
use schemars::JsonSchema;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What becomes of a call that is not listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Seccomp {
    /// It is refused, or ends the server.
    #[default]
    Enforce,
    /// It is allowed, and the kernel's log names it (type=1326): for finding out what a module needs.
    Audit,
}

/// Compiled filters, in the order in which they are installed: each must let the next one pass.
pub struct Filters(Vec<BpfProgram>);

/// The rules of one call; none of them is "whatever its arguments".
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// `clone`'s flags that make a namespace. Source: linux/sched.h.
const NEW_NAMESPACES: libc::c_int = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET;

/// The bits of a socket's type that are not flags. Source: linux/net.h, `SOCK_TYPE_MASK`.
const SOCKET_TYPE: u64 = 0xf;

impl Filters {
    /// Compiles what the policy's mode asks for.
    pub fn compile(mode: Seccomp, cpu_lists: bool) -> Result<Filters, BackendError> {
        let allowed = allowed(cpu_lists)?;
        let filters = match mode {
            Seccomp::Audit => vec![filter(allowed, SeccompAction::Log, SeccompAction::Allow)?],
            Seccomp::Enforce => vec![
                // Its flags are in memory, where no filter sees them: the C library then takes `clone`.
                filter(
                    BTreeMap::from([(libc::SYS_clone3, Vec::new())]),
                    SeccompAction::Allow,
                    refused_with(Errno::ENOSYS),
                )?,
                filter(deadly(), SeccompAction::Allow, SeccompAction::KillProcess)?,
                filter(allowed, refused_with(Errno::EPERM), SeccompAction::Allow)?,
            ],
        };
        Ok(Filters(filters))
    }

    /// Installs them on this thread, for good. System calls only.
    pub fn install(&self) -> Result<(), Errno> {
        for filter in &self.0 {
            apply_filter(filter).map_err(|_| Errno::last())?;
        }
        Ok(())
    }
}

fn refused_with(errno: Errno) -> SeccompAction {
    SeccompAction::Errno((errno as i32).unsigned_abs())
}

fn filter(
    rules: Rules,
    otherwise: SeccompAction,
    listed: SeccompAction,
) -> Result<BpfProgram, BackendError> {
    let here = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, otherwise, listed, here)?.try_into()
}

fn deadly() -> Rules {
    [DEADLY, DEADLY_OF_ARCHITECTURE]
        .concat()
        .into_iter()
        .map(|(_, number)| (number, Vec::new()))
        .collect()
}

fn allowed(cpu_lists: bool) -> Result<Rules, BackendError> {
    let by_option: &[Call] = if cpu_lists { CPU_LISTS } else { &[] };
    let all = [REDIS_7, OF_ARCHITECTURE, NEWER, by_option].concat();
    all.into_iter()
        .map(|(name, number)| Ok((number, arguments(name)?)))
        .collect()
}

/// The arguments with which a call is allowed, one rule or the other; empty for all.
fn arguments(call: &str) -> Result<Vec<SeccompRule>, BackendError> {
    let flags = |bits: libc::c_int| u64::from(bits.unsigned_abs());
    let (write, exec) = (flags(libc::PROT_WRITE), flags(libc::PROT_EXEC));
    match call {
        "clone" => [without(0, flags(NEW_NAMESPACES))]
            .into_iter()
            .map(rule)
            .collect(),
        // What PR_SET_MDWE does on a newer kernel: nothing writable is executable, nothing becomes executable later.
        "mmap" => [without(2, write), without(2, exec)]
            .into_iter()
            .map(rule)
            .collect(),
        "mprotect" => [without(2, exec)].into_iter().map(rule).collect(),
        "socket" => sockets(),
        // A connection without connect(2), which Landlock (of Linux 6.18, too) asks nothing about.
        "sendto" | "sendmmsg" => [without(3, flags(libc::MSG_FASTOPEN))]
            .into_iter()
            .map(rule)
            .collect(),
        "sendmsg" => [without(2, flags(libc::MSG_FASTOPEN))]
            .into_iter()
            .map(rule)
            .collect(),
        // Both type into a terminal on somebody's behalf.
        "ioctl" => Ok(vec![SeccompRule::new(vec![
            condition(1, SeccompCmpOp::Ne, libc::TIOCSTI)?,
            condition(1, SeccompCmpOp::Ne, libc::TIOCLINUX)?,
        ])?]),
        _ => Ok(Vec::new()),
    }
}

/// TCP, UDP and this host's own: no raw, packet, netlink or vsock socket, and no other protocol. Landlock's rules for ports are TCP's,
/// and a stream of MPTCP, SCTP or SMC reaches every port past them.
fn sockets() -> Result<Vec<SeccompRule>, BackendError> {
    const STREAM: libc::c_int = libc::SOCK_STREAM;
    const DATAGRAM: libc::c_int = libc::SOCK_DGRAM;
    let mut kinds = vec![(libc::AF_UNIX, STREAM, 0), (libc::AF_UNIX, DATAGRAM, 0)];
    for family in [libc::AF_INET, libc::AF_INET6] {
        for (kind, protocol) in [(STREAM, libc::IPPROTO_TCP), (DATAGRAM, libc::IPPROTO_UDP)] {
            // 0 is the family's own choice, the same one.
            kinds.extend([(family, kind, 0), (family, kind, protocol)]);
        }
    }
    kinds
        .into_iter()
        .map(|(family, kind, protocol)| {
            let of = |n: libc::c_int| u64::from(n.unsigned_abs());
            SeccompRule::new(vec![
                condition(0, SeccompCmpOp::Eq, of(family))?,
                condition(1, SeccompCmpOp::MaskedEq(SOCKET_TYPE), of(kind))?,
                condition(2, SeccompCmpOp::Eq, of(protocol))?,
            ])
        })
        .collect()
}

/// None of these bits in an argument.
fn without(argument: u8, bits: u64) -> Result<SeccompCondition, BackendError> {
    condition(argument, SeccompCmpOp::MaskedEq(bits), 0)
}

fn rule(condition: Result<SeccompCondition, BackendError>) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![condition?])
}

/// Flags, families and commands are all the kernel's `int`: the upper half of the register is not looked at.
fn condition(argument: u8, is: SeccompCmpOp, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, is, value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn both_modes_compile_with_and_without_cpu_lists() {
        for cpu_lists in [false, true] {
            assert_eq!(
                Filters::compile(Seccomp::Enforce, cpu_lists)
                    .unwrap()
                    .0
                    .len(),
                3
            );
            assert_eq!(
                Filters::compile(Seccomp::Audit, cpu_lists).unwrap().0.len(),
                1
            );
        }
    }

    /// OPS 6.5: at most 95 for one version; the wider list has a few more.
    #[test]
    fn the_lists_are_short_and_share_nothing() {
        let allowed: BTreeSet<i64> = allowed(true).unwrap().into_keys().collect();
        let deadly: BTreeSet<i64> = deadly().into_keys().collect();
        assert!(allowed.len() <= 100, "{}", allowed.len());
        assert_eq!(allowed.intersection(&deadly).count(), 0);
    }
}
