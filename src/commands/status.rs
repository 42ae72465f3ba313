//! `status`: whether each server runs, and how.

use super::{Context, Outcome, print};
use crate::cli::{Format, Status};
use crate::contain::{apparmor, verdict};
use crate::facts::{Instance, View};
use crate::host::Host;
use crate::pki;
use crate::policy::{Policies, Trust};
use crate::redis::Told;
use crate::report::printable;
use crate::setting::firewall::{self, Count, Counts};
use crate::setting::tls::Tls;
use crate::supervise::state::Report;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// 0 when all run and are ready, 3 when one does not, as `systemctl status`. With `--ready`, which a container is asked by, an answer
/// is not enough: NOAUTH and LOADING are answers too.
pub fn run(context: &Context, args: &Status) -> Outcome {
    let (host, policies, facts) = context.look(Trust::Reader)?;
    let filter = Filter::of(&host, &policies);
    let mut running = true;
    let mut list = Vec::new();
    for name in super::service::names(&policies, args.instance.as_deref())? {
        let Some(instance) = facts.instances.get(&name) else {
            continue;
        };
        let unready = unready(instance);
        running &= is_running(instance) && (!args.ready || unready.is_none());
        match args.format {
            Format::Text => {
                let deadly = deadly_call(&host, instance);
                let mut said = text(&host, &name, instance, deadly);
                if let Some(why) = unready.filter(|_| args.ready) {
                    said.push_str(&format!("  not ready: {why}\n"));
                }
                print(&harmless(&said))?;
            }
            Format::Json => list.push(document(&host, &name, instance)),
        }
    }
    if args.format == Format::Json {
        let (counts, unknown) = filter.document();
        let document = json!({"schema": 1, "instances": list, "firewall": counts, "firewall-unknown": unknown});
        print(&(serde_json::to_string_pretty(&document)? + "\n"))?;
    } else {
        print(&filter.text())?;
    }
    Ok(if running { 0 } else { 3 })
}

/// The packet filter: of all instances together.
enum Filter {
    /// No policy asks for it.
    Unwanted,
    Missing,
    Loaded(Counts),
    Unknown(String),
}

impl Filter {
    fn of(host: &Host, policies: &Policies) -> Filter {
        // A tree that does not run has no kernel to ask.
        if !policies.firewall_enabled() || !host.is_live_root() || !host.is_running() {
            return Filter::Unwanted;
        }
        if host.find_program("nft").is_none() {
            return Filter::Missing;
        }
        match firewall::counts(host) {
            Ok(Some(counts)) => Filter::Loaded(counts),
            Ok(None) => Filter::Missing,
            Err(e) => Filter::Unknown(e.to_string()),
        }
    }

    fn text(&self) -> String {
        match self {
            Filter::Unwanted => String::new(),
            Filter::Missing => "packet filter: not loaded\n".to_owned(),
            Filter::Unknown(why) => format!("packet filter: unknown: {why}\n"),
            Filter::Loaded(counts) => {
                let mut parts = vec![shown(counts.refused, "of strangers")];
                parts.extend(
                    counts
                        .limited
                        .map(|c| shown(c, "of sources that connect too often")),
                );
                parts.extend(
                    counts
                        .outgoing
                        .map(|c| shown(c, "of Redis's own to others than its peers")),
                );
                format!(
                    "packet filter: refused since it was loaded: {}\n",
                    parts.join(", ")
                )
            }
        }
    }

    /// The counts, and why they are not known.
    fn document(&self) -> (Option<&Counts>, Option<&str>) {
        match self {
            Filter::Unwanted | Filter::Missing => (None, None),
            Filter::Loaded(counts) => (Some(counts), None),
            Filter::Unknown(why) => (None, Some(why)),
        }
    }
}

fn shown(count: Count, whose: &str) -> String {
    format!("{} packets ({} bytes) {whose}", count.packets, count.bytes)
}

/// Ours says ready, or somebody answers.
fn is_running(instance: &Instance) -> bool {
    match (&instance.report, &instance.view) {
        (Some(report), _) => report.ready,
        (None, view) => !matches!(view, View::NotRunning),
    }
}

