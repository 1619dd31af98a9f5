// Follows what the employee is asked, once for all his windows where the browser has shared workers (six connections
// are all that a browser gives one server), else for this window alone. They are told in the language of the page: a
// worker lives on when somebody chooses another one, and does not know which one the browser asks pages in.
"use strict";

function followQuestions(tell, language) {
  const SILENCE = 25000; // the server says something every 10 s
  const STALE = 4000; // a question that nobody confirms any more
  let source = null;
  let heard = 0;
  let tries = 0;
  let timer = 0;
  let stale = 0;
  let over = false;

  function heardSomething() {
    heard = Date.now();
    tries = 0;
    clearTimeout(stale);
  }

  function connect() {
    clearTimeout(timer);
    source?.close();
    over = false;
    heard = Date.now();
    source = new EventSource(`/live/questions/stream?language=${encodeURIComponent(language)}`);
    source.addEventListener("questions", (event) => {
      heardSomething();
      tell(JSON.parse(event.data));
    });
    source.addEventListener("beat", heardSomething);
    source.addEventListener("moved", end);
    source.addEventListener("signed-out", end);
    source.addEventListener("error", retry);
  }

  function end() {
    source?.close();
    source = null;
    over = true;
    tell([]);
  }

  // Waits longer each time, and not in step with everybody else's.
  function retry() {
    source?.close();
    clearTimeout(timer);
    clearTimeout(stale);
    stale = setTimeout(() => tell([]), STALE);
    const pause = Math.min(15000, 500 * 2 ** Math.min(tries, 5)) * (0.6 + 0.8 * Math.random());
    tries += 1;
    timer = setTimeout(async () => {
      // An EventSource does not tell a refusal from a dead line, so ask once what the matter is.
      const answer = await fetch("/live/session", { cache: "no-store", redirect: "manual" }).catch(() => null);
      if (answer && (answer.type === "opaqueredirect" || answer.status === 401)) end();
      else connect();
    }, pause);
  }

  setInterval(() => {
    if (source && source.readyState === EventSource.OPEN && Date.now() - heard > SILENCE) retry();
  }, 1000);
  connect();
  return { again: () => { if (over) connect(); }, close: () => source?.close() };
}

if (typeof SharedWorkerGlobalScope !== "undefined") {
  const ports = new Set();
  let last = [];
  const following = followQuestions((questions) => {
    last = questions;
    for (const port of ports) port.postMessage(questions);
  }, self.name);
  self.addEventListener("connect", (event) => {
    const [port] = event.ports;
    port.addEventListener("message", () => ports.delete(port));
    port.start();
    ports.add(port);
    port.postMessage(last);
    following.again();
  });
}
