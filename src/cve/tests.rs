//! The table as it stands, and its judgement on builds.

use super::*;
use crate::facts::Distro;
use crate::redis::Answer;
use crate::redis::users::User;
use crate::setting::package::{Installed, State as Dpkg};
use std::collections::BTreeMap;

fn distro(id: &str, codename: &str) -> Distro {
    Distro {
        id: id.into(),
        codename: codename.into(),
        ..Distro::default()
    }
}

fn package(version: &str) -> Installed {
    Installed {
        version: version.into(),
        source: "redis".into(),
        source_version: version.into(),
        state: Dpkg::Installed,
        held: false,
    }
}

fn build(flavour: Flavour, version: &str, id: &str, codename: &str) -> Build {
    Build::of_package(flavour, &package(version), &distro(id, codename))
}

fn ids<'a>(holes: &'a [Hole]) -> Vec<&'a str> {
    holes.iter().map(|h| h.cve.ids[0]).collect()
}

fn open(build: &Build) -> Vec<String> {
    let table = &TABLE;
    let holes = holes(table, build, None).unwrap();
    ids(&holes).into_iter().map(str::to_owned).collect()
}

#[test]
fn every_row_names_columns_that_exist_and_versions_of_them() {
    let table = &TABLE;
    let branches = |f: Flavour| -> Vec<&str> {
        let of = table.branches.iter().filter(|b| b.flavour == f);
        of.map(|b| b.name).collect()
    };
    let (redis, valkey) = (branches(Flavour::Redis), branches(Flavour::Valkey));
    for cve in table.cves {
        let what = &cve.ids;
        assert!(!what.is_empty(), "{what:?}");
        let number = |id: &&str| {
            let rest = id.strip_prefix("CVE-20")?;
            rest.split_once('-')?.1.parse::<u32>().ok()
        };
        assert!(what.iter().all(|id| number(id).is_some()), "{what:?}");
        for (cells, known) in [(cve.redis, &redis), (cve.valkey, &valkey)] {
            for (branch, cell) in cells.unwrap_or_default() {
                assert!(known.contains(branch), "{what:?}: {branch}");
                if let Cell::Mended(version) = cell {
                    let numbers: Vec<u32> =
                        version.split('.').map(|n| n.parse().unwrap()).collect();
                    assert_eq!(numbers.len(), 3, "{what:?}: {version}");
                    assert!(version.starts_with(&format!("{branch}.")), "{what:?}");
                }
            }
        }
    }
}

#[test]
fn every_row_has_a_cell_for_every_suite_of_its_flavours() {
    let table = &TABLE;
    for cve in table.cves {
        let mut wanted = Vec::new();
        for suite in table.suites {
            for flavour in suite.flavours {
                let concerns = match flavour {
                    Flavour::Redis => cve.redis.is_some(),
                    Flavour::Valkey => cve.valkey.is_some(),
                };
                if concerns {
                    wanted.push(format!("{flavour}-{}", suite.name));
                }
            }
        }
        wanted.sort();
        let has: Vec<&str> = cve.debian.iter().map(|(key, _)| *key).collect();
        assert_eq!(has, wanted, "{:?}", cve.ids);
        for (key, cell) in cve.debian {
            if let Cell::Mended(version) = cell {
                let epoch = if key.starts_with("redis-") {
                    "5:"
                } else {
                    "8."
                };
                assert!(version.starts_with(epoch), "{:?}: {version}", cve.ids);
                assert!(version.contains('-'), "{:?}: no revision", cve.ids);
            }
        }
    }
}

#[test]
fn the_table_is_not_of_the_future() {
    let table = &TABLE;
    assert!(table.age(jiff::Timestamp::now()) >= 0);
}

#[test]
fn the_age_is_counted_in_days() {
    let table = &TABLE;
    let at = |days: i64| {
        let noon = table.generated.at(12, 0, 0, 0);
        let start = noon.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
        start + jiff::SignedDuration::from_hours(24 * days)
    };
    for days in [0, 90, 91, 400] {
        assert_eq!(table.age(at(days)), days);
    }
}

