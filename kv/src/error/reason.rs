//! Why an operation did not succeed: one word each, the same in logs, metrics and the header `Nearkv-Reason`, and
//! the HTTP status that it is answered with (contract §2.2).

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $status:literal;)*) => {
        /// Why an operation did not succeed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[$doc])* $name,)* }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// The stable word for it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Reason::$name => $word,)* }
            }

            /// The HTTP status it is answered with.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Reason::$name => $status,)* }
            }
        }
    };
}

reasons! {
    /// The path is not percent-encoded UTF-8.
    KeyUndecodable = "key-undecodable", 400;
    /// The key is empty.
    KeyEmpty = "key-empty", 400;
    /// The key is `.` or `..`.
    KeyIllegal = "key-illegal", 400;
    /// There is no entry under the key (REST only; the binding face answers 404 without a reason).
    KeyMissing = "key-missing", 404;
    /// The key or prefix has more than 512 bytes.
    KeyTooLong = "key-too-long", 414;
    /// `cache_ttl` is no integer of at least 30.
    CacheTtlInvalid = "cache-ttl-invalid", 400;
    /// `expiration_ttl` is no integer, not positive, or below the minimum.
    ExpirationTtlInvalid = "expiration-ttl-invalid", 400;
    /// `expiration` is no integer, in the past, or too near.
    ExpirationInvalid = "expiration-invalid", 400;
    /// The metadata have more than 1024 bytes.
    MetadataTooLong = "metadata-too-long", 413;
    /// The metadata are not JSON.
    MetadataInvalid = "metadata-invalid", 400;
    /// The value has more than 25 MiB.
    ValueTooLong = "value-too-long", 413;
    /// The client's body ended before its announced length.
    BodyIncomplete = "body-incomplete", 400;
    /// `key_count_limit` is no integer from 1 to 1000.
    LimitInvalid = "limit-invalid", 400;
    /// The cursor is not one of this KvNamespace's present data.
    CursorInvalid = "cursor-invalid", 400;
    /// A bulk get asks for a type other than `text` and `json`.
    TypeInvalid = "type-invalid", 400;
    /// A bulk get of type `text` over REST met a value that is not UTF-8.
    ValueNotText = "value-not-text", 400;
    /// A bulk get asks for no key or more than 100.
    KeyCountInvalid = "key-count-invalid", 400;
    /// A bulk get of type `json` met a value that is none.
    ValueNotJson = "value-not-json", 400;
    /// The values of a bulk get have more than 25 MB together.
    TotalTooLarge = "total-too-large", 413;
    /// A bulk put or bulk delete is longer than 100 MB, or an element of it than a value can be.
    BulkTooLarge = "bulk-too-large", 413;
    /// A request body is not what the operation takes.
    BodyInvalid = "body-invalid", 400;
    /// A request body is of another media type than the operation takes.
    MediaTypeInvalid = "media-type-invalid", 415;
    /// A header or parameter of our own is malformed.
    RequestInvalid = "request-invalid", 400;
    /// `Nearkv-Namespace` or the base path names no possible KvNamespace.
    NamespaceMalformed = "namespace-malformed", 400;
    /// The KvNamespace does not exist. Not 404, which a Worker would read as `null`.
    NamespaceMissing = "namespace-missing", 400;
    /// No KvNamespace of the account has the id (REST only).
    NamespaceUnknown = "namespace-unknown", 404;
    /// The account, which is a Kubernetes namespace, does not exist or is none that is served.
    AccountMissing = "account-missing", 404;
    /// The account has a KvNamespace with this title already.
    TitleTaken = "title-taken", 400;
    /// A KvNamespace's title is missing, or longer than 512 characters.
    TitleInvalid = "title-invalid", 400;
    /// The KvNamespace belongs to a manifest, and can only be changed there.
    NamespaceDeclared = "namespace-declared", 409;
    /// The KvNamespace exists, and its data are not in memory yet.
    NamespaceLoading = "namespace-loading", 503;
    /// The KvNamespace's root is missing, damaged or foreign: no write is taken (design §6 invariant 7).
    NamespaceDamaged = "namespace-damaged", 503;
    /// The request shows no token, or one that is nobody's.
    Unauthenticated = "unauthenticated", 401;
    /// The token is good, and does not permit this.
    Forbidden = "forbidden", 403;
    /// The method is not one of the face.
    MethodNotAllowed = "method-not-allowed", 405;
    /// The path is not one of the face.
    RouteMissing = "route-missing", 404;
    /// `If-Match` or `If-None-Match` does not hold.
    PreconditionFailed = "precondition-failed", 412;
    /// `Nearkv-Min-Version` asks for a state that the freshly read root does not have.
    VersionNotReached = "version-not-reached", 412;
    /// The key is declared by the KvNamespace object.
    KeyDeclared = "key-declared", 409;
    /// The KvNamespace's own quota would be exceeded.
    QuotaExceeded = "quota-exceeded", 413;
    /// The cluster's budget for all KvNamespaces would be exceeded.
    BudgetExceeded = "budget-exceeded", 413;
    /// The queue of writes is full, or the API server asks for patience.
    Throttled = "throttled", 429;
    /// The store refused the write for good (permissions, admission).
    StoreRefused = "store-refused", 503;
    /// The store or the upstream cannot be reached; nothing was written.
    Unavailable = "unavailable", 503;
    /// The write may or may not have been committed.
    OutcomeUnknown = "outcome-unknown", 503;
    /// A fault of this program.
    Internal = "internal", 500;
}

impl Reason {
    /// The reason with this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == word)
    }

    /// Whether a read that met this may be answered from a stale copy: the authority could not be asked, as
    /// opposed to having refused.
    #[must_use]
    pub fn is_outage(self) -> bool {
        matches!(
            self,
            Self::NamespaceLoading
                | Self::NamespaceDamaged
                | Self::Throttled
                | Self::Unavailable
                | Self::Internal
        )
    }
}
