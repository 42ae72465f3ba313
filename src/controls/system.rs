//! The host's own hygiene, as far as it decides what a compromised or failing Redis can do to it. Kernel values of these controls
//! are nobody's to change unasked: a policy that wants them writes them under `[kernel.sysctl]`.

use crate::control::{Control, Severity, Want, Wants, fails, passes};
use crate::facts::Facts;
use crate::policy::Policies;
use crate::rule::Rule;
use crate::setting::Setting;
use crate::value::Value;

/// One kernel value a control; what differs is data.
macro_rules! sysctl {
    ($id:literal, $severity:ident, $key:literal, $path:literal, $rule:expr, $title:literal, $why:literal, $references:expr, $good:literal, $bad:literal) => {
        Control {
            id: $id,
            title: $title,
            severity: Severity::$severity,
            why: $why,
            references: $references,
            by_hand: concat!(
                "sysctl -w ",
                $key,
                "=",
                $good,
                ", and the same in a file of /etc/sysctl.d; or \"",
                $key,
                "\" under [kernel.sysctl] in the policy, and apply"
            ),
            wants: Wants::Host(|p, f| wanted(p, f, $key, $rule)),
            cases: &[
                passes(&[($path, concat!($good, "\n"))]),
                fails(&[($path, concat!($bad, "\n"))]),
            ],
        }
    };
}

