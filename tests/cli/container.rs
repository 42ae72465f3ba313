//! In a container without rights: the verdict is the same, the remedy is the owner's of the machine, with the words to type.
//!
//! The container is this machine's root in namespaces of its own with read-only kernel files, and without the rights that Docker takes.
//! Only `check` runs in it.

use super::harness::{Ran, binary, clean, scratch};
use std::fs;
use std::process::Command;

const AS_DOCKER_DOES: &str = "mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys && \
    exec setpriv --bounding-set=-net_admin,-sys_admin,-sys_resource \"$@\"";

fn check(policy: &str, only: &str) -> Ran {
    let dir = scratch();
    let path = dir.path().join("policy.toml");
    fs::write(&path, policy).expect("our own directory");
    let mut unshare = Command::new("unshare");
    unshare.args([
        "--pid",
        "--net",
        "--mount",
        "--ipc",
        "--fork",
        "--mount-proc",
    ]);
    unshare.args(["sh", "-c", AS_DOCKER_DOES, "container"]);
    unshare.arg(binary());
    let policy = path.to_str().expect("UTF-8");
    let args = ["check", "--policy", policy, "--only", only];
    Ran::of(&mut clean(unshare, &args))
}

#[test]
fn a_sysctl_of_the_container_is_set_where_it_is_started() {
    let ran = check("[kernel]\nsomaxconn = 65000\n", "kernel.somaxconn");
    ran.exits(1);
    assert!(
        ran.out
            .contains("/proc/sys/net/core/somaxconn is mounted read-only here")
            && ran.out.contains("on the machine that runs this host: ")
            && ran.out.contains("net.core.somaxconn=65000"),
        "{ran}"
    );
}

#[test]
fn too_few_open_files_name_the_option_that_grants_more() {
    let ran = check("[redis]\nmaxclients = 900000\n", "limits.nofile-reachable");
    ran.exits(1);
    assert!(
        ran.out.contains("900032")
            && ran
                .out
                .contains("raise the hard limit where this machine or container is started"),
        "{ran}"
    );
}

#[test]
fn a_packet_filter_that_cannot_be_read_names_the_right_that_is_missing() {
    let ran = check("", "network.firewall,kernel.swappiness");
    ran.exits(2);
    assert!(
        ran.out
            .contains("this root has no CAP_NET_ADMIN: --cap-add NET_ADMIN"),
        "{ran}"
    );
    assert!(!ran.out.contains("run as root?"), "it is root\n{ran}");
}
