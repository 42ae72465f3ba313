//! What ships is what the code writes, the field's own tools take it, and the mistakes of the guide that it came from are not in it.

use super::image::{checkout, ok};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;

const POLICY: &str = "packaging/container/policy.toml";
const COMPOSE: &str = "packaging/container/compose.yaml";
const KUBERNETES: &str = "packaging/kubernetes/redis.yaml";

fn render(policy: &str, words: &[&str]) -> Output {
    // In a directory of root's, as a policy must be.
    let dir = TempDir::new_in("/root").expect("root");
    let path = dir.path().join("policy.toml");
    fs::write(&path, policy).expect("ours");
    let mut command = Command::new(env!("CARGO_BIN_EXE_redis-harden"));
    command.arg("--policy").arg(&path).arg("render").args(words);
    command.output().expect("our binary")
}

fn rendered(policy: &str, words: &[&str]) -> String {
    let ran = render(policy, words);
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(0), "{said}");
    String::from_utf8(ran.stdout).expect("UTF-8")
}

fn shipped(name: &str) -> String {
    fs::read_to_string(checkout(name)).unwrap_or_default()
}

fn tool(name: &str) -> PathBuf {
    PathBuf::from(ok(&mut Command::new(checkout("tests/container/tools"))).trim()).join(name)
}

fn parsed(yaml: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(yaml).unwrap_or_else(|e| panic!("{e}\n{yaml}"))
}

#[track_caller]
fn is_shipped(name: &str, generated: &str) {
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::create_dir_all(checkout(name).parent().expect("a directory")).expect("our checkout");
        fs::write(checkout(name), generated).expect("our own checkout");
    }
    assert!(
        shipped(name) == generated,
        "{name} is not what the code generates: UPDATE_GENERATED=1 cargo test --test container shipped"
    );
}

#[test]
fn the_shipped_files_are_what_the_shipped_policy_renders() {
    let policy = shipped(POLICY);
    is_shipped(COMPOSE, &rendered(&policy, &["compose"]));
    is_shipped(KUBERNETES, &rendered(&policy, &["kubernetes"]));
}

#[test]
fn hadolint_finds_nothing_in_the_dockerfile() {
    let dockerfile = checkout("packaging/container/Dockerfile");
    ok(Command::new(tool("hadolint"))
        .arg("--no-color")
        .arg(dockerfile));
}

#[test]
fn the_compose_file_is_one_and_a_misspelt_one_is_not() {
    const VALIDATE: &str = "import sys, compose_spec\nc = compose_spec.PyCompose.from_yaml(sys.stdin.read())\nc.validate()";
    let valid = |text: &str| {
        let dir = TempDir::new().expect("a directory");
        let path = dir.path().join("compose.yaml");
        fs::write(&path, text).expect("ours");
        let input = fs::File::open(&path).expect("ours");
        Command::new(tool("python"))
            .args(["-c", VALIDATE])
            .stdin(input)
            .status()
            .expect("python")
            .success()
    };
    let text = shipped(COMPOSE);
    assert!(valid(&text));
    for (right, wrong) in [
        ("read_only:", "readonly:"),
        ("source: redis-app", "source: redis-ap"),
        ("150s", "soon"),
    ] {
        assert!(text.contains(right), "{right}");
        assert!(!valid(&text.replacen(right, wrong, 1)), "{wrong}");
    }
}

