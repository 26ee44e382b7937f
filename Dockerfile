# A tag, no digest: a rebuild takes the fixes of Debian and Python; our own packages are locked.
FROM python:3.11-slim-bookworm AS base
WORKDIR /srv/hailong


FROM base AS builder
COPY requirements-server.lock ./
# Wheels only: building a package runs code that no hash covers, and needs a compiler.
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --no-cache-dir --only-binary=:all: \
        --require-hashes -r requirements-server.lock

# Guarded, because each serving process reads this file again.
RUN printf '%s\n' '#!/opt/venv/bin/python' 'from app.cli import main' \
        'if __name__ == "__main__":' '    main()' > /opt/venv/bin/hailong \
    && chmod 0755 /opt/venv/bin/hailong

COPY examples examples
COPY app app
# A checkout under a strict umask would be unreadable to the user below.
RUN chmod -R a+rX /srv/hailong


FROM base
# A fixed number, for those who set rights on a mounted folder or demand a user that is not root.
RUN groupadd --gid 10001 hailong \
    && useradd --uid 10001 --gid hailong --home-dir /var/lib/hailong --no-create-home \
        --shell /usr/sbin/nologin hailong \
    && install --directory --owner=hailong --group=hailong --mode=0700 /var/lib/hailong

COPY --from=builder /opt/venv /opt/venv
COPY --from=builder /srv/hailong /srv/hailong

ENV PATH="/opt/venv/bin:$PATH" \
    PYTHONPATH=/srv/hailong \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HAILONG_HOST=0.0.0.0 \
    HAILONG_DATA_DIR=/var/lib/hailong

USER 10001:10001
# For reference.key, when HAILONG_REFERENCE_KEY is unset; the data is in PostgreSQL.
VOLUME ["/var/lib/hailong"]
EXPOSE 8000

# No proxy: a container may be given one, and it cannot reach this address.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-c", \
    "import sys, urllib.request as r; r.build_opener(r.ProxyHandler({})).open(sys.argv[1])", \
    "http://127.0.0.1:8000/healthz"]

ENTRYPOINT ["hailong"]
CMD ["serve"]
