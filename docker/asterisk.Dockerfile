# Asterisk 22 from Debian, with this repository's configuration, which its entry point fills in at each start.
ARG BASE=debian:forky-slim
FROM ${BASE}
# The account has the number of Leadline's in its own image, so that Leadline may delete the recordings it has listed.
RUN groupadd --system --gid 890 asterisk \
    && useradd --system --uid 890 --gid asterisk --home-dir /var/lib/asterisk --no-create-home asterisk
RUN apt-get update \
    && apt-get install -y --no-install-recommends asterisk asterisk-core-sounds-en-gsm python3-minimal \
    && rm -rf /var/lib/apt/lists/* /etc/asterisk/*
WORKDIR /opt/leadline
COPY dialplan dialplan
COPY asterisk-conf asterisk-conf
COPY docker/asterisk_entrypoint.py asterisk_entrypoint.py
RUN install -d -o asterisk -g asterisk -m 0750 \
        /etc/asterisk /run/asterisk /var/spool/asterisk/monitor \
    && install -d -o asterisk -g asterisk -m 0755 /var/log/asterisk/cel-custom
USER asterisk
ENTRYPOINT ["python3", "/opt/leadline/asterisk_entrypoint.py"]
