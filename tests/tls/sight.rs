//! This machine, with a server of the test's own in the place of the policy's, and certificates made for the test.

use redis_harden::facts::{Facts, View};
use redis_harden::host::Host;
use redis_harden::policy::Policies;
use redis_harden::redis::Told;
use redis_harden::setting::tls::certificate::{CertificateFact, Role};
use redis_harden::setting::{Reading, Setting, Sight};
use redis_harden::value::Value;
use std::path::Path;
use std::process::Command;

pub struct Machine {
    pub host: Host,
    pub facts: Facts,
    pub policies: Policies,
}

impl Machine {
    pub fn new() -> Machine {
        let host = Host::live().unwrap();
        let policies = Policies::parse("test.toml", "").unwrap();
        let facts = Facts::gather(&host, &policies).unwrap();
        Machine {
            host,
            facts,
            policies,
        }
    }

    /// What the instance's server tells from now on.
    pub fn hears(&mut self, told: Told) {
        let instance = self.facts.instances.get_mut("default").unwrap();
        instance.view = View::Told(Box::new(told));
    }

    /// What a fact of a certificate reads as, where the server was told these directives.
    pub fn reads(
        &mut self,
        directives: &[(&str, &Path)],
        role: Role,
        what: CertificateFact,
    ) -> Reading {
        let mut told = Told::default();
        told.directives.insert("tls-port".into(), "6380".into());
        for (name, path) in directives {
            let path = path.display().to_string();
            told.directives.insert((*name).to_owned(), path);
        }
        self.hears(told);
        let setting = Setting::Certificate {
            instance: "default".into(),
            role,
            what,
        };
        setting.read(Sight::new(&self.host, &self.facts))
    }
}

/// What it reads as, without where from.
pub fn value(reading: Reading) -> Result<Value, String> {
    match reading {
        Reading::Value(value, _) => Ok(value),
        other => Err(format!("{other:?}")),
    }
}

/// Whether a program says yes, and its words.
pub fn run(program: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|e| panic!("{program} (tests/install-deps): {e}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), text)
}
