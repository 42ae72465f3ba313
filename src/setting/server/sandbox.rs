//! The layers of the sandbox that do not hold around the running server.

use crate::setting::Reading;
use crate::supervise::state::Report;
use crate::value::Value;

/// Their names; what each lacks is the reason.
pub(super) fn missing(report: Option<&Report>) -> Reading {
    let Some(report) = report else {
        return Reading::NotApplicable("no supervisor of ours runs it".into());
    };
    if report.server_pid.is_none() {
        return Reading::NotApplicable("the server is not running".into());
    }
    if report.layers.is_empty() {
        return Reading::Unknown("its supervisor does not tell: restart it".into());
    }
    let missing = report.layers.iter().filter(|layer| !layer.holds);
    let (names, notes): (Vec<String>, Vec<String>) = missing
        .map(|layer| {
            (
                layer.name.to_string(),
                format!("{}: {}", layer.name, layer.note),
            )
        })
        .unzip();
    Reading::Value(
        Value::Words(names),
        (!notes.is_empty()).then(|| notes.join("; ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contain::layers::{Layer, Name};
    use crate::supervise::machine::Phase;

    fn report(layers: Vec<Layer>) -> Report {
        Report {
            schema: 1,
            instance: "default".into(),
            state: Phase::Ready,
            since: String::new(),
            supervisor_pid: 10,
            pid_namespace: None,
            server_pid_inside: None,
            server_pid: Some(11),
            generation: String::new(),
            restarts: 0,
            last_exit: None,
            last_pid: None,
            nofile: 1024,
            ready: true,
            note: String::new(),
            crash_loop: false,
            rung: None,
            layers,
        }
    }

    #[test]
    fn what_is_missing_is_named_and_silence_is_not_all_is_well() {
        let layer = |name, holds| Layer {
            name,
            holds,
            note: "so".into(),
        };
        let both = vec![layer(Name::Files, true), layer(Name::Network, false)];
        assert!(matches!(
            missing(Some(&report(both))),
            Reading::Value(Value::Words(names), Some(why)) if names == ["network"] && why == "network: so"
        ));
        assert!(matches!(
            missing(Some(&report(vec![layer(Name::Files, true)]))),
            Reading::Value(Value::Words(names), None) if names.is_empty()
        ));
        assert!(matches!(
            missing(Some(&report(Vec::new()))),
            Reading::Unknown(_)
        ));
        assert!(matches!(missing(None), Reading::NotApplicable(_)));
        let stopped = Report {
            server_pid: None,
            ..report(Vec::new())
        };
        assert!(matches!(missing(Some(&stopped)), Reading::NotApplicable(_)));
    }
}
