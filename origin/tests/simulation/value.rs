//! The values of a history: each has a number of its own in it, so that where it shows up says which write it is of.

/// A value that no other write of the history has: a number, and a filling that follows from it.
pub(crate) fn value_of(number: u64, length: usize) -> Vec<u8> {
    let mut value = format!("{number}:").into_bytes();
    let pattern: Vec<u8> = (0..26).map(|index: u64| b'a' + ((index * 7 + number) % 26) as u8).collect();
    let end = value.len() + length;
    while value.len() < end {
        value.extend_from_slice(&pattern[..pattern.len().min(end - value.len())]);
    }
    value
}

/// The number in a value, if it is whole.
pub(crate) fn number_of(value: &[u8]) -> Result<u64, String> {
    let end = value.iter().position(|byte| *byte == b':').ok_or("a value has no number")?;
    let text = std::str::from_utf8(&value[..end]).map_err(|_| "a value has no number")?;
    let number = text.parse().map_err(|_| "a value has no number")?;
    if value_of(number, value.len() - end - 1) == value {
        Ok(number)
    } else {
        Err(format!("value {number} is mixed up"))
    }
}
