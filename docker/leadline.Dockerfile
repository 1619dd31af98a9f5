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
# The account's number is Asterisk's in its own image: see there.
RUN python3 -m pip install --no-cache-dir --no-deps . \
    && rm -rf build ./*.egg-info \
    && groupadd --system --gid 890 leadline \
    && useradd --system --uid 890 --gid leadline --home-dir /var/lib/leadline --no-create-home leadline \
    && install -d -o leadline -g leadline -m 0750 /var/lib/leadline
USER leadline
WORKDIR /var/lib/leadline
# Migrating is safe to repeat, and while other servers start.
CMD ["sh", "-c", "leadline migrate && exec leadline serve"]