/// Why it does not serve; `None` where it let us in and has its data, and a supervisor of ours says nothing else.
fn unready(instance: &Instance) -> Option<String> {
    if let Some(report) = instance.report.as_ref().filter(|report| !report.ready) {
        let note = Some(&report.note).filter(|note| !note.is_empty());
        return Some(note.map_or_else(
            || format!("its supervisor says: {}", report.state),
            |note| format!("its supervisor says: {}, {note}", report.state),
        ));
    }
    match &instance.view {
        View::NotRunning => Some(format!("nothing listens at {}", instance.endpoint)),
        View::Silent(why) => Some(why.clone()),
        View::Told(told) => loading(&told.info),
    }
}

/// A server that loads its data answers INFO, and nothing that matters.
fn loading(info: &BTreeMap<String, String>) -> Option<String> {
    let field = |name: &str| info.get(name).map(String::as_str);
    (field("loading")? != "0").then(|| {
        let done = field("loading_loaded_perc").unwrap_or("?");
        format!("it loads its data, {done} % so far")
    })
}

/// The system call that the last server was ended for; why it is not known where it is not; `None` where it ended otherwise.
fn deadly_call(host: &Host, instance: &Instance) -> Option<Result<String, String>> {
    let report = instance.report.as_ref()?;
    let by_filter = |exit: &&String| exit.starts_with("SIGSYS");
    report.last_exit.as_ref().filter(by_filter)?;
    let Some(pid) = report.last_pid else {
        let why =
            "the kernel's log names processes by other numbers than a process namespace of its own";
        return Some(Err(why.to_owned()));
    };
    Some(match verdict::of(host, pid) {
        Ok(Some(call)) => Ok(call),
        // auditd takes the kernel's records for itself.
        Ok(None) => {
            Err("the kernel's log has no word of it (any more): `ausearch -m seccomp`".to_owned())
        }
        Err(e) => Err(e.to_string()),
    })
}

fn text(
    host: &Host,
    name: &str,
    instance: &Instance,
    call: Option<Result<String, String>>,
) -> String {
    let mut text = match &instance.report {
        Some(r) => format!(
            "{name}: {} since {}, pid {}, {} restarts\n",
            r.state,
            r.since,
            r.server_pid.map_or("none".to_owned(), |p| p.to_string()),
            r.restarts
        ),
        None if let Some(why) = &instance.report_error => {
            let answers = match is_running(instance) {
                true => "running",
                false => "nothing listens",
            };
            format!("{name}: {answers}; unknown whether redis-harden's supervisor runs it: {why}\n")
        }
        None if is_running(instance) => {
            format!("{name}: running, but not under redis-harden's supervisor\n")
        }
        None => format!("{name}: not running\n"),
    };
    for layer in instance.report.iter().flat_map(|r| &r.layers) {
        let holds = if layer.holds { "holds" } else { "is missing" };
        text.push_str(&format!(
            "  sandbox: {} {holds}: {}\n",
            layer.name, layer.note
        ));
    }
    text.push_str(&confinement(host, instance));
    if let Some(report) = &instance.report {
        text.push_str(&troubles(report));
        text.push_str(&match call {
            Some(Ok(call)) => format!("  the system call that ended it: {call}\n"),
            Some(Err(why)) => format!("  the system call that ended it is unknown: {why}\n"),
            None => String::new(),
        });
    }
    match &instance.view {
        View::Told(told) => {
            let field = |name: &str| told.info.get(name).map_or("?", String::as_str);
            text.push_str(&format!(
                "  redis {} at {}, {} clients, {} of {} used, role {}\n  last save {}, append-only file {}\n",
                field("redis_version"),
                instance.endpoint,
                field("connected_clients"),
                field("used_memory_human"),
                field("maxmemory_human"),
                field("role"),
                field("rdb_last_bgsave_status"),
                if field("aof_enabled") == "1" { field("aof_last_write_status") } else { "off" },
            ));
            text.push_str(&encryption(host, told));
            text.extend(loading(&told.info).map(|what| format!("  {what}\n")));
        }
        View::Silent(why) => text.push_str(&format!("  it tells nothing more: {why}\n")),
        View::NotRunning => {}
    }
    text
}

/// Not a word where AppArmor is off.
fn confinement(host: &Host, instance: &Instance) -> String {
    let found = instance.pid().map(|pid| apparmor::of(host, pid));
    match found {
        Some(Ok(Some(found))) => format!("  AppArmor: {found}\n"),
        Some(Err(e)) => format!("  AppArmor: unknown: {e}\n"),
        None | Some(Ok(None)) => String::new(),
    }
}

