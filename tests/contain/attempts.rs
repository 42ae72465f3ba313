//! What a Redis that an attacker controls would try next: each attempt, whose right it would need outside, and what refuses it inside.

use super::hostile::{Target, call, run_program};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc::*;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, UnixAddr, bind, connect, socket,
};
use nix::sys::stat::Mode;
use nix::unistd::Pid;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};

type Tried = Result<(), Errno>;

/// One attempt.
pub struct Attempt {
    pub name: &'static str,
    /// Who gets through with it unconfined.
    pub real: Real,
    /// What refuses it, as `status` calls it.
    pub layer: &'static str,
    /// How that looks.
    pub outcome: &'static str,
    /// How it looks where the mount namespace, which only root can make, stands before that.
    pub with_mounts: &'static str,
    pub act: fn(&Target) -> Tried,
}

/// As whom an attempt succeeds, or at least reaches what it attacks, without the sandbox.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Real {
    Service,
    Root,
}
use Real::{Root, Service};

const fn of(
    name: &'static str,
    real: Real,
    layer: &'static str,
    outcome: &'static str,
    act: fn(&Target) -> Tried,
) -> Attempt {
    Attempt {
        name,
        real,
        layer,
        outcome,
        with_mounts: outcome,
        act,
    }
}

impl Attempt {
    /// Refused by the mounts already.
    const fn mounted(self, with_mounts: &'static str) -> Attempt {
        Attempt {
            with_mounts,
            ..self
        }
    }
}

/// All of them. Two layers often stand behind each other; the one named is the first that is asked.
pub const ATTEMPTS: &[Attempt] = &[
    // Files.
    of("read the users", Service, "files", "EACCES", |_| {
        read(c"/etc/passwd")
    }),
    of(
        "read the password hashes",
        Root,
        "identity",
        "EACCES",
        |_| read(c"/etc/shadow"),
    ),
    of("read the agent's secret", Root, "identity", "EACCES", |t| {
        read(&t.path("etc/agent"))
    }),
    of("read somebody's file", Service, "files", "EACCES", |t| {
        read(&t.path("outside/file"))
    }),
    of(
        "list the root directory",
        Service,
        "files",
        "EACCES",
        |_| read(c"/"),
    ),
    of("write a cron job", Root, "identity", "EACCES", |_| {
        write(c"/etc/cron.d/hostile")
    })
    .mounted("EROFS"),
    of("write root's ssh keys", Root, "identity", "EACCES", |_| {
        write(c"/root/hostile")
    }),
    of(
        "preload a library into all",
        Root,
        "identity",
        "EACCES",
        |_| write(c"/etc/ld.so.preload"),
    )
    .mounted("EROFS"),
    of(
        "write where everybody may",
        Service,
        "files",
        "EACCES",
        |t| write(&t.path("outside/new")),
    )
    .mounted("EROFS"),
    of(
        "write its own configuration",
        Service,
        "files",
        "EACCES",
        |t| write(&t.path("etc/test.conf")),
    )
    .mounted("EROFS"),
    of(
        "forge the supervisor's state",
        Service,
        "files",
        "EACCES",
        |t| write(&t.path("run/state/state.json")),
    )
    .mounted("EROFS"),
    of("remove somebody's file", Service, "files", "EACCES", |t| {
        raw(SYS_unlink, &[at(&t.path("outside/victim"))])
    })
    .mounted("EROFS"),
    of(
        "make a directory outside",
        Service,
        "files",
        "EACCES",
        |t| raw(SYS_mkdir, &[at(&t.path("outside/dir")), 0o700]),
    )
    .mounted("EROFS"),
    of("move its data outside", Service, "files", "EACCES", |t| {
        raw(
            SYS_rename,
            &[at(&t.path("data/planted")), at(&t.path("outside/moved"))],
        )
    })
    .mounted("EXDEV"),
    of(
        "cut its configuration short",
        Service,
        "system-calls",
        "EPERM",
        |t| raw(SYS_truncate, &[at(&t.path("etc/empty.conf")), 0]),
    ),
    of(
        "link to somebody's file",
        Service,
        "system-calls",
        "EPERM",
        |t| raw(SYS_symlink, &[at(c"/etc/passwd"), at(&t.path("data/link"))]),
    ),
    of(
        "make a pipe in the data",
        Service,
        "system-calls",
        "EPERM",
        |t| {
            raw(
                SYS_mknod,
                &[at(&t.path("data/pipe")), S_IFIFO as usize | 0o600],
            )
        },
    ),
    of(
        "read another process's environment",
        Service,
        "files",
        "EACCES",
        |t| read(&t.proc("environ")),
    ),
    of(
        "leave by another process's root",
        Service,
        "files",
        "EACCES",
        |t| read(&t.proc("root/etc/passwd")),
    ),
    of(
        "read another process's memory",
        Service,
        "files",
        "EACCES",
        |t| read(&t.proc("mem")),
    ),
    of(
        "have the kernel run a program at a crash",
        Root,
        "identity",
        "EACCES",
        |_| {
            let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
            open(c"/proc/sys/kernel/core_pattern", flags, Mode::empty()).map(drop)
        },
    ),
    // Programs.
    of("run a shell", Service, "files", "EACCES", |_| {
        run_program("/bin/sh", &["sh", "-c", "true"])
    }),
    of(
        "run a program from the data",
        Service,
        "files",
        "EACCES",
        |t| run_program(&format!("{}/data/planted", t.dir), &["planted"]),
    ),
    of(
        "run a program by the loader",
        Service,
        "files",
        "EACCES",
        |_| run_program("/lib64/ld-linux-x86-64.so.2", &["ld.so", "/bin/true"]),
    ),
    of(
        "run a program from memory",
        Service,
        "system-calls",
        "EPERM",
        |_| raw(SYS_memfd_create, &[at(c"x"), 0]),
    ),
    of(
        "run by descriptor",
        Service,
        "system-calls",
        "EPERM",
        |_| raw(SYS_execveat, &[usize::MAX, at(c""), 0, 0, 0]),
    ),
    of(
        "map memory to write and run",
        Service,
        "system-calls",
        "EPERM",
        |_| map(PROT_READ | PROT_WRITE | PROT_EXEC).map(drop),
    ),
    of(
        "make written memory run",
        Service,
        "system-calls",
        "EPERM",
        |_| {
            let memory = map(PROT_READ | PROT_WRITE)?;
            raw(
                SYS_mprotect,
                &[memory, 4096, (PROT_READ | PROT_EXEC) as usize],
            )
        },
    ),
    of("map a planted library", Service, "mounts", "done", |t| {
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let library = open(t.path("data/planted").as_c_str(), flags, Mode::empty())?;
        let (how, file) = (PROT_READ | PROT_EXEC, library.as_raw_fd());
        raw(
            SYS_mmap,
            &[
                0,
                4096,
                how as usize,
                MAP_PRIVATE as usize,
                file as usize,
                0,
            ],
        )
    })
    .mounted("EPERM"),
    // Processes.
    of("signal another process", Service, "signals", "EPERM", |t| {
        kill(Pid::from_raw(t.victim), Signal::SIGCONT)
    }),
    of("kill the supervisor", Service, "signals", "EPERM", |_| {
        // What stands outside is the parent's parent: the attempt has a process of its own.
        kill(outer(), None)
    }),
    of(
        "signal by descriptor",
        Service,
        "system-calls",
        "EPERM",
        |t| raw(SYS_pidfd_open, &[t.victim as usize, 0]),
    ),
    of(
        "trace another process",
        Service,
        "system-calls",
        "SIGSYS",
        |_| raw(SYS_ptrace, &[PTRACE_TRACEME as usize]),
    ),
    of(
        "read memory across processes",
        Service,
        "system-calls",
        "SIGSYS",
        |t| raw(SYS_process_vm_readv, &[t.victim as usize, 0, 0, 0, 0, 0]),
    ),
    of(
        "write memory across processes",
        Service,
        "system-calls",
        "SIGSYS",
        |t| raw(SYS_process_vm_writev, &[t.victim as usize, 0, 0, 0, 0, 0]),
    ),
    of(
        "take a descriptor of another process",
        Service,
        "system-calls",
        "SIGSYS",
        |_| raw(SYS_pidfd_getfd, &[usize::MAX, 0, 0]),
    ),
    // Network.
    of("connect out", Service, "network", "EACCES", |t| {
        let opened = tcp()?;
        connect(opened.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, t.port))
    }),
    of(
        "listen on another port",
        Service,
        "network",
        "EACCES",
        |_| {
            let opened = tcp()?;
            bind(opened.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0))
        },
    ),
    of(
        "speak to an abstract socket",
        Service,
        "signals",
        "EPERM",
        |t| {
            let opened = made(AddressFamily::Unix, SockType::Stream)?;
            connect(
                opened.as_raw_fd(),
                &UnixAddr::new_abstract(t.dir.as_bytes())?,
            )
        },
    ),
    of("open a raw socket", Root, "system-calls", "EPERM", |_| {
        socket_of(AF_INET, SOCK_RAW, IPPROTO_ICMP)
    }),
    of(
        "open a packet socket",
        Root,
        "system-calls",
        "EPERM",
        |_| socket_of(AF_PACKET, SOCK_RAW, 0),
    ),
    of(
        "open a netlink socket",
        Service,
        "system-calls",
        "EPERM",
        |_| socket_of(AF_NETLINK, SOCK_RAW, 0),
    ),
    // The kernel.
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
    // Rights.
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

