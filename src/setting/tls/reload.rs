//! A certificate that was renewed in its file reaches the running server, without a restart and with every connection kept.

use super::certificate::{self, CertificateFact, Role};
use super::{Blank, Tls, of_speaker, serves_its_file};
use crate::facts::View;
use crate::host::{HostError, HostResult};
use crate::redis::{live, takeover};
use crate::setting::{Reading, Sight};
use crate::value::Value;
use std::path::Path;

/// All that Redis reads again together (src/tls.c tlsConfigure), where it is set.
const FILES: [&str; 6] = [
    "tls-cert-file",
    "tls-key-file",
    "tls-client-cert-file",
    "tls-client-key-file",
    "tls-ca-cert-file",
    "tls-ca-cert-dir",
];

/// Has the server read its files again. A pair that its peers would refuse does not reach it: it goes on with what it has.
pub(in crate::setting) fn reload(sight: Sight, instance: &str) -> HostResult<()> {
    let refuse = |why: String| {
        let doing = format!("having {instance} read its certificate again");
        HostError::refused(doing, why)
    };
    let known = sight.facts.instances.get(instance);
    let known = known.ok_or_else(|| refuse("the policy has no such instance".to_owned()))?;
    let tls = of_speaker(sight.facts, instance).map_err(|e| refuse(format!("{e:?}")))?;
    let mut roles = vec![Role::Server];
    if !tls.text("tls-client-cert-file").is_empty() {
        roles.push(Role::Client);
    }
    for role in roles {
        if let Some(why) = unusable(sight, instance, role) {
            return Err(refuse(format!("the {role} of its file {why}")));
        }
    }
    live::set_directives(&mut takeover::open(sight, known)?, &named(&tls))
}

/// What became of a pair that was put into a server's files.
pub(crate) enum Taken {
    /// Nobody is there to read it: a start will.
    NotRunning,
    /// The server has other files, or speaks no TLS yet.
    NotTold,
    /// A handshake has shown it.
    Served,
}

/// Has a running server read its files again where this is one of them, and sees by a handshake that it shows what is there now.
pub(crate) fn take_up(sight: Sight, instance: &str, certificate: &Path) -> HostResult<Taken> {
    let known = sight.facts.instances.get(instance);
    let refuse = |why: String| {
        let doing = format!("having {instance} take its new certificate");
        HostError::refused(doing, why)
    };
    match known.map(|known| &known.view) {
        None | Some(View::NotRunning) => return Ok(Taken::NotRunning),
        Some(View::Silent(why)) => return Err(refuse(why.clone())),
        Some(View::Told(_)) => {}
    }
    let Ok(tls) = of_speaker(sight.facts, instance) else {
        return Ok(Taken::NotTold);
    };
    if tls.path("tls-cert-file").as_deref() != Some(certificate) {
        return Ok(Taken::NotTold);
    }
    reload(sight, instance)?;
    if tls.port().is_none() {
        // It has read them, and shows them to nobody: no handshake can bear it out.
        return Ok(Taken::NotTold);
    }
    match serves_its_file(sight, &tls) {
        Ok(true) => Ok(Taken::Served),
        Ok(false) => Err(refuse("a handshake still shows another one".to_owned())),
        Err(Blank::Unknown(why) | Blank::NotApplicable(why)) => Err(refuse(why)),
    }
}

/// The directives that name a file, with the names that they have.
fn named(tls: &Tls) -> Vec<(String, String)> {
    let all = FILES.map(|name| (name.to_owned(), tls.text(name).to_owned()));
    all.into_iter()
        .filter(|(_, file)| !file.is_empty())
        .collect()
}

/// Why nobody could talk to a server that had this one. Of what cannot be read here, such as a key under a password, the server judges.
fn unusable(sight: Sight, instance: &str, role: Role) -> Option<&'static str> {
    let read = |what| match certificate::read(sight, instance, role, what) {
        Reading::Value(value, _) => Some(value),
        _ => None,
    };
    let is_negative = |what| matches!(read(what), Some(Value::Int(days)) if days < 0);
    if read(CertificateFact::KeyMatches) == Some(Value::Flag(false)) {
        return Some("has another key than the one beside it");
    }
    if is_negative(CertificateFact::DaysLeft) {
        return Some("has expired");
    }
    is_negative(CertificateFact::DaysValid).then_some("is not valid yet")
}
