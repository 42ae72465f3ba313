//! Calls that attack the kernel or the host, and rights to do so.

use super::Real::{Root, Service};
use super::*;

pub const ALL: &[Attempt] = &[
    of("load a module", Root, "system-calls", "SIGSYS", |_| {
        raw(SYS_init_module, &[0, 0, 0])
    }),
    of(
        "load a module from a file",
        Root,
        "system-calls",
        "SIGSYS",
        |_| raw(SYS_finit_module, &[usize::MAX, 0, 0]),
    ),
    of("mount", Root, "system-calls", "SIGSYS", |t| {
        raw(
            SYS_mount,
            &[
                at(c"none"),
                at(&t.path("outside/mounted")),
                at(c"tmpfs"),
                0,
                0,
            ],
        )
    }),
    of("unmount", Root, "system-calls", "SIGSYS", |t| {
        raw(SYS_umount2, &[at(&t.path("outside/file")), 0])
    }),
    of("change the root", Root, "system-calls", "EPERM", |_| {
        raw(SYS_chroot, &[at(c"/")])
    }),
    of("use a key ring", Service, "system-calls", "SIGSYS", |_| {
        raw(
            SYS_keyctl,
            &[
                KEYCTL_GET_KEYRING_ID as usize,
                KEY_SPEC_SESSION_KEYRING as usize,
                0,
            ],
        )
    }),
    of("keep a key", Service, "system-calls", "SIGSYS", |_| {
        raw(
            SYS_add_key,
            &[
                at(c"user"),
                at(c"hostile"),
                at(c"x"),
                1,
                KEY_SPEC_PROCESS_KEYRING as usize,
            ],
        )
    }),
    of(
        "load a program into the kernel",
        Root,
        "system-calls",
        "SIGSYS",
        |_| raw(SYS_bpf, &[9999, 0, 0]),
    ),
    of(
        "make a ring of requests",
        Service,
        "system-calls",
        "SIGSYS",
        |_| raw(SYS_io_uring_setup, &[0, 0]),
    ),
    of(
        "watch the processor",
        Root,
        "system-calls",
        "SIGSYS",
        |_| raw(SYS_perf_event_open, &[0, 0, 0, 0, 0]),
    ),
    of("handle page faults", Root, "system-calls", "SIGSYS", |_| {
        raw(SYS_userfaultfd, &[0])
    }),
    of(
        "enter a namespace",
        Service,
        "system-calls",
        "SIGSYS",
        |_| raw(SYS_setns, &[usize::MAX, 0]),
    ),
    of("make a namespace", Root, "system-calls", "SIGSYS", |_| {
        raw(SYS_unshare, &[CLONE_NEWNS as usize])
    }),
    of(
        "make a namespace by clone",
        Root,
        "system-calls",
        "EPERM",
        |_| cloned(SYS_clone, &[(CLONE_NEWPID | SIGCHLD) as usize, 0, 0, 0, 0]),
    ),
    of(
        "make a namespace by clone3",
        Service,
        "system-calls",
        "ENOSYS",
        |_| raw(SYS_clone3, &[0, 0]),
    ),
    of(
        "load another kernel",
        Root,
        "system-calls",
        "SIGSYS",
        |_| raw(SYS_kexec_load, &[0, 0, 0, usize::MAX >> 1]),
    ),
    of("reboot", Root, "system-calls", "SIGSYS", |_| {
        raw(SYS_reboot, &[0, 0, 0, 0])
    }),
    of("swap to a file", Root, "system-calls", "SIGSYS", |_| {
        raw(SYS_swapon, &[at(c"/nowhere"), 0])
    }),
    of("open by handle", Root, "system-calls", "SIGSYS", |_| {
        raw(SYS_open_by_handle_at, &[usize::MAX, 0, 0])
    }),
    of(
        "reach the ports of the machine",
        Root,
        "system-calls",
        "SIGSYS",
        |_| raw(SYS_iopl, &[0]),
    ),
    of("set the clock", Root, "system-calls", "EPERM", |_| {
        raw(SYS_clock_settime, &[CLOCK_MONOTONIC as usize, 0])
    }),
    of(
        "change the execution domain",
        Service,
        "system-calls",
        "EPERM",
        |_| raw(SYS_personality, &[0xffff_ffff]),
    ),
    of(
        "type into the terminal",
        Service,
        "system-calls",
        "EPERM",
        |_| raw(SYS_ioctl, &[0, TIOCSTI as usize, 0]),
    ),
    of("raise a limit", Root, "capabilities", "EPERM", |_| {
        let low = 1024;
        setrlimit(Resource::RLIMIT_SIGPENDING, low, low)?;
        setrlimit(Resource::RLIMIT_SIGPENDING, low, low + 1)
    }),
    of(
        "keep capabilities as another user",
        Root,
        "capabilities",
        "EPERM",
        |_| raw(SYS_prctl, &[PR_SET_SECUREBITS as usize, 0, 0, 0, 0]),
    ),
    of("set capabilities", Root, "system-calls", "EPERM", |_| {
        raw(SYS_capset, &[0, 0])
    }),
    of("become root", Root, "system-calls", "EPERM", |_| {
        raw(SYS_setresuid, &[0, 0, 0])
    }),
    of("join a group", Root, "system-calls", "EPERM", |_| {
        raw(SYS_setgroups, &[0, 0])
    }),
    of(
        "take a processor for itself",
        Root,
        "system-calls",
        "EPERM",
        |_| raw(SYS_sched_setscheduler, &[0, SCHED_FIFO as usize, 0]),
    ),
    of(
        "go before all others",
        Root,
        "system-calls",
        "EPERM",
        |_| raw(SYS_setpriority, &[PRIO_PROCESS as usize, 0, usize::MAX]),
    ),
];
