//! What the gate lets through, and what it refuses: marks and directives, without a file.

use super::*;

const MARK: Mark = Mark {
    modified: (1_700_000_000, 5),
    size: 400,
};

const AOF: Mark = Mark {
    modified: (1_600_000_000, 7),
    size: 90,
};

fn layout(conf: &str) -> Layout {
    Layout::parse(conf, Path::new("/var/lib/redis"))
}

fn found(snapshot: bool, manifest: bool, old_aof: bool, aof_files: bool) -> Found {
    Found {
        snapshot: snapshot.then_some(MARK),
        empty: None,
        manifest,
        old_aof,
        aof_files,
        aof: (manifest || old_aof || aof_files).then_some(AOF),
        linked: false,
    }
}

#[test]
fn the_names_are_those_of_the_configuration() {
    let layout = layout(
        "APPENDONLY Yes\ndir /srv/\"a b\"\ndir \"/srv/a b\"\ndbfilename x.rdb\nappenddirname aofs\nappendfilename y.aof\n",
    );
    assert!(layout.appendonly);
    assert_eq!(layout.snapshot, Path::new("/srv/a b/x.rdb"));
    assert_eq!(layout.manifest(), Path::new("/srv/a b/aofs/y.aof.manifest"));
}

#[test]
fn without_names_they_are_those_of_redis() {
    let layout = layout("port 0\n");
    assert!(!layout.appendonly);
    assert_eq!(layout.snapshot, Path::new("/var/lib/redis/dump.rdb"));
    assert_eq!(
        layout.manifest(),
        Path::new("/var/lib/redis/appendonlydir/appendonly.aof.manifest")
    );
}

#[test]
fn only_a_start_that_would_lose_data_is_refused() {
    let older = Some(Mark { size: 1, ..MARK });
    // OPS 3.3: what Redis 7.0.15 loads of each.
    for (found, left, word) in [
        (found(false, false, false, false), None, None),
        (found(true, true, false, true), None, None),
        (found(true, true, false, true), Some(MARK), None),
        (found(false, true, false, true), older, None),
        (found(true, false, true, false), None, None),
        (found(true, false, false, false), None, Some("ignored")),
        (
            found(true, false, false, false),
            Some(MARK),
            Some("ignored"),
        ),
        (found(true, false, false, true), None, Some("manifest")),
        (found(false, false, false, true), None, Some("manifest")),
        (found(true, true, false, true), older, Some("another one")),
        (found(true, false, true, false), older, Some("another one")),
    ] {
        let left = Left {
            snapshot: left,
            ..Left::default()
        };
        let why = danger(&layout("appendonly yes\n"), &found, left);
        let as_expected = match (&why, word) {
            (Some(why), Some(word)) => why.contains(word),
            (why, word) => why.is_none() && word.is_none(),
        };
        assert!(as_expected, "{found:?} {left:?}: {why:?}");
    }
    let linked = Found {
        linked: true,
        ..found(true, true, false, false)
    };
    let older = Left {
        snapshot: older,
        ..Left::default()
    };
    assert_eq!(danger(&layout("appendonly yes\n"), &linked, older), None);
}

#[test]
fn append_only_files_that_the_last_server_did_without_are_not_loaded() {
    let unused = |mark| Left {
        snapshot: Some(MARK),
        complete: true,
        unused_aof: Some(mark),
    };
    let newer = Mark { size: 91, ..AOF };
    for found in [
        found(true, true, false, true),
        found(false, true, false, true),
        found(true, false, true, false),
    ] {
        let yes = layout("appendonly yes\n");
        let why = danger(&yes, &found, unused(AOF)).expect("it is refused");
        assert!(why.contains("older than the data"), "{why}");
        // It was turned on in the running server: they have grown since.
        assert_eq!(danger(&yes, &found, unused(newer)), None);
        assert_eq!(
            danger(&layout("appendonly no\n"), &found, unused(AOF)),
            None
        );
    }
}

#[test]
fn a_start_without_the_append_only_file_needs_a_snapshot_that_holds_all() {
    let no = layout("appendonly no\n");
    let left = |snapshot, complete| Left {
        snapshot,
        complete,
        unused_aof: None,
    };
    let both = found(true, true, false, true);
    assert_eq!(danger(&no, &both, left(Some(MARK), true)), None);
    for lost in [
        // Killed; stopped without save points; saved to by another server since.
        left(None, false),
        left(Some(MARK), false),
        left(Some(Mark { size: 1, ..MARK }), true),
    ] {
        let why = danger(&no, &both, lost).expect("it is refused");
        assert!(why.contains("may hold what"), "{why}");
        let old = found(true, false, true, false);
        assert!(
            danger(&no, &old, lost).is_some(),
            "a file of Redis before 7"
        );
    }
    // One that was emptied, and has written that at its end.
    let emptied = Found {
        empty: Some(MARK),
        ..found(false, true, false, true)
    };
    assert_eq!(danger(&no, &emptied, left(Some(MARK), true)), None);
    for other in [left(Some(MARK), false), left(Some(AOF), true)] {
        assert!(danger(&no, &emptied, other).is_some(), "{other:?}");
    }
    // Nothing but snapshots was ever there, or the base is the snapshot itself.
    let snapshot_only = found(true, false, false, false);
    assert_eq!(danger(&no, &snapshot_only, left(None, false)), None);
    let linked = Found {
        linked: true,
        ..found(true, true, false, false)
    };
    assert_eq!(danger(&no, &linked, left(None, false)), None);
}

#[test]
fn save_points_are_those_that_redis_would_have() {
    for (conf, saves) in [
        ("port 0\n", true),
        ("save \"\"\n", false),
        ("save \"\"\nsave 60 1\n", true),
        ("save 60 1\nsave ''\n", false),
    ] {
        assert_eq!(layout(conf).saves, saves, "{conf}");
    }
}
