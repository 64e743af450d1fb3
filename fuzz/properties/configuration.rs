//! Any text is a configuration, or is told what is wrong with it and where.

use std::path::Path;

use vestibule::config::{self, ConfigError, Place};

pub(crate) fn check(data: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(data) else {
        return false;
    };
    let folder = Path::new("/nowhere");
    match config::parse(text, folder) {
        Ok(config) => {
            let again = config::parse(text, folder);
            assert_eq!(again.ok(), Some(config), "read in two ways");
            true
        }
        Err(ConfigError::Wrong(problems)) => {
            assert!(problems.iter().count() > 0, "refused without a reason");
            let lines = 1 + text.matches('\n').count();
            for problem in problems.iter() {
                assert!(!problem.complaint.message.is_empty());
                match &problem.place {
                    Place::Line(line) => assert!((1..=lines).contains(line), "{problem:?}"),
                    Place::File => assert!(!problem.key.is_empty(), "{problem:?}"),
                    Place::Environment(_) => panic!("no variable was given: {problem:?}"),
                }
            }
            let report = problems.to_string();
            assert!(report.contains("/nowhere/config.toml"), "{report}");
            false
        }
        Err(error) => panic!("no file was read: {error}"),
    }
}
