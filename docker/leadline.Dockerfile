# The server: FastAGI, AMI listener, panel.
ARG BASE=python:3.13-slim
FROM ${BASE}
WORKDIR /opt/leadline
COPY requirements/runtime.txt requirements/runtime.txt
RUN python3 -m pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md ./
COPY leads leads
COPY routing routing
COPY dialplan dialplan
COPY agi agi
COPY ami_listener ami_listener
COPY leadline leadline
COPY asterisk-conf asterisk-conf
RUN python3 -m pip install --no-cache-dir --no-deps . \
    && useradd --system --home-dir /var/lib/leadline --create-home leadline
USER leadline
WORKDIR /var/lib/leadline
# Migrating is safe to repeat, and while other servers start.
CMD ["sh", "-c", "leadline migrate && exec leadline serve"]
