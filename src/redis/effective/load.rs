//! Files, includes in their place, and options last. Source: `loadServerConfig` and `loadServerConfigFromString` in Redis's config.c.
//! The files may be the server's own to write: no link is followed, nothing is read that their writer may not read, and depth and size are
//! bounded.

use super::kind::{self, Refusal};
use super::special::Lists;
use super::table::{Directive, Table, Version};
use super::text::{COMMAND_LINE, Text};
use super::{Effective, Fault, Given, Start, Wrong, glob, is_secret, words};
use crate::host::{Host, HostError, HostResult, Kind, Sayers, Trust};
use nix::errno::Errno;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Deeper nesting of includes, and more text, than any honest configuration has.
const MAX_DEPTH: usize = 16;
const MAX_BYTES: usize = 8 << 20;

/// Redis's own bounds of `hz`, which it keeps silently.
const HZ: (i64, i64) = (1, 500);

/// All that a server started this way would have set.
pub fn load(host: &Host, table: &Table, start: &Start) -> HostResult<Effective> {
    load_said(host, table, start, Sayers::default())
}

/// The same, where others than root have said how it was started.
pub fn load_said(
    host: &Host,
    table: &Table,
    start: &Start,
    sayers: Sayers,
) -> HostResult<Effective> {
    let mut loader = Loader::new(host, table, start.cwd.clone());
    loader.sayers = sayers;
    if start.line.stdin {
        let doing = "reading the server's configuration";
        return Err(HostError::refused(
            doing,
            "a part of it came from its standard input",
        ));
    }
    let mut text = match &start.line.file {
        Some(name) => loader.whole(name, COMMAND_LINE)?,
        None => Text::default(),
    };
    text.push(b"\n", COMMAND_LINE);
    text.push(&start.line.options, COMMAND_LINE);
    loader.lines(&text, 0)?;
    Ok(loader.finish())
}

/// The same of one text that has a name.
pub fn load_text(host: &Host, table: &Table, text: &str, name: &str) -> HostResult<Effective> {
    let mut loader = Loader::new(host, table, None);
    let mut whole = Text::default();
    whole.push(text.as_bytes(), name);
    loader.lines(&whole, 0)?;
    Ok(loader.finish())
}

struct Loader<'a> {
    host: &'a Host,
    table: &'a Table,
    /// `dir` changes it at once, for the includes after it too.
    cwd: Option<PathBuf>,
    /// Who beside root may have written what was read so far.
    sayers: Sayers,
    lists: Lists,
    bytes: usize,
    modules: bool,
    /// Names that only a module can know, and their places.
    of_modules: BTreeMap<String, String>,
    found: Effective,
}

