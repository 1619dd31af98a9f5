// Keeps the live page current without reloading: rows are changed in place by their id, so that typed text, focus,
// selection and scroll stay where they are; clocks tick here.
"use strict";

(() => {
  const live = document.getElementById("live");
  const state = document.getElementById("live-state");
  const trouble = document.getElementById("live-trouble");
  const filter = document.getElementById("live-filter");
  const bodies = { running: document.getElementById("running"), recent: document.getElementById("recent") };
  const SILENCE = 25000; // the server says something every 10 s
  let ahead = Date.now() - Number(live.dataset.now); // how far this computer's clock is ahead of the server's
  let source = null;
  let heard = Date.now();
  let tries = 0;
  let timer = 0;

  // --- rows ---

  function sameAttributes(old, fresh) {
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && name !== "hidden") old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }

  function morph(old, fresh) {
    sameAttributes(old, fresh);
    if (old.classList.contains("tick")) return;
    const olds = [...old.childNodes];
    const news = [...fresh.childNodes];
    news.forEach((node, place) => {
      const mine = olds[place];
      if (!mine) old.append(node);
      else if (mine.nodeType !== node.nodeType || mine.nodeName !== node.nodeName) mine.replaceWith(node);
      else if (node.nodeType === Node.ELEMENT_NODE) morph(mine, node);
      else if (mine.data !== node.data) mine.data = node.data;
    });
    olds.slice(news.length).forEach((node) => node.remove());
  }

  function rowsOf(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    return [...template.content.querySelectorAll("tr")];
  }

  // The first row in sight: what stands there must not move when a row comes in above it.
  function anchor() {
    if (scrollY <= 0) return null;
    const row = [...live.querySelectorAll("tr.call-row:not([hidden])")].find((one) => one.getBoundingClientRect().top >= 0);
    return row ? { row, top: row.getBoundingClientRect().top } : null;
  }

  function show(parts) {
    trouble.textContent = parts.trouble;
    trouble.hidden = parts.trouble === "";
    const focused = document.activeElement;
    const seen = anchor();
    const kept = new Set();
    const present = new Map([...live.querySelectorAll("tr.call-row")].map((row) => [row.id, row]));
    for (const [name, body] of Object.entries(bodies)) {
      let place = body.firstElementChild;
      for (const fresh of rowsOf(parts[name])) {
        const row = present.get(fresh.id) ?? fresh;
        kept.add(row.id);
        if (row !== fresh) morph(row, fresh);
        if (row === place) place = place.nextElementSibling;
        else body.insertBefore(row, place);
      }
    }
    for (const [id, row] of present) if (!kept.has(id)) row.remove();
    tick();
    sift();
    if (focused && focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
    if (seen?.row.isConnected) scrollBy(0, seen.row.getBoundingClientRect().top - seen.top);
  }

  function sift() {
    const wanted = filter.value.trim().toLocaleLowerCase();
    const digits = wanted.replace(/\D/g, "");
    const isNumber = digits.length >= 3 && /^[\d\s()+-]+$/.test(wanted);
    let fitting = 0;
    for (const [name, body] of Object.entries(bodies)) {
      const rows = [...body.children];
      for (const row of rows) {
        const text = row.textContent.toLocaleLowerCase();
        row.hidden = wanted !== "" && !(isNumber ? text.replace(/\D/g, "").includes(digits) : text.includes(wanted));
        if (!row.hidden) fitting += 1;
      }
      live.querySelector(`[data-empty="${name}"]`).hidden = rows.length > 0;
      body.closest("table").hidden = rows.length === 0;
    }
    live.querySelector('[data-count="running"]').textContent = bodies.running.children.length || "";
    live.querySelector("[data-none]").hidden = wanted === "" || fitting > 0;
  }

  // --- clocks ---

  function tick() {
    for (const clock of live.querySelectorAll(".tick")) {
      const seconds = Math.max(0, Math.floor((Date.now() - ahead - Number(clock.dataset.since)) / 1000));
      const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
      const two = (number) => String(number).padStart(2, "0");
      const text = hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
      if (clock.textContent !== text) clock.textContent = text;
    }
  }

  // --- connection ---

  function say(name) {
    if (state.dataset.state === name) return;
    state.dataset.state = name;
    state.textContent = state.dataset[name];
  }

  function heardSomething() {
    heard = Date.now();
    tries = 0;
    say("connected");
  }

  function connect() {
    clearTimeout(timer);
    source?.close();
    heard = Date.now();
    source = new EventSource("/live/stream");
    source.addEventListener("calls", (event) => {
      ahead = Date.now() - Number(event.lastEventId);
      heardSomething();
      show(JSON.parse(event.data));
    });
    source.addEventListener("beat", heardSomething);
    source.addEventListener("moved", () => {
      source.close();
      source = null;
      say("moved");
    });
    // Whoever signed out on this page is on the way to another already.
    source.addEventListener("signed-out", () => document.querySelector("form[aria-busy]") || location.reload());
    source.addEventListener("error", () => retry());
  }

  // Waits longer each time, and not in step with everybody else's page.
  async function retry() {
    source?.close();
    say("lost");
    clearTimeout(timer);
    const pause = Math.min(15000, 500 * 2 ** Math.min(tries, 5)) * (0.6 + 0.8 * Math.random());
    tries += 1;
    timer = setTimeout(async () => {
      // An EventSource does not tell a refusal from a dead line, so ask once what the matter is.
      const answer = await fetch("/live/session", { cache: "no-store", redirect: "manual" }).catch(() => null);
      if (answer && (answer.type === "opaqueredirect" || answer.status === 401)) location.reload();
      else connect();
    }, pause);
  }

  setInterval(() => {
    tick();
    if (source && source.readyState === EventSource.OPEN && Date.now() - heard > SILENCE) retry();
  }, 1000);
  addEventListener("online", () => { if (state.dataset.state === "lost") connect(); });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && state.dataset.state === "moved") connect();
  });
  filter.addEventListener("input", sift);
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
  tick();
  sift();
  connect();
})();
