//! Running what is not the server, and what reaches for other processes.

use super::Real::Service;
use super::*;

pub const ALL: &[Attempt] = &[
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
];
