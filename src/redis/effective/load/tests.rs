//! Tests of `load`: where a line came from, and what is not followed. What the lines mean, real servers say (tests/effective/).
#![expect(clippy::disallowed_methods, reason = "a test builds its own root")]

use super::*;
use crate::host::Reach;
use crate::redis::effective::CommandLine;
use std::os::unix::fs::PermissionsExt;

/// What a server would read that is started in `/` on these words; a text that begins with `->` is a link.
fn read(files: &[(&str, &str)], words: &str) -> HostResult<Effective> {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        match text.strip_prefix("-> ") {
            Some(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            None => std::fs::write(path, text).unwrap(),
        }
    }
    // A directory that anybody may write, as a service's own.
    let open = root.path().join("open");
    if open.is_dir() {
        std::fs::set_permissions(open, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    let host = Host::at(root.path(), Reach::Running).unwrap();
    let words: Vec<Vec<u8>> = words.split_whitespace().map(|w| w.into()).collect();
    let start = Start {
        line: CommandLine::parse(Version::Redis70, &words),
        cwd: Some("/".into()),
    };
    load(&host, Table::of(Version::Redis70), &start)
}

fn at(effective: &Effective, name: &str) -> String {
    let given = effective.values.get(name).unwrap();
    format!("{} {}", given.value, given.at)
}

#[test]
fn each_value_has_its_file_and_line() {
    let files = [
        (
            "/etc/a.conf",
            "# first\nhz 20\ninclude /etc/d/*\ntimeout 1\n",
        ),
        ("/etc/d/1", "port 7\nmaxmemory 1"),
        ("/etc/d/2", "kb\nDatabases 3\n"),
    ];
    let found = read(&files, "/etc/a.conf --timeout 9").unwrap();
    assert_eq!(found.faults, []);
    assert_eq!(at(&found, "hz"), "20 /etc/a.conf:2");
    assert_eq!(at(&found, "port"), "7 /etc/d/1:1");
    // Redis joins the files of a pattern without a line's end.
    assert_eq!(at(&found, "maxmemory"), "1024 /etc/d/1:2");
    assert_eq!(at(&found, "databases"), "3 /etc/d/2:2");
    assert_eq!(at(&found, "timeout"), "9 the command line");
    let over = ("timeout", "/etc/a.conf:4".into(), "the command line".into());
    assert_eq!(found.overridden, [over]);
}

#[test]
fn a_save_after_an_include_replaces_those_before_it() {
    let files = [(
        "/etc/a.conf",
        "save 900 1\ninclude /etc/none*\nsave 300 10\nsave 60 9\n",
    )];
    let found = read(&files, "/etc/a.conf").unwrap();
    assert_eq!(at(&found, "save"), "60 9 /etc/a.conf:4");
}

#[test]
fn every_fault_is_named_with_its_place_and_without_its_value() {
    let text = "requirepass a hidden\nport 1 # one\nno-such 1\nsave \"1\nmaxmemory hidden\n";
    let found = read(&[("/a", text)], "/a").unwrap();
    let faults = found.faults.iter().map(|f| (f.at.as_str(), f.wrong));
    assert_eq!(
        faults.collect::<Vec<_>>(),
        [
            ("/a:1", Wrong::Other),
            ("/a:2", Wrong::InlineComment),
            ("/a:3", Wrong::Unknown),
            ("/a:4", Wrong::Other),
            ("/a:5", Wrong::Other),
        ]
    );
    assert!(found.faults.iter().all(|f| !f.why.contains("hidden")));
}

#[test]
fn what_cannot_be_read_is_an_error() {
    for (files, words, says) in [
        (vec![("/a", "include /a\n")], "/a", "too deep"),
        (
            vec![("/a", "port 1\n"), ("/open/l", "-> /a")],
            "/open/l",
            "ELOOP|could have made",
        ),
        (vec![("/a", "port \"1\\x00\"\n")], "/a", "NUL"),
        (vec![("/a", "port 1\0\n")], "/a", "NUL"),
        (vec![("/a", "port 1\n")], "/a -", "standard input"),
        (vec![("/d/x", "")], "/d", "not a regular file"),
    ] {
        let error = read(&files, words).map(|_| ()).unwrap_err().to_string();
        assert!(says.split('|').any(|s| error.contains(s)), "{error}");
    }
    let found = read(&[("/a", "port 1\n"), ("/l", "-> /a")], "/l").unwrap();
    assert_eq!(at(&found, "port"), "1 /l:1", "a link that root made");
}

/// `include /etc/shadow`, in a file of the server's own: what is told of it would be told of a file that only root may read.
#[test]
fn what_a_writer_may_not_read_is_not_read_for_him() {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    for dir in ["open", "etc"] {
        std::fs::create_dir(path(dir)).unwrap();
    }
    std::fs::write(path("open/a.conf"), "include /etc/b\n").unwrap();
    std::fs::write(path("etc/a.conf"), "include /etc/b\n").unwrap();
    std::fs::write(path("etc/b"), "secret words\n").unwrap();
    let mode = |name: &str, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path(name), mode).unwrap();
    };
    mode("open", 0o777);
    let host = Host::at(root.path(), Reach::Running).unwrap();
    let read_said = |name: &str, sayers| {
        let start = Start {
            line: CommandLine::parse(Version::Redis70, &[name.into()]),
            cwd: Some("/".into()),
        };
        load_said(&host, Table::of(Version::Redis70), &start, sayers)
    };
    let read = |name: &str| read_said(name, Sayers::default());
    // A server that names another's file as its own.
    mode("etc/b", 0o600);
    assert!(read_said("/etc/b", Sayers::user(4_000_000_000, 4_000_000_000)).is_err());
    assert!(read_said("/etc/b", Sayers::user(0, 0)).is_ok());
    for (of_b, named, told) in [
        (0o600, "/open/a.conf", false),
        (0o600, "/etc/a.conf", true),
        (0o644, "/open/a.conf", true),
    ] {
        mode("etc/b", of_b);
        let found = read(named);
        assert_eq!(found.is_ok(), told, "{of_b:o} {named}");
        let text = format!("{found:?}");
        assert_eq!(text.contains("secret"), told, "{text}");
    }
}
