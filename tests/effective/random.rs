//! Random configurations, read by us and by the server: each directive must be the same, or both must refuse.

use crate::files::{Configuration, INCLUDED, configuration};
use crate::server::{Program, Server, programs};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use redis_harden::host::{Host, Reach};
use redis_harden::redis::effective::table::Table;
use redis_harden::redis::effective::{CommandLine, Effective, Start, load, words};
use std::cell::Cell;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// How a server says that it does not take its configuration.
const REFUSALS: [&str; 3] = [
    "FATAL CONFIG FILE ERROR",
    "can't open config file",
    "Module Configuration detected without loadmodule directive",
];

/// How many files; `tests/full effective` asks for more.
fn files() -> u32 {
    let asked = std::env::var("REDIS_HARDEN_FILES");
    asked.map_or(150, |n| n.parse().expect("REDIS_HARDEN_FILES is a number"))
}

#[test]
fn any_file_is_read_as_the_server_reads_it() {
    for program in programs() {
        let table = Table::of(program.version);
        let (dir, name) = program.dir();
        let config = Config {
            cases: files(),
            failure_persistence: None,
            max_shrink_iters: 400,
            ..Config::default()
        };
        let (started, refused, compared) = (Cell::new(0), Cell::new(0), Cell::new(0));
        let place = Place {
            program: &program,
            table,
            dir: &dir,
            name: &name,
        };
        let all = configuration(table, name.display().to_string());
        let outcome = TestRunner::new(config).run(&all, |configuration| {
            match place.both(&configuration)? {
                0 => refused.set(refused.get() + 1),
                directives => {
                    started.set(started.get() + 1);
                    compared.set(compared.get() + directives);
                }
            }
            Ok(())
        });
        outcome.unwrap_or_else(|e| panic!("{}: {e}", program.version));
        println!(
            "{}: {} configurations read alike, {} directives; {} refused alike",
            program.version,
            started.get(),
            compared.get(),
            refused.get()
        );
    }
}

struct Place<'a> {
    program: &'a Program,
    table: &'a Table,
    dir: &'a TempDir,
    /// The directory, as the server names it.
    name: &'a Path,
}

impl Place<'_> {
    /// How many directives were the same; 0 when both refuse.
    fn both(&self, configuration: &Configuration) -> Result<usize, TestCaseError> {
        let args = self.write(configuration);
        let ours = self.ours(&args);
        match (self.theirs(&args), ours.faults.first()) {
            (Err(words), fault) => {
                // Where a log file was named before the fault, the words are in it.
                let by_line = words.is_empty() || REFUSALS.iter().any(|r| words.contains(r));
                assert!(by_line, "the server ended for another reason: {words}");
                let agree = fault.is_some();
                agree
                    .then_some(0)
                    .ok_or_else(|| fail(format!("only the server refuses: {words}")))
            }
            (Ok(_), Some(fault)) => Err(fail(format!("only we refuse: {fault:?}"))),
            (Ok(mut server), None) => self.compare(&ours, &mut server),
        }
    }

    /// Writes the files; the arguments after the program's name.
    fn write(&self, configuration: &Configuration) -> Vec<Vec<u8>> {
        // What an earlier server left, logs and process ids of any name, is nothing that this one should load.
        for entry in fs::read_dir(self.dir.path()).unwrap() {
            let path = entry.unwrap().path();
            let gone = if path.is_dir() {
                fs::remove_dir_all(path)
            } else {
                fs::remove_file(path)
            };
            gone.unwrap();
        }
        for sub in ["sub0", "sub1", "include.d"] {
            fs::create_dir(self.dir.path().join(sub)).unwrap();
        }
        for (name, text) in INCLUDED.iter().zip(&configuration.included) {
            fs::write(self.dir.path().join("include.d").join(name), text).unwrap();
        }
        let main = self.dir.path().join("main.conf");
        fs::write(main, &configuration.main).unwrap();
        let socket = self.name.join("socket").display().to_string();
        let mut args = vec![b"main.conf".to_vec()];
        args.extend(configuration.options.iter().cloned());
        args.extend(["--port", "0", "--unixsocket", &socket].map(|a| a.as_bytes().to_vec()));
        args
    }

    fn ours(&self, args: &[Vec<u8>]) -> Effective {
        let host = Host::at(self.program.root(), Reach::Running).unwrap();
        let start = Start {
            line: CommandLine::parse(self.table.version, args),
            cwd: Some(self.name.to_path_buf()),
        };
        load(&host, self.table, &start).unwrap()
    }

    fn theirs(&self, args: &[Vec<u8>]) -> Result<Server, String> {
        let socket = self.dir.path().join("socket");
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let scratch = tempfile::tempdir().unwrap();
        let log = scratch.path().join("log");
        let child = self.program.spawn(self.name, &args, &log);
        let mut server = Server::connect(child, socket, &log, scratch)?;
        server.ask(&[b"AUTH", b"probe", b"x"]);
        Ok(server)
    }

    fn compare(&self, ours: &Effective, server: &mut Server) -> Result<usize, TestCaseError> {
        let names: Vec<&str> = self.table.names().into_iter().collect();
        let told = server.config(&names);
        for (name, theirs) in &told {
            let directive = self.table.directive(name).unwrap();
            let theirs = words::text(theirs);
            let given = ours.values.get(directive.name);
            let cwd = self.name.display().to_string();
            let default = if directive.name == "dir" {
                &cwd
            } else {
                directive.default
            };
            let value = given.map_or(default, |g| &g.value);
            if value != theirs {
                return Err(fail(format!(
                    "{name}: we read {given:?} (default {default:?}), it has {theirs:?}"
                )));
            }
        }
        Ok(told.len())
    }
}

fn fail(why: String) -> TestCaseError {
    TestCaseError::fail(why)
}
