//! Users in a table of the app's own SQLite database, which is read and never written.

use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row};

use crate::admin::import::columns::{Columns, Value, choose};
use crate::admin::import::{Chosen, Fault, Field, LONGEST_RECORD, Reading, Unreadable};

/// The most tables that are named where it is not clear which it is.
const MOST_NAMED: usize = 40;
const READ_ONLY: OpenFlags = OpenFlags::SQLITE_OPEN_READ_ONLY
    .union(OpenFlags::SQLITE_OPEN_NO_MUTEX)
    .union(OpenFlags::SQLITE_OPEN_URI);

/// A table or view.
struct Table {
    name: String,
    columns: Vec<String>,
}

/// Reads the users of the database `file` from this table, or from the only one that looks like one of
/// users; says which it was.
pub fn read_database(
    file: &Path,
    table: Option<&str>,
    chosen: &Chosen,
) -> Result<(String, Reading), Unreadable> {
    let sql = open(file)?;
    let tables = tables(&sql)?;
    let table = match table {
        Some(name) => named(&tables, name)?,
        None => likeliest(&tables, chosen)?,
    };
    let columns = choose(&table.columns, chosen)?;
    let mut reading = columns.reading(&table.columns);
    // By name: a star may stand for more columns than these, or for fewer.
    let names: Vec<String> = table.columns.iter().map(|name| quoted(name)).collect();
    let names = names.join(", ");
    let mut select = sql.prepare(&format!("SELECT {names} FROM {}", quoted(&table.name)))?;
    let mut rows = select.query([])?;
    let mut place = 0;
    while let Some(row) = rows.next()? {
        place += 1;
        match values(row, table.columns.len())? {
            Some(values) => match columns.record(place, &values) {
                Ok(record) => reading.records.push(record),
                Err(fault) => reading.faults.push(fault),
            },
            None => reading.faults.push(Fault {
                place,
                what: "this is too long for one user".to_owned(),
            }),
        }
    }
    Ok((table.name.clone(), reading))
}

/// Opens for reading. Where SQLite cannot make the files it wants beside a database, that is read as
/// one that nobody writes, unless somebody has written to its log.
fn open(file: &Path) -> Result<Connection, Unreadable> {
    let failure = match Connection::open_with_flags(file, READ_ONLY).and_then(checked) {
        Ok(sql) => return Ok(sql),
        Err(failure) => failure,
    };
    let may_be_in_the_way = matches!(
        failure.sqlite_error_code(),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly)
    );
    let is_logged = std::fs::metadata(beside(file, "-wal")).is_ok_and(|log| log.len() > 0);
    match file.to_str() {
        Some(path) if may_be_in_the_way && !is_logged && file.is_file() => {
            const IN_PATHS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.');
            let path = utf8_percent_encode(path, IN_PATHS);
            let uri = format!("file:{path}?mode=ro&immutable=1");
            Ok(Connection::open_with_flags(uri, READ_ONLY).and_then(checked)?)
        }
        _ => Err(failure.into()),
    }
}

/// Opening reads nothing yet.
fn checked(sql: Connection) -> rusqlite::Result<Connection> {
    sql.query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
        row.get::<_, i64>(0)
    })?;
    Ok(sql)
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn tables(sql: &Connection) -> Result<Vec<Table>, Unreadable> {
    let mut select = sql.prepare(
        "SELECT name FROM sqlite_schema
         WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )?;
    let names = select.query_map([], |row| row.get(0))?;
    let mut columns =
        sql.prepare("SELECT name FROM pragma_table_xinfo(?1) WHERE hidden <> 1 ORDER BY cid")?;
    let mut tables = Vec::new();
    for name in names {
        let name: String = name?;
        let columns = columns.query_map([&name], |row| row.get(0))?;
        let columns = columns.collect::<rusqlite::Result<_>>()?;
        tables.push(Table { name, columns });
    }
    Ok(tables)
}

fn named<'t>(tables: &'t [Table], name: &str) -> Result<&'t Table, Unreadable> {
    let table = tables.iter().find(|table| table.name == name);
    table.ok_or_else(|| Unreadable::Unclear(format!("there is no table {name}. {}", told(tables))))
}

fn likeliest<'t>(tables: &'t [Table], chosen: &Chosen) -> Result<&'t Table, Unreadable> {
    let is_of_users = |columns: &Columns| columns.has(Field::Password);
    let looks_right =
        |table: &&Table| choose(&table.columns, chosen).is_ok_and(|columns| is_of_users(&columns));
    let mut likely = tables.iter().filter(looks_right);
    match (likely.next(), likely.next()) {
        (Some(table), None) => Ok(table),
        _ => Err(Unreadable::Unclear(format!(
            "which table are the users in? Say it with --table, and where needed \
             --columns name=COLUMN,password=COLUMN. {}",
            told(tables)
        ))),
    }
}

