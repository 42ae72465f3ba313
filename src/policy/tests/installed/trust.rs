//! Whom to trust with a policy: its owner, its mode, and the directories above it.

use super::*;

#[test]
fn a_policy_that_others_can_write_is_refused() {
    let fake = Fake::with(&[]);
    fake.file("/etc/redis-harden/policy.toml", "", 0o664);
    assert_eq!(
        fake.error(),
        "trusting /etc/redis-harden/policy.toml: it can be written by its group (mode 0664); `chmod go-w /etc/redis-harden/policy.toml`"
    );
}

#[test]
fn a_policy_in_a_directory_that_others_can_write_is_refused() {
    let fake = Fake::with(&[("policy.toml", "")]);
    fake.host
        .make_dir("/etc".as_ref(), 0o777, uid(), gid())
        .unwrap();
    assert_eq!(
        fake.error(),
        "trusting /etc/redis-harden/policy.toml: the directory /etc can be written by its group and others (mode 0777); `chmod go-w /etc`"
    );
    fake.host
        .make_dir("/etc".as_ref(), 0o1777, uid(), gid())
        .unwrap();
    assert!(
        fake.error()
            .ends_with("move the file to a directory of root's, such as /etc/redis-harden")
    );
    Policies::load(&fake.host, None, Trust::Reader)
        .expect("a sticky directory is good enough for reading");
}

#[test]
fn a_link_that_root_made_is_followed_and_the_directories_behind_it_are_judged() {
    let fake = Fake::with(&[]);
    for path in ["/srv", "/srv/open", "/srv/open/deep"] {
        fake.directory(path);
    }
    fake.file("/srv/open/deep/p.toml", "[redis]\nport = 7\n", 0o644);
    let link = Path::new("/etc/redis-harden/policy.toml");
    fake.host
        .make_link(link, "../../srv/open/deep/p.toml".as_ref())
        .unwrap();
    assert_eq!(fake.load().unwrap().instances[0].redis.port, 7);
    fake.host
        .make_dir("/srv/open".as_ref(), 0o777, uid(), gid())
        .unwrap();
    assert!(
        fake.error()
            .contains("the directory /srv/open can be written"),
        "{}",
        fake.error()
    );
}

#[test]
fn a_fifo_or_a_directory_in_the_place_of_a_policy_is_an_error_not_an_absence() {
    let fake = Fake::with(&[]);
    let path = fake.dir.path().join("etc/redis-harden/policy.toml");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(fake.error().contains("it is not a regular file"));
    let fake = Fake::with(&[]);
    fake.directory("/etc/redis-harden/policy.toml");
    assert!(
        fake.error().contains("it is not a regular file"),
        "{}",
        fake.error()
    );
}

mod needs_root {
    use super::*;

    #[test]
    fn a_policy_of_another_user_is_refused() {
        assert_eq!(uid(), 0, "this test gives a file away, which only root can");
        let fake = Fake::with(&[]);
        let path = Path::new("/etc/redis-harden/policy.toml");
        fake.host.write_file(path, b"", 0o644, 12345, 0).unwrap();
        assert_eq!(
            fake.error(),
            "trusting /etc/redis-harden/policy.toml: it is owned by uid 12345, not by root; if its content is what you want: `chown root: /etc/redis-harden/policy.toml`"
        );
    }
}

#[test]
fn a_link_to_nothing_is_not_taken_for_no_policy() {
    let fake = Fake::with(&[]);
    let link = fake.dir.path().join("etc/redis-harden/policy.toml");
    std::os::unix::fs::symlink("/srv/gone.toml", link).unwrap();
    let error = fake.error();
    assert!(
        error.contains("it is a link to /srv/gone.toml, which is not there"),
        "{error}"
    );
}
