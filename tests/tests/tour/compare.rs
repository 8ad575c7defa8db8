//! Compares what was printed with what the page promises. `…` stands for anything within a line, and for any lines
//! where it is a line of its own.

/// What stands for anything.
const ANY: char = '…';

/// `None` if the output is as promised, else the difference.
pub(crate) fn difference(expected: &[String], printed: &str) -> Option<String> {
    let printed: Vec<&str> =
        printed.trim_end_matches('\n').split('\n').map(|l| l.trim_end_matches('\r')).collect();
    let printed = if printed == [""] { Vec::new() } else { printed };
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    if lines_match(&expected, &printed) {
        return None;
    }
    let same = expected.iter().zip(&printed).take_while(|(e, p)| line_matches(e, p)).count();
    let mut difference = String::new();
    let mut show = |mark: char, lines: &[&str]| {
        for line in lines {
            difference.push_str(&format!("  {mark} {line}\n"));
        }
    };
    show(' ', &printed[..same]);
    show('-', &expected[same..]);
    show('+', &printed[same..]);
    Some(difference)
}

fn lines_match(expected: &[&str], printed: &[&str]) -> bool {
    match expected.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first.chars().eq([ANY]) => {
            (0..=printed.len()).any(|skipped| lines_match(rest, &printed[skipped..]))
        }
        Some((first, rest)) => printed
            .split_first()
            .is_some_and(|(line, others)| line_matches(first, line) && lines_match(rest, others)),
    }
}

/// Whether the parts between the wildcards stand in the line, in their order, the first at its start and the last at
/// its end.
fn line_matches(expected: &str, line: &str) -> bool {
    let Some((start, rest)) = expected.split_once(ANY) else { return expected == line };
    let Some(mut line) = line.strip_prefix(start) else { return false };
    let (middle, end) = rest.rsplit_once(ANY).unwrap_or(("", rest));
    for part in middle.split(ANY) {
        match line.split_once(part) {
            Some((_, after)) => line = after,
            None => return false,
        }
    }
    line.ends_with(end)
}

#[test]
fn dots_stand_for_anything_and_the_rest_must_be_there() {
    let same = |expected: &str, printed: &str| {
        let expected: Vec<String> = expected.lines().map(str::to_owned).collect();
        difference(&expected, printed).is_none()
    };
    assert!(same("", "") && same("a", "a") && same("a", "a\n") && same("a\n\nb", "a\n\nb\n"));
    assert!(!same("", "a") && !same("a", "") && !same("a", "ab") && !same("a\nb", "a"));
    assert!(
        same("a…c", "abc") && same("a…", "a") && same("…404", "Not Found404") && same("a…c…e…", "abcdef")
    );
    assert!(!same("a…c", "abcd") && !same("a…c…e", "aec") && !same("ab…bc", "abc"));
    assert!(same("a\n…\nd", "a\nb\nc\nd") && same("…", "") && !same("a\n…\nd", "a\nb\nc"));
    let difference = difference(&["a".to_owned(), "b".to_owned()], "a\nc\n").unwrap();
    assert_eq!(difference, "    a\n  - b\n  + c\n");
}