fn at(text: &CStr) -> usize {
    text.as_ptr() as usize
}

fn raw(number: c_long, args: &[usize]) -> Tried {
    call(number, args).map(drop)
}

fn read(path: &CStr) -> Tried {
    open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).map(drop)
}

fn write(path: &CStr) -> Tried {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_CLOEXEC;
    open(path, flags, Mode::from_bits_truncate(0o600)).map(drop)
}

fn map(protection: c_int) -> Result<usize, Errno> {
    let flags = (MAP_PRIVATE | MAP_ANONYMOUS) as usize;
    let mapped = call(
        SYS_mmap,
        &[0, 4096, protection as usize, flags, usize::MAX, 0],
    )?;
    Ok(usize::try_from(mapped).unwrap())
}

fn made(family: AddressFamily, kind: SockType) -> Result<OwnedFd, Errno> {
    socket(family, kind, SockFlag::SOCK_CLOEXEC, None)
}

fn tcp() -> Result<OwnedFd, Errno> {
    made(AddressFamily::Inet, SockType::Stream)
}

fn socket_of(family: c_int, kind: c_int, protocol: c_int) -> Tried {
    raw(
        SYS_socket,
        &[family as usize, kind as usize, protocol as usize],
    )
}

/// The child of a raw clone ends at once.
fn cloned(number: c_long, args: &[usize]) -> Tried {
    match call(number, args)? {
        0 => {
            let _ = call(SYS_exit_group, &[0]);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The process that started the hostile program.
fn outer() -> Pid {
    let status = std::fs::read_to_string(format!("/proc/{}/status", nix::unistd::getppid()));
    let status = status.unwrap_or_default();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    Pid::from_raw(parent.and_then(|pid| pid.trim().parse().ok()).unwrap_or(1))
}