/// What a server says of itself ends on root's terminal.
fn harmless(text: &str) -> String {
    text.lines().map(|line| printable(line) + "\n").collect()
}

/// The port of TLS, and until when the certificate in its file is valid, which a running server has read.
fn encryption(host: &Host, told: &Told) -> String {
    let tls = Tls::of(&told.directives);
    let Some(port) = tls.port() else {
        return String::new();
    };
    let file = tls.path("tls-cert-file").unwrap_or_default();
    // Whoever may not read it is told of the port all the same.
    let text = host.read(&file).ok().flatten();
    let until = text.and_then(|text| pki::until(&text));
    let until = until.map_or_else(
        || "unknown".to_owned(),
        |at| at.to_zoned(jiff::tz::TimeZone::UTC).date().to_string(),
    );
    let plain = match tls.text("port") {
        "0" => "and no other",
        _ => "and in clear text beside it",
    };
    format!("  TLS at port {port} {plain}, certificate until {until}\n")
}

/// What is not as it should be, and how it ended last.
fn troubles(report: &Report) -> String {
    let mut lines = Vec::new();
    if !report.note.is_empty() {
        lines.push(report.note.clone());
    }
    if report.crash_loop {
        lines.push("crash loop: it ends again and again".to_owned());
    }
    lines.extend(
        report
            .last_exit
            .iter()
            .map(|exit| format!("last exit: {exit}")),
    );
    lines.extend(report.rung.iter().map(|rung| format!("last end: {rung}")));
    lines.iter().map(|line| format!("  {line}\n")).collect()
}

/// `null` when it could not be told.
fn supervised(instance: &Instance) -> Option<bool> {
    match instance.report_error {
        Some(_) => None,
        None => Some(instance.report.is_some()),
    }
}

fn document(host: &Host, name: &str, instance: &Instance) -> Value {
    let call = deadly_call(host, instance);
    let confinement = instance.pid().map(|pid| apparmor::of(host, pid));
    let told = match &instance.view {
        View::Told(told) => Some(told),
        _ => None,
    };
    let field = |name: &str| told.and_then(|t| t.info.get(name).cloned());
    json!({
        "instance": name,
        "running": is_running(instance),
        "ready": unready(instance).is_none(),
        "not-ready": unready(instance),
        "supervised": supervised(instance),
        "supervisor-unknown": instance.report_error,
        "state": instance.report.as_ref().map(|r| r.state),
        "since": instance.report.as_ref().map(|r| r.since.clone()),
        "pid": instance.pid(),
        "restarts": instance.report.as_ref().map(|r| r.restarts),
        "last-exit": instance.report.as_ref().and_then(|r| r.last_exit.clone()),
        "deadly-call": call.and_then(Result::ok),
        "note": instance.report.as_ref().map(|r| r.note.clone()),
        "crash-loop": instance.report.as_ref().map(|r| r.crash_loop),
        "last-end": instance.report.as_ref().and_then(|r| r.rung.clone()),
        "persistence": {
            "unsaved-changes": field("rdb_changes_since_last_save").and_then(|n| n.parse::<u64>().ok()),
            "last-save": field("rdb_last_bgsave_status"),
            "append-only": field("aof_enabled").map(|on| on == "1"),
            "last-append": field("aof_last_write_status"),
        },
        "sandbox": instance.report.as_ref().map(|r| &r.layers),
        "apparmor": confinement.as_ref().and_then(|found| found.as_ref().ok()),
        "apparmor-unknown": confinement.as_ref().and_then(|found| found.as_ref().err()).map(ToString::to_string),
        "endpoint": instance.endpoint.to_string(),
        "redis-version": field("redis_version"),
        "role": field("role"),
        "connected-clients": field("connected_clients").and_then(|n| n.parse::<u64>().ok()),
        "used-memory": field("used_memory").and_then(|n| n.parse::<u64>().ok()),
        "maxmemory": field("maxmemory").and_then(|n| n.parse::<u64>().ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn a_server_that_answers_in_escapes_does_not_reach_a_terminal() {
        let told = "  redis \u{1b}[2J7.0 at x\r, role m\u{202e}\n  last save ok\n";
        let text = harmless(told);
        assert_eq!(text.lines().count(), 2);
        assert!(
            text.chars()
                .all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'),
            "{text:?}"
        );
    }
}
