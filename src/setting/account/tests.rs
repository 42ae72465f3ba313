//! Accounts of made-up files, and of this machine against its name service.

use super::creation::NOLOGIN;
use super::*;
use crate::host::Reach;

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/bash
redis:x:105:107::/var/lib/redis:/usr/sbin/nologin
open::1001:1001::/home/open:/bin/sh
old:$1$abc:1002:1001::/home/old:/bin/sh
+::::::
short:x:1
";
const GROUP: &str =
    "root:x:0:\nredis:x:107:redis\nadm:x:4:syslog,redis\nssl-cert:x:108:redis\nempty:x:9:\n";

fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
    let root = tempfile::tempdir().expect("a directory");
    let host = Host::at(root.path(), Reach::Running).expect("a host");
    let stat = host.stat(Path::new("/")).expect("seen").expect("there");
    host.make_dir(Path::new("/etc"), 0o755, stat.uid, stat.gid)
        .expect("made");
    for (path, text) in files {
        host.write_file(Path::new(path), text.as_bytes(), 0o644, stat.uid, stat.gid)
            .expect("written");
    }
    (root, host)
}

#[test]
fn names_and_ids_are_found_both_ways() {
    let (_root, host) = host(&[("/etc/passwd", PASSWD), ("/etc/group", GROUP)]);
    let accounts = Accounts::read(&host).expect("read");
    assert_eq!(accounts.uid("redis"), Some(105));
    assert_eq!(accounts.gid("redis"), Some(107));
    assert_eq!(accounts.user_name(105), Some("redis"));
    assert_eq!(accounts.group_name(4), Some("adm"));
    assert_eq!(
        (accounts.uid("nobody"), accounts.user_name(7)),
        (None, None),
        "another root's names are not this machine's"
    );
    let redis = accounts.user("redis").expect("read").expect("there");
    assert_eq!(redis.home, Path::new("/var/lib/redis"));
    assert_eq!(redis.shell, Path::new(NOLOGIN));
    assert!(redis.is_system());
    assert_eq!(accounts.groups_of(&redis), ["adm", "ssl-cert"]);
}

#[test]
fn a_tree_without_account_files_has_no_accounts() {
    let (_root, host) = host(&[]);
    let accounts = Accounts::read(&host).expect("read");
    assert_eq!((accounts.uid("root"), accounts.gid("root")), (None, None));
}

#[test]
fn passwords_are_judged_by_the_shadow_file_or_the_field_itself() {
    let shadow = "root:$y$j9T$x:19000::::::\nredis:!:19000::::::\n";
    let (_root, host) = host(&[("/etc/passwd", PASSWD), ("/etc/shadow", shadow)]);
    let accounts = Accounts::read(&host).expect("read");
    let table = [
        ("root", Some(Password::Set)),
        ("redis", Some(Password::Locked)),
        ("open", Some(Password::Empty)),
        ("old", Some(Password::Set)),
        ("nobody", None),
    ];
    for (name, expected) in table {
        assert_eq!(accounts.password(&host, name), Ok(expected), "{name}");
    }
}

#[test]
fn the_live_accounts_are_what_the_name_service_says() {
    let host = Host::live().expect("the root opens");
    let accounts = Accounts::read(&host).expect("read");
    for user in &accounts.users {
        let theirs = user_of_name_service(&user.name)
            .expect("it answers")
            .expect("there");
        assert_eq!(
            (theirs.uid, &theirs.home, &theirs.shell),
            (user.uid, &user.home, &user.shell)
        );
    }
}

#[test]
fn the_first_free_ids_are_taken() {
    let accounts = |passwd: &str, group: &str| Accounts {
        users: parse_users(passwd),
        groups: parse_groups(group),
        live: false,
    };
    assert_eq!(accounts("", "").free_system_ids(), Some((100, 100)));
    assert_eq!(
        accounts("a:x:100:1::/:/\n", "b:x:101:\n").free_system_ids(),
        Some((101, 100))
    );
}
