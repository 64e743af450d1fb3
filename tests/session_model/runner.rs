//! How are schedules tried? The same ones in each run, unless the environment asks for others.

use std::cell::Cell;
use std::env;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

/// Tries `usual` schedules, or as many as the environment says; panics with the smallest that fails.
#[track_caller]
pub(crate) fn check<S: Strategy>(
    usual: u32,
    schedules: &S,
    test: impl Fn(&S::Value) -> Result<(), String>,
) {
    let cases = number("VESTIBULE_MODEL_SCHEDULES").map_or(usual, |number| {
        u32::try_from(number).expect("it is less than four thousand million")
    });
    let seed = number("VESTIBULE_MODEL_SEED").unwrap_or(1);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let tried = Cell::new(0_u64);
    let found = Cell::new(false);
    let outcome = TestRunner::new_with_rng(config, random).run(schedules, |schedule| {
        if !found.get() {
            tried.set(tried.get() + 1);
        }
        test(&schedule).map_err(|wrong| {
            found.set(true);
            TestCaseError::fail(wrong)
        })
    });
    let tried = tried.get();
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(wrong, smallest)) => panic!(
            "{wrong}\nschedule {tried} of VESTIBULE_MODEL_SEED={seed}, made small: {smallest:?}"
        ),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().expect("it is a number"))
}
