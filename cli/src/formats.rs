//! How lists are printed: as a table, as JSON or YAML for programs, or as names. Page by page: nothing of a long list
//! is kept.

use clap::ValueEnum;
use serde::Serialize;

/// `-o`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// A JSON array, one element a line.
    Json,
    /// A YAML sequence.
    Yaml,
    /// The names, one a line.
    Name,
}

/// What is printed of one element.
pub trait Row: Serialize {
    /// The heads of the columns. The first column is the name.
    const COLUMNS: &'static [&'static str];

    /// The cells of the table.
    fn cells(&self) -> Vec<String>;

    /// The name as it is.
    fn name(&self) -> &str;
}

/// Between two columns, as kubectl has it.
const GAP: usize = 3;

/// A list on its way out.
#[derive(Debug)]
pub struct Printer {
    format: Format,
    widths: Vec<usize>,
    printed: usize,
}

impl Printer {
    /// Starts a list.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self { format, widths: Vec::new(), printed: 0 }
    }

    /// How many elements there were so far.
    #[must_use]
    pub fn printed(&self) -> usize {
        self.printed
    }

    /// The text of the next elements.
    ///
    /// # Errors
    /// What the serializer says, which no element of ours makes it say.
    pub fn page<R: Row>(&mut self, rows: &[R]) -> Result<String, String> {
        let mut text = String::new();
        match self.format {
            Format::Table => self.table(rows, &mut text),
            Format::Name => rows.iter().for_each(|row| {
                text.push_str(row.name());
                text.push('\n');
            }),
            Format::Yaml => {
                for row in rows {
                    text.push_str(&serde_saphyr::to_string(&[row]).map_err(|error| error.to_string())?);
                }
            }
            Format::Json => {
                for (index, row) in rows.iter().enumerate() {
                    text.push_str(if self.printed + index == 0 { "[\n  " } else { ",\n  " });
                    text.push_str(&serde_json::to_string(row).map_err(|error| error.to_string())?);
                }
            }
        }
        self.printed += rows.len();
        Ok(text)
    }

    /// What ends the list.
    #[must_use]
    pub fn end(&self) -> &'static str {
        match (self.format, self.printed) {
            (Format::Json, 0) => "[]\n",
            (Format::Json, _) => "\n]\n",
            (Format::Yaml, 0) => "[]\n",
            _ => "",
        }
    }

    /// Columns as wide as the widest cell so far: later pages may only widen them.
    fn table<R: Row>(&mut self, rows: &[R], text: &mut String) {
        let head = (self.printed == 0 && !rows.is_empty())
            .then(|| R::COLUMNS.iter().map(|column| (*column).to_owned()).collect());
        let lines: Vec<Vec<String>> = head.into_iter().chain(rows.iter().map(Row::cells)).collect();
        self.widths.resize(R::COLUMNS.len(), 0);
        for line in &lines {
            for (width, cell) in self.widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for line in &lines {
            let mut printed = String::new();
            for (width, cell) in self.widths.iter().zip(line) {
                printed.push_str(&format!("{cell:<width$}", width = width + GAP));
            }
            text.push_str(printed.trim_end());
            text.push('\n');
        }
    }
}

/// A name as a table shows it: what a terminal would obey is escaped.
#[must_use]
pub fn shown(name: &str) -> String {
    if name.chars().any(char::is_control) { name.escape_debug().to_string() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Item {
        name: &'static str,
        size: u32,
    }

    impl Row for Item {
        const COLUMNS: &'static [&'static str] = &["NAME", "SIZE"];

        fn cells(&self) -> Vec<String> {
            vec![shown(self.name), self.size.to_string()]
        }

        fn name(&self) -> &str {
            self.name
        }
    }

    fn printed(format: Format, pages: &[&[Item]]) -> String {
        let mut printer = Printer::new(format);
        let mut text: String = pages.iter().map(|page| printer.page(page).unwrap()).collect();
        text.push_str(printer.end());
        text
    }

    const PAGES: &[&[Item]] = &[
        &[Item { name: "a", size: 1 }, Item { name: "long\n", size: 2 }],
        &[Item { name: "longer-name", size: 3 }],
    ];

    #[test]
    fn a_table_has_one_head_and_never_breaks_a_line() {
        assert_eq!(
            printed(Format::Table, PAGES),
            "NAME     SIZE\na        1\nlong\\n   2\nlonger-name   3\n"
        );
        assert_eq!(printed(Format::Table, &[&[]]), "");
    }

    #[test]
    fn json_and_yaml_over_several_pages_are_one_document() {
        for (format, read) in [
            (Format::Json, (|text| serde_json::from_str(text).unwrap()) as fn(&str) -> serde_json::Value),
            (Format::Yaml, |text| serde_saphyr::from_str(text).unwrap()),
        ] {
            let list = read(&printed(format, PAGES));
            assert_eq!(list.as_array().unwrap().len(), 3, "{format:?}");
            assert_eq!(list[1], serde_json::json!({"name": "long\n", "size": 2}), "{format:?}");
            assert_eq!(read(&printed(format, &[&[]])), serde_json::json!([]), "{format:?}");
        }
    }

    #[test]
    fn names_are_printed_as_they_are() {
        assert_eq!(printed(Format::Name, PAGES), "a\nlong\n\nlonger-name\n");
    }
}
