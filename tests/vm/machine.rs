//! A virtual machine with a Debian cloud image's tree: emulated, with a network that leads nowhere, and gone when its test is.
//! The tree (`tests/vm/root`) is never written to; what the machine is to do and what it installs is on a second disk, as a NoCloud seed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long one boot may take, on a machine whose processors others use as well.
const BOOT: Duration = Duration::from_secs(900);

/// The tree, kernel and packages of a Debian.
pub struct Image {
    dir: PathBuf,
    /// Below `dir`, or one that was baked.
    disk: PathBuf,
}

impl Image {
    pub fn of(suite: &str) -> Image {
        for tool in ["qemu-system-x86_64", "genisoimage"] {
            let found = Command::new("which").arg(tool).output().expect("which");
            assert!(
                found.status.success(),
                "no {tool}: apt-get install qemu-system-x86 genisoimage (a qemu-utils of backports gives way to them)"
            );
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vm/root");
        let dir = PathBuf::from(said(Command::new(script).arg(suite)));
        let disk = dir.join("disk");
        Image { dir, disk }
    }

    /// The tree on this machine, not to be written to.
    pub fn tree(&self) -> PathBuf {
        self.dir.join("root")
    }

    /// The same kernel with the disk of another tree.
    pub fn with_tree(&self, tree: &Path, disk: &Path) -> Image {
        said(Command::new("truncate").args(["-s", "3G"]).arg(disk));
        said(
            Command::new("mke2fs")
                .args(["-q", "-t", "ext4", "-d"])
                .args([tree, disk]),
        );
        Image {
            dir: self.dir.clone(),
            disk: disk.to_owned(),
        }
    }

    /// A package repository with this package in it.
    pub fn repository(&self, deb: &Path, to: &Path) {
        said(
            Command::new("cp")
                .arg("-R")
                .arg(self.dir.join("repo"))
                .arg(to),
        );
        said(Command::new("cp").arg(deb).arg(to));
        let packages = said(
            Command::new("dpkg-scanpackages")
                .args(["--multiversion", "."])
                .current_dir(to),
        );
        fs::write(to.join("Packages"), packages + "\n").expect("our own directory");
    }
}

/// What a machine told: by boot and question, the answer and its exit code.
#[derive(Debug, Default)]
pub struct Told(BTreeMap<(usize, String), (String, i32)>);

impl Told {
    /// What it said, whatever the exit code.
    #[track_caller]
    pub fn said(&self, boot: usize, what: &str) -> &str {
        &self.answer(boot, what).0
    }

    /// What it said, having ended with 0.
    #[track_caller]
    pub fn ok(&self, boot: usize, what: &str) -> &str {
        self.exits(boot, what, 0)
    }

    #[track_caller]
    pub fn exits(&self, boot: usize, what: &str, wanted: i32) -> &str {
        let (text, code) = self.answer(boot, what);
        assert_eq!(*code, wanted, "exit code of {what} in boot {boot}:\n{text}");
        text
    }

    #[track_caller]
    pub fn code(&self, boot: usize, what: &str) -> i32 {
        self.answer(boot, what).1
    }

    #[track_caller]
    fn answer(&self, boot: usize, what: &str) -> &(String, i32) {
        let answer = self.0.get(&(boot, what.to_owned()));
        answer.unwrap_or_else(|| panic!("{what} was not asked in boot {boot}"))
    }

    /// Of the second serial line.
    fn of(report: &str) -> Told {
        let mut told = Told::default();
        let mut open: Option<((usize, String), Vec<&str>)> = None;
        for line in report.lines().map(|line| line.trim_end_matches('\r')) {
            if let Some(head) = line.strip_prefix("<<< ") {
                let (boot, what) = head.split_once(' ').expect("a boot and a question");
                let key = (boot.parse().expect("a number"), what.to_owned());
                open = Some((key, Vec::new()));
            } else if let (Some(code), Some((key, lines))) = (line.strip_prefix(">>> "), &open) {
                let code = code.parse().expect("an exit code");
                let text = lines.join("\n").trim_end().to_owned();
                told.0.insert(key.clone(), (text, code));
                open = None;
            } else if let Some((_, lines)) = &mut open {
                lines.push(line);
            }
        }
        told
    }
}

/// The machine's second disk: files by name, and the package repository.
pub struct Seed<'a> {
    pub files: &'a [(&'a str, &'a str)],
    /// What is done in each boot; see `guest`.
    pub boots: &'a [&'a str],
    pub repository: &'a Path,
}

