//! A server's command line: the file that it names, and its options as the lines that Redis makes of them. Source: `main` in server.c.

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
    pub fn parse(args: &[Vec<u8>]) -> CommandLine {
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
                    line.options.extend(words::quote(arg));
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
            let line = CommandLine::parse(&args);
            assert_eq!(line.file, file.map(|f| f.as_bytes().to_vec()));
            assert_eq!(words::text(&line.options), options);
        }
        let one = CommandLine::parse(&[b"--port 7".to_vec(), b"--save".to_vec(), b"".to_vec()]);
        assert_eq!(words::text(&one.options), "port 7 \nsave \"\" ");
        assert!(CommandLine::parse(&[b"-".to_vec()]).stdin);
    }
}
