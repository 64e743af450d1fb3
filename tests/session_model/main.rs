//! Is anybody signed out by accident, and is every thief caught? Random schedules say so, and processes
//! that die in the middle.
//!
//! Each test says how many schedules it tries. `VESTIBULE_MODEL_SCHEDULES=200000` tries more of them,
//! `VESTIBULE_MODEL_SEED=7` others; a failure tells the seed.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics is a test that fails"
)]

mod bare;
mod crashes;
mod hooked;
mod house;
mod runner;
mod schedule;
mod thief;
mod world;

use crate::bare::Bare;
use crate::house::House;
use crate::runner::check;
use crate::schedule::{Manners, schedules};

#[test]
fn nobody_is_signed_out_whatever_is_lost_late_or_twice() {
    check(10_000, &schedules(Manners::default()), |schedule| {
        world::run(&Bare::open(), schedule)
    });
}

#[test]
fn nobody_is_signed_out_by_a_crash_of_the_browser() {
    check(3_000, &schedules(Manners::CRASHES), |schedule| {
        world::run(&Bare::open(), schedule)
    });
}

#[test]
fn nobody_is_signed_out_by_a_change_of_password() {
    check(1_000, &schedules(Manners::PASSWORDS), |schedule| {
        world::run(&Bare::open(), schedule)
    });
}

#[test]
fn nothing_is_given_after_the_end_whatever_is_in_flight() {
    check(1_000, &schedules(Manners::ENDS), |schedule| {
        world::run(&Bare::open(), schedule)
    });
}

#[test]
fn nobody_is_signed_out_over_a_store_in_memory() {
    let house = House::in_memory();
    check(300, &schedules(Manners::EVERYTHING), |schedule| {
        world::run(&house.open(), schedule)
    });
}

#[test]
fn nobody_is_signed_out_over_sqlite() {
    let house = House::in_sqlite();
    check(60, &schedules(Manners::EVERYTHING), |schedule| {
        world::run(&house.open(), schedule)
    });
}

#[test]
fn whoever_comes_second_with_a_stolen_token_ends_the_session() {
    check(2_000, &thief::schedules(), |schedule| {
        thief::run(&Bare::open(), schedule)
    });
}

#[test]
fn thieves_are_caught_over_each_store() {
    for (house, count) in [(House::in_memory(), 200), (House::in_sqlite(), 30)] {
        check(count, &thief::schedules(), |schedule| {
            thief::run(&house.open(), schedule)
        });
    }
}

#[test]
fn forged_and_foreign_tokens_cost_no_store_access() {
    let house = House::in_memory();
    check(1_000, &house::forgeries(), |forgery| {
        house.open().refuses_without_asking(forgery)
    });
}
