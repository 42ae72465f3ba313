//! Which system call a process was ended for: the kernel's log has the number, who sent the signal has nothing.
//! Source: `audit_seccomp` in kernel/auditsc.c; the fields are those of audit's SECCOMP record.

use super::calls;
use crate::host::{Host, HostResult};
use nix::libc;

/// The mark of this architecture in a record. Source: linux/audit.h.
#[cfg(target_arch = "x86_64")]
const NATIVE: &str = "c000003e";

/// The mark of this architecture in a record. Source: linux/audit.h.
#[cfg(target_arch = "aarch64")]
const NATIVE: &str = "c00000b7";

/// The call's name, or its number where it is none of those that are known; `None` where the log has no word of this process.
pub fn of(host: &Host, pid: i32) -> HostResult<Option<String>> {
    let records = host.kernel_log()?;
    Ok(records.iter().rev().find_map(|record| judged(record, pid)))
}

fn judged(record: &str, pid: i32) -> Option<String> {
    // The fields before the program's name are the kernel's own: a name may hold what looks like others.
    let (kernels, rest) = record.split_once(" comm=")?;
    let (_, verdict) = rest.rsplit_once(" sig=")?;
    let field = |text: &'_ str, name: &str| -> Option<String> {
        let mut words = text.split_whitespace();
        words.find_map(|word| word.strip_prefix(name).map(str::to_owned))
    };
    let ours = kernels.contains("type=1326 ") && field(kernels, "pid=")? == pid.to_string();
    let (signal, verdict) = verdict.split_once(' ')?;
    if !ours || signal != libc::SIGSYS.to_string() {
        return None;
    }
    let number: libc::c_long = field(verdict, "syscall=")?.parse().ok()?;
    Some(match field(verdict, "arch=")?.as_str() {
        NATIVE => calls::name(number).map_or(format!("number {number}"), str::to_owned),
        arch => format!("number {number} of architecture {arch}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Linux 6.18 wrote it.
    const RECORD: &str = "5,974,80835452829,-;audit: type=1326 audit(1795478145.968:974): auid=4294967295 uid=102 gid=105 \
        ses=4294967295 pid=13599 comm=\"redis-server\" exe=\"/usr/bin/redis-check-rdb\" sig=31 arch=c000003e syscall=250 \
        compat=0 ip=0x7fb1e6a6d829 code=0x80000000\n";

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_log_names_the_call() {
        assert_eq!(judged(RECORD, 13599).as_deref(), Some("keyctl"));
        let unknown = RECORD.replace("syscall=250", "syscall=999");
        assert_eq!(judged(&unknown, 13599).as_deref(), Some("number 999"));
        let foreign = RECORD.replace("arch=c000003e", "arch=40000003");
        let said = judged(&foreign, 13599).unwrap();
        assert_eq!(said, "number 250 of architecture 40000003");
    }

    #[test]
    fn another_process_another_signal_and_a_name_that_lies_do_not_count() {
        assert_eq!(judged(RECORD, 13598), None);
        // What is only logged (service.seccomp = "audit") has no signal.
        assert_eq!(judged(&RECORD.replace("sig=31", "sig=0"), 13599), None);
        let lies = RECORD
            .replace("pid=13599", "pid=7")
            .replace("redis-server", "x pid=13599 ");
        assert_eq!(judged(&lies, 13599), None);
        assert_eq!(judged("6,1,1,-;Linux version 6.18", 1), None);
    }
}
