// Preloaded into every wrangler: a connection to another machine is refused, and written down, so that the test fails.

const { appendFileSync } = require("node:fs");
const { Socket } = require("node:net");

const { connect } = Socket.prototype;
const HERE = new Set(["127.0.0.1", "::1", "localhost"]);

Socket.prototype.connect = function (...given) {
  // As Node calls itself (an array), or as its documentation has it.
  const [first, second] = Array.isArray(given[0]) ? given[0] : given;
  const { path, host = "localhost" } = typeof first === "object" ? first : { host: typeof second === "string" ? second : undefined };
  if (path || HERE.has(host)) return connect.apply(this, given);
  appendFileSync(process.env.NEARKV_ESCAPES, `${host}\n`);
  process.nextTick(() => this.destroy(new Error(`${host} is not this machine`)));
  return this;
};
