//! Our reading of sysctls against the crate `sysctl` and, where it is installed, sysctl(8): on this machine, read only.
#![allow(
    clippy::disallowed_methods,
    reason = "what is compared with our door to the system stands beside it"
)]

use redis_harden::host::Host;
use redis_harden::setting::kernel;
use std::path::Path;
use std::process::Command;
use sysctl::{Ctl, Sysctl, SysctlError};

/// Numbers, words, tables of numbers, text with spaces, an empty value; some are not on every kernel.
const KEYS: &[&str] = &[
    "vm.overcommit_memory",
    "vm.overcommit_ratio",
    "vm.swappiness",
    "vm.max_map_count",
    "vm.lowmem_reserve_ratio",
    "vm.dirty_ratio",
    "net.core.somaxconn",
    "net.core.default_qdisc",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_congestion_control",
    "net.ipv4.tcp_available_congestion_control",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.conf.lo.rp_filter",
    "fs.nr_open",
    "fs.file-max",
    "kernel.ostype",
    "kernel.osrelease",
    "kernel.hostname",
    "kernel.domainname",
    "kernel.sem",
    "kernel.printk",
    "kernel.core_pattern",
    "kernel.pid_max",
    "kernel.yama.ptrace_scope",
];

/// White space normalised as we do it: tabs stand between the numbers of a table.
fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn we_read_what_the_crate_and_sysctl_8_read() {
    let host = Host::live().expect("the root opens");
    let program = ["/sbin/sysctl", "/usr/sbin/sysctl"]
        .into_iter()
        .find(|p| Path::new(p).exists());
    let mut compared = 0;
    for key in KEYS {
        let ours = kernel::read_text(&host, key).unwrap_or_else(|e| panic!("{key}: {e}"));
        // It types a value by the first look at it and refuses some; as text it must be what we read.
        let theirs = Ctl::new(key).and_then(|ctl| ctl.value_string());
        match (&ours, theirs) {
            (Some(ours), Ok(theirs)) => assert_eq!(*ours, normal(&theirs), "{key}: the crate"),
            (None, Err(SysctlError::NotFound(_))) => {
                println!("{key}: not on this kernel");
                continue;
            }
            (ours, theirs) => panic!("{key}: we read {ours:?}, the crate {theirs:?}"),
        }
        if let Some(program) = program {
            let output = Command::new(program).args(["-n", key]).output();
            let output = output.unwrap_or_else(|e| panic!("{program}: {e}"));
            assert!(output.status.success(), "{key}: {output:?}");
            let theirs = normal(&String::from_utf8_lossy(&output.stdout));
            assert_eq!(ours.as_deref(), Some(theirs.as_str()), "{key}: {program}");
        }
        compared += 1;
    }
    let with = program.unwrap_or("no sysctl(8): it is not installed");
    println!("{compared} keys compared with the crate, and with {with}");
    assert!(compared >= 18, "{compared} keys");
}

/// Why the crate is only compared with: of what may not be read, it says that it is not there.
#[test]
fn what_may_not_be_read_is_an_error_and_no_absence() {
    let host = Host::live().expect("the root opens");
    // Mode 0200 on every kernel: not even root has bits to read it, and the kernel refuses.
    let key = "net.ipv4.route.flush";
    if !kernel::path(key).exists() {
        println!("{key} is not on this kernel");
        return;
    }
    let ours = kernel::read_text(&host, key);
    assert!(ours.is_err(), "{ours:?}");
    let theirs = Ctl::new(key).and_then(|ctl| ctl.value_string());
    assert!(
        matches!(theirs, Err(SysctlError::NotFound(_))),
        "the crate has learnt to tell: {theirs:?}"
    );
}

#[test]
fn a_dotted_interface_is_named_as_sysctl_d_5_says() {
    assert_eq!(
        kernel::path("net.ipv4.conf.eth0/200.rp_filter"),
        Path::new("/proc/sys/net/ipv4/conf/eth0.200/rp_filter")
    );
    let host = Host::live().expect("the root opens");
    assert_eq!(
        kernel::read_text(&host, "net.ipv4.conf.no-such-interface.rp_filter"),
        Ok(None)
    );
}