fn told(tables: &[Table]) -> String {
    if tables.is_empty() {
        return "The database has no tables.".to_owned();
    }
    // Each has its line, which no name of somebody else's ends.
    let table = |table: &Table| {
        let (name, columns) = (&table.name, table.columns.join(", "));
        format!("  {name}: {columns}").replace('\n', "\\u{a}")
    };
    let named: Vec<String> = tables.iter().take(MOST_NAMED).map(table).collect();
    let more = match tables.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!("\n  … and {more} more"),
    };
    format!("The tables are:\n{}{more}", named.join("\n"))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `None` where they are too long.
fn values(row: &Row<'_>, count: usize) -> Result<Option<Vec<Value>>, Unreadable> {
    let mut length = 0;
    let mut values = Vec::with_capacity(count);
    for at in 0..count {
        let value = match row.get_ref(at)? {
            ValueRef::Null => Value::Nothing,
            ValueRef::Integer(number) => Value::Text(number.to_string()),
            ValueRef::Real(number) => Value::Text(number.to_string()),
            // Hashes of programs that hash to bytes stand in columns of bytes.
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                length += bytes.len();
                Value::Text(String::from_utf8_lossy(bytes).into_owned())
            }
        };
        values.push(value);
    }
    Ok((length <= LONGEST_RECORD).then_some(values))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::admin::import::Said;

    fn database(folder: &Path, statements: &str) -> PathBuf {
        let file = folder.join("an app's? #1%.db");
        Connection::open(&file)
            .unwrap()
            .execute_batch(statements)
            .unwrap();
        file
    }

    fn names(file: &Path, table: Option<&str>) -> String {
        match read_database(file, table, &Vec::new()) {
            Ok((table, reading)) => {
                let names: Vec<&str> = reading.records.iter().map(|r| r.name.as_str()).collect();
                format!("{table}: {}", names.join(" "))
            }
            Err(error) => error.to_string(),
        }
    }

    const TWO: &str = "CREATE TABLE \"my \"\"users\" (id INTEGER, username TEXT, pw_hash BLOB, active);
        INSERT INTO \"my \"\"users\" VALUES (1, 'ada', x'2432', 1), (2, NULL, 'x', 0), (3, 7, NULL, 'no');
        CREATE TABLE post (id INTEGER, name TEXT);";

    #[test]
    fn names_in_a_database_end_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = database(
            folder.path(),
            "CREATE TABLE \"a \"\"ä\n  users\" (\"b\n  x\")",
        );
        let said = names(&file, None);
        assert!(
            said.ends_with("\n  a \"ä\\u{a}  users: b\\u{a}  x"),
            "{said:?}"
        );
    }

    #[test]
    fn generated_columns_shift_no_values() {
        let folder = tempfile::tempdir().unwrap();
        let file = database(
            folder.path(),
            "CREATE TABLE users (id INTEGER, username TEXT,
                 slug TEXT GENERATED ALWAYS AS (lower(username)), password_hash TEXT, role TEXT);
             INSERT INTO users (id, username, password_hash, role) VALUES (1, 'Ada', '$2b$x', 'ops');",
        );
        let (_, reading) = read_database(&file, None, &Vec::new()).unwrap();
        let ada = &reading.records[0];
        assert_eq!(ada.password.as_ref().unwrap().expose(), "$2b$x");
        assert_eq!(ada.groups, Some(vec!["ops".to_owned()]));
        assert_eq!(reading.unused, ["id", "slug"]);
    }

    #[test]
    fn the_table_of_users_is_found_or_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = database(folder.path(), TWO);
        assert_eq!(names(&file, None), "my \"users: ada 7");
        let (_, reading) = read_database(&file, None, &Vec::new()).unwrap();
        assert_eq!(reading.records[0].password.as_ref().unwrap().expose(), "$2");
        assert_eq!(reading.records[1].said, Said::Disabled);
        assert_eq!(reading.faults[0].place, 2);
        assert_eq!(reading.unused, ["id"]);

        assert_eq!(names(&file, Some("post")), "post: ");
        let unclear = names(&file, Some("users"));
        assert!(unclear.contains("\n  post: id, name"), "{unclear}");
        let file = database(
            folder.path(),
            "CREATE TABLE admin (login TEXT, password TEXT)",
        );
        let unclear = names(&file, None);
        assert!(unclear.contains("--table"), "{unclear}");
        assert!(
            unclear.contains("\n  admin: login, password\n"),
            "{unclear}"
        );
    }

    #[test]
    fn a_database_that_is_in_use_or_lies_where_nobody_may_write_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = database(folder.path(), &format!("PRAGMA journal_mode = WAL; {TWO}"));
        let writer = Connection::open(&file).unwrap();
        writer
            .execute_batch("INSERT INTO \"my \"\"users\" VALUES (4, 'new', 'x', 1)")
            .unwrap();
        assert_eq!(names(&file, None), "my \"users: ada 7 new");
        drop(writer);

        let before = fs::read(&file).unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o555)).unwrap();
        assert_eq!(names(&file, None), "my \"users: ada 7 new");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        assert_eq!(fs::read(&file).unwrap(), before);
    }

    #[test]
    fn what_is_no_database_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.db");
        assert_eq!(names(&file, None), "the database cannot be read");
        assert!(!file.exists());
        fs::write(&file, "no database at all, but long enough to be one").unwrap();
        assert_eq!(names(&file, None), "the database cannot be read");
    }
}
