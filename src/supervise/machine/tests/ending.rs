//! How far a stop goes.

use super::*;

#[test]
fn what_is_nowhere_else_is_waited_for_and_never_killed() {
    let pong = || Event::Answer(Answer::Pong);
    let mut life = vec![(1, pong()), (2, holds(true)), (3, Event::Stop)];
    life.extend(seconds(3, 600, &holds(true)));
    let (machine, actions) = lived(&life);
    assert_eq!(machine.phase(), Stopping);
    assert!(
        actions.iter().all(|a| *a == Action::Terminate),
        "{actions:?}"
    );
    assert!(
        machine.note().contains("is not killed"),
        "{}",
        machine.note()
    );
    // The disk has room again: it is asked each second, and ends.
    let (machine, actions) = machine.step(Event::Exited(Exit::Code(0)), at(700_000), 0.0);
    assert_eq!(
        (machine.rung(), actions),
        (Some(Rung::Asked), vec![Action::Finish(0)])
    );

    // Of one that has told nothing, nothing is known.
    let mut life = vec![(1, pong()), (3, Event::Stop)];
    life.extend(seconds(3, 600, &pong()));
    assert!(!lived(&life).1.contains(&Action::Kill));
}

#[test]
fn one_whose_data_is_on_the_disk_leaves_without_a_save_and_is_killed_at_last() {
    let pong = Event::Answer(Answer::Pong);
    let mut life = vec![(1, pong.clone()), (2, holds(false)), (3, Event::Stop)];
    life.extend(seconds(3, 2, &pong));
    assert!(
        !lived(&life).1.contains(&Action::Leave),
        "not before its replicas have had their time"
    );
    life.extend(seconds(2003, 1, &pong));
    assert_eq!(lived(&life).0.rung(), Some(Rung::LeftUnsaved));
    assert!(!lived(&life).1.contains(&Action::Kill));
    life.extend(seconds(3003, 4, &pong));
    let (machine, actions) = lived(&life);
    assert!(actions.contains(&Action::Kill));
    assert_eq!(machine.rung(), Some(Rung::Killed));
}

#[test]
fn a_save_that_takes_longer_than_the_policy_thinks_gets_its_time() {
    let held = |seconds| {
        Event::Holds(Held {
            unsaved: false,
            save_takes: Duration::from_secs(seconds),
        })
    };
    // It works on and says nothing; LIMITS has 5 s, a save of 40 s makes it 25 + 2 * 40.
    for (save, killed_after) in [(0, 5), (40, 105)] {
        let mut life = vec![
            (1, Event::Answer(Answer::Pong)),
            (2, held(save)),
            (3, Event::Stop),
        ];
        life.extend(seconds(3, killed_after - 1, &Event::Tick));
        assert!(!lived(&life).1.contains(&Action::Kill), "{save}");
        life.extend(seconds(killed_after * 1000, 3, &Event::Tick));
        assert!(lived(&life).1.contains(&Action::Kill), "{save}");
    }
}

#[test]
fn a_script_that_keeps_it_busy_is_ended_first() {
    let busy = Event::Answer(Answer::Busy("BUSY".into()));
    let mut life = vec![(1, busy.clone()), (2, holds(true)), (3, Event::Stop)];
    life.extend(seconds(3, 2, &busy));
    let (machine, actions) = lived(&life);
    assert!(actions.contains(&Action::Unblock), "{actions:?}");
    assert_eq!(machine.rung(), Some(Rung::Unblocked));
}