#[test]
fn the_manifests_fit_the_schemas_of_kubernetes() {
    ok(Command::new(tool("kubernetes-validate"))
        .arg("--strict")
        .arg(checkout(KUBERNETES)));
    let dir = TempDir::new().expect("a directory");
    let by_tls = shipped(POLICY) + "[tls]\nenabled = true\n";
    let beside_passwords = by_tls.clone()
        + "cert = \"/run/secrets/redis-tls.crt\"\nkey = \"/run/secrets/redis-tls.key\"\nca = \"/run/secrets/ca.crt\"\n";
    let by_tls = rendered(&by_tls, &["kubernetes"]);
    // A kubelet replaces what is mounted by its directory, and the exporter has its own key only.
    for part in [
        "mountPath: /etc/redis-harden/tls\n",
        "subPath: ca.crt",
        "secretName: redis-tls",
        "rediss://",
    ] {
        assert!(by_tls.contains(part), "{part}: {by_tls}");
    }
    assert!(!by_tls.contains("subPath: default.pem"), "{by_tls}");
    let beside_passwords = rendered(&beside_passwords, &["kubernetes"]);
    assert!(beside_passwords.contains("subPath: redis-tls.key"));
    let path = dir.path().join("tls.yaml");
    fs::write(&path, by_tls).expect("ours");
    ok(Command::new(tool("kubernetes-validate"))
        .arg("--strict")
        .arg(path));
    let wrong = dir.path().join("wrong.yaml");
    fs::write(
        &wrong,
        shipped(KUBERNETES).replacen("runAsNonRoot", "runAsNotRoot", 1),
    )
    .expect("ours");
    let ran = Command::new(tool("kubernetes-validate"))
        .arg("--strict")
        .arg(&wrong)
        .output()
        .expect("python");
    assert!(!ran.status.success());
}

#[test]
fn the_mistakes_of_the_guides_compose_file_are_not_made_again() {
    let compose = parsed(&shipped(COMPOSE)).remove(0);
    assert!(compose.get("version").is_none());
    for (name, service) in compose["services"].as_object().expect("services") {
        let text = service.to_string();
        assert!(
            !text.to_lowercase().contains("\"redis_password\""),
            "{name}: a password in the environment"
        );
        let image = service["image"].as_str().expect("an image");
        assert!(
            image.contains(':') && !image.ends_with(":latest"),
            "{name}: {image}"
        );
        let ports = service["ports"].as_array().expect("ports");
        assert!(
            ports
                .iter()
                .all(|port| port.as_str().is_some_and(|p| p.starts_with("127.0.0.1:"))),
            "{name}: {ports:?}"
        );
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"][0], "ALL", "{name}");
        assert_eq!(service["cap_add"], Value::Null, "{name}");
        assert!(
            !service["user"].as_str().expect("a user").starts_with('0'),
            "{name}"
        );
    }
    let redis = &compose["services"]["redis"];
    assert_eq!(
        redis["configs"][0]["target"],
        "/etc/redis-harden/policy.toml"
    );
    assert_eq!(redis["healthcheck"]["test"][3], "status");
    assert_eq!(redis["mem_limit"], redis["memswap_limit"], "no swap");
    assert!(redis["command"].to_string().find("requirepass").is_none());
}

#[test]
fn the_mistakes_of_the_guides_stateful_set_are_not_made_again() {
    let manifests = parsed(&shipped(KUBERNETES));
    let of = |kind: &str| {
        manifests
            .iter()
            .find(|m| m["kind"] == kind)
            .unwrap_or_else(|| panic!("no {kind}"))
    };
    let spec = &of("StatefulSet")["spec"];
    assert_eq!(
        spec["replicas"], 1,
        "a second one would be another, empty Redis"
    );
    let pod = &spec["template"]["spec"];
    // Source: the restricted Pod Security Standard.
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(
        pod["securityContext"]["seccompProfile"]["type"],
        "RuntimeDefault"
    );
    for container in pod["containers"].as_array().expect("containers") {
        let context = &container["securityContext"];
        assert_eq!(context["allowPrivilegeEscalation"], false);
        assert_eq!(context["capabilities"]["drop"][0], "ALL");
        assert!(container["resources"]["limits"]["memory"].is_string());
    }
    let redis = &pod["containers"][0];
    assert_eq!(
        redis["livenessProbe"].get("exec"),
        None,
        "a server that loads is not killed"
    );
    assert_eq!(redis["readinessProbe"]["exec"]["command"][3], "--ready");
    assert_eq!(of("NetworkPolicy")["spec"]["egress"], serde_json::json!([]));
    assert_eq!(
        of("PodDisruptionBudget")["spec"]["selector"],
        spec["selector"]
    );
    assert!(
        manifests.iter().all(|m| m["kind"] != "Secret"),
        "no password, not even an example, is in them"
    );
    let grace = pod["terminationGracePeriodSeconds"]
        .as_u64()
        .expect("seconds");
    assert_eq!(grace, 120 + 30, "longer than service.stop-timeout");
}

