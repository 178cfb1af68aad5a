# The Catchment server in a small image: one binary, no shell, no root.
#
#   docker build -t catchment .
#   docker run -d -p 53:53/udp -p 53:53/tcp -v "$PWD/zones:/zones:ro" catchment
#
# Both base images are arguments: your registry's copies, or your own. The runtime needs glibc and libgcc_s, no more.
ARG BUILD_IMAGE=docker.io/library/rust:1-bookworm
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12

FROM ${BUILD_IMAGE} AS build
WORKDIR /source
COPY . .
RUN cargo build --release --locked --bin catchment
# The capability lets a user who is not root bind port 53, and nothing else.
RUN command -v setcap >/dev/null || { apt-get update && apt-get install -y --no-install-recommends libcap2-bin; }
RUN mkdir -p /image/usr/local/bin /image/zones \
    && cp target/release/catchment /image/usr/local/bin/catchment \
    && setcap cap_net_bind_service=+ep /image/usr/local/bin/catchment

FROM ${RUNTIME_IMAGE}
COPY --from=build /image/ /
USER 65532:65532
EXPOSE 53/udp 53/tcp
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["/usr/local/bin/catchment", "health", "--server", "127.0.0.1:53"]
ENTRYPOINT ["/usr/local/bin/catchment"]
CMD ["serve", "/zones", "--listen", "0.0.0.0:53", "--listen", "[::]:53"]
