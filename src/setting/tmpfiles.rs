//! Lines of tmpfiles.d that write to a file of the kernel's when the host boots. Of two lines for one path the first counts, and those
//! with a wildcard or a `+` come over it: measured with systemd-tmpfiles 252. So each line is named that says something else.

use super::memo::Slot;
use super::{Reading, Sight, conf_d, traces};
use crate::host::{Host, HostResult};
use std::fmt;
use std::path::{Path, PathBuf};

/// Where tmpfiles.d is; of files with one name, the first directory's counts.
const DIRS: [&str; 5] = [
    "/etc/tmpfiles.d",
    "/run/tmpfiles.d",
    "/usr/local/lib/tmpfiles.d",
    "/usr/lib/tmpfiles.d",
    "/lib/tmpfiles.d",
];

/// The lines that write to `path` what is none of `wanted`: `FILE:LINE writes VALUE`.
pub fn read_rivals(sight: Sight, path: &Path, wanted: &[String]) -> Reading {
    match rivals(sight, path, wanted) {
        Ok(found) => traces::words(found),
        Err(e) => Reading::Unknown(e.to_string()),
    }
}

fn rivals(sight: Sight, path: &Path, wanted: &[String]) -> HostResult<Vec<String>> {
    let slot = sight.memo.map(|memo| &memo.tmpfiles);
    let lines = Slot::read(slot, || writing(sight.host))?;
    let others = lines
        .iter()
        .filter(|line| line.is_about(path) && !wanted.contains(&line.value));
    Ok(others.map(Line::to_string).collect())
}

/// A line that writes a value to what it names.
#[derive(Debug)]
pub struct Line {
    file: PathBuf,
    number: usize,
    target: String,
    value: String,
}

fn writing(host: &Host) -> HostResult<Vec<Line>> {
    let mut all = Vec::new();
    for file in conf_d::files(host, &DIRS)? {
        let text = conf_d::text(host, &file)?.unwrap_or_default();
        let lines = text.lines().enumerate();
        all.extend(lines.filter_map(|(n, line)| Line::parse(line, &file, n + 1)));
    }
    Ok(all)
}

impl Line {
    /// Source: tmpfiles.d(5): type, path, mode, user, group, age, argument.
    fn parse(line: &str, file: &Path, number: usize) -> Option<Line> {
        let mut words = line.split_whitespace();
        let kind = words
            .next()
            .filter(|kind| kind.starts_with(['w', 'f', 'F']))?;
        // What makes a file that is there already writes nothing into it.
        if kind.starts_with('f') && !kind.contains('+') {
            return None;
        }
        let target = words.next()?.trim_matches(['"', '\'']).to_owned();
        let value: Vec<&str> = words.skip(4).collect();
        let value = value.join(" ");
        let value = value.trim_matches(['"', '\'']).trim_end_matches("\\n");
        Some(Line {
            file: file.to_owned(),
            number,
            target,
            value: value.to_owned(),
        })
    }

    fn is_about(&self, path: &Path) -> bool {
        let target = &self.target;
        matches(target, path) || meet(path, target)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line {
            file,
            number,
            value,
            ..
        } = self;
        write!(f, "{}:{number} writes {value}", file.display())
    }
}

/// Whether a path of ours that is a glob itself, such as one for each size of pages, is about what a line names.
fn meet(path: &Path, target: &str) -> bool {
    let glob = path.to_string_lossy();
    let one = glob.replace('*', "2048");
    *glob != *one && (matches(&glob, Path::new(target)) || matches(target, Path::new(&one)))
}

/// As glob(3): a star does not match a slash.
fn matches(glob: &str, path: &Path) -> bool {
    // Most name one file, and a glob is dear to compile.
    if !glob.contains(['*', '?', '[', '{']) {
        return Path::new(glob) == path;
    }
    globset::GlobBuilder::new(glob)
        .literal_separator(true)
        .build()
        .is_ok_and(|glob| glob.compile_matcher().is_match(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(line: &str, path: &Path) -> Option<String> {
        let line = Line::parse(line, Path::new("x.conf"), 1)?;
        line.is_about(path).then_some(line.value)
    }

    #[test]
    fn a_line_writes_what_its_seventh_word_says() {
        let path = Path::new("/sys/kernel/mm/transparent_hugepage/enabled");
        for (line, value) in [
            (
                "w- /sys/kernel/mm/transparent_hugepage/enabled - - - - madvise",
                Some("madvise"),
            ),
            (
                "w! /sys/kernel/mm/transparent_hugepage/enabled - - - - always",
                Some("always"),
            ),
            (
                "w+ /sys/kernel/mm/*/enabled - - - - \"always\\n\"",
                Some("always"),
            ),
            (
                "w /sys/kernel/mm/transparent_hugepage/defrag - - - - always",
                None,
            ),
            (
                "f /sys/kernel/mm/transparent_hugepage/enabled - - - - always",
                None,
            ),
            (
                "# w /sys/kernel/mm/transparent_hugepage/enabled - - - - always",
                None,
            ),
            ("d /sys/kernel/mm/transparent_hugepage/enabled", None),
            ("w /sys/* - - - - always", None),
        ] {
            assert_eq!(written(line, path).as_deref(), value, "{line}");
        }
    }

    #[test]
    fn a_line_for_one_size_of_pages_is_about_them_all() {
        let sizes = Path::new("/sys/kernel/mm/transparent_hugepage/hugepages-*kB/enabled");
        for (target, is_it) in [
            (
                "/sys/kernel/mm/transparent_hugepage/hugepages-64kB/enabled",
                true,
            ),
            ("/sys/kernel/mm/transparent_hugepage/*/enabled", true),
            ("/sys/kernel/mm/transparent_hugepage/enabled", false),
        ] {
            let line = format!("w {target} - - - - always");
            assert_eq!(written(&line, sizes).is_some(), is_it, "{target}");
        }
    }
}