#[test]
fn what_the_policy_says_is_what_is_rendered() {
    let policy = "extends = \"container\"\n[redis]\nname = \"jobs\"\nport = 7000\nbind = [\"*\"]\nmaxmemory = \"1gb\"\nmaxclients = 70000\ndata-dir = \"/srv/jobs\"\n\
        [kernel]\nsomaxconn = 9000\n[kernel.sysctl]\n\"net.ipv4.tcp_tw_reuse\" = 1\n\"vm.max_map_count\" = { at-least = 70000 }\n\
        [firewall]\nallow = [\"10.1.0.0/16\"]\npeers = [\"10.2.0.0/16\"]\n[service]\nstop-timeout = \"10m\"\n";
    let compose = parsed(&rendered(
        policy,
        &["compose", "--image", "registry.example/r@sha256:0"],
    ))
    .remove(0);
    let redis = &compose["services"]["redis"];
    assert_eq!(redis["image"], "registry.example/r@sha256:0");
    assert_eq!(
        redis["mem_limit"],
        (2u64 << 30).to_string(),
        "maxmemory and its headroom of 2"
    );
    assert_eq!(redis["ports"], serde_json::json!(["127.0.0.1:7000:7000"]));
    assert_eq!(redis["ulimits"]["nofile"]["hard"], 70128);
    assert_eq!(redis["sysctls"]["net.core.somaxconn"], "9000");
    assert_eq!(redis["sysctls"]["net.ipv4.tcp_tw_reuse"], "1");
    assert_eq!(redis["sysctls"].get("vm.max_map_count"), None, "the host's");
    assert_eq!(redis["stop_grace_period"], "630s");
    assert_eq!(redis["volumes"][0]["target"], "/srv/jobs");
    let manifests = parsed(&rendered(
        policy,
        &["kubernetes", "--memory", "3gb", "--storage", "9gb"],
    ));
    let text = serde_json::to_string(&manifests).expect("JSON");
    for wanted in [
        "\"cidr\":\"10.1.0.0/16\"",
        "\"cidr\":\"10.2.0.0/16\"",
        "\"memory\":\"3221225472\"",
        "\"storage\":\"9663676416\"",
        "\"name\":\"net.core.somaxconn\",\"value\":\"9000\"",
    ] {
        assert!(text.contains(wanted), "{wanted}");
    }
}

#[test]
fn a_text_that_yaml_would_read_otherwise_comes_back_the_same() {
    for reason in ["yes: no # {x}", "'", "\\\"", "- 0x1f", "&a *b !c", "ünï: ✓"] {
        let quoted = toml::Value::from(reason).to_string();
        let policy = format!(
            "extends = \"container\"\n[[waiver]]\ncontrol = \"tls.*\"\nreason = {quoted}\n"
        );
        let manifests = parsed(&rendered(&policy, &["kubernetes"]));
        let text = manifests[0]["data"]["policy.toml"]
            .as_str()
            .expect("a text")
            .to_owned();
        let back: toml::Value = toml::from_str(&text).expect("TOML");
        assert_eq!(back["waiver"][0]["reason"].as_str(), Some(reason));
    }
}

#[test]
fn an_instance_that_is_not_there_and_a_wrong_size_are_trouble() {
    for words in [
        vec!["compose", "--instance", "other"],
        vec!["kubernetes", "--memory", "much"],
        vec!["swarm"],
    ] {
        assert_eq!(render("", &words).status.code(), Some(2), "{words:?}");
    }
}