/// Epochs and suffixes as in CATALOGUE §1.16 and in the archives.
#[test]
fn the_column_is_chosen_by_the_origin_of_the_package() {
    use Flavour::{Redis, Valkey};
    let table = &TABLE;
    let suites = [
        (Redis, "5:7.0.15-1~deb12u7", "bookworm", Ok("bookworm")),
        (Redis, "5:7.0.11-1", "bookworm", Ok("bookworm")),
        (Redis, "5:8.0.2-3+deb13u3", "trixie", Ok("trixie")),
        // The revision says more than os-release: half-way through an upgrade the host is still the old one.
        (Redis, "5:8.0.2-3+deb13u3", "bookworm", Ok("trixie")),
        (Valkey, "8.1.1+dfsg1-3+deb13u3", "trixie", Ok("trixie")),
        (
            Valkey,
            "8.0.1+dfsg1-1~bpo12+1",
            "bookworm",
            Ok("bookworm-backports"),
        ),
        (Redis, "5:6.0.16-1+deb11u2", "bullseye", Err(())),
        (Redis, "5:8.0.5-1", "forky", Err(())),
    ];
    for (flavour, version, codename, wanted) in suites {
        let build = build(flavour, version, "debian", codename);
        assert!(matches!(build.origin, Origin::Debian { .. }), "{version}");
        let suite = table.suite(&build).map(|s| s.name).map_err(drop);
        assert_eq!(suite, wanted, "{version} on {codename}");
    }
    let vendor = build(Redis, "6:7.4.1-1rl1~bookworm1", "debian", "bookworm");
    assert_eq!(
        vendor.origin,
        Origin::Vendor {
            version: "7.4.1".into()
        }
    );
    assert_eq!(table.branch(&vendor).unwrap().name, "7.4");
    for (flavour, version, id, codename) in [
        (Redis, "5:7.0.15-1ubuntu0.24.04.2", "ubuntu", "noble"),
        (Redis, "5:7.0.15-1build2", "ubuntu", "noble"),
        (Valkey, "7.2.11+dfsg1-0ubuntu0.1", "ubuntu", "noble"),
        (Redis, "5:7.0.15-1~deb12u10", "raspbian", "bookworm"),
        (Redis, "7.0.15-1", "debian", "bookworm"),
        (Valkey, "8.1.4-1", "debian", "trixie"),
    ] {
        let build = build(flavour, version, id, codename);
        assert!(matches!(build.origin, Origin::Other { .. }), "{version}");
        assert!(holes(table, &build, None).is_err(), "{version}");
    }
}

#[test]
fn a_distribution_s_package_is_judged_by_its_revision() {
    let of = |version| open(&build(Flavour::Redis, version, "debian", "bookworm"));
    assert_eq!(of("5:7.0.15-1~deb12u10"), Vec::<String>::new());
    assert_eq!(
        of("5:7.0.15-1~deb12u9"),
        ["CVE-2026-81934", "CVE-2026-92925"]
    );
    // What plain bookworm offers without its security suite (CATALOGUE §1.16).
    assert_eq!(
        of("5:7.0.15-1~deb12u7"),
        [
            "CVE-2026-81934",
            "CVE-2026-25243",
            "CVE-2026-66373",
            "CVE-2026-92925",
            "CVE-2026-23631"
        ]
    );
    // Debian's trixie: what its changelog does not name is not taken for mended.
    let trixie = |version| open(&build(Flavour::Redis, version, "debian", "trixie"));
    assert_eq!(trixie("5:8.0.2-3+deb13u3"), ["CVE-2026-92925"]);
    assert!(trixie("5:8.0.2-3+deb13u2").contains(&"CVE-2026-81934".to_owned()));
}

#[test]
fn a_build_of_upstream_is_judged_by_its_branch() {
    let of = |version: &'static str| open(&Build::of_source(Flavour::Redis, version));
    let has = |version: &'static str, id: &str| of(version).contains(&id.to_owned());
    assert!(has("7.0.15", "CVE-2025-49844"), "never mended in 7.0");
    assert!(has("7.4.10", "CVE-2026-81934"));
    assert!(!has("7.4.11", "CVE-2026-81934"));
    assert!(!has("7.2.16", "CVE-2025-49844"), "an older branch, mended");
    assert!(
        has("8.0.6", "CVE-2026-81934"),
        "a higher number, not mended"
    );
    assert!(!has("8.10.1", "CVE-2026-81934"), "10 is after 8");
    let table = &TABLE;
    for version in ["5.0.14", "255.255.255", "9.9.9"] {
        let build = Build::of_source(Flavour::Redis, version);
        assert!(holes(table, &build, None).is_err(), "{version}");
    }
}

