//! Directives whose value is a list, some of which lines add to. Source: the special kinds of Redis's config.c.

use super::kind::{self, Refusal};
use super::table::Directive;
use super::words;

/// Event classes in the order in which Redis shows them, and those that `A` stands for. Source: notify.c.
const EVENTS: &str = "g$lshzxetdn";
const ALL_EVENTS: &str = "g$lshzxetd";
const EVENTS_AFTER: &str = "KEm";

/// Redis keeps no more addresses than this.
const MAX_ADDRESSES: usize = 16;

/// Client classes, and the other name that one of them has.
const CLASSES: [&str; 3] = ["normal", "slave", "pubsub"];

/// Hard limit, soft limit and seconds of a client class.
type Limit = (u64, u64, i32);

/// What earlier lines have left for later ones to add to.
#[derive(Debug, Default)]
pub struct Lists {
    save: Vec<(i64, i32)>,
    /// Whether a `save` line adds to those before it.
    adds: bool,
    /// Whether one has added already: the first takes what was there before away.
    added: bool,
    limits: Option<[Limit; 3]>,
}

impl Lists {
    /// A text begins.
    pub fn begin(&mut self) {
        self.adds = true;
    }

    /// A text ends. Redis then takes the rest of the one that included it for a `CONFIG SET`: each `save` replaces the last.
    /// Source: `reading_config_file` in config.c, which is no counter.
    pub fn end(&mut self) {
        self.adds = false;
    }

    /// The directive's value after one more line.
    pub fn set(&mut self, directive: Directive, args: &[Vec<u8>]) -> Result<String, Refusal> {
        match directive.name {
            "save" => self.save(args),
            "client-output-buffer-limit" => self.limits(directive.default, args),
            "oom-score-adj-values" => scores(args),
            "notify-keyspace-events" => events(args),
            "replicaof" => master(args),
            "latency-tracking-info-percentiles" => percentiles(args),
            _ => addresses(args),
        }
    }

    /// Pairs add up, and `save ""` takes all away. The defaults are gone with the first line.
    fn save(&mut self, args: &[Vec<u8>]) -> Result<String, Refusal> {
        let wrong = || "it takes pairs of seconds and changes".to_owned();
        let mut pairs = Vec::new();
        for pair in nothing_for_empty(args).chunks(2) {
            let [seconds, changes] = pair else {
                return Err(wrong());
            };
            let seconds = kind::whole(seconds, 10).filter(|n| *n >= 1);
            let changes = kind::whole(changes, 10).filter(|n| *n >= 0);
            let pair = seconds.zip(changes).ok_or_else(wrong)?;
            pairs.push((pair.0, truncated(pair.1)));
        }
        if !self.adds || !self.added || is_empty_word(args) {
            self.save.clear();
        }
        self.added |= self.adds;
        self.save.extend(pairs);
        let shown: Vec<String> = self.save.iter().map(|(s, c)| format!("{s} {c}")).collect();
        Ok(shown.join(" "))
    }

    /// Classes that a line does not name keep what they had.
    fn limits(&mut self, default: &str, args: &[Vec<u8>]) -> Result<String, Refusal> {
        let mut limits = match self.limits {
            Some(limits) => limits,
            None => {
                let words: Vec<Vec<u8>> = default.split(' ').map(|w| w.into()).collect();
                with_limits([(0, 0, 0); 3], &words)?
            }
        };
        limits = with_limits(limits, args)?;
        self.limits = Some(limits);
        let shown = CLASSES.iter().zip(limits);
        let shown: Vec<String> = shown
            .map(|(class, (hard, soft, seconds))| format!("{class} {hard} {soft} {seconds}"))
            .collect();
        Ok(shown.join(" "))
    }
}

