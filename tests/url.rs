//! `check --url`: a real server, judged by what it tells a client.
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives this machine itself; the boundary is for src/"
)]

#[path = "support/issued.rs"]
mod issued;
#[path = "support/server.rs"]
mod server;

mod url {
    pub mod hostile;
    mod offers;
    mod tls;
}

use serde_json::Value;
use server::Server;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::{Command, Output};

/// SHA-256 of `pw` and of `ro`.
const PW: &str = "30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4";
const RO: &str = "7ef9ec0cf2c4facafddd03ab96eca0939d6749b49952bd816f1e0cc6901941d5";

fn check(server: &Server, user: &str, password: &str) -> Output {
    let at = if user.is_empty() {
        String::new()
    } else {
        format!("{user}@")
    };
    Command::new(env!("CARGO_BIN_EXE_redis-harden"))
        .args(["check", "--format", "json", "--url"])
        .arg(format!("redis://{at}127.0.0.1:{}", server.port))
        .env("REDISCLI_AUTH", password)
        .output()
        .expect("it runs")
}

/// Each control's status, and the reasons of its findings.
fn verdicts(output: &Output) -> BTreeMap<String, (String, String)> {
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let controls = report.get("controls").and_then(Value::as_array);
    let text = |value: &Value, key: &str| {
        let text = value.get(key).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let all = controls.expect("controls").iter().map(|control| {
        let findings = control.get("findings").and_then(Value::as_array);
        let reasons = findings
            .expect("findings")
            .iter()
            .map(|f| text(f, "because"));
        let reasons = reasons.collect::<Vec<_>>().join("; ");
        (text(control, "id"), (text(control, "status"), reasons))
    });
    all.collect()
}

#[test]
fn an_open_server_is_seen_for_what_it_is_and_nothing_of_this_host_is_judged_for_it() {
    let server = Server::start(&[], "");
    let output = check(&server, "", "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let verdicts = verdicts(&output);
    let status = |id: &str| verdicts.get(id).map(|(status, _)| status.as_str());
    for id in [
        "acl.anonymous",
        "acl.no-password",
        "memory.maxmemory-set",
        "acl.dangerous",
    ] {
        assert_eq!(status(id), Some("fail"), "{id}");
    }
    for id in [
        "config.module-command",
        "network.protected-mode",
        "compromise.modules",
    ] {
        assert_eq!(status(id), Some("pass"), "{id}");
    }
    for (id, (status, _)) in &verdicts {
        let of_a_host = [
            "kernel.", "files.", "sandbox.", "package.", "account.", "service.",
        ];
        if of_a_host.iter().any(|topic| id.starts_with(topic)) {
            assert_eq!(status, "not-applicable", "{id}");
        }
    }
}

#[test]
fn what_a_managed_service_refuses_is_unknown_with_its_words_and_never_a_pass() {
    let open = check(&Server::start(&[], ""), "", "");
    let users = format!("user default on #{PW} ~* &* +@all -config -acl -module\n");
    let server = Server::start(&[], &users);
    let output = check(&server, "", "pw");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let refused = verdicts(&output);
    let mut unknown = 0;
    for (id, (status, reasons)) in &refused {
        if reasons.contains("NOPERM") {
            assert!(
                matches!(status.as_str(), "unknown" | "fail"),
                "{id}: {status}"
            );
            unknown += usize::from(status == "unknown");
        }
    }
    assert!(unknown > 30, "{unknown}");
    // What could be asked of CONFIG where it is allowed is not passed here by silence.
    for (id, (status, _)) in verdicts(&open) {
        let here = refused.get(&id).map(|(status, _)| status.as_str());
        let asks_config = ["config.", "limits.maxclients"]
            .iter()
            .any(|t| id.starts_with(t));
        if asks_config && status == "pass" {
            assert_eq!(here, Some("unknown"), "{id}");
        }
    }
}

#[test]
fn a_renamed_config_is_no_pass_either() {
    let server = Server::start(&["--rename-command", "CONFIG", "hidden"], "");
    let verdicts = verdicts(&check(&server, "", ""));
    let (status, reasons) = verdicts.get("config.debug-command").expect("it is judged");
    assert_eq!(status, "unknown");
    assert!(reasons.contains("unknown command"), "{reasons}");
}

/// A service that tells what it likes: CONFIG GET and INFO without most of what every server has.
fn managed(mut stream: std::net::TcpStream) {
    let mut question = vec![0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut question) {
        let text = String::from_utf8_lossy(question.get(..read).unwrap_or_default()).into_owned();
        let answer = match text {
            all if all.contains("CONFIG") => {
                "*2\r\n$9\r\nmaxmemory\r\n$7\r\n1000000\r\n$20\r\nredis_version:7.0.15\r\n\
                 -ERR no\r\n-ERR no\r\n-ERR no\r\n-ERR no\r\n"
            }
            ping if ping.contains("PING") => "-NOAUTH no\r\n",
            _ => "+OK\r\n",
        };
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn what_a_service_leaves_out_of_config_and_info_is_unknown() {
    let port = url::hostile::port_where(managed);
    let output = Command::new(env!("CARGO_BIN_EXE_redis-harden"))
        .args(["check", "--format", "json", "--url"])
        .arg(format!("redis://127.0.0.1:{port}"))
        .env("REDISCLI_AUTH", "pw")
        .output()
        .expect("it runs");
    let verdicts = verdicts(&output);
    let (status, _) = verdicts.get("memory.maxmemory-set").expect("it is judged");
    assert_eq!(status, "pass");
    for id in [
        "config.debug-command",
        "tls.encrypted",
        "tls.plain-port",
        "limits.clients-headroom",
    ] {
        let (status, why) = verdicts.get(id).expect(id);
        assert_eq!(status, "unknown", "{id}");
        assert!(why.contains("a part of it only"), "{id}: {why}");
    }
    let passes = verdicts.iter().filter(|(_, (status, _))| status == "pass");
    let passes: Vec<&String> = passes.map(|(id, _)| id).collect();
    assert_eq!(passes, ["acl.anonymous", "memory.maxmemory-set"]);
    assert!(verdicts.values().all(|(status, _)| status != "fail"));
}

#[test]
fn a_wrong_password_or_nobody_there_is_trouble() {
    let users = format!("user default on #{RO} +@all\n");
    let server = Server::start(&[], &users);
    let output = check(&server, "", "wrong");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("authentication failed"), "{said}");
    assert!(!said.contains("wrong"), "{said}");

    let gone = Server::start(&[], "");
    let port = gone.port;
    drop(gone);
    let output = Command::new(env!("CARGO_BIN_EXE_redis-harden"))
        .args(["check", "--url", &format!("redis://127.0.0.1:{port}")])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_password_comes_by_a_file_and_never_by_the_command_line() {
    let users = format!("user default off\nuser u on #{PW} +@all\n");
    let server = Server::start(&[], &users);
    let file = server.dir.path().join("password");
    std::fs::write(&file, "pw\n").expect("the file");
    let url = format!("redis://u@127.0.0.1:{}", server.port);
    let run = |args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_redis-harden"))
            .args(["check", "--only", "acl.*"])
            .args(args)
            .env_remove("REDISCLI_AUTH")
            .output()
            .expect("it runs")
    };
    let path = file.display().to_string();
    assert_eq!(
        run(&["--url", &url, "--password-file", &path])
            .status
            .code(),
        Some(1)
    );
    let in_argv = url.replace("u@", "u:pw@");
    let refused = run(&["--url", &in_argv]);
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("--password-file"), "{said}");
}