pub const CONTROLS: &[Control] = &[
    sysctl!(
        "system.address-randomisation",
        High,
        "kernel.randomize_va_space",
        "/proc/sys/kernel/randomize_va_space",
        Rule::AtLeast(2),
        "addresses are randomised, the heap's too",
        "An overflow in Redis is hard to use while nobody knows where anything is.",
        &["https://docs.kernel.org/admin-guide/sysctl/kernel.html#randomize-va-space"],
        "2",
        "0"
    ),
    sysctl!(
        "system.ptrace",
        Low,
        "kernel.yama.ptrace_scope",
        "/proc/sys/kernel/yama/ptrace_scope",
        Rule::AtLeast(1),
        "a process cannot read the memory of another of its user",
        "The server's memory holds the dataset and every password; a shell of the service user could dump it.",
        &["https://docs.kernel.org/admin-guide/LSM/Yama.html"],
        "1",
        "0"
    ),
    sysctl!(
        "system.core-of-privileged",
        Medium,
        "fs.suid_dumpable",
        "/proc/sys/fs/suid_dumpable",
        Rule::Is(Value::Int(0)),
        "programs that changed their user leave no core file",
        "The supervisor drops root: what it knew must not be left in a file.",
        &[
            "https://docs.kernel.org/admin-guide/sysctl/fs.html#suid-dumpable",
            "core(5)"
        ],
        "0",
        "1"
    ),
    sysctl!(
        "system.protected-links",
        Low,
        "fs.protected_symlinks",
        "/proc/sys/fs/protected_symlinks",
        Rule::AtLeast(1),
        "links in shared directories are not followed for others",
        "Without it a link in /tmp makes a privileged program write where an attacker wants.",
        &["https://docs.kernel.org/admin-guide/sysctl/fs.html#protected-symlinks"],
        "1",
        "0"
    ),
    sysctl!(
        "system.protected-hard-links",
        Low,
        "fs.protected_hardlinks",
        "/proc/sys/fs/protected_hardlinks",
        Rule::AtLeast(1),
        "nobody makes hard links to files that are not theirs",
        "A hard link in the data directory to a file of root's would be given to redis with it.",
        &["https://docs.kernel.org/admin-guide/sysctl/fs.html#protected-hardlinks"],
        "1",
        "0"
    ),
    sysctl!(
        "system.protected-fifos",
        Low,
        "fs.protected_fifos",
        "/proc/sys/fs/protected_fifos",
        Rule::AtLeast(1),
        "FIFOs of others in shared directories are not opened",
        "A FIFO where a file is expected makes a privileged program wait, or talk to an attacker.",
        &["https://docs.kernel.org/admin-guide/sysctl/fs.html#protected-fifos"],
        "1",
        "0"
    ),
    sysctl!(
        "system.panic-on-oom",
        Low,
        "vm.panic_on_oom",
        "/proc/sys/vm/panic_on_oom",
        Rule::Is(Value::Int(0)),
        "running out of memory kills a process, not the machine",
        "A background save that exceeds the memory would take the host down.",
        &["https://docs.kernel.org/admin-guide/sysctl/vm.html#panic-on-oom"],
        "0",
        "1"
    ),
    sysctl!(
        "system.zone-reclaim",
        Low,
        "vm.zone_reclaim_mode",
        "/proc/sys/vm/zone_reclaim_mode",
        Rule::NoneOf(vec![
            Value::Int(1),
            Value::Int(3),
            Value::Int(5),
            Value::Int(7)
        ]),
        "memory of another node is used before the cache is thrown away",
        "On a machine with several memory nodes Redis stalls while its own node is swept, with memory free beside it.",
        &["https://docs.kernel.org/admin-guide/sysctl/vm.html#zone-reclaim-mode"],
        "0",
        "1"
    ),
    sysctl!(
        "system.syn-cookies",
        Low,
        "net.ipv4.tcp_syncookies",
        "/proc/sys/net/ipv4/tcp_syncookies",
        Rule::AtLeast(1),
        "a flood of half-open connections does not lock clients out",
        "Without SYN cookies a full backlog refuses everybody.",
        &[
            "https://docs.kernel.org/networking/ip-sysctl.html",
            "tcp(7)"
        ],
        "1",
        "0"
    ),
    sysctl!(
        "system.map-count",
        Low,
        "vm.max_map_count",
        "/proc/sys/vm/max_map_count",
        Rule::AtLeast(65530),
        "the server can have as many memory mappings as the kernel allows by default",
        "jemalloc splits mappings; at the limit an allocation fails and Redis ends.",
        &["https://docs.kernel.org/admin-guide/sysctl/vm.html#max-map-count"],
        "65530",
        "4096"
    ),
    sysctl!(
        "system.kernel-pointers",
        Low,
        "kernel.kptr_restrict",
        "/proc/sys/kernel/kptr_restrict",
        Rule::AtLeast(1),
        "the kernel's addresses are hidden from ordinary users",
        "They are the first thing that an exploit of the kernel needs.",
        &["https://docs.kernel.org/admin-guide/sysctl/kernel.html#kptr-restrict"],
        "1",
        "0"
    ),
    sysctl!(
        "system.kernel-log",
        Low,
        "kernel.dmesg_restrict",
        "/proc/sys/kernel/dmesg_restrict",
        Rule::AtLeast(1),
        "the kernel's log is root's to read",
        "It holds addresses, and the names of what crashed.",
        &["https://docs.kernel.org/admin-guide/sysctl/kernel.html#dmesg-restrict"],
        "1",
        "0"
    ),
    sysctl!(
        "system.unprivileged-bpf",
        Low,
        "kernel.unprivileged_bpf_disabled",
        "/proc/sys/kernel/unprivileged_bpf_disabled",
        Rule::NoneOf(vec![Value::Int(0)]),
        "ordinary users load no BPF programs",
        "The verifier's bugs are among the most used ways from a service user to root.",
        &["https://docs.kernel.org/admin-guide/sysctl/kernel.html#unprivileged-bpf-disabled"],
        "1",
        "0"
    ),
];

/// What the policy itself says of the key is judged by `kernel.sysctl`, not here.
fn wanted(policies: &Policies, _: &Facts, key: &str, rule: Rule) -> Vec<Want> {
    if policies.kernel().sysctl.contains_key(key) {
        return Vec::new();
    }
    let what = format!(
        "\"{key}\" under [kernel.sysctl] in the policy, and apply; or by a file in /etc/sysctl.d"
    );
    vec![Want::by_hand(Setting::Sysctl(key.into()), rule, what)]
}