fn told(directives: &[(&str, &str)], users: &[&str]) -> Told {
    let pairs = |list: &[(&str, &str)]| -> BTreeMap<String, String> {
        let owned = list.iter().map(|(k, v)| ((*k).into(), (*v).into()));
        owned.collect()
    };
    Told {
        directives: pairs(directives),
        info: pairs(&[("redis_version", "7.0.15"), ("arch_bits", "64")]),
        users: Answer(Ok(User::parse_all(&users.join("\n")))),
        ..Told::default()
    }
}

#[test]
fn what_the_running_server_has_not_keeps_a_hole_out_of_reach() {
    let plain = told(
        &[
            ("port", "6379"),
            ("tls-port", "0"),
            ("tls-replication", "no"),
            ("tls-cluster", "no"),
            ("cluster-enabled", "no"),
            ("replica-read-only", "yes"),
            ("unixsocket", ""),
        ],
        &["user default off -@all", "user admin on ~* &* +@all"],
    );
    use Need::*;
    for need in [
        Tls,
        Cluster,
        Scripting,
        Restore,
        ReplicaWritable,
        Modules,
        UnixSocket,
        Bits32,
    ] {
        assert!(missing(need, &plain).is_some(), "{need:?}");
    }
    assert_eq!(missing(AofCheck, &plain), None);
    for (name, value, need) in [
        ("tls-port", "6380", Tls),
        ("tls-replication", "yes", Tls),
        ("cluster-enabled", "yes", Cluster),
        ("replica-read-only", "no", ReplicaWritable),
        ("unixsocket", "/run/redis/redis-server.sock", UnixSocket),
    ] {
        let mut other = plain.clone();
        other.directives.insert(name.into(), value.into());
        assert_eq!(missing(need, &other), None, "{name} {value}");
    }
    // What is not told shuts nothing out.
    let silent = Told {
        users: Answer(Err("NOPERM".into())),
        modules: Answer(Err("NOPERM".into())),
        ..Told::default()
    };
    for need in [
        Tls,
        Cluster,
        Scripting,
        Restore,
        ReplicaWritable,
        Modules,
        UnixSocket,
        Bits32,
    ] {
        assert_eq!(missing(need, &silent), None, "{need:?}");
    }
}

/// Expected values: Redis's `acl.md`; `ACL DRYRUN` of a 7.0.15 says the same.
#[test]
fn an_acl_shuts_scripts_out_only_when_every_user_but_admin_is_refused() {
    let table = [
        ("user app on #aa ~* &* +@all -@scripting", true, false),
        (
            "user app on ~* &* +@all -@admin -@dangerous -@scripting +info",
            true,
            true,
        ),
        ("user app on ~* &* +@all", false, false),
        ("user app off ~* &* +@all", true, true),
        ("user app on nopass ~* -@all +@read +ping", true, true),
        ("user app on ~* -@all +eval", false, true),
        ("user app on ~* -@all +@write", false, false),
        ("user app on ~* -@all +@slow", false, false),
        (
            "user agent on -@all +ping +script|kill +function|kill",
            true,
            true,
        ),
        ("user app on -@all +script|load", false, true),
        ("user app on -@all +function", false, true),
        ("user app on ~* -@all (~x* +@scripting)", false, true),
        ("user app on ~* -@all +RESTORE", true, false),
        ("user app on ~* +@all -eval", false, false),
    ];
    for (line, scripting, restore) in table {
        let told = told(&[], &["user admin on ~* &* +@all", line]);
        assert_eq!(
            missing(Need::Scripting, &told).is_some(),
            scripting,
            "{line}"
        );
        assert_eq!(missing(Need::Restore, &told).is_some(), restore, "{line}");
    }
}

#[test]
fn a_mitigated_hole_is_still_one() {
    let table = &TABLE;
    let build = build(Flavour::Redis, "5:7.0.15-1~deb12u9", "debian", "bookworm");
    let told = told(&[("port", "6379"), ("cluster-enabled", "yes")], &[]);
    let holes = holes(table, &build, Some(&told)).unwrap();
    let reasons: Vec<Option<&str>> = holes.iter().map(|h| h.mitigated.as_deref()).collect();
    assert_eq!(ids(&holes), ["CVE-2026-81934", "CVE-2026-92925"]);
    assert_eq!(reasons, [Some("built without TLS"), None]);
}
