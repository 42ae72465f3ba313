//! The image's root, built by the steps of the shipped Dockerfile: its RUN lines run, its COPY lines copy.
//! No registry is asked: what stands for the base is Debian's minimal root (tests/container/base).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What the last stage of a Dockerfile comes to.
#[derive(Debug, Default)]
pub struct Image {
    pub root: PathBuf,
    pub entrypoint: Vec<String>,
    pub command: Vec<String>,
    pub health: Vec<String>,
    pub volume: String,
}

pub fn checkout(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Built once a run, in the place that cargo gives to tests.
pub fn built() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(build)
}

fn build() -> Image {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("container-image");
    ok(Command::new("rm").arg("-rf").arg(&root));
    let repo = copied(&root);
    let mut image = Image {
        root,
        ..Image::default()
    };
    for (word, rest) in last_stage() {
        image.step(&word, &rest, &repo);
    }
    image
}

/// A copy of the base, and the packages that it may get.
fn copied(root: &Path) -> PathBuf {
    let base = ok(&mut Command::new(checkout("tests/container/base")));
    let base = Path::new(base.trim());
    ok(Command::new("cp")
        .arg("-a")
        .arg(base.join("root"))
        .arg(root));
    base.join("repo")
}

/// A Debian with these packages, in a place of the caller's.
pub fn debian(root: &Path, packages: &[&str]) {
    let repo = copied(root);
    let install = "apt-get -qq update && apt-get -qq install -y --no-install-recommends";
    run(root, &format!("{install} {}", packages.join(" ")), &repo);
}

/// The instructions after the last FROM, with their continuation lines.
fn last_stage() -> Vec<(String, String)> {
    let text = fs::read_to_string(checkout("packaging/container/Dockerfile")).expect("shipped");
    let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    let mut stage = Vec::new();
    for line in joined.lines().filter(|line| !line.is_empty()) {
        let (word, rest) = line.split_once(' ').expect("an instruction");
        match word {
            "FROM" => stage.clear(),
            _ => stage.push((word.to_owned(), rest.trim().to_owned())),
        }
    }
    stage
}

impl Image {
    fn step(&mut self, word: &str, rest: &str, repo: &Path) {
        let words = |text: &str| serde_json::from_str(text).expect("the form of a list");
        match word {
            "RUN" => run(&self.root, rest, repo),
            "COPY" => self.copy(rest),
            "ENTRYPOINT" => self.entrypoint = words(rest),
            "CMD" => self.command = words(rest),
            "HEALTHCHECK" => {
                let (_, command) = rest.split_once("CMD ").expect("a command");
                self.health = words(command);
            }
            "VOLUME" => self.volume = rest.to_owned(),
            "EXPOSE" | "STOPSIGNAL" => {}
            other => panic!("no step here for {other} {rest}"),
        }
    }

    fn copy(&self, rest: &str) {
        let built = rest.strip_prefix("--from=build ");
        let (from, to) = built.unwrap_or(rest).split_once(' ').expect("two paths");
        let from = match (built, from) {
            (Some(_), "/src/target/release/redis-harden") => {
                env!("CARGO_BIN_EXE_redis-harden").into()
            }
            (Some(_), other) => panic!("the build stage makes no {other}"),
            (None, path) => checkout(path),
        };
        let to = self.root.join(to.trim_start_matches('/'));
        fs::create_dir_all(to.parent().expect("a directory")).expect("our own root");
        fs::copy(&from, &to).expect("what the Dockerfile copies");
        ok(Command::new("chown").arg("0:0").arg(&to));
    }
}

/// A command in a root, as root.
fn run(root: &Path, script: &str, repo: &Path) {
    const ENTER: &str = "mount --bind \"$2\" \"$1/repo\" && mount -t proc proc \"$1/proc\" && mount -t tmpfs tmpfs \"$1/dev\" && \
        mknod -m 666 \"$1/dev/null\" c 1 3 && exec chroot \"$1\" sh -euc \"$3\"";
    let mut unshare = Command::new("unshare");
    unshare.args([
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        "-c",
        ENTER,
        "run",
    ]);
    unshare.args([root, repo]).arg(script);
    unshare
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    unshare.env("DEBIAN_FRONTEND", "noninteractive");
    ok(&mut unshare);
}

/// What a command prints, where it succeeds.
#[track_caller]
pub fn ok(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e} (run tests/install-deps)"));
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{command:?}: {}\n{out}\n{err}",
        output.status
    );
    out.into_owned()
}
