//! What became of an attempt, and which layer refused it. What a server answers for another reason is no refusal.

use crate::redis::Silence;
use std::collections::BTreeSet;
use std::fmt;

/// What refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// No packet gets there: bound elsewhere, or filtered.
    Network,
    Tls,
    ProtectedMode,
    /// A user's rules, or that there is no such password.
    Acl,
    /// What the configuration forbids to everybody.
    Config,
    /// The server's own code.
    Server,
    /// Landlock, seccomp or the server's mounts.
    Sandbox,
    /// The modes of the host's files.
    Permissions,
}

/// One refusal: whose attempt it was, which layer, and in which words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub who: String,
    pub layer: Layer,
    pub words: String,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// By all who tried.
    Refused(Vec<Refusal>),
    /// Who did what.
    Succeeded(String),
    /// Why.
    Untried(String),
    /// There is nothing here that it could be tried on: why.
    NotApplicable(String),
}

/// Why an attack went no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    Refused(Layer, String),
    /// The connection ended.
    HungUp(String),
    /// It says nothing about whether it would have succeeded.
    Trouble(String),
}

/// How servers refuse. Sources: Redis's networking.c, acl.c, config.c, debug.c and module.c.
const REFUSALS: [(&str, Layer); 12] = [
    ("NOAUTH", Layer::Acl),
    ("WRONGPASS", Layer::Acl),
    ("NOPERM", Layer::Acl),
    ("DENIED", Layer::ProtectedMode),
    ("can't set protected config", Layer::Config),
    ("can't set immutable config", Layer::Config),
    ("command not allowed", Layer::Config),
    ("unknown command", Layer::Config),
    ("unknown subcommand", Layer::Config),
    ("Unknown subcommand", Layer::Config),
    ("not configured to use an ACL file", Layer::Config),
    ("REPLICAOF not allowed in cluster mode", Layer::Config),
];

impl Stop {
    /// A refusal by the server's code, whose words only an attempt itself can know.
    pub fn known(self, refusals: &[(&str, Layer)]) -> Stop {
        match self {
            Stop::Trouble(words) => of_words(&words, refusals).unwrap_or(Stop::Trouble(words)),
            other => other,
        }
    }
}

fn of_words(words: &str, refusals: &[(&str, Layer)]) -> Option<Stop> {
    let found = refusals.iter().find(|(sign, _)| words.contains(sign));
    found.map(|(_, layer)| Stop::Refused(*layer, words.to_owned()))
}

impl From<Silence> for Stop {
    fn from(silence: Silence) -> Stop {
        match silence {
            Silence::Refused(words) => of_words(&words, &REFUSALS).unwrap_or(Stop::Trouble(words)),
            Silence::HungUp(words) => Stop::HungUp(words),
            other => Stop::Trouble(other.to_string()),
        }
    }
}

impl Outcome {
    /// One refusal.
    pub fn refused(who: &str, layer: Layer, words: impl Into<String>) -> Outcome {
        Outcome::Refused(vec![Refusal {
            who: who.to_owned(),
            layer,
            words: words.into(),
        }])
    }

    /// The layers that refused, each once.
    pub fn layers(&self) -> Vec<Layer> {
        let Outcome::Refused(refusals) = self else {
            return Vec::new();
        };
        let layers: BTreeSet<Layer> = refusals.iter().map(|refusal| refusal.layer).collect();
        layers.into_iter().collect()
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Layer::Network => "network",
            Layer::Tls => "tls",
            Layer::ProtectedMode => "protected-mode",
            Layer::Acl => "acl",
            Layer::Config => "config",
            Layer::Server => "server",
            Layer::Sandbox => "sandbox",
            Layer::Permissions => "permissions",
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.who, self.words, self.layer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_of_the_server_is_no_refusal() {
        for words in [
            "BUSY Redis is busy",
            "LOADING Redis",
            "MISCONF errors",
            "ERR syntax",
        ] {
            let stop = Stop::from(Silence::Refused(words.to_owned()));
            assert_eq!(stop, Stop::Trouble(words.to_owned()));
        }
        let stop = Stop::from(Silence::Refused("NOPERM this user".to_owned()));
        assert!(matches!(stop, Stop::Refused(Layer::Acl, _)));
    }

    #[test]
    fn each_layer_is_named_once_in_the_order_of_an_attackers_way() {
        let refusal = |layer| Refusal {
            who: "x".to_owned(),
            layer,
            words: String::new(),
        };
        let all = [Layer::Acl, Layer::Network, Layer::Acl].map(refusal);
        let outcome = Outcome::Refused(all.to_vec());
        assert_eq!(outcome.layers(), [Layer::Network, Layer::Acl]);
    }
}
