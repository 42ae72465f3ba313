//! What goes where: colour on a terminal only, results on standard output, a reader that goes away.

use super::harness::{Fake, Ran, binary, clean, run, scratch};
use std::fs;
use std::process::Command;

const ESCAPE: char = '\u{1b}';

/// The same in a pseudo-terminal, whose output is then all on one stream.
fn on_a_terminal(tree: &Fake, args: &str, no_color: Option<&str>) -> String {
    on_a("xterm", tree, args, no_color)
}

fn on_a(term: &str, tree: &Fake, args: &str, no_color: Option<&str>) -> String {
    let root = tree.root().display();
    let line = format!("{} --root {root} {args}", binary());
    let mut script = clean(Command::new("script"), &["-qec", &line, "/dev/null"]);
    script.env("TERM", term);
    if let Some(value) = no_color {
        script.env("NO_COLOR", value);
    }
    let ran = Ran::of(&mut script);
    ran.exits(1);
    ran.out
}

#[test]
fn colour_is_for_terminals() {
    let tree = Fake::debian();
    let args = "check --only kernel.somaxconn";
    assert!(on_a_terminal(&tree, args, None).contains("\u{1b}[31mfail\u{1b}[0m"));
    assert!(!on_a_terminal(&tree, args, Some("1")).contains(ESCAPE));
    // https://no-color.org: only when it is not empty.
    assert!(on_a_terminal(&tree, args, Some("")).contains(ESCAPE));
    assert!(!on_a("dumb", &tree, args, None).contains(ESCAPE));
    let never = format!("{args} --color never");
    assert!(!on_a_terminal(&tree, &never, None).contains(ESCAPE));
    let asked = format!("{args} --color always");
    assert!(on_a_terminal(&tree, &asked, Some("1")).contains(ESCAPE));
}

#[test]
fn a_pipe_gets_no_colour_unless_it_is_asked_for() {
    let tree = Fake::debian();
    for args in [&["check"][..], &["plan"], &["apply"], &["history", "-v"]] {
        let ran = tree.run(args);
        assert!(
            !ran.out.contains(ESCAPE) && !ran.err.contains(ESCAPE),
            "{ran}"
        );
    }
    let ran = tree.run(&["--color", "always", "check"]);
    assert!(ran.out.contains(ESCAPE), "{ran}");
}

#[test]
fn errors_of_use_have_no_colour_in_a_pipe() {
    assert!(!run(&["chekc"]).err.contains(ESCAPE));
}

#[test]
fn a_report_in_a_file_has_no_colour() {
    let tree = Fake::debian();
    let dir = scratch();
    let (text, json) = (dir.path().join("r.txt"), dir.path().join("r.json"));
    let (to_text, to_json) = (
        format!("text={}", text.display()),
        format!("json={}", json.display()),
    );
    let args = [
        "--color", "always", "check", "--report", &to_text, "--report", &to_json,
    ];
    tree.run(&args).exits(1);
    let text = fs::read_to_string(text).expect("written");
    assert!(text.contains("fail") && !text.contains(ESCAPE), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(json).expect("written")).expect("JSON");
    assert_eq!(json["schema"], 1);
}

#[test]
fn a_report_that_cannot_be_written_is_2() {
    let tree = Fake::debian();
    tree.run(&["check", "--report", "json=/nonexistent/r.json"])
        .refuses_with(&["writing /nonexistent/r.json"]);
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let tree = Fake::debian();
    let root = tree.root().display();
    for args in [
        "check",
        "plan",
        "controls",
        "policy schema",
        "completions bash",
        "--help",
    ] {
        let line = format!("{} --root {root} {args} | head -c 1 >/dev/null", binary());
        let ran = Ran::of(&mut clean(Command::new("sh"), &["-c", &line]));
        assert_eq!(ran.err, "", "{ran}");
        let closed = format!("{} --root {root} {args} >&-", binary());
        let ran = Ran::of(&mut clean(Command::new("sh"), &["-c", &closed]));
        assert!(!ran.err.contains("panicked"), "{ran}");
    }
}

#[test]
fn a_full_disk_under_standard_output_is_2() {
    let tree = Fake::debian();
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("every Linux has it");
    let mut check = tree.command(&["check"]);
    Ran::of(check.stdout(full)).refuses_with(&["writing to standard output"]);
}

#[test]
fn quiet_apply_prints_results_only() {
    let tree = Fake::debian();
    let ran = tree.run(&["apply", "--quiet"]);
    ran.exits(0);
    assert_eq!(ran.err, "", "{ran}");
}

#[test]
fn progress_goes_to_standard_error() {
    let tree = Fake::debian();
    let ran = tree.run(&["apply"]);
    ran.exits(0);
    let root = tree.root().display();
    assert!(
        ran.err.starts_with(&format!(
            "· files only: {root} is a tree that does not run\n"
        )),
        "{ran}"
    );
    assert!(!ran.out.contains('·'), "{ran}");
}
