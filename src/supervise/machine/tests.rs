//! The machine alone: its promises by example, then against random lives.

use super::*;
use proptest::prelude::*;

mod ending;

const LIMITS: Limits = Limits {
    start_timeout: Duration::from_secs(300),
    stop_timeout: Duration::from_secs(5),
    backoff: Duration::from_millis(100),
    backoff_max: Duration::from_secs(30),
    backoff_reset: Duration::from_secs(60),
    hang_timeout: Some(Duration::from_secs(300)),
    data_loss: false,
};
const KILLED: Event = Event::Exited(Exit::Signal(9));

fn at(ms: u64) -> Moment {
    Duration::from_millis(ms)
}

/// A machine after these events, and the last one's actions.
fn after(events: &[(u64, Event)]) -> (Machine, Vec<Action>) {
    let start = Machine::begin(LIMITS, at(0));
    events.iter().fold(start, |(machine, _), (ms, event)| {
        machine.step(event.clone(), at(*ms), 0.0)
    })
}

#[test]
fn a_first_crash_is_restarted_at_once() {
    let (machine, actions) = after(&[(10, Event::Answer(Answer::Pong)), (20, KILLED)]);
    assert_eq!((machine.phase(), actions), (Starting, vec![Action::Spawn]));
}

#[test]
fn further_crashes_wait_twice_as_long_each_time_up_to_the_maximum() {
    let (mut machine, _) = after(&[(1, Event::Answer(Answer::Pong)), (2, KILLED)]);
    let mut now = at(2);
    let mut delays = Vec::new();
    for _ in 0..40 {
        (machine, _) = machine.step(KILLED, now, 0.0);
        let wake = machine.wake().unwrap();
        delays.push((wake - now).as_millis());
        now = wake;
        (machine, _) = machine.step(Event::Tick, now, 0.0);
    }
    assert_eq!(
        delays[..10],
        [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000]
    );
    assert!(delays[10..].iter().all(|d| *d == 30000));
}

#[test]
fn a_minute_ready_forgives_earlier_crashes() {
    let pong = || Event::Answer(Answer::Pong);
    let life = [(1, pong()), (2, KILLED), (3, pong()), (60_003, KILLED)];
    assert_eq!(after(&life).1, [Action::Spawn]);
    let busy = Event::Answer(Answer::Busy("BUSY".into()));
    let busy_at_last = [
        (1, pong()),
        (2, KILLED),
        (3, pong()),
        (60_003, busy),
        (60_004, KILLED),
    ];
    assert_eq!(after(&busy_at_last).1, [Action::Spawn]);
    let short = [(1, pong()), (2, KILLED), (3, pong()), (59_000, KILLED)];
    assert_eq!(after(&short).0.phase(), BackingOff);
}

#[test]
fn a_first_start_that_blames_the_configuration_is_refused() {
    for event in [
        Event::Rejected(Exit::Code(1)),
        Event::NotStartable("no such file".into()),
    ] {
        let (machine, actions) = after(&[(5, event)]);
        assert_eq!((machine.phase(), actions), (Refused, vec![Action::Refuse]));
    }
}

#[test]
fn a_first_start_that_ends_for_any_other_reason_is_tried_again() {
    for event in [
        Event::Exited(Exit::Code(1)),
        KILLED,
        Event::NotSpawned("no memory".into()),
    ] {
        let once = after(&[(5, event.clone())]);
        assert_eq!((once.0.phase(), once.1), (Starting, vec![Action::Spawn]));
        let twice = after(&[(5, event.clone()), (6, event)]).0;
        assert_eq!((twice.phase(), twice.restarts()), (BackingOff, 1));
    }
}

#[test]
fn what_has_been_started_again_is_never_refused() {
    for event in [
        Event::Rejected(Exit::Code(1)),
        Event::NotStartable("no such file".into()),
    ] {
        let life = [(1, Event::Answer(Answer::Pong)), (2, KILLED), (3, event)];
        assert_eq!(after(&life).0.phase(), BackingOff);
    }
}

#[test]
fn a_later_start_that_exits_is_tried_again() {
    let life = [
        (1, Event::Answer(Answer::Pong)),
        (2, KILLED),
        (3, Event::Exited(Exit::Code(1))),
    ];
    assert_eq!(after(&life).0.phase(), BackingOff);
}

