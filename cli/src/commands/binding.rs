//! `kubectl kv binding NAME -o FORM`: what to paste so that a Worker, wrangler, a program or a person uses the
//! KvNamespace. Nothing is asked of the server.

use clap::{Args, ValueEnum};
use nearkv::Namespace;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::reach::{ServerArgs, namespace};
use crate::terminal;

/// `kubectl kv binding`.
#[derive(Debug, Args)]
pub struct BindingArgs {
    /// The KvNamespace.
    #[arg(value_name = "NAME")]
    pub name: String,

    /// What for.
    #[arg(short, long, value_enum, default_value_t = Form::Workerd)]
    pub output: Form,

    /// The name of the binding in the Worker. Default: NAME in capitals, with _ for -.
    #[arg(long, value_name = "BINDING")]
    pub binding: Option<String>,

    #[command(flatten)]
    server: ServerArgs,
}

/// `-o`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// A service and a binding for workerd's configuration (Cap'n Proto).
    Workerd,
    /// The binding in wrangler.toml, and the environment that sends wrangler here.
    Wrangler,
    /// Variables for kubectl kv, wrangler and Cloudflare's SDKs, to be sourced by a shell.
    Env,
    /// curl commands.
    Curl,
}

/// Prints it.
///
/// # Errors
/// A URL that workerd cannot use; a cluster that has no nearkv.
pub async fn run(args: BindingArgs) -> Result<(), Failure> {
    let (url, account) = args.server.address().await?;
    let namespace = namespace(&account, &args.name)?;
    let binding = args.binding.unwrap_or_else(|| namespace.name().to_uppercase().replace('-', "_"));
    terminal::say(&text(args.output, &url, &namespace, &binding)?)
}

/// The text, without its last line feed.
fn text(form: Form, url: &str, namespace: &Namespace, binding: &str) -> Result<String, Failure> {
    let (account, id) = (namespace.account(), namespace.id());
    Ok(match form {
        Form::Workerd => workerd(url, namespace, binding)?,
        Form::Wrangler => format!(
            "\
# wrangler.toml
[[kv_namespaces]]
binding = \"{binding}\"
id = \"{id}\"

# The environment of `wrangler kv … --remote --namespace-id {id}`:
#   CLOUDFLARE_API_BASE_URL={url}/client/v4
#   CLOUDFLARE_ACCOUNT_ID={account}
#   CLOUDFLARE_API_TOKEN=…          any text in development mode, else as below
{}",
            token_advice(namespace)
        ),
        Form::Env => format!(
            "\
export NEARKV_SERVER='{url}'
export NEARKV_NAMESPACE='{account}'
export CLOUDFLARE_API_BASE_URL='{url}/client/v4'
export CLOUDFLARE_BASE_URL='{url}/client/v4'
export CLOUDFLARE_ACCOUNT_ID='{account}'
export {binding}_NAMESPACE_ID='{id}'
export {binding}_URL='{url}/kv/{namespace}'
{}",
            token_advice(namespace)
        ),
        Form::Curl => format!(
            "\
curl '{url}/kv/{namespace}/KEY'
curl -X PUT --data-binary 'VALUE' '{url}/kv/{namespace}/KEY?expiration_ttl=3600'
curl -X DELETE '{url}/kv/{namespace}/KEY'
curl '{url}/kv/{namespace}?prefix=PREFIX'
{}",
            token_advice(namespace)
        ),
    })
}

/// Where the token comes from. It is not looked up: what is printed ends up in files and histories.
fn token_advice(namespace: &Namespace) -> String {
    let (account, name) = (namespace.account(), namespace.name());
    format!(
        "\
# Where the server asks for a token (NEARKV_TOKEN, or Authorization: Bearer), with spec.binding of the KvNamespace:
#   kubectl get secret -n {account} {name}-kv -o jsonpath='{{.data.token}}' | base64 -d"
    )
}

/// workerd names a server by its address alone: the KvNamespace travels in a header (contract §1.11).
fn workerd(url: &str, namespace: &Namespace, binding: &str) -> Result<String, Failure> {
    let unusable = |why: &str| {
        Failure::new(Exit::Usage, format!("workerd cannot bind to {url}: {why}"))
            .with_advice("name a server by scheme, host and port, such as http://127.0.0.1:8701")
    };
    let (secure, authority) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
        (Some(authority), _) => (false, authority),
        (_, Some(authority)) => (true, authority),
        _ => return Err(unusable("it is neither http nor https")),
    };
    if authority.contains('/') {
        return Err(unusable("it has a path"));
    }
    if authority.contains('@') {
        return Err(unusable("it has a password"));
    }
    let header = format!("injectRequestHeaders = [(name = \"Nearkv-Namespace\", value = \"{namespace}\")]");
    let with_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let (port, how) = if secure {
        (443, format!("https = (\n    options = ({header}),\n    tlsOptions = (trustBrowserCas = true))"))
    } else {
        (80, format!("http = (\n    {header})"))
    };
    let address = if with_port { authority.to_owned() } else { format!("{authority}:{port}") };
    let service = format!("kv-{}-{}", namespace.account(), namespace.name());
    Ok(format!(
        "\
# In `bindings` of the Worker:
(name = \"{binding}\", kvNamespace = \"{service}\"),

# In `services` of the config:
(name = \"{service}\", external = (
  address = \"{address}\",
  {how}
)),
{}
# It goes into injectRequestHeaders beside the KvNamespace: (name = \"Authorization\", value = \"Bearer …\").",
        token_advice(namespace)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(form: Form, url: &str) -> Result<String, Failure> {
        text(form, url, &Namespace::new("team-a", "site-settings").unwrap(), "SITE_SETTINGS")
    }

    #[test]
    fn workerd_gets_the_address_and_the_header() {
        assert_eq!(
            printed(Form::Workerd, "http://127.0.0.1:8701").unwrap(),
            r#"# In `bindings` of the Worker:
(name = "SITE_SETTINGS", kvNamespace = "kv-team-a-site-settings"),

# In `services` of the config:
(name = "kv-team-a-site-settings", external = (
  address = "127.0.0.1:8701",
  http = (
    injectRequestHeaders = [(name = "Nearkv-Namespace", value = "team-a/site-settings")])
)),
# Where the server asks for a token (NEARKV_TOKEN, or Authorization: Bearer), with spec.binding of the KvNamespace:
#   kubectl get secret -n team-a site-settings-kv -o jsonpath='{.data.token}' | base64 -d
# It goes into injectRequestHeaders beside the KvNamespace: (name = "Authorization", value = "Bearer …")."#
        );
        assert!(
            printed(Form::Workerd, "https://kv.example").unwrap().contains("address = \"kv.example:443\"")
        );
        assert!(printed(Form::Workerd, "http://[::1]").unwrap().contains("address = \"[::1]:80\""));
        assert_eq!(printed(Form::Workerd, "http://kv.example/base").unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn wrangler_gets_the_id_that_is_the_same_everywhere() {
        let id = Namespace::new("team-a", "site-settings").unwrap().id().to_string();
        let text = printed(Form::Wrangler, "http://h:1").unwrap();
        assert!(text.contains(&format!("id = \"{id}\"")), "{text}");
        assert!(text.contains("CLOUDFLARE_API_BASE_URL=http://h:1/client/v4"), "{text}");
    }

    #[test]
    fn the_environment_can_be_sourced() {
        let text = printed(Form::Env, "http://h:1").unwrap();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.strip_prefix("export ").unwrap().split_once('=').unwrap();
            assert!(name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{name}");
            assert!(value.starts_with('\'') && value.ends_with('\''), "{value}");
        }
    }
}
