"""Callers as Asterisk sends them, from a process of their own, so that nothing but the server makes them wait.

    python -m tests.leadline.callers PORT A_SECOND SECONDS

Prints the answer to each question, and how long it took, as JSON.
"""

import json
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from bench.seed import number_of

LEADS = 20_000
"""They call by turns."""
_QUESTION = (
    "agi_network: yes\nagi_network_script: route\nagi_request: agi://127.0.0.1/route\nagi_callerid: {number}\n"
    "agi_calleridname: unknown\nagi_callingpres: 0\nagi_arg_1: +380441234500\nagi_arg_2: {linkedid}\n\n"
)


def call(port: int, index: int, at: float) -> tuple[str, float]:
    """Ask about one caller when it is time."""
    question = _QUESTION.format(number=number_of(index * 37 % LEADS), linkedid=f"{index}.7").encode()
    time.sleep(max(0.0, at - time.monotonic()))
    began = time.perf_counter()
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(question)
            answer = connection.recv(4096).decode()
            took = time.perf_counter() - began
            connection.sendall(b"200 result=1\n")
    except OSError as error:
        return repr(error), time.perf_counter() - began
    return answer, took


def main(port: int, second: float, seconds: float) -> None:
    """Call at a steady pace, whatever becomes of the calls before."""
    begin = time.monotonic()
    with ThreadPoolExecutor(50) as threads:
        calls = [threads.submit(call, port, index, begin + index / second) for index in range(int(second * seconds))]
    print(json.dumps([one.result() for one in calls]))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
