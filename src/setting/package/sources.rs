//! apt's sources: whether the suite that brings security fixes is among them. It knows no pinning and asks no archive.

use crate::host::{Host, HostResult};
use crate::setting::{Reading, Sight};
use crate::value::Value;
use std::path::{Path, PathBuf};

const LIST: &str = "/etc/apt/sources.list";
const PARTS: &str = "/etc/apt/sources.list.d";

/// Names that the archive has for a release whatever it is called: an alias of the host's own is as good.
const ALIASES: [&str; 3] = ["stable", "oldstable", "oldoldstable"];

/// Whether a host that takes its packages from its distribution's release also takes them from the release's security suite.
pub fn read_security_suite(sight: Sight) -> Reading {
    let codename = &sight.facts.distro.codename;
    let suites = match suites(sight.host) {
        Ok(suites) => suites,
        Err(e) => return Reading::Unknown(e.to_string()),
    };
    let of_release = |suite: &str| suite == codename || ALIASES.contains(&suite);
    let release = suites.iter().any(|(suite, _)| of_release(suite));
    let security = suites.iter().find(|(suite, _)| {
        let base = suite.strip_suffix("-security");
        base.is_some_and(of_release)
    });
    match security {
        Some((_, file)) => Reading::Value(Value::Flag(true), Some(file.display().to_string())),
        None if release && !codename.is_empty() => {
            Reading::Value(Value::Flag(false), Some(format!("{LIST} and {PARTS}")))
        }
        None => Reading::NotApplicable(
            "apt has no source of the distribution's releases here: whoever makes its source brings the fixes"
                .to_owned(),
        ),
    }
}

/// Each suite that is enabled, and the file that names it.
fn suites(host: &Host) -> HostResult<Vec<(String, PathBuf)>> {
    let mut files = vec![PathBuf::from(LIST)];
    files.extend(
        host.list(Path::new(PARTS))?
            .iter()
            .map(|n| Path::new(PARTS).join(n)),
    );
    let mut suites = Vec::new();
    for file in files {
        let text = match file.extension().and_then(|e| e.to_str()) {
            Some("list" | "sources") => host.read_text(&file)?.unwrap_or_default(),
            _ => continue,
        };
        let found = match file.extension().is_some_and(|e| e == "sources") {
            true => of_stanzas(&text),
            false => of_lines(&text),
        };
        suites.extend(found.into_iter().map(|suite| (suite, file.clone())));
    }
    Ok(suites)
}

/// `deb [options] URI SUITE COMPONENT…`: sources.list(5).
fn of_lines(text: &str) -> Vec<String> {
    let suite = |line: &str| {
        let line = line.split('#').next()?.trim();
        let rest = line
            .strip_prefix("deb")?
            .strip_prefix([' ', '\t'])?
            .trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']')?.1,
            None => rest,
        };
        rest.split_whitespace().nth(1).map(str::to_owned)
    };
    text.lines().filter_map(suite).collect()
}

/// Stanzas with `Suites:`, unless they are `Enabled: no` or of source packages only.
fn of_stanzas(text: &str) -> Vec<String> {
    let text: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
    let mut suites = Vec::new();
    for stanza in text.split(|line| line.trim().is_empty()) {
        let field = |name: &str| -> Vec<&str> {
            let is = |line: &&str| {
                line.split_once(':')
                    .is_some_and(|(key, _)| key.eq_ignore_ascii_case(name))
            };
            let Some(at) = stanza.iter().position(is) else {
                return Vec::new();
            };
            let mut lines = stanza.iter().skip(at);
            let first = lines.next().and_then(|line| line.split_once(':'));
            let first = first.map_or("", |(_, value)| value);
            let more = lines.take_while(|line| line.starts_with([' ', '\t']));
            std::iter::once(first)
                .chain(more.copied())
                .flat_map(str::split_whitespace)
                .collect()
        };
        let off = field("Enabled").iter().any(|v| *v == "no" || *v == "false");
        if !off && field("Types").contains(&"deb") {
            suites.extend(field("Suites").into_iter().map(str::to_owned));
        }
    }
    suites
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_read_as_the_manual_writes_them() {
        let lines = "# deb http://x bookworm-security main\n\
            deb http://deb.debian.org/debian bookworm main contrib\n\
            deb [ arch=amd64 signed-by=/x.gpg ] http://security.debian.org bookworm-security main # fixes\n\
            deb-src http://deb.debian.org/debian bookworm-updates main\n\
            deb [trusted=yes] file:/repo ./\n";
        assert_eq!(of_lines(lines), ["bookworm", "bookworm-security", "./"]);
        let stanzas = "Types: deb deb-src\nURIs: http://deb.debian.org/debian\nSuites: bookworm\n bookworm-updates\nComponents: main\n\n\
            Enabled: no\nTypes: deb\nSuites: bookworm-security\n\n\
            # Types: deb\nTypes: deb-src\nSuites: trixie\n\n\
            types: deb\nsuites: bookworm-backports\n";
        assert_eq!(
            of_stanzas(stanzas),
            ["bookworm", "bookworm-updates", "bookworm-backports"]
        );
    }
}
