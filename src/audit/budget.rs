//! Work in which one piece can hang nothing: what takes too long is given up, and the rest goes on without it.
//! A thread that hangs in the kernel (a dead NFS server) cannot be ended; it is left behind, and ends with the process.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the pieces are looked at.
const TICK: Duration = Duration::from_millis(50);

/// How long a piece may take, and all of them together.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    pub piece: Duration,
    pub whole: Duration,
}

/// What a worker has done so far.
struct Progress<T> {
    /// The piece that is being worked on.
    at: AtomicUsize,
    done: Mutex<Vec<(usize, T)>>,
}

/// The result of each piece, or `None` where it took too long. `make` gives a worker its own means of work.
pub fn within<I, T, W>(
    pieces: Vec<I>,
    budget: Budget,
    make: impl Fn() -> W + Send + Clone + 'static,
) -> Vec<Option<T>>
where
    I: Send + Sync + 'static,
    T: Send + 'static,
    W: FnMut(&I) -> T,
{
    let pieces = Arc::new(pieces);
    let mut results: Vec<Option<T>> = pieces.iter().map(|_| None).collect();
    let end = Instant::now() + budget.whole;
    let mut next = 0;
    while next < pieces.len() && Instant::now() < end {
        let (done, stopped_at) = from(next, &pieces, budget, end, make.clone());
        for (at, result) in done {
            if let Some(place) = results.get_mut(at) {
                *place = Some(result);
            }
        }
        // The one that hangs is passed over.
        next = stopped_at + 1;
    }
    results
}

/// One worker, from a piece on: what it did, and the piece at which it stopped, or was given up.
fn from<I, T, W>(
    first: usize,
    pieces: &Arc<Vec<I>>,
    budget: Budget,
    end: Instant,
    make: impl Fn() -> W + Send + 'static,
) -> (Vec<(usize, T)>, usize)
where
    I: Send + Sync + 'static,
    T: Send + 'static,
    W: FnMut(&I) -> T,
{
    let progress = Arc::new(Progress {
        at: AtomicUsize::new(first),
        done: Mutex::new(Vec::new()),
    });
    let (finished, wait) = channel::<()>();
    let (theirs, pieces_there) = (Arc::clone(&progress), Arc::clone(pieces));
    std::thread::spawn(move || {
        let mut work = make();
        for (at, piece) in pieces_there.iter().enumerate().skip(first) {
            theirs.at.store(at, Ordering::Release);
            let result = work(piece);
            let done = theirs.done.lock();
            done.unwrap_or_else(PoisonError::into_inner)
                .push((at, result));
        }
        theirs.at.store(pieces_there.len(), Ordering::Release);
        // Whoever waited may have given up.
        let _ = finished.send(());
    });
    let (mut seen, mut since) = (first, Instant::now());
    loop {
        match wait.recv_timeout(TICK) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let at = progress.at.load(Ordering::Acquire);
        if at != seen {
            (seen, since) = (at, Instant::now());
        }
        if since.elapsed() >= budget.piece || Instant::now() >= end {
            break;
        }
    }
    let at = progress.at.load(Ordering::Acquire);
    let done = progress.done.lock();
    let done = std::mem::take(&mut *done.unwrap_or_else(PoisonError::into_inner));
    // It may have ended this very piece between the two looks: that is no reason to pass over it.
    let last = done.last().map_or(at, |(last, _)| at.max(*last));
    (done, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget {
        piece: Duration::from_millis(200),
        whole: Duration::from_secs(2),
    };

    fn sleeping(pieces: &[u64], budget: Budget) -> Vec<Option<u64>> {
        within(pieces.to_vec(), budget, || {
            |ms: &u64| {
                std::thread::sleep(Duration::from_millis(*ms));
                *ms
            }
        })
    }

    #[test]
    fn what_is_in_time_is_all_there_in_order() {
        assert_eq!(sleeping(&[1, 0, 2], BUDGET), [Some(1), Some(0), Some(2)]);
        assert_eq!(sleeping(&[], BUDGET), []);
    }

    #[test]
    fn one_that_hangs_is_given_up_and_the_others_are_done() {
        let start = Instant::now();
        let results = sleeping(&[1, 60_000, 2, 60_000], BUDGET);
        assert_eq!(results, [Some(1), None, Some(2), None]);
        assert!(start.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn the_whole_has_an_end_too() {
        let budget = Budget {
            piece: Duration::from_secs(60),
            whole: Duration::from_millis(300),
        };
        let start = Instant::now();
        let results = sleeping(&[1, 60_000, 2], budget);
        assert_eq!(results, [Some(1), None, None]);
        assert!(start.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn a_piece_that_panics_takes_only_itself() {
        let results = within(vec![1, 0, 2], BUDGET, || |n: &i32| 10 / n);
        assert_eq!(results, [Some(10), None, Some(5)]);
    }
}
