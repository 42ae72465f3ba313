//! The evidence: what passes and on which values, what does not apply, the waivers, the host and the policy.

use super::super::{Report, observed};
use super::{Escaped, attributes, heading, section};
use crate::audit::{Judged, Status, WaiverReport, WaiverState};
use crate::facts::View;
use std::fmt::{Display, Write};

/// The policy's waivers.
pub fn waivers(page: &mut String, waivers: &[WaiverReport]) {
    section(page, "waivers", "Waivers", Some(waivers.len()));
    if waivers.is_empty() {
        page.push_str("<p class=\"none\">The policy waives nothing.</p>\n</section>\n");
        return;
    }
    page.push_str(
        "<table>\n<thead><tr><th scope=\"col\">Controls</th><th scope=\"col\">Reason</th><th scope=\"col\">Last day</th>\
         <th scope=\"col\">State</th></tr></thead>\n<tbody>\n",
    );
    for waiver in waivers {
        let class = match waiver.state {
            WaiverState::Expired => "expired",
            WaiverState::Unused => "unused",
            WaiverState::InForce | WaiverState::NotJudged => "",
        };
        let _ = writeln!(
            page,
            "<tr><th scope=\"row\"><code>{}</code></th><td data-label=\"Reason\">{}</td><td data-label=\"Last day\">{}</td>\
             <td data-label=\"State\" class=\"{class}\">{} ({})</td></tr>",
            Escaped(&waiver.control),
            Escaped(&waiver.reason),
            Escaped(waiver.expires.as_deref().unwrap_or("none")),
            waiver.state.words(),
            crate::commands::count(waiver.findings, "finding")
        );
    }
    page.push_str("</tbody>\n</table>\n</section>\n");
}

/// What passes, and on which values.
pub fn passing(page: &mut String, judged: &[&Judged]) {
    section(page, "passing", "Passing", Some(judged.len()));
    table(page, judged, "Found", |judged| {
        let passing = judged.findings.iter().filter(|f| f.status == Status::Pass);
        passing
            .map(|f| format!("{} is {}", f.setting, observed(f)))
            .collect()
    });
}

/// What does not apply, and why.
pub fn not_applicable(page: &mut String, judged: &[&Judged]) {
    section(page, "not-applicable", "Not applicable", Some(judged.len()));
    table(page, judged, "Because", |judged| {
        let mut reasons: Vec<String> = judged
            .findings
            .iter()
            .filter_map(|f| f.because.clone())
            .collect();
        reasons.dedup();
        match reasons.is_empty() {
            true => vec!["nothing here that it is about".to_owned()],
            false => reasons,
        }
    });
}

fn table(page: &mut String, judged: &[&Judged], last: &str, told: fn(&Judged) -> Vec<String>) {
    if judged.is_empty() {
        page.push_str("<p class=\"none\">None.</p>\n</section>\n");
        return;
    }
    let _ = writeln!(
        page,
        "<table>\n<thead><tr><th scope=\"col\">Control</th><th scope=\"col\">Severity</th><th scope=\"col\">{last}</th></tr></thead>\n<tbody>"
    );
    for one in judged {
        let lines: Vec<String> = told(one)
            .iter()
            .map(|line| Escaped(line).to_string())
            .collect();
        let _ = writeln!(
            page,
            "<tr id=\"{id}\" {}><th scope=\"row\">{}<br><code>{id}</code></th><td data-label=\"Severity\">{}</td>\
             <td data-label=\"{last}\">{}</td></tr>",
            attributes(one),
            Escaped(heading(one.control.title)),
            one.control.severity.word(),
            lines.join("<br>"),
            id = one.control.id,
        );
    }
    page.push_str("</tbody>\n</table>\n</section>\n");
}

/// What was audited.
pub fn host(page: &mut String, report: Report) {
    let facts = report.facts;
    section(page, "host", "Host", None);
    page.push_str("<dl class=\"facts\">\n");
    fact(page, "Name", &facts.hostname);
    fact(page, "Root", report.root.display());
    fact(page, "Distribution", &facts.distro.name);
    fact(
        page,
        "Kernel",
        format!("{} {}", facts.kernel, facts.machine).trim(),
    );
    fact(page, "Init", format!("{:?}", facts.init).to_lowercase());
    if !facts.offline {
        fact(page, "CPUs", facts.cpus);
        let memory = format!(
            "{}, of which {} may be used",
            mib(facts.memory),
            mib(facts.memory_limit)
        );
        fact(page, "Memory", memory);
    }
    let signs = match facts.container_signs.is_empty() {
        true => "none".to_owned(),
        false => facts.container_signs.join("; "),
    };
    fact(page, "Signs of a container", signs);
    fact(
        page,
        "Audited as",
        if facts.is_root() {
            "root"
        } else {
            "an ordinary user: what only root may read is unknown"
        },
    );
    for (name, instance) in &facts.instances {
        let said = match &instance.view {
            View::NotRunning => "not running".to_owned(),
            View::Silent(why) => format!("did not tell: {why}"),
            View::Told(told) => match told.info.get("redis_version") {
                Some(version) => format!("running, version {version}"),
                None => "running, version not told".to_owned(),
            },
        };
        fact(page, &format!("Instance {name}"), said);
    }
    page.push_str("</dl>\n</section>\n");
}

/// By what it was judged.
pub fn policy(page: &mut String, report: Report) {
    section(page, "policy", "Policy", None);
    page.push_str("<dl class=\"facts\">\n");
    fact(page, "Name", &report.policies.name);
    let files: Vec<String> = report
        .policies
        .files
        .iter()
        .map(|f| f.display().to_string())
        .collect();
    let files = match files.is_empty() {
        true => "none: the embedded policy".to_owned(),
        false => files.join(", "),
    };
    fact(page, "Files", files);
    fact(page, "SHA-256", &report.policies.sha256);
    fact(page, "Audited at", report.time());
    page.push_str("</dl>\n</section>\n");
}

fn fact(page: &mut String, name: &str, value: impl Display) {
    let _ = writeln!(
        page,
        "<div><dt>{}</dt><dd>{}</dd></div>",
        Escaped(name),
        Escaped(value)
    );
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
