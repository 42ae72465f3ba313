//! What stock configurations and those of the guides become.

use super::*;
use crate::redis::config;

fn of(conf: &str, users: &str) -> String {
    let found = Found {
        flavour: "redis",
        path: "/etc/redis/redis.conf",
        lines: config::parse(conf),
        users,
        until: "2027-01-31".parse().expect("a day"),
    };
    adopt(&found).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn what_a_stock_configuration_says_is_the_profiles_already() {
    let text = of(
        "bind 127.0.0.1 -::1\nport 6379\ntimeout 0\ndaemonize yes\ndir /var/lib/redis\nappendonly no\n",
        "",
    );
    assert!(
        !text.contains("[redis]") && !text.contains("[legacy]"),
        "{text}"
    );
    assert!(
        text.contains("[persistence]\nappendonly = false\n"),
        "{text}"
    );
}

#[test]
fn a_configuration_of_the_guides_becomes_users_and_no_password_is_told() {
    let text = of(
        "bind 10.0.0.5 127.0.0.1\nport 6380\nmaxmemory 4gb\nrequirepass \"s3cr3t pass\"\nmasterauth s3cr3t\n\
         rename-command FLUSHALL \"\"\nrename-command CONFIG hidden-config\nrename-command SUBSCRIBE \"\"\nuser app on >pw123 ~app:* +@read\nhz 20\n\
         loadmodule /x.so\nsave 900 1\nsave 60 1000\n",
        "user jobs on #aa ~jobs:* +@all -@dangerous\nuser default on nopass ~* +@all\n",
    );
    for line in [
        "bind = [\"10.0.0.5\", \"127.0.0.1\"]\n",
        "port = 6380\n",
        "maxmemory = \"4gb\"\n",
        "save = [\"900 1\", \"60 1000\"]\n",
        "[redis.directives]\nhz = \"20\"\n",
        "[acl.app]\nrules = \"~app:* +@read -config -flushall -subscribe\"\n",
        "[acl.jobs]\nrules = \"~jobs:* +@all -@dangerous -config -flushall -subscribe\"\n",
        "#   rename-command subscribe: it breaks Sentinel",
        "[legacy]\ndefault-until = \"2027-01-31\"\n",
        "#   masterauth: a policy holds no password: [replication] names the user",
        "#   loadmodule: a module runs",
        "#   rename-command flushall: no application has it",
        "#   rename-command config: a program that uses its other name",
    ] {
        assert!(text.contains(line), "no {line} in\n{text}");
    }
    for secret in ["s3cr3t", "pw123", "#aa", "hidden-config"] {
        assert!(!text.contains(secret), "{secret} in\n{text}");
    }
}
