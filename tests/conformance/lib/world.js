// What the tests talk to. tests/tests/conformance starts it and says where it is; by hand:
//
//   kubectl-kv dev -f tests/conformance/namespaces.yaml
//   NEARKV_URL=http://127.0.0.1:8701 NEARKV_ACCOUNT=default NEARKV_KUBECTL_KV=target/debug/kubectl-kv node --test

/** The URL of an edge, without a slash at the end: every client is pointed at it. */
export const url = required("NEARKV_URL");

/** The Kubernetes namespace of the KvNamespaces of namespaces.yaml. */
export const account = required("NEARKV_ACCOUNT");

/** What REST clients authenticate with. Development mode takes any. */
export const token = process.env.NEARKV_TOKEN ?? "any-token";

/** An environment variable that has to be set. */
export function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: see tests/README.md`);
  return value;
}
