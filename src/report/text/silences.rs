//! Controls that are unknown for one and the same reason, such as a server that does not answer, are told together.

use crate::audit::{Finding, Judged, Status};
use std::collections::BTreeMap;

/// Fewer are told one by one.
const FEW: usize = 4;

/// Reasons that several controls share, each with those that are unknown for it and for nothing else.
pub fn shared<'a>(judged: &[&'a Judged]) -> Vec<(&'a str, Vec<&'a Judged>)> {
    let mut by_reason: BTreeMap<&str, Vec<&Judged>> = BTreeMap::new();
    for one in judged {
        if let Some(why) = only_reason(one) {
            by_reason.entry(why).or_default().push(one);
        }
    }
    by_reason.retain(|_, controls| controls.len() >= FEW);
    by_reason.into_iter().collect()
}

fn only_reason(judged: &Judged) -> Option<&str> {
    let open = |f: &&Finding| matches!(f.status, Status::Fail | Status::Unknown | Status::Waived);
    let mut open = judged.findings.iter().filter(open);
    let first = open.next().filter(|f| f.status == Status::Unknown)?;
    let why = first.because.as_deref()?;
    let same = |f: &Finding| f.status == Status::Unknown && f.because.as_deref() == Some(why);
    open.all(same).then_some(why)
}
