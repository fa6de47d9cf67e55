# The image of a baseline's authors' code: a Python as old as that code, and exactly the hashed lock of envs/ that LOCKS
# names. Neither that code nor ours is inside. containers/build --image seek-cuda makes it from this file, with the BASE
# of containers/builder/catalogue.py.

ARG BASE

# Empty, unless --build-context local=FOLDER gives wheels or a package index that the machine has on disk.
FROM scratch AS local

FROM $BASE

# The base's pip installs into the environment: the one that old Pythons bring for new environments knows no wheels of today.
# What has no wheel is built from its hashed source, with the newest setuptools that the Python takes.
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
