// Values between a test and the Worker: JSON, with a tag for what JSON has not. Runs on both sides.

const TAG = "$nearkv";

export function encode(value) {
  if (value === undefined) return { [TAG]: "undefined" };
  if (value instanceof ArrayBuffer) return { [TAG]: "bytes", base64: toBase64(new Uint8Array(value)) };
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteOffset, byteLength } = value;
    return { [TAG]: "bytes", base64: toBase64(new Uint8Array(buffer, byteOffset, byteLength)) };
  }
  if (value instanceof Map) {
    return { [TAG]: "map", entries: [...value].map(([key, held]) => [key, encode(held)]) };
  }
  if (Array.isArray(value)) return value.map(encode);
  if (value !== null && typeof value === "object") {
    return { [TAG]: "object", entries: Object.entries(value).map(([key, held]) => [key, encode(held)]) };
  }
  return value;
}

export function decode(value) {
  if (Array.isArray(value)) return value.map(decode);
  if (value === null || typeof value !== "object") return value;
  const entries = () => value.entries.map(([key, held]) => [key, decode(held)]);
  switch (value[TAG]) {
    case "undefined": return undefined;
    case "bytes": return fromBase64(value.base64);
    case "map": return new Map(entries());
    default: return Object.fromEntries(entries());
  }
}

function toBase64(bytes) {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