#[test]
fn a_stop_repeats_sigterm_each_second_and_kills_at_its_timeout() {
    let (mut machine, actions) = after(&[(1000, Event::Stop)]);
    assert_eq!(actions, [Action::Terminate]);
    let mut sent = Vec::new();
    for _ in 0..6 {
        let wake = machine.wake().unwrap();
        let (next, actions) = machine.step(Event::Tick, wake, 0.0);
        machine = next;
        sent.push((wake.as_millis(), actions[0]));
    }
    let term = |ms| (ms, Action::Terminate);
    let expected = [
        term(2000),
        term(3000),
        term(4000),
        term(5000),
        (6000, Action::Kill),
    ];
    assert_eq!(sent[..5], expected);
    assert_eq!(sent[5], (7000, Action::Kill));
}

#[test]
fn an_error_reply_never_restarts_it() {
    let replies = [
        Answer::Loading("LOADING".into()),
        Answer::Busy("BUSY".into()),
        Answer::Misconf("MISCONF".into()),
        Answer::Error("ERR".into()),
        Answer::Timeout,
    ];
    for reply in replies {
        let mut life = vec![(1, Event::Answer(Answer::Pong))];
        life.extend((0..1000).map(|s| (s * 1000, Event::Answer(reply.clone()))));
        life.push((2_000_000, Event::Tick));
        let (machine, actions) = after(&life);
        assert_eq!((machine.restarts(), actions), (0, vec![]), "{reply:?}");
        assert_ne!(machine.phase(), Ready, "{reply:?}");
    }
}

#[test]
fn a_long_load_outlives_the_start_timeout_and_silence_does_not() {
    let loading = [
        (10, Event::Answer(Answer::Loading("LOADING".into()))),
        (400_000, Event::Tick),
    ];
    assert_eq!(after(&loading).0.phase(), Loading);
    let silent = [(10, Event::Answer(Answer::Timeout)), (400_000, Event::Tick)];
    assert_eq!(after(&silent).1, [Action::Terminate]);
}

#[test]
fn a_requested_stop_ends_with_the_servers_own_code() {
    for (exit, code) in [
        (Exit::Code(0), 0),
        (Exit::Code(1), 1),
        (Exit::Signal(9), 137),
        (Exit::Signal(15), 0),
    ] {
        assert_eq!(
            after(&[(1, Event::Stop), (2, Event::Exited(exit))]).1,
            [Action::Finish(code)]
        );
    }
}

/// What each second brings from `from` on, for so many seconds, with an answer or a pulse before each tick.
fn seconds(from: u64, count: u64, event: &Event) -> Vec<(u64, Event)> {
    let each = |n| {
        [
            (from + n * 1000, event.clone()),
            (from + n * 1000, Event::Tick),
        ]
    };
    (1..=count).flat_map(each).collect()
}

fn holds(unsaved: bool) -> Event {
    let save_takes = Duration::ZERO;
    Event::Holds(Held {
        unsaved,
        save_takes,
    })
}

fn lived(life: &[(u64, Event)]) -> (Machine, Vec<Action>) {
    let mut all = Vec::new();
    let (mut machine, _) = Machine::begin(LIMITS, at(0));
    for (ms, event) in life {
        let (next, actions) = machine.step(event.clone(), at(*ms), 0.0);
        machine = next;
        all.extend(actions);
    }
    (machine, all)
}

/// Silent from the second second on, and seen like this each time.
fn silent(seconds: u64, pulse: Pulse) -> Vec<(u64, Event)> {
    let each = |n: u64| {
        let at = 1000 + n * 1000;
        [
            (at, Event::Answer(Answer::Timeout)),
            (at, Event::Pulse(pulse)),
            (at, Event::Tick),
        ]
    };
    let first = [(1, Event::Answer(Answer::Pong))];
    first
        .into_iter()
        .chain((0..seconds).flat_map(each))
        .collect()
}

#[test]
fn one_that_does_nothing_is_dumped_and_replaced_within_six_seconds() {
    for pulse in [Pulse::Stopped, Pulse::Still] {
        let (machine, actions) = lived(&silent(3, pulse));
        assert_eq!(machine.phase(), Replacing, "{pulse:?}");
        assert_eq!(actions[..2], [Action::Dump, Action::Terminate]);
        let (machine, actions) = lived(&silent(6, pulse));
        assert!(actions.contains(&Action::Kill), "{pulse:?} {actions:?}");
        let (machine, actions) = machine.step(KILLED, at(6500), 0.0);
        assert_eq!((machine.phase(), actions), (Starting, vec![Action::Spawn]));
    }
}

