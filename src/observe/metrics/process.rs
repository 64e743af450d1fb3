//! What does the process itself take: processor, memory, files? Under the names all programs use.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use rustix::param::clock_ticks_per_second;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Asked at each scrape. What the system does not tell is left out.
#[derive(Debug)]
struct Process;

pub(super) fn register(registry: &mut Registry) {
    registry.register_collector(Box::new(Process));
}

impl Collector for Process {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        let mut write = |name, help, unit: Option<Unit>, metric: &dyn EncodeMetric| {
            let encoder = to.encode_descriptor(name, help, unit.as_ref(), metric.metric_type())?;
            metric.encode(encoder)
        };
        let cpu = ConstCounter::new(processor_seconds());
        let help = "Processor time that was used.";
        write("process_cpu", help, Some(Unit::Seconds), &cpu)?;
        if let Some(bytes) = resident_bytes() {
            let help = "Memory that is resident.";
            let gauge = ConstGauge::new(bytes);
            write("process_resident_memory", help, Some(Unit::Bytes), &gauge)?;
        }
        if let Some(count) = open_files() {
            let help = "Files and sockets that are open.";
            write("process_open_fds", help, None, &ConstGauge::new(count))?;
        }
        if let Some(limit) = getrlimit(Resource::Nofile).current {
            let help = "Files and sockets that may be open.";
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            write("process_max_fds", help, None, &ConstGauge::new(limit))?;
        }
        if let Some(start) = start_time() {
            let help = "When the process began, since the Unix epoch.";
            let gauge = ConstGauge::new(start);
            write("process_start_time", help, Some(Unit::Seconds), &gauge)?;
        }
        Ok(())
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "processor time need not be exact to the nanosecond"
)]
fn processor_seconds() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}

fn resident_bytes() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The one this reads the folder with is not counted.
fn open_files() -> Option<i64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    i64::try_from(count.saturating_sub(1)).ok()
}

/// The start of the machine, and the ticks from there to the start of the process.
#[expect(
    clippy::cast_precision_loss,
    reason = "seconds since 1970 fit, and ticks are of a hundredth of a second"
)]
fn start_time() -> Option<f64> {
    let machine = fs::read_to_string("/proc/stat").ok()?;
    let boot = machine
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?;
    let boot: u64 = boot.trim().parse().ok()?;
    let own = fs::read_to_string("/proc/self/stat").ok()?;
    let ticks = start_ticks(&own)?;
    Some(boot as f64 + ticks as f64 / clock_ticks_per_second() as f64)
}

/// The 22nd field. The second is the program's name in parentheses, which may hold anything.
fn start_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, SystemClock};

    #[test]
    fn the_start_is_found_behind_any_name() {
        let fields = (3..=52).map(|n| n.to_string()).collect::<Vec<_>>();
        let stat = format!("7 (a) b) {}", fields.join(" "));
        assert_eq!(start_ticks(&stat), Some(22));
        assert_eq!(start_ticks("7 (a) 3 4"), None);
    }

    #[test]
    fn this_process_has_begun_takes_memory_and_has_files_open() {
        let now = SystemClock.now().seconds();
        let start = start_time().unwrap();
        assert!(start > 1e9 && start < now as f64 + 2.0, "{start} {now}");
        assert!(resident_bytes().unwrap() > 1 << 20);
        assert!(open_files().unwrap() > 2);
        assert!(processor_seconds() > 0.0);
    }
}
