// What became due, and tasks that others gave: shown once, on the page that is looked at, without taking the focus.
"use strict";

(() => {
  const EVERY = 60_000;
  const frame = document.querySelector("[data-reminders]");
  const count = document.querySelector("[data-day-count]");
  const csrf = document.querySelector("input[name=csrf]").value;

  function show({ text, href }) {
    const item = document.createElement("p");
    const link = document.createElement("a");
    link.href = href;
    link.textContent = text;
    const close = document.createElement("button");
    close.className = "icon-button";
    close.type = "button";
    close.textContent = "×";
    close.setAttribute("aria-label", frame.dataset.close);
    close.addEventListener("click", () => {
      item.remove();
      frame.hidden = frame.children.length === 0;
    });
    item.append(link, close);
    frame.append(item);
    frame.hidden = false;
  }

  async function ask() {
    if (document.visibilityState !== "visible") return;
    try {
      const answer = await fetch("/live/reminders", { method: "POST", body: new URLSearchParams({ csrf }), redirect: "error" });
      if (!answer.ok) return;
      const { due, items } = await answer.json();
      count.textContent = due > 99 ? "99+" : due;
      count.hidden = due === 0;
      items.forEach(show);
    } catch {
      // The next minute asks again.
    }
  }

  ask();
  setInterval(ask, EVERY);
  document.addEventListener("visibilitychange", ask);
})();