#[test]
fn one_that_works_is_replaced_after_the_hang_timeout_only_and_not_before_it_could_save() {
    assert_eq!(lived(&silent(299, Pulse::Works)).0.phase(), Busy);
    let (machine, actions) = lived(&silent(302, Pulse::Works));
    assert_eq!(machine.phase(), Replacing);
    assert!(!actions.contains(&Action::Kill));
    // Its patience is the stop timeout's: it may be saving.
    assert!(lived(&silent(308, Pulse::Works)).1.contains(&Action::Kill));
}

#[test]
fn never_is_never() {
    let limits = Limits {
        hang_timeout: None,
        ..LIMITS
    };
    let (mut machine, _) = Machine::begin(limits, at(0));
    for (ms, event) in silent(1000, Pulse::Still) {
        let actions;
        (machine, actions) = machine.step(event, at(ms), 0.0);
        assert_eq!(actions.iter().find(|a| **a != Action::Spawn), None);
    }
    assert_eq!(machine.phase(), Busy);
}

#[test]
fn an_answer_takes_the_proof_away() {
    let mut life = silent(2, Pulse::Still);
    life.push((2500, Event::Answer(Answer::Loading("LOADING".into()))));
    life.extend(
        silent(2, Pulse::Still)
            .into_iter()
            .skip(1)
            .map(|(ms, e)| (ms + 3000, e)),
    );
    assert_eq!(lived(&life).1, []);
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Answer(Answer::Pong)),
        2 => Just(Event::Answer(Answer::Loading(String::new()))),
        1 => Just(Event::Answer(Answer::Busy(String::new()))),
        1 => Just(Event::Answer(Answer::Misconf(String::new()))),
        1 => Just(Event::Answer(Answer::Error(String::new()))),
        2 => Just(Event::Answer(Answer::Timeout)),
        2 => Just(Event::Answer(Answer::Refused(String::new()))),
        3 => (0i32..3).prop_map(|c| Event::Exited(Exit::Code(c))),
        3 => (1i32..32).prop_map(|s| Event::Exited(Exit::Signal(s))),
        1 => Just(Event::Rejected(Exit::Code(1))),
        1 => Just(Event::NotSpawned("no memory".into())),
        1 => Just(Event::NotStartable("no such file".into())),
        1 => Just(Event::Stop),
        2 => (any::<bool>(), 0u64..10_000).prop_map(|(unsaved, save)| Event::Holds(Held { unsaved, save_takes: Duration::from_secs(save) })),
        2 => prop_oneof![Just(Pulse::Stopped), Just(Pulse::Still), Just(Pulse::Works)].prop_map(Event::Pulse),
        6 => Just(Event::Tick),
    ]
}

proptest! {
    #[test]
    fn no_life_makes_an_illegal_transition_or_waits_too_long(
        events in prop::collection::vec((any_event(), 0u64..40_000, 0.0f64..=1.0), 1..200)
    ) {
        let (mut machine, _) = Machine::begin(LIMITS, at(0));
        let (mut now, mut asked) = (at(0), false);
        for (event, pause, jitter) in events {
            now += at(pause);
            let from = machine.phase();
            asked |= event == Event::Stop;
            let keeps = from == Stopping && machine.held.is_some_and(|held| held.unsaved) && machine.stuck_since.is_none();
            let (next, actions) = machine.step(event, now, jitter);
            machine = next;
            let to = machine.phase();
            prop_assert!(from == to || allowed(from, to), "{from} to {to}");
            if to == BackingOff && from != BackingOff {
                let delay = machine.wake().unwrap() - now;
                prop_assert!(delay >= LIMITS.backoff.mul_f64(0.75) && delay <= LIMITS.backoff_max);
            }
            let spawns = actions.iter().filter(|a| **a == Action::Spawn).count();
            prop_assert_eq!(spawns, usize::from(to == Starting && !actions.is_empty()));
            prop_assert!(!asked || spawns == 0, "started again after a stop was asked for");
            prop_assert!(asked || to != Stopped);
            let loses = actions.iter().any(|a| matches!(a, Action::Kill | Action::Leave));
            prop_assert!(!(keeps && loses), "what is nowhere else was thrown away");
            let dumped = actions.contains(&Action::Dump);
            prop_assert_eq!(dumped, dumped && from != to && to == Replacing);
            let down = matches!(to, Stopped | Refused);
            let ends = actions.iter().any(|a| matches!(a, Action::Finish(_) | Action::Refuse));
            prop_assert_eq!(ends, down && from != to);
            prop_assert!(!matches!(to, BackingOff | Stopping | Replacing | Starting) || machine.wake().is_some());
        }
    }
}
