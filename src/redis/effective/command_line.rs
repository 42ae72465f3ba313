//! A server's command line: the file that it names, and its options as the lines that Redis makes of them. Source: `main` in server.c.

use super::table::Version;
use super::words;

/// What follows the program's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// The configuration file, as it was written.
    pub file: Option<Vec<u8>>,
    /// Whether more was read from the standard input.
    pub stdin: bool,
    /// The options, as lines that come after the file's.
    pub options: Vec<u8>,
}

impl CommandLine {
    /// From the arguments after the program's name.
    pub fn parse(version: Version, args: &[Vec<u8>]) -> CommandLine {
        let mut line = CommandLine::default();
        let mut rest = args;
        if let Some((first, more)) = args.split_first()
            && first.first() != Some(&b'-')
        {
            line.file = Some(first.clone());
            rest = more;
        }
        // An option's first value may look like an option: then it is its value all the same.
        let mut wants_value = false;
        for (at, arg) in rest.iter().enumerate() {
            let is_end = at == 0 && line.file.is_none() || at + 1 == rest.len();
            if arg == b"-" && is_end {
                line.stdin = true;
                continue;
            }
            match arg.strip_prefix(b"--").filter(|_| !wants_value) {
                Some(option) => wants_value = line.option(option, rest.get(at + 1)),
                None => {
                    line.options.extend(quoted(version, arg));
                    line.options.push(b' ');
                    wants_value = false;
                }
            }
        }
        line
    }

    /// Adds a line with an option's name, or its name and value in one; whether a value must follow.
    fn option(&mut self, option: &[u8], next: Option<&Vec<u8>>) -> bool {
        if !self.options.is_empty() {
            self.options.push(b'\n');
        }
        self.options.extend(option);
        self.options.push(b' ');
        if words::split(option).is_none_or(|words| words.len() != 1) {
            return false;
        }
        let next_is_option = next.is_some_and(|next| next.starts_with(b"--"));
        // `--save` without a value is an empty one, `--sentinel` takes none.
        if option.eq_ignore_ascii_case(b"save") && (next_is_option || next.is_none()) {
            self.options.extend(b"\"\"");
            return !next_is_option;
        }
        !(option.eq_ignore_ascii_case(b"sentinel") && next_is_option)
    }
}

/// An argument as the server writes it into its lines. Valkey 8.1 forgets that a quote and a backslash need one more backslash,
/// and reads something else than it was given. Source: its `sdscatrepr` in sds.c.
fn quoted(version: Version, arg: &[u8]) -> Vec<u8> {
    let forgotten = |b: &u8| matches!(b, b'"' | b'\\');
    if version != Version::Valkey81 || !arg.iter().any(forgotten) {
        return words::quote(arg);
    }
    let pieces = arg.split_inclusive(forgotten).flat_map(|piece| {
        let (last, before) = piece.split_last().unwrap_or((&0, &[]));
        let ends = forgotten(last);
        let plain = if ends { before } else { piece };
        let quoted = words::quote(plain);
        let inside = quoted.get(1..quoted.len() - 1).unwrap_or_default().to_vec();
        inside.into_iter().chain(ends.then_some(*last))
    });
    [b'"'].into_iter().chain(pieces).chain([b'"']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_lines_as_in_redis() {
        // Redis 7.0's tests/unit/introspection.tcl and server.c's comments; the property test has the servers' word.
        for (args, file, options) in [
            ("", None, ""),
            ("/a.conf", Some("/a.conf"), ""),
            ("--port 7", None, "port \"7\" "),
            (
                "/a.conf --save --port 7",
                Some("/a.conf"),
                "save \"\"\nport \"7\" ",
            ),
            ("--port 7 --save", None, "port \"7\" \nsave \"\""),
            (
                "--requirepass --maxmemory 4gb",
                None,
                "requirepass \"--maxmemory\" \"4gb\" ",
            ),
            (
                "--bind a b --port 7",
                None,
                "bind \"a\" \"b\" \nport \"7\" ",
            ),
        ] {
            let args: Vec<Vec<u8>> = args.split_whitespace().map(|a| a.into()).collect();
            let line = CommandLine::parse(Version::Redis70, &args);
            assert_eq!(line.file, file.map(|f| f.as_bytes().to_vec()));
            assert_eq!(words::text(&line.options), options);
        }
        let one = CommandLine::parse(
            Version::Redis70,
            &[b"--port 7".to_vec(), b"--save".to_vec(), b"".to_vec()],
        );
        assert_eq!(words::text(&one.options), "port 7 \nsave \"\" ");
        let valkey = CommandLine::parse(
            Version::Valkey81,
            &[b"--masteruser".to_vec(), b"a\"b\n".to_vec()],
        );
        assert_eq!(words::text(&valkey.options), "masteruser \"a\"b\\n\" ");
        assert!(CommandLine::parse(Version::Redis80, &[b"-".to_vec()]).stdin);
    }
}