/// Boots the image as often as the seed says, and hears what it tells.
pub fn boot(image: &Image, seed: &Seed, scratch: &Path) -> Told {
    let disk = scratch.join("seed.iso");
    seed_disk(seed, &scratch.join("seed"), &disk);
    let (console, report) = (scratch.join("console"), scratch.join("report"));
    let mut machine = start(image, &disk, &console, &report, scratch);
    let until = Instant::now() + BOOT * u32::try_from(seed.boots.len()).expect("a few");
    let ended = loop {
        if let Some(status) = machine.0.try_wait().expect("our own child") {
            break status.success();
        }
        if Instant::now() > until {
            break false;
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    let told = String::from_utf8_lossy(&fs::read(&report).expect("qemu writes it")).into_owned();
    let last = seed.boots.len() - 1;
    let is_whole = ended && told.contains(&format!("<<< {last} end\n"));
    if std::env::var_os("REDIS_HARDEN_VM_VERBOSE").is_some() || !is_whole {
        println!("{told}");
    }
    if !is_whole {
        let console = fs::read(&console).unwrap_or_default(); // then there is nothing to show
        let console = String::from_utf8_lossy(&console).into_owned();
        let from = console.len().saturating_sub(20_000);
        let from = (from..)
            .find(|at| console.is_char_boundary(*at))
            .expect("the end is one");
        panic!("the machine did not end by itself:\n{}", &console[from..]);
    }
    Told::of(&told)
}

fn seed_disk(seed: &Seed, dir: &Path, disk: &Path) {
    fs::create_dir(dir).expect("our own directory");
    said(
        Command::new("cp")
            .arg("-R")
            .arg(seed.repository)
            .arg(dir.join("repo")),
    );
    let boots = seed.boots.join("\n") + "\n";
    let guest = include_str!("guest");
    for (name, content) in [("boots", boots.as_str()), ("guest", guest)]
        .iter()
        .chain(seed.files)
    {
        fs::write(dir.join(name), content).expect("our own directory");
    }
    let mut make = Command::new("genisoimage");
    make.args(["-quiet", "-R", "-V", "cidata", "-o"])
        .args([disk, dir]);
    said(&mut make);
}

/// Killed when it is dropped, and by the kernel when its test dies.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended
        let _ = self.0.wait();
    }
}

fn start(image: &Image, seed: &Path, console: &Path, report: &Path, scratch: &Path) -> Running {
    let mut machine = Command::new("setpriv");
    machine.args(["--pdeathsig", "KILL", "qemu-system-x86_64"]);
    // KVM is not what most machines that run tests have.
    machine.args([
        "-accel",
        "tcg",
        "-m",
        "2048",
        "-smp",
        "2",
        "-nodefaults",
        "-nographic",
    ]);
    machine.arg("-kernel").arg(image.dir.join("vmlinuz"));
    machine.arg("-initrd").arg(image.dir.join("initrd"));
    // An emulated TSC is found unstable sooner or later: what the clock costs shall not depend on when.
    machine.args([
        "-append",
        "root=/dev/vda rw console=ttyS0 quiet clocksource=hpet",
    ]);
    let drive =
        |path: &Path, how: &str| format!("file={},if=virtio,format=raw,{how}", path.display());
    // What is written goes to a file without a name, and outlives the machine's reboots only.
    machine.args(["-drive", &drive(&image.disk, "snapshot=on,cache=unsafe")]);
    machine.args(["-drive", &drive(seed, "readonly=on")]);
    machine.args([
        "-nic",
        "user,restrict=on,model=virtio-net-pci",
        "-device",
        "virtio-rng-pci",
    ]);
    machine.args(["-serial", &format!("file:{}", console.display())]);
    machine.args(["-serial", &format!("file:{}", report.display())]);
    machine.env("TMPDIR", scratch).stdin(Stdio::null());
    Running(machine.spawn().expect("setpriv, of util-linux"))
}

/// What a command prints; panics unless it succeeds.
#[track_caller]
pub fn said(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|why| panic!("{command:?}: {why} (tests/install-deps)"));
    assert!(
        output.status.success(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}
