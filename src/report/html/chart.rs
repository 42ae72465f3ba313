//! The score, and a bar a topic: how many controls, by verdict and severity.

use super::super::{Report, by_topic};
use super::{Escaped, SEVERITIES, section};
use crate::audit::{Judged, Status};
use crate::control::Severity;
use std::fmt::Write;

/// The circumference of a circle of radius 42.
const ROUND: f64 = 263.9;

/// The title, the score and the counts.
pub fn overview(page: &mut String, report: Report) {
    let s = report.summary();
    let class = match s.score {
        90.. => "good",
        70.. => "middling",
        _ => "bad",
    };
    let filled = ROUND * f64::from(s.score) / 100.0;
    let _ = write!(
        page,
        "<header class=\"overview\">\n<svg class=\"score {class}\" viewBox=\"0 0 100 100\" role=\"img\" aria-label=\"Score {score} of 100\">\
         <circle class=\"track\" cx=\"50\" cy=\"50\" r=\"42\"/><circle class=\"arc\" cx=\"50\" cy=\"50\" r=\"42\" \
         stroke-dasharray=\"{filled:.1} {ROUND}\" transform=\"rotate(-90 50 50)\"/>\
         <text x=\"50\" y=\"55\">{score}</text><text class=\"of\" x=\"50\" y=\"72\">of 100</text></svg>\n<div>\n\
         <h1>Redis audit of {host}</h1>\n<p class=\"verdict\">{verdict}</p>\n<p class=\"when\">{time}, policy <b>{policy}</b></p>\n{only}</div>\n</header>\n",
        score = s.score,
        host = Escaped(&report.facts.hostname),
        verdict = verdict(report.judged),
        time = report.now.strftime("%-d %B %Y, %H:%M UTC"),
        policy = Escaped(&report.policies.name),
        only = files_only(report),
    );
    page.push_str("<ul class=\"counts\">\n");
    for (count, class, label) in [
        (s.fail, "fail", "fail"),
        (s.unknown, "unknown", "unknown"),
        (s.known, "known", "known"),
        (s.waived, "waived", "waived"),
        (s.pass, "pass", "pass"),
        (s.not_applicable, "na", "not applicable"),
    ] {
        let _ = writeln!(
            page,
            "<li class=\"{class}\"><b>{count}</b> <span>{label}</span></li>"
        );
    }
    page.push_str("</ul>\n");
}

fn files_only(report: Report) -> String {
    report.files_only.map_or(String::new(), |why| {
        let why = Escaped(why);
        format!("<p class=\"only\">Files only: {why}. What exists only on a running system is not applicable here.</p>\n")
    })
}

/// What has to be said first.
fn verdict(judged: &[Judged]) -> String {
    let failing = |severity: Severity| {
        let of = |j: &&Judged| j.status == Status::Fail && j.control.severity == severity;
        judged.iter().filter(of).count()
    };
    let parts: Vec<String> = SEVERITIES
        .into_iter()
        .map(|severity| (failing(severity), severity.word()))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let unknown = judged
        .iter()
        .filter(|j| j.status == Status::Unknown)
        .count();
    match (parts.is_empty(), unknown) {
        (true, 0) => "Nothing fails.".to_owned(),
        (true, n) => format!("Nothing is known to fail, and {n} could not be judged."),
        (false, 0) => format!("Failing: {}.", parts.join(", ")),
        (false, n) => format!("Failing: {}; {n} could not be judged.", parts.join(", ")),
    }
}

/// A part of a bar.
struct Part {
    class: &'static str,
    label: &'static str,
    holds: fn(&Judged) -> bool,
}

const PARTS: [Part; 8] = [
    Part {
        class: "critical",
        label: "critical fails",
        holds: |j| fails(j, Severity::Critical),
    },
    Part {
        class: "high",
        label: "high fails",
        holds: |j| fails(j, Severity::High),
    },
    Part {
        class: "medium",
        label: "medium fails",
        holds: |j| fails(j, Severity::Medium),
    },
    Part {
        class: "low",
        label: "low fails",
        holds: |j| fails(j, Severity::Low),
    },
    Part {
        class: "unknown",
        label: "unknown",
        holds: |j| j.status == Status::Unknown,
    },
    Part {
        class: "waived",
        label: "waived or known",
        holds: |j| matches!(j.status, Status::Waived | Status::Known),
    },
    Part {
        class: "pass",
        label: "pass",
        holds: |j| j.status == Status::Pass,
    },
    Part {
        class: "na",
        label: "not applicable",
        holds: |j| j.status == Status::NotApplicable,
    },
];

fn fails(judged: &Judged, severity: Severity) -> bool {
    judged.status == Status::Fail && judged.control.severity == severity
}

/// A bar a topic, as long as it has controls.
pub fn topics(page: &mut String, judged: &[Judged]) {
    section(page, "topics", "By topic and severity", None);
    let topics = by_topic(judged.iter());
    let longest = topics.iter().map(|(_, of)| of.len()).max().unwrap_or(1);
    page.push_str("<p class=\"none\">A bar is a topic's controls; the figure is how many of them fail or could not be judged.</p>\n");
    page.push_str("<ul class=\"legend\" aria-label=\"Legend\">\n");
    for part in PARTS.iter().filter(|p| judged.iter().any(p.holds)) {
        let _ = writeln!(
            page,
            "<li><svg viewBox=\"0 0 10 10\" aria-hidden=\"true\"><rect class=\"{}\" width=\"10\" height=\"10\"/></svg>{}</li>",
            part.class, part.label
        );
    }
    page.push_str("</ul>\n<ul class=\"bars\">\n");
    for (topic, of) in &topics {
        bar(page, topic, of, longest);
    }
    page.push_str("</ul>\n</section>\n");
}

fn bar(page: &mut String, topic: &str, judged: &[&Judged], longest: usize) {
    let mut at = 0;
    let (mut drawn, mut told) = (String::new(), Vec::new());
    for part in &PARTS {
        let count = judged.iter().filter(|j| (part.holds)(j)).count();
        if count > 0 {
            let _ = write!(
                drawn,
                "<rect class=\"{}\" x=\"{at}\" width=\"{count}\" height=\"1\"/>",
                part.class
            );
            told.push(format!("{count} {}", part.label));
        }
        at += count;
    }
    let open = |j: &&&Judged| matches!(j.status, Status::Fail | Status::Unknown);
    let open = judged.iter().filter(open).count();
    let _ = writeln!(
        page,
        "<li><span class=\"topic\">{topic}</span><svg viewBox=\"0 0 {longest} 1\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"{topic}: {}\">{drawn}</svg><span class=\"of\">{open} of {at}</span></li>",
        told.join(", ")
    );
}
