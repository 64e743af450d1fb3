//! Which of our threads go first where processors are short: those that carry requests.

use thread_priority::ThreadPriority;
use thread_priority::unix::{
    NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};

/// From now on this thread interrupts nobody when it has something to do (`SCHED_BATCH`, sched(7)): it
/// begins when a processor is free or its turn has come.
///
/// Besides being polite, this keeps who is interrupted from being overtaken by a thread that gives way.
pub fn interrupt_nobody() {
    set(NormalThreadSchedulePolicy::Batch);
}

/// From now on this thread runs when nobody else wants its processor (`SCHED_IDLE`, sched(7)). A low
/// priority alone would let it have its slice to the end, which is three milliseconds on two cores.
pub fn give_way() {
    set(NormalThreadSchedulePolicy::Idle);
}

/// Where the system does not allow it, the thread is as quick as others.
fn set(policy: NormalThreadSchedulePolicy) {
    let policy = ThreadSchedulePolicy::Normal(policy);
    let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy);
}
