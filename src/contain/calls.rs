//! The system calls by name and number: what a server needs, what no server may even try.
//! Measured by strace over standalone with io-threads, AOF, RDB, Lua and functions, replication, TLS, cluster, Sentinel, MIGRATE and a crash.

use nix::libc;

/// A call's name and number.
pub type Call = (&'static str, libc::c_long);

/// What Redis 7.0 makes, and its C library for it. `chmod` is `unixsocketperm`, `sendmmsg` and `recvmsg` are the look-up of a name.
pub const REDIS_7: &[Call] = &[
    ("accept4", libc::SYS_accept4),
    ("bind", libc::SYS_bind),
    ("brk", libc::SYS_brk),
    ("chdir", libc::SYS_chdir),
    ("clock_getres", libc::SYS_clock_getres),
    ("clock_gettime", libc::SYS_clock_gettime),
    ("clock_nanosleep", libc::SYS_clock_nanosleep),
    ("clone", libc::SYS_clone),
    ("clone3", libc::SYS_clone3),
    ("close", libc::SYS_close),
    ("connect", libc::SYS_connect),
    ("epoll_create1", libc::SYS_epoll_create1),
    ("epoll_ctl", libc::SYS_epoll_ctl),
    ("execve", libc::SYS_execve),
    ("exit", libc::SYS_exit),
    ("exit_group", libc::SYS_exit_group),
    ("fchmod", libc::SYS_fchmod),
    ("fcntl", libc::SYS_fcntl),
    ("fdatasync", libc::SYS_fdatasync),
    ("flock", libc::SYS_flock),
    ("fstatfs", libc::SYS_fstatfs),
    ("fsync", libc::SYS_fsync),
    ("ftruncate", libc::SYS_ftruncate),
    // An append-only file whose end a power loss has cut: only a load makes it.
    ("truncate", libc::SYS_truncate),
    ("futex", libc::SYS_futex),
    ("getcwd", libc::SYS_getcwd),
    ("getdents64", libc::SYS_getdents64),
    ("getegid", libc::SYS_getegid),
    ("geteuid", libc::SYS_geteuid),
    ("getgid", libc::SYS_getgid),
    ("getpeername", libc::SYS_getpeername),
    ("getpid", libc::SYS_getpid),
    ("getrandom", libc::SYS_getrandom),
    ("getresgid", libc::SYS_getresgid),
    ("getresuid", libc::SYS_getresuid),
    ("getrusage", libc::SYS_getrusage),
    ("getsockname", libc::SYS_getsockname),
    ("getsockopt", libc::SYS_getsockopt),
    ("gettid", libc::SYS_gettid),
    ("gettimeofday", libc::SYS_gettimeofday),
    ("getuid", libc::SYS_getuid),
    ("ioctl", libc::SYS_ioctl),
    ("kill", libc::SYS_kill),
    ("listen", libc::SYS_listen),
    ("lseek", libc::SYS_lseek),
    ("madvise", libc::SYS_madvise),
    ("mmap", libc::SYS_mmap),
    ("mprotect", libc::SYS_mprotect),
    ("mremap", libc::SYS_mremap),
    ("munmap", libc::SYS_munmap),
    ("newfstatat", libc::SYS_newfstatat),
    ("openat", libc::SYS_openat),
    ("pipe2", libc::SYS_pipe2),
    ("prctl", libc::SYS_prctl),
    ("pread64", libc::SYS_pread64),
    ("prlimit64", libc::SYS_prlimit64),
    ("read", libc::SYS_read),
    ("recvfrom", libc::SYS_recvfrom),
    ("recvmsg", libc::SYS_recvmsg),
    ("restart_syscall", libc::SYS_restart_syscall),
    ("rseq", libc::SYS_rseq),
    ("rt_sigaction", libc::SYS_rt_sigaction),
    ("rt_sigprocmask", libc::SYS_rt_sigprocmask),
    ("rt_sigreturn", libc::SYS_rt_sigreturn),
    ("sched_getaffinity", libc::SYS_sched_getaffinity),
    ("sendmmsg", libc::SYS_sendmmsg),
    ("sendmsg", libc::SYS_sendmsg),
    ("sendto", libc::SYS_sendto),
    ("set_robust_list", libc::SYS_set_robust_list),
    ("set_tid_address", libc::SYS_set_tid_address),
    ("setitimer", libc::SYS_setitimer),
    ("setsockopt", libc::SYS_setsockopt),
    ("socket", libc::SYS_socket),
    ("sync_file_range", libc::SYS_sync_file_range),
    ("sysinfo", libc::SYS_sysinfo),
    ("tgkill", libc::SYS_tgkill),
    ("umask", libc::SYS_umask),
    ("uname", libc::SYS_uname),
    ("wait4", libc::SYS_wait4),
    ("write", libc::SYS_write),
    ("writev", libc::SYS_writev),
];

/// The same, by the calls that only older architectures have.
#[cfg(target_arch = "x86_64")]
pub const OF_ARCHITECTURE: &[Call] = &[
    ("access", libc::SYS_access),
    ("arch_prctl", libc::SYS_arch_prctl),
    ("chmod", libc::SYS_chmod),
    ("epoll_create", libc::SYS_epoll_create),
    ("epoll_wait", libc::SYS_epoll_wait),
    ("mkdir", libc::SYS_mkdir),
    ("open", libc::SYS_open),
    ("poll", libc::SYS_poll),
    ("readlink", libc::SYS_readlink),
    ("rename", libc::SYS_rename),
    ("time", libc::SYS_time),
    ("unlink", libc::SYS_unlink),
];

/// The same, by the calls that newer architectures have instead.
#[cfg(not(target_arch = "x86_64"))]
pub const OF_ARCHITECTURE: &[Call] = &[
    ("epoll_pwait", libc::SYS_epoll_pwait),
    ("faccessat", libc::SYS_faccessat),
    ("fchmodat", libc::SYS_fchmodat),
    ("mkdirat", libc::SYS_mkdirat),
    ("ppoll", libc::SYS_ppoll),
    ("readlinkat", libc::SYS_readlinkat),
    ("renameat", libc::SYS_renameat),
    ("unlinkat", libc::SYS_unlinkat),
];

/// What Redis 8.0 and Valkey 8.1 make besides. Of every version: Redis 7.0 makes `fstat` too where the C library is a newer one, so
/// that a list by the server's version alone would break it; and none of these is of use to an attacker.
pub const NEWER: &[Call] = &[
    ("eventfd2", libc::SYS_eventfd2),
    ("fadvise64", libc::SYS_fadvise64),
    ("fstat", libc::SYS_fstat),
    ("pselect6", libc::SYS_pselect6),
    ("shutdown", libc::SYS_shutdown),
];

/// What `server-cpulist` and its like make.
pub const CPU_LISTS: &[Call] = &[("sched_setaffinity", libc::SYS_sched_setaffinity)];

/// What no server ever makes, and an attacker of the kernel would: whoever tries is ended.
pub const DEADLY: &[Call] = &[
    ("add_key", libc::SYS_add_key),
    ("bpf", libc::SYS_bpf),
    ("delete_module", libc::SYS_delete_module),
    ("finit_module", libc::SYS_finit_module),
    ("fsconfig", libc::SYS_fsconfig),
    ("fsmount", libc::SYS_fsmount),
    ("fsopen", libc::SYS_fsopen),
    ("fspick", libc::SYS_fspick),
    ("init_module", libc::SYS_init_module),
    ("io_uring_enter", libc::SYS_io_uring_enter),
    ("io_uring_register", libc::SYS_io_uring_register),
    ("io_uring_setup", libc::SYS_io_uring_setup),
    ("kexec_file_load", libc::SYS_kexec_file_load),
    ("kexec_load", libc::SYS_kexec_load),
    ("keyctl", libc::SYS_keyctl),
    ("mount", libc::SYS_mount),
    ("mount_setattr", libc::SYS_mount_setattr),
    ("move_mount", libc::SYS_move_mount),
    ("name_to_handle_at", libc::SYS_name_to_handle_at),
    ("open_by_handle_at", libc::SYS_open_by_handle_at),
    ("open_tree", libc::SYS_open_tree),
    ("perf_event_open", libc::SYS_perf_event_open),
    ("pidfd_getfd", libc::SYS_pidfd_getfd),
    ("pivot_root", libc::SYS_pivot_root),
    ("process_vm_readv", libc::SYS_process_vm_readv),
    ("process_vm_writev", libc::SYS_process_vm_writev),
    ("ptrace", libc::SYS_ptrace),
    ("reboot", libc::SYS_reboot),
    ("request_key", libc::SYS_request_key),
    ("setns", libc::SYS_setns),
    ("swapoff", libc::SYS_swapoff),
    ("swapon", libc::SYS_swapon),
    ("umount2", libc::SYS_umount2),
    ("unshare", libc::SYS_unshare),
    ("userfaultfd", libc::SYS_userfaultfd),
];

/// The same, of the architecture's own.
#[cfg(target_arch = "x86_64")]
pub const DEADLY_OF_ARCHITECTURE: &[Call] =
    &[("ioperm", libc::SYS_ioperm), ("iopl", libc::SYS_iopl)];

/// The same, of the architecture's own.
#[cfg(not(target_arch = "x86_64"))]
pub const DEADLY_OF_ARCHITECTURE: &[Call] = &[];

/// The name of a call that ends whoever makes it.
pub fn name(number: libc::c_long) -> Option<&'static str> {
    let mut deadly = DEADLY.iter().chain(DEADLY_OF_ARCHITECTURE);
    deadly.find(|(_, n)| *n == number).map(|(name, _)| *name)
}
