// Keys that a path, a query, a header, a shell or an object's member could take for something else.

/** Every key is at most 512 bytes of UTF-8, and neither "." nor "..". */
export const keys = [
  "a b", " leading and trailing ", "a+b", "100%", "%2F", "%", "%zz", "a&b=c", "?query", "#fragment", "a;b,c",
  "a/b", "/", "//", "/a//b/", "a/../b", "./x", "../x", "...", "C:\\path", "https://example.com/?q=1#top",
  "[ipv6]^|{}`\\", "\"quoted\" 'too'", "<tag>", "$HOME", "*", "~", "a:b@c", "--version", "-",
  ` a b/c+d:e@f&g=h?i#j%k"l<m>ü~'()*![]^|{}\`\\;,$_-.`,
  "\t\r\n", "\u0001\u001f", "\u007f\u009f", "null", "undefined", "true", "0", "123", "01", "-1", "1.5",
  "é", "e\u0301", "日本語", "🤓", "\u2028\u2029", "\ufeff", "\u202e", "ß", "İ",
  "__proto__", "constructor", "toString", "hasOwnProperty",
  "bulk/get", "keys", "values", "client/v4/accounts", "kv/default/settings/site_title",
  "x".repeat(512), "ü".repeat(256), "🤓".repeat(128), "%".repeat(512), "/".repeat(512),
];

/** NUL, which no argument of a program can hold. */
export const nul = "a\0b";

/** Sorts as Workers KV lists: by the bytes of UTF-8, which is not JavaScript's order. */
export function sorted(names) {
  return [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}
