"""All benches, one after the other; each prints ratios within one run on one machine.

python -m bench
"""

from bench import ami_events, calls, fastagi, lists, recording, reports

if __name__ == "__main__":
    for bench in (fastagi, ami_events, recording, lists, reports, calls):
        bench.main()
