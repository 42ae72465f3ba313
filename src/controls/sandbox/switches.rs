//! The directives of the sandbox that are one word each.

use super::unit;
use crate::control::{Control, Severity, Wants, fails, passes};

/// Every control of this file is one directive; what differs is data.
macro_rules! directive {
    ($id:literal, $key:literal, $severity:ident, $good:expr, $title:literal, $why:literal, $passes:literal, $fails:literal) => {
        Control {
            id: $id,
            title: $title,
            severity: Severity::$severity,
            why: $why,
            references: &[concat!("systemd.exec(5) ", $key)],
            by_hand: concat!(
                "set ",
                $key,
                "= in a drop-in of the unit, daemon-reload, restart"
            ),
            wants: Wants::Instance(|p, _| unit(p, $key, $good)),
            cases: &[
                passes(&[(
                    "/lib/systemd/system/redis-server.service",
                    concat!("[Service]\n", $passes, "\n"),
                )]),
                fails(&[(
                    "/lib/systemd/system/redis-server.service",
                    concat!("[Service]\n", $fails, "\n"),
                )]),
            ],
        }
    };
}

pub const CONTROLS: &[Control] = &[
    directive!(
        "sandbox.no-new-privileges",
        "NoNewPrivileges",
        High,
        &["yes"],
        "the unit can gain no privilege by running a program",
        "Without it a set-uid program is a way out of the service user.",
        "NoNewPrivileges=true",
        "NoNewPrivileges=no"
    ),
    directive!(
        "sandbox.protect-system",
        "ProtectSystem",
        High,
        &["strict"],
        "the system is read-only to the unit",
        "What cannot be written cannot be planted: units, cron jobs, libraries.",
        "ProtectSystem=strict",
        "ProtectSystem=full"
    ),
    directive!(
        "sandbox.protect-home",
        "ProtectHome",
        Medium,
        &["yes", "tmpfs"],
        "home directories are hidden from the unit",
        "The classic attack writes authorized_keys.",
        "ProtectHome=true",
        "ProtectHome=read-only"
    ),
    directive!(
        "sandbox.private-tmp",
        "PrivateTmp",
        Medium,
        &["yes", "disconnected"],
        "the unit has a /tmp of its own",
        "A shared /tmp is where exploits are unpacked, and where names are raced for.",
        "PrivateTmp=true",
        "PrivateTmp=false"
    ),
    directive!(
        "sandbox.private-devices",
        "PrivateDevices",
        Medium,
        &["yes"],
        "the unit sees no device but the harmless ones",
        "Redis needs no disk and no kernel memory device.",
        "PrivateDevices=true",
        "PrivateDevices=false"
    ),
    directive!(
        "sandbox.protect-kernel-tunables",
        "ProtectKernelTunables",
        Medium,
        &["yes"],
        "the unit cannot change kernel values",
        "They are apply's to set, not the server's.",
        "ProtectKernelTunables=true",
        "ProtectKernelTunables=false"
    ),
    directive!(
        "sandbox.protect-kernel-modules",
        "ProtectKernelModules",
        Medium,
        &["yes"],
        "the unit cannot load kernel modules",
        "A module is the kernel's own code.",
        "ProtectKernelModules=true",
        "ProtectKernelModules=false"
    ),
    directive!(
        "sandbox.protect-control-groups",
        "ProtectControlGroups",
        Low,
        &["yes", "private", "strict"],
        "the unit cannot change control groups",
        "They hold the limits that contain it.",
        "ProtectControlGroups=true",
        "ProtectControlGroups=false"
    ),
    directive!(
        "sandbox.restrict-suid-sgid",
        "RestrictSUIDSGID",
        Medium,
        &["yes"],
        "the unit cannot make set-uid files",
        "A set-uid file left behind is a way back in.",
        "RestrictSUIDSGID=true",
        "RestrictSUIDSGID=false"
    ),
    directive!(
        "sandbox.restrict-namespaces",
        "RestrictNamespaces",
        Medium,
        &["yes"],
        "the unit cannot make namespaces",
        "User namespaces open much of the kernel's privileged code to an attacker.",
        "RestrictNamespaces=true",
        "RestrictNamespaces=false"
    ),
    directive!(
        "sandbox.lock-personality",
        "LockPersonality",
        Low,
        &["yes"],
        "the unit cannot change its execution domain",
        "Odd personalities switch address space randomisation off.",
        "LockPersonality=true",
        "LockPersonality=false"
    ),
    directive!(
        "sandbox.memory-deny-write-execute",
        "MemoryDenyWriteExecute",
        Medium,
        &["yes"],
        "the unit has no memory that is both writable and executable",
        "It is what injected code needs; Redis has no use for it.",
        "MemoryDenyWriteExecute=true",
        "MemoryDenyWriteExecute=false"
    ),
    directive!(
        "sandbox.restrict-realtime",
        "RestrictRealtime",
        Low,
        &["yes"],
        "the unit cannot take a processor for itself",
        "Real-time scheduling can lock a host up.",
        "RestrictRealtime=true",
        "RestrictRealtime=false"
    ),
    directive!(
        "sandbox.protect-kernel-logs",
        "ProtectKernelLogs",
        Low,
        &["yes"],
        "the unit cannot read the kernel's log",
        "It holds addresses that an exploit of the kernel needs.",
        "ProtectKernelLogs=true",
        "ProtectKernelLogs=false"
    ),
    directive!(
        "sandbox.protect-clock",
        "ProtectClock",
        Low,
        &["yes"],
        "the unit cannot set the clock",
        "A changed clock expires keys and certificates.",
        "ProtectClock=true",
        "ProtectClock=false"
    ),
    directive!(
        "sandbox.protect-hostname",
        "ProtectHostname",
        Low,
        &["yes", "private"],
        "the unit cannot rename the host",
        "The name is what its logs and its alarms are filed under.",
        "ProtectHostname=true",
        "ProtectHostname=false"
    ),
    directive!(
        "sandbox.protect-proc",
        "ProtectProc",
        Low,
        &["invisible", "ptraceable", "noaccess"],
        "the unit does not see other users' processes",
        "Their command lines name files, hosts and, where somebody was careless, passwords.",
        "ProtectProc=invisible",
        "ProtectProc=default"
    ),
    directive!(
        "sandbox.remove-ipc",
        "RemoveIPC",
        Low,
        &["yes"],
        "shared memory of the unit's user goes with the unit",
        "What is left behind is a place to hide data.",
        "RemoveIPC=true",
        "RemoveIPC=false"
    ),
    directive!(
        "sandbox.native-system-calls",
        "SystemCallArchitectures",
        Medium,
        &["native"],
        "the unit has the native system calls only",
        "A filter for one architecture is passed by the calls of another.",
        "SystemCallArchitectures=native",
        "SystemCallArchitectures=native x86"
    ),
];
