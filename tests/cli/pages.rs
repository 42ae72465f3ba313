//! What the pages for people say: their commands are ones that the program knows, their links lead somewhere, their policies are valid.

use super::harness::Fake;
use clap::Parser;
use redis_harden::cli::Cli;
use std::fs;
use std::path::{Path, PathBuf};

/// README and the pages that are written by hand.
fn pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).expect("shipped");
    let mut paths: Vec<PathBuf> = docs.map(|entry| entry.expect("an entry").path()).collect();
    paths.extend(["README.md", "SECURITY.md", "CONTRIBUTING.md"].map(|name| root.join(name)));
    paths.retain(|path| path.extension().is_some_and(|end| end == "md"));
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a page");
        (path, text)
    };
    paths.into_iter().map(read).collect()
}

/// The lines of a page that are shown as typed.
fn typed(page: &str) -> impl Iterator<Item = &str> {
    let code = page.lines().filter_map(|line| line.strip_prefix("    "));
    code.map(|line| line.strip_prefix("# ").unwrap_or(line))
}

#[test]
fn every_command_in_the_pages_is_one_that_the_program_knows() {
    let mut tried = 0;
    for (path, page) in pages() {
        for line in typed(&page) {
            let line = line.trim_start_matches("sudo ");
            let line = line
                .strip_prefix("REDISCLI_AUTH=… ")
                .unwrap_or(line)
                .replace("target/release/redis-harden", "redis-harden")
                .replace("cargo run --release --", "redis-harden");
            if !line.starts_with("redis-harden ") {
                continue;
            }
            let command = line.split([';', '|', '>']).next().unwrap_or_default();
            let words = words(command);
            let parsed = Cli::try_parse_from(&words);
            assert!(
                parsed.is_ok(),
                "{}: {line}: {:?}",
                path.display(),
                parsed.err()
            );
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried} commands found");
}

/// Of a command line with single quotes.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in command.split('\'').enumerate() {
        match index % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

#[test]
fn every_link_between_the_pages_leads_somewhere() {
    for (path, page) in pages() {
        for target in page
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            if file.contains("://") || file.contains(char::is_whitespace) {
                continue;
            }
            let of = match file {
                "" => path.clone(),
                file => path.parent().expect("a directory").join(file),
            };
            assert!(of.exists(), "{}: {target}", path.display());
            let heading = |line: &str| {
                line.starts_with('#')
                    && line
                        .trim_start_matches(['#', ' '])
                        .to_lowercase()
                        .replace(' ', "-")
                        == anchor
            };
            let text = if anchor.is_empty() {
                String::new()
            } else {
                fs::read_to_string(&of).expect("a page")
            };
            assert!(
                anchor.is_empty() || text.lines().any(heading),
                "{}: {target}",
                path.display()
            );
        }
    }
}

#[test]
fn every_policy_in_the_pages_is_valid() {
    let mut tried = 0;
    for (path, page) in pages() {
        let blocks = page
            .split("\n\n")
            .filter(|block| block.lines().all(|line| line.starts_with("    ")));
        for section in policies(&blocks.collect::<Vec<_>>()) {
            let tree = Fake::debian();
            tree.file("etc/redis-harden/policy.toml", &section);
            let ran = tree.run(&["policy", "validate"]);
            assert_eq!(ran.code, 0, "{}: {section}\n{}", path.display(), ran.err);
            tried += 1;
        }
    }
    assert!(tried > 4, "{tried} policies found");
}

/// Blocks of TOML, each as a policy of its own; what only extends goes on in the next block.
fn policies(blocks: &[&str]) -> Vec<String> {
    let bare = |block: &&str| {
        block
            .lines()
            .map(|line| line.trim_start().to_owned() + "\n")
            .collect::<String>()
    };
    let is_toml = |text: &String| text.starts_with('[') || text.starts_with("extends =");
    blocks.iter().map(bare).filter(is_toml).collect()
}
