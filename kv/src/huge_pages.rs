//! What a server's process asks of Linux for its memory, before anything else.

/// Does without transparent huge pages. The servers' allocator asks for them, and with them each piece of 64 KiB that
/// was ever touched may be 2 MiB of resident memory: a bulk of 100 MB, for which 13 MiB are enough, grew an operator by
/// 50 (docs/decisions/0007). Where Linux refuses, everything works, and more memory is needed.
pub fn do_without_huge_pages() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        // Comes before the log does.
        eprintln!("goes on with transparent huge pages, and needs more memory: {error}");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_does_without_huge_pages() {
        do_without_huge_pages();
        assert!(rustix::thread::transparent_huge_pages_are_disabled().unwrap());
    }
}
