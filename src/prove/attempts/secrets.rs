//! Reading what gives more: passwords in the configuration, hashes, what others say.

use super::{Reason, control};
use crate::control::Severity::{High, Medium};
use crate::prove::caller::{Caller, Who};
use crate::prove::judgement::Stop;
use crate::prove::{Attempt, How, Undo};

pub const ATTEMPTS: &[Attempt] = &[
    Attempt {
        control: control(Reason {
            id: "prove.config-secrets",
            title: "An intruder does not read the configuration",
            severity: High,
            why: "CONFIG GET tells requirepass, masterauth and tls-key-file-pass, and where everything lies.",
            references: &[
                "Redis config.c, SENSITIVE_CONFIG",
                "https://attack.mitre.org/techniques/T1552/001/",
            ],
            by_hand: "take @admin from every application (role = \"application\")",
        }),
        how: How::Each(Who::Intruders, config_secrets),
        undo: Undo::By(&[]),
    },
    Attempt {
        control: control(Reason {
            id: "prove.acl-hashes",
            title: "An intruder does not read the users",
            severity: Medium,
            why: "ACL LIST tells SHA-256 hashes without salt: a weak password falls at once.",
            references: &["Redis acl.md", "https://attack.mitre.org/techniques/T1087/"],
            by_hand: "take @admin from every application (role = \"application\")",
        }),
        how: How::Each(Who::Intruders, acl_hashes),
        undo: Undo::By(&[]),
    },
    Attempt {
        control: control(Reason {
            id: "prove.monitor",
            title: "An intruder does not listen to other clients",
            severity: High,
            why: "MONITOR shows every key and value of everybody.",
            references: &[
                "Redis monitor.md",
                "https://attack.mitre.org/techniques/T1040/",
            ],
            by_hand: "take @dangerous from every application (role = \"application\")",
        }),
        how: How::Each(Who::Intruders, monitor),
        undo: Undo::By(&[]),
    },
    Attempt {
        control: control(Reason {
            id: "prove.client-list",
            title: "An intruder does not learn who else is connected",
            severity: Medium,
            why: "Addresses, names and users of all clients are the map for the next step.",
            references: &[
                "Redis client-list.md",
                "https://attack.mitre.org/techniques/T1049/",
            ],
            by_hand: "take @dangerous from every application (role = \"application\")",
        }),
        how: How::Each(Who::Intruders, client_list),
        undo: Undo::By(&[]),
    },
];

fn config_secrets(caller: &mut Caller) -> Result<String, Stop> {
    caller.ask(&["CONFIG", "GET", "requirepass"])?;
    caller.ask(&["CONFIG", "GET", "masterauth"])?;
    caller.ask(&["CONFIG", "GET", "tls-key-file-pass"])?;
    Ok("CONFIG GET tells requirepass, masterauth and tls-key-file-pass".to_owned())
}

fn acl_hashes(caller: &mut Caller) -> Result<String, Stop> {
    caller.ask(&["ACL", "LIST"])?;
    Ok("ACL LIST tells every user".to_owned())
}

fn monitor(caller: &mut Caller) -> Result<String, Stop> {
    caller.ask(&["MONITOR"])?;
    Ok("MONITOR shows what everybody does".to_owned())
}

fn client_list(caller: &mut Caller) -> Result<String, Stop> {
    caller.ask(&["CLIENT", "LIST"])?;
    Ok("CLIENT LIST tells who is connected".to_owned())
}
