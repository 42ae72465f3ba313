//! Reading, writing and removing what is not its own.

use super::Real::{Root, Service};
use super::*;

pub const ALL: &[Attempt] = &[
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
        "files",
        "EACCES",
        |t| raw(SYS_truncate, &[at(&t.path("etc/empty.conf")), 0]),
    )
    .mounted("EROFS"),
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
];
