//! Policies that are kept as they were in force.

use super::*;

#[test]
fn what_is_kept_is_what_was_in_force_whatever_becomes_of_the_files() {
    let fake = Fake::with(&[
        (
            "policy.toml",
            "extends = \"strict\"\n[redis]\nmaxclients = 5000\n[acl.web]\nrole = \"read-only\"\n",
        ),
        ("policy.d/10-more.toml", "[redis]\ntimeout = 7\n"),
        (
            "instances/b.toml",
            "extends = \"cache\"\n[redis]\nport = 6390\n",
        ),
        ("instances/c.toml", "[redis]\nport = 6391\n"),
    ]);
    let kept = Path::new("/etc/redis-harden/kept");
    let load = || Policies::load(&fake.host, None, Trust::Root).unwrap();
    let first = load();
    first.keep(&fake.host, kept).unwrap();
    fake.host
        .remove("/etc/redis-harden/instances/c.toml".as_ref())
        .unwrap();
    fake.file(
        "/etc/redis-harden/policy.toml",
        "[redis]\nmaxclients = \n",
        0o644,
    );
    assert_eq!(
        Policies::kept(&fake.host, kept).unwrap().instances,
        first.instances
    );

    // Those of a later run take their place, whole.
    fake.file(
        "/etc/redis-harden/policy.toml",
        "[redis]\nmaxclients = 6000\n",
        0o644,
    );
    let second = load();
    second.keep(&fake.host, kept).unwrap();
    assert_eq!(
        Policies::kept(&fake.host, kept).unwrap().instances,
        second.instances
    );
}
