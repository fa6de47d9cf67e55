# The image for a baseline's authors' code: a Python as old as that code, with exactly the packages of the hashed lock
# in envs/ that LOCKS names. It contains neither that code nor ours. containers/build --image seek-cuda makes it from
# this file, with the BASE in containers/builder/catalogue.py.

ARG BASE

# Empty, unless --build-context local=FOLDER gives wheels or a package index on the machine's disk.
FROM scratch AS local

FROM $BASE

# The base's pip installs into the environment, because the pip bundled with old Pythons does not know current wheels.
# Packages without a wheel are built from their hashed source, with the newest setuptools that supports the Python.
ARG LOCKS
RUN --mount=type=secret,id=pipconf,target=/etc/pip.conf --mount=type=secret,id=certificates,target=/run/certificates.pem \
    --mount=type=bind,source=envs,target=/run/locks --mount=type=bind,from=local,target=/run/local \
    set -eu; export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_PROGRESS_BAR=off; \
    pip=$(python3 -c 'import pip; print(pip.__path__[0])'); python3 -m venv --without-pip /opt/env; \
    /opt/env/bin/python $pip install -q --require-hashes --no-deps --use-pep517 -r /run/locks/$LOCKS.lock; rm -rf /tmp/* /root/.cache

ENV PATH=/opt/env/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LANG=C.UTF-8 \
    PYTHONNOUSERSITE=1 PYTHONDONTWRITEBYTECODE=1 TRANSFORMERS_OFFLINE=1
ARG BASE
ARG DEBIAN=""
ARG IMAGE=unnamed
ARG LOCK_HASHES=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="$IMAGE" \
      org.opencontainers.image.base.name="$BASE" \
      org.opencontainers.image.revision="$REVISION" \
      synth-empathy.locks="$LOCK_HASHES"
USER nobody
CMD ["/opt/env/bin/python"]
