// The Worker of the conformance tests. A test sends a function; it is run here, with the KV binding as its first
// argument, so that what a test shows is Worker code and not a translation of it. What it returns or throws goes
// back as JSON, in the form that lib/wire.js reads.

import { decode, encode } from "../lib/wire.js";

export default {
  async fetch(request, env) {
    const { source, args } = await request.json();
    try {
      const run = env.EVAL.newAsyncFunction(`return (${source})(KV, ...args)`, "test", "KV", "args");
      const value = await run(env.KV, args.map(decode));
      return Response.json({ value: encode(value) });
    } catch (error) {
      return Response.json({ error: { name: error.name, message: error.message } });
    }
  },
};
