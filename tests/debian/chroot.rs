//! Plain dpkg in a chroot: no systemd, no network, no /proc.

use super::host::booted;
use super::package::{self, said};
use std::process::Command;

#[test]
fn plain_dpkg_in_a_chroot_writes_files_and_starts_nothing() {
    let mut machine = booted();
    let download = "apt-get -qq --print-uris install redis-server nftables | cut -d\\' -f2 | sed 's,^file:,,; s,%2b,+,g; s,%7e,~,g; s,%25,%,g' | xargs -I{} cp {} /root/ \
        && ls /root/redis-server_*.deb";
    machine.sh(download).ok();
    machine.install(&package::built(None), "/root/zz-ours.deb", 0o644);
    machine.power_off();

    let chroot = |script: &str| {
        let mut command = Command::new("chroot");
        command.arg(machine.disk()).args(["sh", "-ec", script]);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        said(&mut command)
    };
    let log = chroot("dpkg -i /root/*.deb 2>&1");
    println!("{log}");
    assert!(log.contains("files only"), "{log}");
    let files = "cd /etc; ls systemd/system/redis-server.service.d/50-redis-harden.conf sysctl.d/99-zz-redis-harden.conf";
    chroot(files);
    let program = chroot(
        "sed -n 's/^ExecStart=\\(.\\)/\\1/p' /etc/systemd/system/redis-server.service.d/50-redis-harden.conf",
    );
    assert_eq!(program, "/usr/sbin/redis-harden supervise default");
    chroot("test ! -e /usr/local/sbin/redis-harden");
    // A password that clones would share is not made here.
    assert_eq!(chroot("ls /etc/redis-harden/secrets"), "");
    chroot("dpkg --purge redis-harden 2>&1");
    let left = chroot(
        "ls -d /etc/redis-harden /etc/systemd/system/redis-* /etc/sysctl.d/*redis* /var/lib/redis-harden 2>/dev/null || true",
    );
    assert_eq!(left, "");
}