fn with_limits(mut limits: [Limit; 3], args: &[Vec<u8>]) -> Result<[Limit; 3], Refusal> {
    for four in args.chunks(4) {
        let [class, hard, soft, seconds] = four else {
            return Err("it takes a class, two sizes and seconds".into());
        };
        let class = if class.eq_ignore_ascii_case(b"replica") {
            b"slave"
        } else {
            class.as_slice()
        };
        let at = CLASSES
            .iter()
            .position(|c| c.as_bytes().eq_ignore_ascii_case(class));
        let limit = at
            .and_then(|at| limits.get_mut(at))
            .ok_or("there is no such client class")?;
        let seconds = kind::whole(seconds, 10).map(truncated).filter(|n| *n >= 0);
        let sizes = kind::memory(hard).zip(kind::memory(soft));
        let ((hard, soft), seconds) = sizes.zip(seconds).ok_or("a limit is no size, or no time")?;
        *limit = (hard, soft, seconds);
    }
    Ok(limits)
}

fn scores(args: &[Vec<u8>]) -> Result<String, Refusal> {
    let scores = args
        .iter()
        .map(|a| kind::whole(a, 10).filter(|n| (-2000..=2000).contains(n)));
    let scores: Option<Vec<i64>> = scores.collect();
    match scores.as_deref() {
        Some([main, replica, child]) => Ok(format!("{main} {replica} {child}")),
        _ => Err("it takes three numbers between -2000 and 2000".into()),
    }
}

fn events(args: &[Vec<u8>]) -> Result<String, Refusal> {
    let [classes] = args else {
        return Err("wrong number of arguments".into());
    };
    let known = |b: &u8| format!("A{EVENTS}{EVENTS_AFTER}").as_bytes().contains(b);
    if !classes.iter().all(known) {
        return Err("there is no such event class".into());
    }
    let has = |c: char| {
        let by_all = classes.contains(&b'A') && ALL_EVENTS.contains(c);
        by_all || u8::try_from(c).is_ok_and(|b| classes.contains(&b))
    };
    let mut shown: String = match ALL_EVENTS.chars().all(has) {
        true => "A".into(),
        false => EVENTS.chars().filter(|c| has(*c)).collect(),
    };
    shown.extend(EVENTS_AFTER.chars().filter(|c| has(*c)));
    Ok(shown)
}

fn master(args: &[Vec<u8>]) -> Result<String, Refusal> {
    let [host, port] = args else {
        return Err("wrong number of arguments".into());
    };
    if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
        return Ok(String::new());
    }
    let port = kind::whole(port, 10).map(truncated);
    let port = port
        .filter(|n| (0..=65535).contains(n))
        .ok_or("its port is none")?;
    Ok(format!("{} {port}", words::text(host)))
}

fn addresses(args: &[Vec<u8>]) -> Result<String, Refusal> {
    if args.len() > MAX_ADDRESSES {
        return Err(format!("more than {MAX_ADDRESSES} addresses"));
    }
    let shown: Vec<String> = nothing_for_empty(args)
        .iter()
        .map(|a| words::text(a))
        .collect();
    Ok(shown.join(" "))
}

fn percentiles(args: &[Vec<u8>]) -> Result<String, Refusal> {
    let args = nothing_for_empty(args).iter();
    let shown: Option<Vec<String>> = args.map(|a| percentile(a)).collect();
    let wrong = || "it takes numbers between 0 and 100".to_owned();
    shown.map(|s| s.join(" ")).ok_or_else(wrong)
}

/// As `%f` prints it, without the zeros at the end.
fn percentile(arg: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(arg).ok()?;
    let number: f64 = text.parse().ok().filter(|n| (0.0..=100.0).contains(n))?;
    // A number too small for a double is refused, not taken for 0.
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    if number == 0.0 && mantissa.contains(|c| ('1'..='9').contains(&c)) {
        return None;
    }
    let shown = format!("{number:.6}");
    Some(shown.trim_end_matches('0').trim_end_matches('.').to_owned())
}

fn is_empty_word(args: &[Vec<u8>]) -> bool {
    matches!(args, [one] if one.is_empty())
}

/// One empty word stands for none.
fn nothing_for_empty(args: &[Vec<u8>]) -> &[Vec<u8>] {
    if is_empty_word(args) { &[] } else { args }
}

/// A C `int` made of a `long long`.
fn truncated(number: i64) -> i32 {
    number as i32
}
