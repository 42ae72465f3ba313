//! Tests of `unit`.
#![expect(clippy::disallowed_methods, reason = "a test builds its own root")]

use super::*;

#[test]
fn an_instance_has_a_template() {
    assert_eq!(
        template_of("redis-server@b.service").as_deref(),
        Some("redis-server@.service")
    );
    assert_eq!(template_of("redis-server.service"), None);
}

#[test]
fn drop_ins_are_looked_for_under_shortened_names() {
    assert_eq!(
        drop_in_names("a-b@c.service"),
        [
            "a-b@c.service",
            "a-b@.service",
            "a-@c.service",
            "a-@.service"
        ]
    );
    assert_eq!(
        drop_in_names("redis-server.service"),
        ["redis-server.service", "redis-.service"]
    );
}

/// A fake host with these files; a text that begins with `->` is a link.
fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        match text.strip_prefix("-> ") {
            Some(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            None => std::fs::write(path, text).unwrap(),
        }
    }
    let host = Host::at(root.path(), crate::host::Reach::Running).unwrap();
    (root, host)
}

const STOCK: (&str, &str) = (
    "/usr/lib/systemd/system/redis-server.service",
    "[Service]\nUser=redis\nNoNewPrivileges=yes\n",
);
const STOCK_TEMPLATE: (&str, &str) = (
    "/usr/lib/systemd/system/redis-server@.service",
    "[Service]\nUser=redis\n",
);

fn user(files: &[(&str, &str)], unit: &str) -> String {
    let (_root, host) = host(files);
    let sources = sources(&host, unit).unwrap();
    let texts = sources.iter().map(|(_, text)| text.as_str());
    let value = directive::merged(texts, "User");
    value.unwrap().to_string()
}

#[test]
fn every_drop_in_that_systemd_reads_is_read() {
    let root = "[Service]\nUser=root\n";
    for drop_in in [
        "/etc/systemd/system/redis-server.service.d/x.conf",
        "/run/systemd/system/redis-.service.d/x.conf",
        "/etc/systemd/system/service.d/x.conf",
        "/usr/lib/systemd/system/service.d/x.conf",
        "/etc/systemd/system/redis.service.d/x.conf",
    ] {
        let alias = (
            "/etc/systemd/system/redis.service",
            "-> /usr/lib/systemd/system/redis-server.service",
        );
        let files = [STOCK, alias, (drop_in, root)];
        assert_eq!(user(&files, "redis-server.service"), "root", "{drop_in}");
    }
    for drop_in in [
        "/etc/systemd/system/redis-server@b.service.d/x.conf",
        "/etc/systemd/system/redis-server@.service.d/x.conf",
        "/etc/systemd/system/redis-@.service.d/x.conf",
        "/etc/systemd/system/redis-@b.service.d/x.conf",
        "/etc/systemd/system/redis@.service.d/x.conf",
        "/etc/systemd/system/redis@b.service.d/x.conf",
    ] {
        let alias = (
            "/etc/systemd/system/redis@.service",
            "-> /usr/lib/systemd/system/redis-server@.service",
        );
        let files = [STOCK_TEMPLATE, alias, (drop_in, root)];
        assert_eq!(user(&files, "redis-server@b.service"), "root", "{drop_in}");
    }
    let other = ("/etc/systemd/system/redis.service.d/x.conf", root);
    assert_eq!(user(&[STOCK, other], "redis-server.service"), "redis");
}

#[test]
fn of_two_drop_ins_of_one_name_the_units_own_counts() {
    let all = (
        "/etc/systemd/system/service.d/x.conf",
        "[Service]\nUser=a\n",
    );
    let own = (
        "/usr/lib/systemd/system/redis-server.service.d/x.conf",
        "[Service]\nUser=b\n",
    );
    assert_eq!(user(&[STOCK, all, own], "redis-server.service"), "b");
    let away = (
        "/etc/systemd/system/redis-server.service.d/x.conf",
        "-> /dev/null",
    );
    assert_eq!(user(&[STOCK, own, away], "redis-server.service"), "redis");
}

#[test]
fn a_masked_unit_is_seen() {
    let mask = ("/etc/systemd/system/redis-server.service", "-> /dev/null");
    for (files, masked) in [(vec![STOCK], false), (vec![STOCK, mask], true)] {
        let (_root, host) = host(&files);
        let path = mask_of(&host, "redis-server.service").unwrap();
        assert_eq!(path.is_some(), masked);
    }
}
