//! Nanoseconds per request: medians of many short batches.
//!
//! The batches of all subjects take turns in one run, so that whatever else the machine does meets
//! all of them alike.

use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::{
    app::{self, Fallible, Runner},
    subject::{BARE, BARE_MANY_TOKENS, MANY_TOKENS, ONE_TOKEN, OURS, PEER, Stage, Subject},
    table::{self, median, number},
};

const ROUNDS: usize = 401;
/// How long a batch takes, about: long against the clock's resolution, short against the
/// scheduler's time slices.
const BATCH: Duration = Duration::from_millis(1);
/// More requests than any subject but the controls gets, of which no two are alike then where that
/// matters.
const MOST: u64 = 100_000;

struct Racer {
    subject: &'static Subject,
    runner: Runner,
    batch: u64,
    nanoseconds: Vec<f64>,
}

/// Measures and prints.
pub fn measure(subjects: &[&'static Subject]) -> Fallible<()> {
    let runtime = app::runtime()?;
    let stage = Stage::default();
    let mut racers = Vec::new();
    for subject in subjects {
        let runner = runtime.block_on(subject.prepare(&stage, MOST))?;
        let once = run(&runtime, &runner, 200) / 200;
        let batch = BATCH.div_duration_f64(once).clamp(1.0, 10_000.0) as u64;
        racers.push(Racer { subject, runner, batch, nanoseconds: Vec::with_capacity(ROUNDS) });
    }
    for round in 0..ROUNDS {
        for turn in 0..racers.len() {
            let index = (round + turn) % racers.len();
            let racer = &mut racers[index];
            let time = run(&runtime, &racer.runner, racer.batch);
            racer.nanoseconds.push(time.as_nanos() as f64 / racer.batch as f64);
        }
    }
    print(&racers);
    Ok(())
}

fn run(runtime: &Runtime, runner: &Runner, count: u64) -> Duration {
    let start = Instant::now();
    runtime.block_on(runner.batch(count));
    start.elapsed()
}

fn print(racers: &[Racer]) {
    let of = |name: &str| {
        racers
            .iter()
            .find(|racer| racer.subject.name == name)
            .map(|racer| median(&racer.nanoseconds))
    };
    let bare = of(BARE).unwrap_or_default();
    let peer = of(PEER);
    // Many tokens take time by themselves, to be read from memory.
    let base = |racer: &Racer| {
        let many = (racer.subject.name == MANY_TOKENS).then(|| of(BARE_MANY_TOKENS));
        many.flatten().unwrap_or(bare)
    };
    let row = |racer: &Racer| {
        let time = median(&racer.nanoseconds);
        vec![
            racer.subject.about.to_owned(),
            number(time.round() as i64),
            number((time - base(racer)).round() as i64),
            format!("{:.2}", time / base(racer)),
            peer.map_or_else(String::new, |peer| format!("{:.2}", time / peer)),
        ]
    };
    println!("\nTime of one request: median of {ROUNDS} batches that take turns\n");
    table::print(
        &["", "ns", "added to bare", "times bare", "times tower-sessions"],
        racers.iter().map(row).collect(),
    );
    if let (Some(one), Some(many)) = (of(ONE_TOKEN), of(MANY_TOKENS)) {
        let (one, many) = (one - bare, many - of(BARE_MANY_TOKENS).unwrap_or(bare));
        println!("\nOne of 100,000 tokens adds {:.2} times what the only one adds.", many / one);
    }
    if let (Some(ours), Some(peer)) = (of(OURS), peer) {
        let share = (ours - bare) / (peer - bare) * 100.0;
        println!(
            "\nA signed-in request adds {share:.1} % of what tower-sessions alone adds \
             (goal: at most 20 %)."
        );
    }
}
