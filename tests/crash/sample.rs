//! How many points are tried: a sample, all with `REDIS_HARDEN_CRASH_POINTS=all`, or about so many for each kind of crash.

const POINTS: &str = "REDIS_HARDEN_CRASH_POINTS";

/// About `few` of them, evenly, or as many as are asked for.
pub fn sample<T>(all: Vec<T>, few: usize) -> Vec<T> {
    let wanted = match std::env::var(POINTS) {
        Ok(word) if word == "all" => all.len(),
        Ok(number) => number.parse().expect("a number, or all"),
        Err(_) => few,
    };
    let step = all.len().div_ceil(wanted.max(1)).max(1);
    all.into_iter().skip(step / 2).step_by(step).collect()
}

/// Whether this is the long form.
pub fn everything() -> bool {
    std::env::var(POINTS).is_ok_and(|word| word == "all")
}

/// Tries each point, two at a time, prints how many, and panics with all that went wrong.
pub fn each<T: Sync>(what: &str, points: &[T], attempt: impl Fn(&T) -> Vec<String> + Sync) {
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let halves = [0, 1].map(|half| {
            let mine = points.iter().skip(half).step_by(2);
            let attempt = &attempt;
            scope.spawn(move || mine.flat_map(attempt).collect::<Vec<_>>())
        });
        let joined = halves
            .into_iter()
            .map(|half| half.join().expect("no panic"));
        joined.flatten().collect()
    });
    println!(
        "crash: {what}: {} points, {} wrong",
        points.len(),
        wrong.len()
    );
    assert!(!points.is_empty(), "{what}: nothing was tried");
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n\n"));
}
