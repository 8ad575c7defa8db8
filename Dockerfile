# The same images as `nearkv-images` makes, for those who have a container engine: one static program each, FROM scratch.
#   docker build --target nearkv-operator -t nearkv-operator .      likewise nearkv-edge-cache and kubectl-kv
# The bill of materials is in the archives of `nearkv-images`; an engine makes its own (`docker build --sbom=true`).

FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev
WORKDIR /nearkv
COPY . .
# A target is named, because without one the flag would be that of build scripts and macros too, which cannot be static.
RUN target=$(rustc -vV | sed -n 's/^host: //p') \
 && RUSTFLAGS="-C target-feature=+crt-static" cargo build --profile dist --locked --target "$target" \
      --package nearkv-operator --package nearkv-edge-cache --package kubectl-kv --features kubectl-kv/cluster \
 && mv "target/$target/dist" /out

FROM scratch AS base
COPY LICENSE /LICENSE
USER 65532:65532
LABEL org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.url="https://nearkv.dev"

FROM base AS nearkv-operator
LABEL org.opencontainers.image.title="nearkv operator"
COPY --from=build /out/nearkv-operator /nearkv-operator
EXPOSE 8700 9700
ENTRYPOINT ["/nearkv-operator"]

FROM base AS nearkv-edge-cache
LABEL org.opencontainers.image.title="nearkv edge cache"
COPY --from=build /out/nearkv-edge-cache /nearkv-edge-cache
EXPOSE 8701 9701
ENTRYPOINT ["/nearkv-edge-cache"]

FROM base AS kubectl-kv
LABEL org.opencontainers.image.title="kubectl kv"
COPY --from=build /out/kubectl-kv /kubectl-kv
ENTRYPOINT ["/kubectl-kv"]