impl<'a> Loader<'a> {
    fn new(host: &'a Host, table: &'a Table, cwd: Option<PathBuf>) -> Loader<'a> {
        Loader {
            host,
            table,
            cwd,
            sayers: Sayers::default(),
            lists: Lists::default(),
            bytes: 0,
            modules: false,
            of_modules: BTreeMap::new(),
            found: Effective::default(),
        }
    }

    fn lines(&mut self, text: &Text, depth: usize) -> HostResult<()> {
        self.lists.begin();
        for (at, line) in text.lines() {
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let Some(words) = words::split(line) else {
                self.fault(&at, "", Wrong::Other, "its quotes are not balanced");
                continue;
            };
            if let Some((name, args)) = words.split_first() {
                let name = words::text(&name.to_ascii_lowercase());
                self.line(&at, &name, args, depth)?;
            }
        }
        self.lists.end();
        Ok(())
    }

    fn line(&mut self, at: &str, name: &str, args: &[Vec<u8>], depth: usize) -> HostResult<()> {
        if args.iter().any(|a| a.contains(&0)) {
            // Redis keeps some values whole and cuts others there.
            return Err(HostError::refused(
                format!("reading {at}"),
                "a value has a NUL byte",
            ));
        }
        if let Some(directive) = self.table.directive(name) {
            match self.value(directive, args)? {
                Ok(value) => self.give(at, directive, value),
                Err(why) => {
                    let comment = args.iter().skip(1).any(|a| a.starts_with(b"#"));
                    let wrong = if comment {
                        Wrong::InlineComment
                    } else {
                        Wrong::Other
                    };
                    self.fault(at, name, wrong, &why);
                }
            }
            return Ok(());
        }
        match (name, args) {
            (name, [_]) if self.table.version.ignores(name) => {}
            ("include", [path]) => self.include(at, path, depth)?,
            ("rename-command", [_, _]) => {}
            ("user", [user, rules @ ..]) => self.user(at, user, rules),
            ("loadmodule", [_, ..]) => self.modules = true,
            ("sentinel", []) => {}
            ("sentinel", _) => self.fault(at, name, Wrong::Other, "this is no Sentinel"),
            (_, []) => self.fault(at, name, Wrong::Unknown, "no such directive, or no value"),
            ("include" | "rename-command", _) => {
                self.fault(at, name, Wrong::Other, "wrong number of arguments");
            }
            (name, _) if name.contains('.') || self.table.version == Version::Redis80 => {
                self.of_modules.insert(name.to_owned(), at.to_owned());
            }
            _ => self.unknown(at, name),
        }
        Ok(())
    }

    /// The directive's value after this line.
    fn value(
        &mut self,
        directive: Directive,
        args: &[Vec<u8>],
    ) -> HostResult<Result<String, Refusal>> {
        let many = kind::takes_many(directive);
        if !many && args.len() != 1 {
            return Ok(Err("wrong number of arguments".into()));
        }
        let split = match args {
            [one] if many && !one.is_empty() => words::split(one).unwrap_or_default(),
            _ => args.to_vec(),
        };
        Ok(match (directive.kind, directive.name, args) {
            ("special", "dir", [dir]) => return self.enter(dir),
            ("special", _, _) => self.lists.set(directive, &split),
            _ => kind::value(directive, &split),
        })
    }

    fn give(&mut self, at: &str, directive: Directive, value: String) {
        let name = directive.name;
        if is_secret(name) && !value.is_empty() {
            self.found.passwords.push((name.to_owned(), at.to_owned()));
        }
        let given = Given {
            value,
            at: at.to_owned(),
        };
        let now = given.value.clone();
        let before = self.found.values.insert(name, given);
        let adds_up = matches!(name, "save" | "client-output-buffer-limit");
        if let Some(before) = before.filter(|b| b.value != now && !adds_up) {
            self.found.overridden.push((name, before.at, at.to_owned()));
        }
    }

    /// A password in a user's rules is `>PASSWORD`; `#HASH` is none.
    fn user(&mut self, at: &str, user: &[u8], rules: &[Vec<u8>]) {
        if rules.iter().any(|rule| rule.starts_with(b">")) {
            let what = format!("user {}", words::text(user));
            self.found.passwords.push((what, at.to_owned()));
        }
    }

    fn include(&mut self, at: &str, path: &[u8], depth: usize) -> HostResult<()> {
        if depth >= MAX_DEPTH {
            return Err(HostError::refused(
                format!("reading {at}"),
                "its includes go too deep to be followed",
            ));
        }
        let text = self.whole(path, at)?;
        self.lines(&text, depth + 1)
    }

    /// What a name stands for; where that is nothing, it is a fault of the line that names it.
    fn whole(&mut self, name: &[u8], at: &str) -> HostResult<Text> {
        if let Some(text) = self.included(name)? {
            return Ok(text);
        }
        let why = format!("there is no {}", words::text(name));
        self.fault(at, "include", Wrong::Other, &why);
        Ok(Text::default())
    }

    /// The file, or the files of a pattern one after the other; `None` when there is no such file.
    fn included(&mut self, name: &[u8]) -> HostResult<Option<Text>> {
        let path = self.absolute(name)?;
        let mut text = Text::default();
        let shown = path.to_string_lossy().into_owned();
        if !glob::is_pattern(&words::text(name)) {
            return Ok(match self.read(&path)? {
                Some(bytes) => {
                    text.push(&bytes, &shown);
                    Some(text)
                }
                None => None,
            });
        }
        for path in self.expand(&shown)? {
            // Redis opens a directory as well, and reads nothing from it.
            if self.host.stat(&path)?.is_some_and(|s| s.kind == Kind::Dir) {
                continue;
            }
            let bytes = self.read(&path)?.unwrap_or_default();
            text.push(&bytes, &path.to_string_lossy());
        }
        Ok(Some(text))
    }

    fn read(&mut self, path: &Path) -> HostResult<Option<Vec<u8>>> {
        let doing = || format!("reading {}", path.display());
        let only_root = self.sayers.is_root();
        let read = match self.host.read_named(path, &mut self.sayers) {
            // A link: root's own may lead to what is root's own.
            Err(e) if e.errno == Some(Errno::ELOOP) && only_root => {
                self.host.read_trusted(path, Trust::Root)
            }
            read => read,
        };
        let Some(bytes) = read? else {
            return Ok(None);
        };
        self.bytes += bytes.len();
        if self.bytes > MAX_BYTES {
            return Err(HostError::refused(
                doing(),
                "it and what it includes are too long",
            ));
        }
        if bytes.contains(&0) {
            return Err(HostError::refused(
                doing(),
                "it has a NUL byte, and is no text",
            ));
        }
        Ok(Some(bytes))
    }

    /// The paths that a pattern stands for, in the order of their bytes (glob(3) under `LC_COLLATE=C`).
    fn expand(&self, pattern: &str) -> HostResult<Vec<PathBuf>> {
        let mut paths = vec![PathBuf::from("/")];
        for part in pattern.split('/').filter(|p| !p.is_empty()) {
            let mut next = Vec::new();
            for dir in paths {
                if !glob::is_pattern(part) && !part.contains('\\') {
                    next.push(dir.join(part));
                    continue;
                }
                let kind = self.host.stat(&dir)?.map(|s| s.kind);
                if !matches!(kind, Some(Kind::Dir | Kind::Link)) {
                    continue;
                }
                let names = self.host.list(&dir)?.into_iter();
                let names = names.filter(|n| glob::matches(part, n));
                next.extend(names.map(|n| dir.join(n)));
            }
            paths = next;
        }
        let mut there = Vec::new();
        for path in paths {
            if self.host.stat(&path)?.is_some() {
                there.push(path);
            }
        }
        Ok(there)
    }

    /// Redis goes to its `dir` as soon as it reads it, and shows where it is.
    fn enter(&mut self, dir: &[u8]) -> HostResult<Result<String, Refusal>> {
        if dir.is_empty() {
            return Ok(Err("it must not be empty".into()));
        }
        let path = self.absolute(dir)?;
        if self.host.stat(&path)?.is_none() {
            return Ok(Err("there is no such directory".into()));
        }
        self.cwd = Some(path.clone());
        Ok(Ok(path.to_string_lossy().into_owned()))
    }

    fn absolute(&self, name: &[u8]) -> HostResult<PathBuf> {
        let text = words::text(name);
        let doing = || format!("looking for {text}");
        let name = Path::new(
            std::str::from_utf8(name)
                .map_err(|_| HostError::refused(doing(), "its name is no UTF-8 text"))?,
        );
        match &self.cwd {
            _ if name.is_absolute() => Ok(plain(name)),
            Some(cwd) => Ok(plain(&cwd.join(name))),
            None => Err(HostError::refused(
                doing(),
                "it is relative to the directory that the server was started in, which is not known",
            )),
        }
    }

    fn unknown(&mut self, at: &str, name: &str) {
        let why = format!("{} has no such directive", self.table.version);
        self.fault(at, name, Wrong::Unknown, &why);
    }

    fn fault(&mut self, at: &str, name: &str, wrong: Wrong, why: &str) {
        self.found.faults.push(Fault {
            at: at.to_owned(),
            name: name.to_owned(),
            wrong,
            why: why.to_owned(),
        });
    }

    /// What only the whole tells.
    fn finish(mut self) -> Effective {
        if !self.modules {
            for (name, at) in std::mem::take(&mut self.of_modules) {
                self.unknown(&at, &name);
            }
        }
        if let Some(hz) = self.found.values.get_mut("hz") {
            let clamped = hz.value.parse::<i64>().map(|n| n.clamp(HZ.0, HZ.1));
            hz.value = clamped.map_or_else(|_| hz.value.clone(), |n| n.to_string());
        }
        let value = |name| {
            self.found
                .values
                .get(name)
                .map(|g: &Given| g.value.as_str())
        };
        if value("cluster-enabled") == Some("yes")
            && let Some(of) = self
                .found
                .values
                .get("replicaof")
                .filter(|g| !g.value.is_empty())
        {
            let at = of.at.clone();
            self.fault(
                &at,
                "replicaof",
                Wrong::Other,
                "it is not allowed in a cluster",
            );
        }
        self.found
    }
}

/// A path without `.`, `..` and doubled slashes.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir => drop(plain.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests;
