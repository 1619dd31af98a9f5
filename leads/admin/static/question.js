// The question on the screen: who rings the employee's phone, over whatever page he is on; and the key that opens the
// caller's card. Typed text and focus stay where they are.
"use strict";

(() => {
  const frame = document.getElementById("questions");
  const texts = frame.dataset;
  const list = frame.querySelector("[data-list]");
  const word = frame.querySelector("[data-word]");
  const template = frame.querySelector("template");
  const csrf = document.querySelector("input[name=csrf]").value;
  const shown = new Map(); // by the ringing's id: its element and what was told of it
  let before = null; // what had the focus before the buttons
  let worker = null; // the service worker's registration
  let speaking = 0;

  function say(text) {
    clearTimeout(speaking);
    word.textContent = text;
    word.hidden = !text;
    if (text) speaking = setTimeout(() => say(""), 8000);
  }

  async function post(address, fields) {
    const body = new URLSearchParams({ csrf, ...fields });
    const answer = await fetch(address, { method: "POST", body, headers: { Accept: "application/json" } });
    if (!answer.headers.get("Content-Type")?.startsWith("application/json")) throw new Error(`status ${answer.status}`);
    return answer.json();
  }

  // --- questions ---

  function show(questions) {
    const asked = new Set(questions.map((question) => question.id));
    for (const [id, { element }] of shown) {
      if (asked.has(id)) continue;
      const focused = element.contains(document.activeElement);
      element.remove();
      shown.delete(id);
      notify({ hidden: id });
      if (focused) (before?.isConnected ? before : document.getElementById("main")).focus({ preventScroll: true });
    }
    for (const question of questions) {
      const known = shown.get(question.id);
      if (known) update(known, question);
      else add(question);
      if (!known || JSON.stringify(known.question) !== JSON.stringify(question)) offer(question);
      shown.get(question.id).question = question;
    }
  }

  function add(question) {
    const element = template.content.firstElementChild.cloneNode(true);
    element.dataset.ring = question.id;
    element.querySelector("[data-who]").innerHTML = question.html;
    for (const button of element.querySelectorAll("[data-act=accept], [data-act=reject]")) button.hidden = !question.steered;
    element.querySelector("[data-unsteered]").hidden = question.steered;
    const why = whyNoNotifications();
    element.querySelector("[data-off-hint]").hidden = !why;
    element.querySelector("[data-why]").textContent = why;
    list.append(element);
    shown.set(question.id, { element, question });
  }

  function update({ element, question }, fresh) {
    const who = element.querySelector("[data-who]");
    if (question.html !== fresh.html && !who.contains(document.activeElement)) who.innerHTML = fresh.html;
  }

  async function act(element, action) {
    const ring = element.dataset.ring;
    if (action === "card") return openCard({ ring });
    if (action === "task") return openCard({ ring }, "#task_text"); // a browser unfolds what holds the field
    const buttons = element.querySelectorAll("[data-steered] button");
    // aria-disabled, not disabled: a disabled button would lose the focus.
    for (const button of buttons) button.setAttribute("aria-disabled", "true");
    const said = element.querySelector("[data-said]");
    try {
      const { outcome, text } = await post(`/questions/${action}`, { ring });
      if (outcome === "no-remote-answer" || outcome === "still-rings" || outcome === "unavailable") {
        said.textContent = text;
        said.hidden = false;
      } else if (outcome !== "answered") say(text);
    } catch {
      said.textContent = texts.failed;
      said.hidden = false;
    }
    for (const button of buttons) button.removeAttribute("aria-disabled");
    if (!element.isConnected && !said.hidden) say(said.textContent);
  }

  list.addEventListener("click", (event) => {
    const button = event.target.closest("[data-act]");
    if (button && button.getAttribute("aria-disabled") !== "true") act(button.closest(".question"), button.dataset.act);
  });

  // --- the caller's card, and calls from a card ---

  function typed() {
    return [...document.querySelectorAll("main input, main textarea, main select")].some((one) => {
      if (one.type === "hidden" || one.type === "search") return false;
      if (one.type === "checkbox" || one.type === "radio") return one.checked !== one.defaultChecked;
      if (one.options) return [...one.options].some((option) => option.selected !== option.defaultSelected) && one.value !== one.options[0].value;
      return one.value !== one.defaultValue;
    });
  }

  async function openCard(fields, place = "") {
    try {
      const { href, text } = await post("/questions/card", fields);
      if (!href) say(text);
      else if (typed()) open(href + place, "_blank"); // what was typed here stays
      else location.assign(href + place);
    } catch {
      say(texts.failed);
    }
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.matches("[data-open-card]")) {
      event.preventDefault();
      await openCard({});
    } else if (form.matches("[data-call]")) {
      event.preventDefault();
      const { csrf: _csrf, ...fields } = Object.fromEntries(new FormData(form));
      try {
        say((await post(form.getAttribute("action"), fields)).text);
      } catch {
        say(texts.failed);
      }
    } else return;
    form.removeAttribute("aria-busy"); // it may be sent again
  });

  // By the key's place where it is a letter, so that Ctrl+Q is the same key under a Cyrillic layout.
  function keyOf(event) {
    const letter = /^(?:Key|Digit)(.)$/.exec(event.code)?.[1] ?? event.key.toUpperCase();
    const held = [event.ctrlKey && "Ctrl", event.altKey && "Alt", event.shiftKey && "Shift", event.metaKey && "Meta"];
    return [...held.filter(Boolean), letter].join("+");
  }

  document.addEventListener("keydown", (event) => {
    const key = keyOf(event);
    if (event.target.matches?.("#card_key")) {
      if (!/^(?:(?=Ctrl|Alt|Meta)(?:Ctrl\+)?(?:Alt\+)?(?:Shift\+)?(?:Meta\+)?[A-Z0-9]|(?:Shift\+)?F(?:[1-9]|1[0-2]))$/.test(key)) return;
      event.target.value = key;
    } else if (key === texts.cardKey) {
      if (!event.repeat) openCard({});
    } else if (key === "F8" && shown.size > 0) {
      const inside = frame.contains(document.activeElement);
      if (!inside) before = document.activeElement;
      if (inside) before?.focus({ preventScroll: true });
      else list.querySelector("[data-act]:not([hidden])").focus({ preventScroll: true });
    } else return;
    event.preventDefault();
  }, true);

  // --- notifications of the browser ---

  function whyNoNotifications() {
    if (!isSecureContext) return texts.insecure;
    if (!("Notification" in self) || !("serviceWorker" in navigator)) return texts.unsupported;
    return { granted: "", denied: texts.denied }[Notification.permission] ?? texts.off;
  }

  function notify(message) {
    worker?.active?.postMessage({ ...message, csrf, texts: { accept: texts.accept, reject: texts.reject, failed: texts.failed } });
  }

  // The service worker shows it when no window of ours has the focus.
  function offer(question) {
    if (!document.hasFocus()) notify({ question });
  }

  async function startNotifications() {
    if (whyNoNotifications()) return;
    await navigator.serviceWorker.register(texts.worker);
    worker = await navigator.serviceWorker.getRegistration(texts.worker);
    if (worker && !worker.active) await new Promise((ready) => {
      const coming = worker.installing ?? worker.waiting;
      coming.addEventListener("statechange", () => { if (coming.state === "activated") ready(); });
    });
    for (const { question } of shown.values()) offer(question);
  }

  addEventListener("blur", () => { for (const { question } of shown.values()) offer(question); });

  const state = document.querySelector("[data-notifications]");
  const turnOn = document.querySelector("[data-notifications-on]");
  function tellNotifications() {
    const text = whyNoNotifications() || texts.on;
    state.textContent = text[0].toLocaleUpperCase() + text.slice(1);
    turnOn.hidden = whyNoNotifications() !== texts.off;
  }
  if (state) {
    tellNotifications();
    turnOn.addEventListener("click", async () => {
      await Notification.requestPermission();
      tellNotifications();
      startNotifications();
    });
  }

  // --- begin ---

  startNotifications().catch(() => {});
  const language = document.documentElement.lang;
  if ("SharedWorker" in self) {
    let shared = null;
    const join = () => {
      shared = new SharedWorker(texts.stream, { name: language });
      shared.port.addEventListener("message", (event) => show(event.data));
      shared.port.start();
    };
    join();
    addEventListener("pagehide", () => shared.port.postMessage("bye"));
    addEventListener("pageshow", (event) => { if (event.persisted) join(); });
  } else {
    const following = followQuestions(show, language);
    addEventListener("pagehide", () => following.close());
  }
})();
